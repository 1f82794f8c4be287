"""Recurrence lines: read leniently, since Google stores loose ones (sheet 5.2), and kept in one form.

`read_lines` turns what stands at Google into rules the hub keeps and dates that are left out;
`hits` says which dates a rule really makes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime

from dateutil.rrule import rrulestr

from hub_google.times import Time, at_midnight, find_zone, to_utc, to_wall

# fmt: off
_ORDER = (
    "FREQ", "INTERVAL", "BYMONTH", "BYWEEKNO", "BYYEARDAY", "BYMONTHDAY", "BYDAY", "BYHOUR", "BYMINUTE",
    "BYSECOND", "BYSETPOS", "WKST", "COUNT", "UNTIL",
)
# fmt: on
_PATIENCE = 20_000
"""Occurrences after which a date counts as hit: a rule for every second is never counted out."""
_DEFAULTS = {"INTERVAL": "1", "WKST": "MO"}
_STAMP = re.compile(r"^(\d{8})(?:T(\d{6})(Z?))?$")


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
    rules: list[str] = []
    extra: set[Time] = set()
    left_out: set[Time] = set()
    for line in lines:
        name, params, value = _split(line)
        if name == "RRULE":
            rules.append(f"RRULE:{_rule(value, start, zone)}")
        elif name == "RDATE":
            extra |= set(_dates(params, value, start, zone))
        elif name == "EXDATE":
            left_out |= set(_dates(params, value, start, zone))
        else:
            raise ValueError(f"a recurrence line {name} cannot be held")
    if extra:
        rules.append(date_line("RDATE", extra, zone))
    return tuple(sorted(set(rules), key=lambda r: (not r.startswith("RRULE"), r))), tuple(
        sorted(left_out, key=at_midnight)
    )


def date_line(name: str, dates: Iterable[Time], zone: str | None) -> str:
    """Return one RDATE or EXDATE line of the dates or wall times."""
    ordered = sorted(dates, key=at_midnight)
    if isinstance(ordered[0], datetime):
        return f"{name};TZID={zone}:" + ",".join(f"{d:%Y%m%dT%H%M%S}" for d in ordered)
    return f"{name};VALUE=DATE:" + ",".join(f"{d:%Y%m%d}" for d in ordered)


def hits(rules: Iterable[str], start: Time, zone: str | None, wanted: Iterable[Time]) -> set[Time]:
    """Return those of the wanted dates that are occurrences of the series."""
    wanted = set(wanted)
    found = {w for w in wanted if w == start}
    for line in rules:
        name, params, value = _split(line)
        if name == "RDATE":
            found |= wanted & set(_dates(params, value, start, zone))
        elif rest := wanted - found:
            found |= _rule_hits(value, start, zone, rest)
    return found


def _rule_hits(value: str, start: Time, zone: str | None, wanted: set[Time]) -> set[Time]:
    fitting = {w for w in wanted if isinstance(w, datetime) == isinstance(start, datetime)}
    if not fitting:
        return set()
    rule = rrulestr(_naive(value, zone), dtstart=at_midnight(start))
    last = max(map(at_midnight, fitting))
    by_moment = {at_midnight(w): w for w in fitting}
    found = set()
    for number, moment in enumerate(rule):
        if moment > last:
            break
        if number > _PATIENCE:
            return fitting
        if moment in by_moment:
            found.add(by_moment[moment])
    return found


def _naive(value: str, zone: str | None) -> str:
    """Return the rule with UNTIL as wall time: dateutil counts in the zone of its start."""
    parts = []
    for part in value.split(";"):
        if part.startswith("UNTIL=") and part.endswith("Z"):
            instant = datetime.fromisoformat(part[6:])
            part = f"UNTIL={to_wall(instant, zone or 'UTC'):%Y%m%dT%H%M%S}"
        parts.append(part)
    return ";".join(parts)


def _split(line: str) -> tuple[str, dict[str, str], str]:
    head, colon, value = line.strip().partition(":")
    if head.upper() == "RRULE" and value.upper().startswith("DATE"):
        # Seen in the field: "RRULE:DATE;TZID=…:2026…" stands for an RDATE.
        return _split(f"R{value}")
    if not colon:
        raise ValueError(f"a recurrence line has no value: {line[:40]}")
    name, *params = head.split(";")
    pairs = (p.partition("=") for p in params)
    return name.upper(), {k.upper(): v.strip('"') for k, _, v in pairs}, value.strip()


def _rule(value: str, start: Time, zone: str | None) -> str:
    pairs = [p.partition("=") for p in value.upper().split(";") if p]
    parts = {k: v for k, _, v in pairs}
    if "FREQ" not in parts:
        raise ValueError("a rule has no frequency")
    parts = {k: v for k, v in parts.items() if _DEFAULTS.get(k) != v}
    if "UNTIL" in parts:
        parts["UNTIL"] = _until(parts["UNTIL"], start, zone)
    if parts["FREQ"] == "YEARLY" and "BYMONTHDAY" in parts and not parts.keys() & {"BYMONTH", "BYWEEKNO"}:
        # Google means the month of the start; RFC 5545 read strictly means every month.
        parts["BYMONTH"] = str(start.month)
    if unknown := parts.keys() - set(_ORDER):
        raise ValueError(f"a rule with {min(unknown)} cannot be held")
    text = ";".join(f"{name}={parts[name]}" for name in _ORDER if name in parts)
    rrulestr(_naive(text, zone), dtstart=at_midnight(start))
    return text


def _until(value: str, start: Time, zone: str | None) -> str:
    """Return UNTIL of the right kind: UTC for timed series, a date for all-day ones."""
    if not (match := _STAMP.match(value)):
        raise ValueError(f"UNTIL cannot be read: {value[:20]}")
    day, clock, utc = match.groups()
    if not isinstance(start, datetime):
        if utc:
            return f"{to_wall(datetime.fromisoformat(value), zone or 'UTC'):%Y%m%d}"
        return day
    if utc:
        return value
    wall = datetime.fromisoformat(f"{day}T{clock or '235959'}")
    return f"{to_utc(wall, zone or 'UTC'):%Y%m%dT%H%M%SZ}"


def _dates(params: dict[str, str], value: str, start: Time, zone: str | None) -> Iterable[Time]:
    for text in filter(None, value.split(",")):
        match = _STAMP.match(text.strip().partition("/")[0])
        if not match:
            raise ValueError(f"a date of the recurrence cannot be read: {text[:20]}")
        yield _date(match, params.get("TZID"), start, zone)


def _date(match: re.Match[str], tzid: str | None, start: Time, zone: str | None) -> Time:
    """Return one listed date in the kind and zone of the series."""
    day = datetime.fromisoformat(match[1])
    if not match[2]:
        # A bare date in a timed series means the occurrence of that day.
        return datetime.combine(day.date(), start.time()) if isinstance(start, datetime) else day.date()
    moment = datetime.fromisoformat(f"{match[1]}T{match[2]}")
    if not isinstance(start, datetime):
        return moment.date()
    own = "UTC" if match[3] else tzid
    if own and own != zone and find_zone(own):
        return to_wall(to_utc(moment, own), zone or "UTC")
    return moment
