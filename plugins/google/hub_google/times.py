"""Times on the wire and off it: an instant with a zone there, wall time in an IANA zone here."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache

from hub.plugin import rules
from hub.plugin.rules import find_zone
from hub_google.wire import EventTime

Time = date | datetime


@lru_cache(maxsize=4096)
def known_zone(name: str | None, otherwise: str) -> str:
    """Return `name` if it is a zone that can be computed with, else the other name, else UTC."""
    return next((n for n in (name, otherwise) if n and find_zone(n)), "UTC")


def to_utc(wall: datetime, zone: str) -> datetime:
    """Return the instant of a wall time; one that a change of clocks skips is moved on, as people do."""
    return rules.to_utc(wall, find_zone(zone))


def to_wall(instant: datetime, zone: str) -> datetime:
    """Return the naive wall time of an instant, in whole seconds (Google drops fractions)."""
    try:
        local = instant.astimezone(find_zone(zone) or UTC)
    except OverflowError:
        local = instant
    return local.replace(tzinfo=None, microsecond=0, fold=0)


def settle(wall: datetime, zone: str) -> datetime:
    """Return the wall time as it reads after a round trip through an instant."""
    settled = rules.to_wall(to_utc(wall, zone), find_zone(zone))
    return settled.replace(microsecond=0) if settled.microsecond else settled


def read_time(value: EventTime, zone: str) -> Time:
    """Return a date, or the wall time in `zone`.

    Google renders `dateTime` with the offset of the calendar's zone, whatever zone the event has
    (guides/concepts), so the offset only tells the instant.

    Raises:
        ValueError: neither a date nor a date-time can be read.
    """
    return _read(value, zone)[0]


def _read(value: EventTime, zone: str) -> tuple[Time, datetime | None]:
    """Return the same, and its instant if the wall time in `zone` may mean another."""
    if day := value.get("date"):
        return date.fromisoformat(day), None
    stamp = value.get("dateTime")
    if not stamp:
        raise ValueError("a time has neither date nor dateTime")
    moment = datetime.fromisoformat(stamp)
    wall = datetime.combine(moment.date(), moment.time())  # Several times as quick as `replace`.
    if wall.microsecond:
        wall = wall.replace(microsecond=0)
    offset = moment.utcoffset()
    if offset is None:
        return wall, None
    place = find_zone(zone)
    if place is not None and place.utcoffset(wall) == offset:
        return wall, None  # Most stamps have the offset of their own zone.
    return to_wall(moment, zone), moment


def read_exactly(value: EventTime, zone: str) -> tuple[Time, str]:
    """Return a date or wall time with its zone: UTC, where the wall time in `zone` means another instant.

    When clocks go back, an hour comes twice, and a wall time without offset means the first (RFC 5545 3.3.5).

    Raises:
        ValueError: neither a date nor a date-time can be read.
    """
    wall, moment = _read(value, zone)
    if moment is None or not isinstance(wall, datetime):
        return wall, zone
    place = find_zone(zone) or UTC
    if place.utcoffset(wall) == moment.utcoffset() or to_utc(wall, zone) == moment.replace(microsecond=0):
        return wall, zone
    return to_wall(moment, "UTC"), "UTC"


def write_time(value: Time, zone: str | None) -> EventTime:
    """Return the wire form; the keys of the other kind are null, since a patch merges (sheet 4.2)."""
    if isinstance(value, datetime):
        name = zone or "UTC"
        return {"date": None, "dateTime": settle(value, name).isoformat(), "timeZone": name}
    return {"date": value.isoformat(), "dateTime": None, "timeZone": None}


def instance_id(master_id: str, original: Time, zone: str | None) -> str:
    """Return the id under which Google knows the occurrence that the rule puts at `original`."""
    if isinstance(original, datetime):
        return f"{master_id}_{rules.stamp_of(to_utc(original, zone or 'UTC').replace(tzinfo=None))}Z"
    return f"{master_id}_{rules.stamp_of(original)}"


def usual_end(start: Time, zone: str | None, first: Time, end: Time) -> Time:
    """Return the end of an occurrence: as long after its start as the first one's, by the clock (sheet 5.1).

    What begins at a time that the clocks of `zone` skip begins so much later, and is as long.
    """
    begin = settle(start, zone or "UTC") if isinstance(start, datetime) else start
    try:
        return begin + (at_midnight(end) - at_midnight(first))
    except OverflowError:
        return start


def ordered_end(start: Time, end: Time, start_zone: str | None, end_zone: str | None) -> Time:
    """Return the end, where it is not before the start as Google has it: a day is at least one day long.

    Raises:
        ValueError: time itself ends that day.
    """
    if isinstance(start, datetime) and isinstance(end, datetime):
        zone, own = start_zone or "UTC", end_zone or start_zone or "UTC"
        begins, ends = to_utc(start, zone), to_utc(end, own)
        return end if ends >= begins else to_wall(begins, own)
    if end > start:
        return end
    if start == date.max:
        raise ValueError("it would end after the year 9999")
    return start + timedelta(days=1)


def at_midnight(value: Time) -> datetime:
    """Return a wall time, for a date its first moment."""
    return value if isinstance(value, datetime) else datetime.combine(value, time())
