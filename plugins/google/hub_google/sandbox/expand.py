"""Series of the sandbox: lines checked as Google does, occurrences counted in wall time, within bounds.

The first start is always an occurrence, whatever the rules say (guides/concepts).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, time, timedelta
from typing import Any

from hub.plugin import rules
from hub_google.sandbox import moments
from hub_google.sandbox.failure import ApiError, invalid

_ENDLESS = 4000
"""Occurrences after which an unbounded expansion stops."""


def check(data: dict[str, Any], calendar_zone: str) -> None:
    """Refuse recurrence lines that Google refuses.

    Raises:
        ApiError: for lines that cannot be read, DTSTART, and timed series without a zone.
    """
    lines = data.get("recurrence")
    if not lines:
        data.pop("recurrence", None)
        return
    if "dateTime" in data["start"] and "timeZone" not in data["start"]:
        raise ApiError(400, "required", "Missing time zone definition for start time.")
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        raise invalid("Invalid recurrence rule.")
    if any(not re.match(r"(RRULE|RDATE|EXDATE|EXRULE)[:;]", line) for line in lines):
        raise invalid("Invalid recurrence rule.")
    start, zone = _start(data), _zone_name(data, calendar_zone)
    try:
        for line in lines:
            name, params, value = rules.split(line)
            if name in ("RRULE", "EXRULE"):
                rules.parts_of(value, start)
            else:
                _listed(value, params, start, zone)
    except ValueError:
        raise invalid("Invalid recurrence rule.") from None


def _zone_name(data: dict[str, Any], calendar_zone: str) -> str:
    return str(data["start"].get("timeZone") or calendar_zone)


def _start(data: dict[str, Any]) -> rules.Time:
    wall = moments.wall(data["start"])
    return wall if "dateTime" in data["start"] else wall.date()


def _listed(value: str, params: dict[str, str], start: rules.Time, zone: str) -> set[datetime]:
    stamps = filter(None, value.split(","))
    return {rules.at_midnight(rules.read_stamp(text, start, zone, params.get("TZID"))) for text in stamps}


def wall_starts(
    data: dict[str, Any], calendar_zone: str, after: datetime | None = None
) -> Iterator[datetime]:
    """Yield where a series' occurrences start, as naive wall times; `after`: none long before are needed."""
    start, zone = _start(data), _zone_name(data, calendar_zone)
    made: list[str] = []
    off: set[datetime] = set()
    unmade: list[str] = []
    for line in data["recurrence"]:
        name, params, value = rules.split(line)
        if name == "EXRULE":
            unmade.append(f"RRULE:{value}")
        elif name == "EXDATE":
            off |= _listed(value, params, start, zone)
        else:
            made.append(line)
    excluded = _Marks(_possible(unmade, start, zone, after) if unmade else ())
    for moment in _possible(made, start, zone, after):
        if moment not in off and not excluded.has(moment):
            yield moment


def _possible(lines: list[str], start: rules.Time, zone: str, after: datetime | None) -> Iterator[datetime]:
    """Yield what lines make; of a rule that never matches there is still the first start."""
    try:
        for moment in rules.starts(lines, start, zone, after):
            yield rules.at_midnight(moment)
    except rules.RecurrenceError:
        yield rules.at_midnight(start)


class _Marks:
    """Sorted moments that are asked for in their order."""

    def __init__(self, moments: Iterable[datetime]) -> None:
        self._rest = iter(moments)
        self._next = next(self._rest, None)

    def has(self, moment: datetime) -> bool:
        while self._next is not None and self._next < moment:
            self._next = next(self._rest, None)
        return self._next == moment


def is_occurrence(data: dict[str, Any], moment: datetime, calendar_zone: str) -> bool:
    """Return whether the series has an occurrence at that wall time, for a date at midnight."""
    for start in wall_starts(data, calendar_zone, moment):
        if start >= moment:
            return start == moment
    return False


def occurrences(
    data: dict[str, Any], calendar_zone: str, after: datetime | None, before: datetime | None
) -> Iterator[dict[str, str]]:
    """Yield the stored starts of the occurrences that overlap the span, in order."""
    length = moments.instant(data["end"], calendar_zone) - moments.instant(data["start"], calendar_zone)
    near = None if after is None else after.replace(tzinfo=None) - length - timedelta(days=2)
    for number, moment in enumerate(wall_starts(data, calendar_zone, near)):
        start = moments.at(moment, data["start"])
        begins = moments.instant(start, calendar_zone)
        if number > _ENDLESS or (before is not None and begins >= before):
            return
        ends = moments.instant(moments.shifted(start, data, calendar_zone), calendar_zone)
        if after is None or ends > after:
            yield start


def overlaps(
    data: dict[str, Any], calendar_zone: str, after: datetime | None, before: datetime | None
) -> bool:
    """Return whether an event, or any occurrence of a series, overlaps the span."""
    if before is not None and moments.instant(data["start"], calendar_zone) >= before:
        return False
    if after is None or moments.instant(data["end"], calendar_zone) > after:
        return True
    lines = data.get("recurrence")
    if not lines:
        return False
    if not any("COUNT=" in line or "UNTIL=" in line for line in lines) and lines[0].startswith("RRULE"):
        return True
    return next(occurrences(data, calendar_zone, after, None), None) is not None


def instance_id(master_id: str, start: dict[str, str], calendar_zone: str) -> str:
    """Return the id of the occurrence that the rule puts at `start`."""
    if "date" in start:
        return f"{master_id}_{start['date'].replace('-', '')}"
    return f"{master_id}_{moments.instant(start, calendar_zone):%Y%m%dT%H%M%SZ}"


def original_of(suffix: str, data: dict[str, Any], calendar_zone: str) -> dict[str, str] | None:
    """Return the start that the end of an instance id names, if the series has it."""
    match = re.fullmatch(r"(\d{8})(?:T(\d{6})Z)?", suffix)
    if not match or not data.get("recurrence") or bool(match[2]) != ("dateTime" in data["start"]):
        return None
    try:
        moment = datetime.fromisoformat(match[1] + (f"T{match[2]}" if match[2] else ""))
    except ValueError:
        return None
    if match[2]:
        own = moments.zone(_zone_name(data, calendar_zone))
        moment = moment.replace(tzinfo=UTC).astimezone(own).replace(tzinfo=None, fold=0)
        # A wall time that the clocks skip is counted by the rule but shown an hour later.
        usual = datetime.combine(moment.date(), moments.wall(data["start"]).time())
        if usual.replace(tzinfo=own).astimezone(UTC) == moment.replace(tzinfo=own).astimezone(UTC):
            moment = usual
    else:
        moment = datetime.combine(moment.date(), time())
    return moments.at(moment, data["start"]) if is_occurrence(data, moment, calendar_zone) else None
