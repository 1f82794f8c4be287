"""IANA zone names to the Windows names that Exchange keeps, and back (Unicode CLDR windowsZones).

Exchange takes no other names, but shows some: what people typed, display names, names of zones that
somebody made. `read` makes the most of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from tzlocal import windows_tz

from hub.plugin import rules

FALLBACK = "UTC"
"""The zone of a single event whose own zone nobody knows: its instants stay right."""

_ALIASES = {
    "tzone://microsoft/utc": "UTC",
    "utc": "UTC",
    "etc/utc": "UTC",
    "etc/gmt": "UTC",
    "gmt": "UTC",
    "z": "UTC",
    "coordinated universal time": "UTC",
    "kamchatka standard time": "Asia/Kamchatka",
    "mid-atlantic standard time": "Etc/GMT+2",
}
"""Names that the CLDR table lacks: legacy Exchange spellings, and those whose twin is UTC itself."""

_OLD = {
    "CST6CDT": "Central Standard Time",
    "EST5EDT": "Eastern Standard Time",
    "MST7MDT": "Mountain Standard Time",
    "PST8PDT": "Pacific Standard Time",
    "US/East-Indiana": "US Eastern Standard Time",
    "Europe/Uzhgorod": "FLE Standard Time",
    "Europe/Zaporozhye": "FLE Standard Time",
}
"""Windows names of old IANA names that the CLDR table does not have."""

_WINDOWS = {name.casefold(): iana for name, iana in windows_tz.win_tz.items()}
_NO_PLACES = frozenset({"localtime", "Factory", "posixrules"})
_DESCRIBED = re.compile(
    r"\(?(?:(?:UTC|GMT)(?:\s*([+\-\u2212])\s*(\d{1,2}):?([0-5]\d)?)?|([+\-\u2212])(\d{2}):([0-5]\d))\)?"
    r"(?:\s+(\S.*))?",
    re.IGNORECASE,
)
"""Names such as `(UTC+01:00) Amsterdam, Berlin`, `GMT+6:30` and `+05:30`: east is plus."""
_SAMPLE_YEARS = range(2025, 2029)
"""Within these years a zone with one offset is taken for one that has it always."""

_EARLY, _LATE = datetime(2, 1, 1), datetime(9997, 12, 31)


@dataclass(frozen=True, slots=True)
class Place:
    """The zone that a name stands for."""

    iana: str
    is_sure: bool = True
    """False if the name tells no more than an offset of some day."""


@cache
def to_windows(iana: str) -> str | None:
    """Return the Windows name of an IANA zone, or None if Exchange has no twin of it."""
    if _ALIASES.get(iana.casefold()) == "UTC":
        return "UTC"
    name = windows_tz.tz_win.get(iana) or _OLD.get(iana)
    return name if name and to_iana(name) else None


@cache
def to_iana(name: str | None) -> str | None:
    """Return the IANA zone of a name that Exchange takes; None for custom and unknown zones.

    Graph shows Windows names, but echoes IANA names of items that were written with one.
    """
    if not name:
        return None
    low = name.strip().casefold()
    found = _ALIASES.get(low) or _WINDOWS.get(low) or _iana_names().get(low)
    return "UTC" if found in ("Etc/UTC", "Etc/GMT") else found


@cache
def read(name: str | None) -> Place | None:
    """Return the zone of whatever stands where a zone's name should; None if it tells nothing."""
    if iana := to_iana(name):
        return Place(iana)
    described = _DESCRIBED.fullmatch((name or "").strip())
    if not described:
        return None
    sign, hours, minutes, *bare, places = described.groups()
    if bare[0]:
        sign, hours, minutes = bare
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    if sign not in (None, "+"):
        offset = -offset
    for iana in _named_places(places or ""):
        if _standard_offset(iana) == offset:
            return Place(iana)
    found = steady(offset)
    return Place(found, is_sure=not places) if found else None


