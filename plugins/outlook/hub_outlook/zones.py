"""IANA zone names to the Windows names that Exchange keeps, and back (Unicode CLDR windowsZones)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tzlocal import windows_tz

FALLBACK = "UTC"
"""The zone of a single event whose own zone nobody knows: its instants stay right."""

_ALIASES = {
    "tzone://microsoft/utc": "UTC",
    "utc": "UTC",
    "etc/utc": "UTC",
    "etc/gmt": "UTC",
    "gmt": "UTC",
    "z": "UTC",
    "kamchatka standard time": "Asia/Kamchatka",
    "mid-atlantic standard time": "Etc/GMT+2",
}
"""Names that the CLDR table lacks: legacy Exchange spellings, and those whose twin is UTC itself."""

_WINDOWS = {name.casefold(): iana for name, iana in windows_tz.win_tz.items()}


@cache
def zone(name: str) -> ZoneInfo | None:
    """Return the zone of an IANA name, or None if there is no such zone here."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


@cache
def to_windows(iana: str) -> str | None:
    """Return the Windows name of an IANA zone, or None if Exchange has no twin of it."""
    if _ALIASES.get(iana.casefold()) == "UTC":
        return "UTC"
    name = windows_tz.tz_win.get(iana)
    return name if name and to_iana(name) else None


@cache
def to_iana(name: str | None) -> str | None:
    """Return the IANA name of what Graph calls a zone; None for custom and unknown zones.

    Graph shows Windows names, but echoes IANA names of items that were written with one.
    """
    if not name:
        return None
    low = name.casefold()
    found = _ALIASES.get(low) or _WINDOWS.get(low)
    if found:
        return "UTC" if found in ("Etc/UTC", "Etc/GMT") else found
    if "/" in name and "://" not in name and zone(name):
        return name
    return None


@cache
def held_as(iana: str) -> str | None:
    """Return the zone that Outlook shows for an event written in `iana`, or None if it can hold none."""
    windows = to_windows(iana)
    return to_iana(windows) if windows else None


def to_utc(wall: datetime, iana: str) -> datetime:
    """Return the naive UTC time of a wall time."""
    return wall.replace(tzinfo=ZoneInfo(iana)).astimezone(UTC).replace(tzinfo=None, fold=0)


def to_wall(utc: datetime, iana: str) -> datetime:
    """Return the wall time of a naive UTC time."""
    return utc.replace(tzinfo=UTC).astimezone(ZoneInfo(iana)).replace(tzinfo=None, fold=0)


def is_plain(wall: datetime, iana: str) -> bool:
    """Whether a wall time exists once in its zone: not skipped, not repeated, by a clock change."""
    tz = ZoneInfo(iana)
    early, late = wall.replace(tzinfo=tz, fold=0), wall.replace(tzinfo=tz, fold=1)
    return early.utcoffset() == late.utcoffset()


def agree(one: str, other: str, wall: datetime) -> bool:
    """Whether two zones show the same clock around a time: then one can stand for the other."""
    a, b = ZoneInfo(one), ZoneInfo(other)
    times = (wall + timedelta(days=91 * n) for n in range(-1, 5))
    return all(t.replace(tzinfo=a).utcoffset() == t.replace(tzinfo=b).utcoffset() for t in times)
