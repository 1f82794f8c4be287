"""Series of the sandbox: lines checked as Google does, occurrences counted in wall time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, time
from functools import lru_cache
from typing import Any

from dateutil.rrule import rrule, rruleset, rrulestr

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
    try:
        rule_set(tuple(lines), moments.wall(data["start"]), _zone_name(data, calendar_zone))
    except (ValueError, TypeError, KeyError, IndexError):
        raise invalid("Invalid recurrence rule.") from None


def _zone_name(data: dict[str, Any], calendar_zone: str) -> str:
    return str(data["start"].get("timeZone") or calendar_zone)


@lru_cache(maxsize=512)
def rule_set(lines: tuple[str, ...], start: datetime, zone: str) -> rruleset:
    """Return the occurrences of a series as naive wall times."""
    found = rruleset(cache=True)
    found.rdate(start)
    for line in lines:
        head, _, value = line.partition(":")
        name, *params = head.split(";")
        if name in ("RRULE", "EXRULE"):
            rule = _rule(value, start, zone)
            (found.rrule if name == "RRULE" else found.exrule)(rule)
            continue
        tzid = next((p.partition("=")[2] for p in params if p.startswith("TZID=")), zone)
        for text in value.split(","):
            (found.rdate if name == "RDATE" else found.exdate)(_listed(text, tzid, start, zone))
    return found


def _rule(value: str, start: datetime, zone: str) -> rrule:
    def local(match: re.Match[str]) -> str:
        if not match[2]:
            return f"UNTIL={match[1]}T235959"
        moment = datetime.fromisoformat(match[1] + match[2])
        if moment.tzinfo:
            moment = moment.astimezone(moments.zone(zone)).replace(tzinfo=None)
        return f"UNTIL={moment:%Y%m%dT%H%M%S}"

    rule = rrulestr(re.sub(r"UNTIL=(\d{8})(T\d{6}Z?)?", local, value), dtstart=start)
    if not isinstance(rule, rrule):
        raise ValueError("not one rule")
    return rule


def _listed(text: str, tzid: str, start: datetime, zone: str) -> datetime:
    moment = datetime.fromisoformat(text.strip())
    if "T" not in text:
        return datetime.combine(moment.date(), start.time())
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=moments.zone(tzid))
    return moment.astimezone(moments.zone(zone)).replace(tzinfo=None)


def is_occurrence(data: dict[str, Any], moment: datetime, calendar_zone: str) -> bool:
    """Return whether the series has an occurrence at that wall time, for a date at midnight."""
    found = rule_set(tuple(data["recurrence"]), moments.wall(data["start"]), _zone_name(data, calendar_zone))
    return bool(found.between(moment, moment, inc=True))


def occurrences(
    data: dict[str, Any], calendar_zone: str, after: datetime | None, before: datetime | None
) -> Iterator[dict[str, str]]:
    """Yield the stored starts of the occurrences that overlap the span, in order."""
    found = rule_set(tuple(data["recurrence"]), moments.wall(data["start"]), _zone_name(data, calendar_zone))
    for number, moment in enumerate(found):
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
