"""Recurrence lines: read leniently, since Google stores loose ones (sheet 5.2), and kept in one form."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from hub.plugin import rules
from hub_google.times import Time, at_midnight, to_utc

# fmt: off
_ORDER = (
    "FREQ", "INTERVAL", "BYMONTH", "BYWEEKNO", "BYYEARDAY", "BYMONTHDAY", "BYDAY", "BYHOUR", "BYMINUTE",
    "BYSECOND", "BYSETPOS", "WKST", "COUNT", "UNTIL",
)
# fmt: on
_DEFAULTS = {"INTERVAL": "1", "WKST": "MO"}


def read_lines(
    lines: Iterable[str], start: Time, zone: str | None
) -> tuple[tuple[str, ...], tuple[Time, ...]]:
    """Return the rules in one normal form, and the dates that EXDATE lines leave out.

    Args:
        start: the first occurrence, which decides whether dates or wall times are meant.
        zone: the zone of the series; for all-day ones that of the calendar.

    Raises:
        ValueError: a line means something that the hub's model cannot hold.
    """
    found: list[str] = []
    extra: set[Time] = set()
    left_out: set[Time] = set()
    for line in lines:
        name, params, value = _split(line)
        if name == "RRULE":
            found.append(f"RRULE:{_rule(value, start, zone)}")
        elif name in ("RDATE", "EXDATE"):
            stamps = filter(None, value.split(","))
            dates = {rules.read_stamp(text, start, zone, params.get("TZID")) for text in stamps}
            (extra if name == "RDATE" else left_out).update(dates)
        else:
            raise ValueError(f"a recurrence line {name} cannot be held")
    if extra:
        found.append(date_line("RDATE", extra, zone))
    return tuple(sorted(set(found), key=lambda r: (not r.startswith("RRULE"), r))), tuple(
        sorted(left_out, key=at_midnight)
    )


def date_line(name: str, dates: Iterable[Time], zone: str | None) -> str:
    """Return one RDATE or EXDATE line of the dates or wall times."""
    ordered = sorted(dates, key=at_midnight)
    if isinstance(ordered[0], datetime):
        return f"{name};TZID={zone}:" + ",".join(map(rules.stamp_of, ordered))
    return f"{name};VALUE=DATE:" + ",".join(map(rules.stamp_of, ordered))


def _split(line: str) -> tuple[str, dict[str, str], str]:
    name, params, value = rules.split(line)
    if name == "RRULE" and value.upper().startswith("DATE"):
        # Seen in the field: "RRULE:DATE;TZID=…:2026…" stands for an RDATE.
        return rules.split(f"R{value}")
    return name, params, value


def _rule(value: str, start: Time, zone: str | None) -> str:
    parts = dict(rules.parts_of(value, start))
    parts = {k: v for k, v in parts.items() if _DEFAULTS.get(k) != v}
    if "UNTIL" in parts:
        parts["UNTIL"] = _until(parts["UNTIL"], start, zone)
    return ";".join(f"{name}={parts[name]}" for name in _ORDER if name in parts)


def _until(value: str, start: Time, zone: str | None) -> str:
    """Return UNTIL of the right kind: UTC for timed series, a date for all-day ones."""
    last = rules.until_of(value, start, zone)
    if not isinstance(start, datetime):
        return rules.stamp_of(last.date())
    if value.endswith("Z"):
        return value
    try:
        return rules.stamp_of(to_utc(last, zone or "UTC").replace(tzinfo=None)) + "Z"
    except OverflowError:
        return "99991231T235959Z"