@cache
def _iana_names() -> dict[str, str]:
    return {name.casefold(): name for name in available_timezones() - _NO_PLACES}


def _named_places(text: str) -> Iterator[str]:
    """Yield the zones that a display name may mean: `Pacific Time (US & Canada)`, or a list of places."""
    cities = _cities()
    for place in (text, re.sub(r" Time\b.*", "", text), *re.split(r"[,()]", text)):
        low = place.strip().casefold()
        iana = _ALIASES.get(low) or _WINDOWS.get(f"{low} standard time") or cities.get(low)
        if iana:
            yield to_iana(to_windows(iana)) or iana


@cache
def _cities() -> dict[str, str]:
    return {
        name.rpartition("/")[2].replace("_", " ").casefold(): name
        for name in sorted(available_timezones() - _NO_PLACES)
        if "/" in name and not name.startswith("Etc/")
    }


def _offsets(iana: str) -> set[timedelta]:
    tz = ZoneInfo(iana)
    days = (datetime(year, month, 1, 12, tzinfo=tz) for year in _SAMPLE_YEARS for month in range(1, 13))
    return {day.utcoffset() or timedelta(0) for day in days}


def _standard_offset(iana: str) -> timedelta:
    return min(_offsets(iana))


@cache
def steady(offset: timedelta) -> str | None:
    """Return a zone whose clock never changes and is that far ahead of UTC."""
    if not offset:
        return "UTC"
    hours = int(offset / timedelta(hours=1))
    if timedelta(hours=hours) == offset and -12 <= hours <= 14:
        return f"Etc/GMT{-hours:+d}"
    return next((z for z in sorted(set(windows_tz.win_tz.values())) if _offsets(z) == {offset}), None)


def fitting(utc: datetime, day: date, wished: str) -> str:
    """Return a zone in which an instant (naive UTC) falls on a day: the wished one, or a steady one near UTC.

    A rule names days of its own zone; in another zone its days would be others (docs-contrib#2202).
    """
    if to_wall(utc, wished).date() == day:
        return wished
    for hours in sorted(range(-12, 15), key=abs):
        if (utc + timedelta(hours=hours)).date() == day:
            return steady(timedelta(hours=hours)) or wished
    return wished


@cache
def held_as(iana: str) -> str | None:
    """Return the zone that Outlook shows for an event written in `iana`, or None if it can hold none."""
    windows = to_windows(iana)
    return to_iana(windows) if windows else None


def to_utc(wall: datetime, iana: str) -> datetime:
    """Return the naive UTC time of a wall time, at the ends of time (years 1 and 9999) the same digits."""
    return rules.to_wall(rules.to_utc(wall, ZoneInfo(iana)), None)


def to_wall(utc: datetime, iana: str) -> datetime:
    """Return the wall time of a naive UTC time, at the ends of time the same digits."""
    return rules.to_wall(utc, ZoneInfo(iana))


def is_plain(wall: datetime, iana: str) -> bool:
    """Whether a wall time exists once in its zone: not skipped, not repeated, by a clock change."""
    zone = ZoneInfo(iana)
    is_steady = zone.utcoffset(wall.replace(fold=1)) == zone.utcoffset(wall)
    return is_steady and (1 < wall.year < 9999 or exists(wall, iana))


def exists(wall: datetime, iana: str) -> bool:
    """Whether a wall time comes back from its instant: it is not skipped, nor beyond the ends of time."""
    return to_wall(to_utc(wall, iana), iana) == wall


def agree(one: str, other: str, wall: datetime) -> bool:
    """Whether two zones show the same clock around a time: then one can stand for the other."""
    a, b = ZoneInfo(one), ZoneInfo(other)
    wall = min(max(wall, _EARLY), _LATE)
    times = (wall + timedelta(days=91 * n) for n in range(-1, 5))
    return all(t.replace(tzinfo=a).utcoffset() == t.replace(tzinfo=b).utcoffset() for t in times)
