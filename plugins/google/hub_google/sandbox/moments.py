"""Event times of the sandbox: checked and stored as wall time with a zone, shown with an offset.

https://developers.google.com/workspace/calendar/api/concepts/events-calendars
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from hub_google.sandbox.failure import ApiError, invalid


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo:
    """Return the zone of that name.

    Raises:
        ValueError: there is none.
    """
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        raise ValueError(f"no zone {name}") from None


def accept(value: Any, which: str, calendar_zone: str) -> dict[str, str]:
    """Return a checked time: a date, or a wall time with the zone it was given in (if any).

    Raises:
        ApiError: it is neither, or both.
    """
    wrong = invalid(f"Invalid {which} time.")
    if not isinstance(value, dict) or not (value.get("date") or value.get("dateTime")):
        raise ApiError(400, "required", f"Missing {which} time.")
    if value.get("date") and value.get("dateTime"):
        raise wrong
    try:
        if value.get("date"):
            return {"date": date.fromisoformat(value["date"]).isoformat()}
        moment = datetime.fromisoformat(value["dateTime"]).replace(microsecond=0)
    except (ValueError, TypeError):
        raise wrong from None
    name = value.get("timeZone")
    try:
        own = zone(name or calendar_zone)
    except ValueError:
        raise invalid(f"Invalid time zone definition for {which} time.") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=own)
    wall = _local(_utc(moment), own).replace(tzinfo=None)
    return {"dateTime": wall.isoformat()} | ({"timeZone": name} if name else {})


def instant(value: dict[str, str], calendar_zone: str) -> datetime:
    """Return the instant of a stored time; a date begins in the calendar's zone."""
    if "date" in value:
        wall = datetime.combine(date.fromisoformat(value["date"]), time())
        return _utc(wall.replace(tzinfo=zone(calendar_zone)))
    own = zone(value.get("timeZone") or calendar_zone)
    return _utc(datetime.fromisoformat(value["dateTime"]).replace(tzinfo=own))


def _local(moment: datetime, own: ZoneInfo) -> datetime:
    try:
        return moment.astimezone(own)
    except OverflowError:
        return moment


def _utc(moment: datetime) -> datetime:
    """Return the instant in UTC; at the ends of time (years 1 and 9999) it has the same digits."""
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return moment.replace(tzinfo=UTC)


def show(value: dict[str, str], calendar_zone: str, wanted_zone: str | None) -> dict[str, str]:
    """Return a stored time as answers carry it: with the offset of the calendar's zone."""
    if "date" in value:
        return dict(value)
    local = _local(instant(value, calendar_zone), zone(wanted_zone or calendar_zone))
    if (local.utcoffset() or timedelta(0)).seconds % 60:
        # Clocks once followed the sun by the second, which RFC 3339 cannot write.
        local = instant(value, calendar_zone)
    shown = {"dateTime": local.isoformat().replace("+00:00", "Z")}
    return shown | ({"timeZone": value["timeZone"]} if "timeZone" in value else {})


def wall(value: dict[str, str]) -> datetime:
    """Return a stored time as naive wall time in its own zone."""
    return datetime.fromisoformat(value["dateTime"] if "dateTime" in value else value["date"])


def at(moment: datetime, like: dict[str, str]) -> dict[str, str]:
    """Return the naive wall time as a stored time of the kind and zone of another."""
    if "date" in like:
        return {"date": moment.date().isoformat()}
    stored = {"dateTime": moment.isoformat()}
    return stored | ({"timeZone": like["timeZone"]} if "timeZone" in like else {})


def shifted(start: dict[str, str], first: dict[str, Any], calendar_zone: str) -> dict[str, str]:
    """Return the end of an occurrence: as long after its start as the first one's, by the clock (sheet 5.1).

    What starts at a time that the clocks skip starts so much later, and is as long.
    """
    length = wall(first["end"]) - wall(first["start"])
    if "date" in start:
        return at(wall(start) + length, first["end"])
    place = zone(start.get("timeZone") or calendar_zone)
    return at(_local(instant(start, calendar_zone), place).replace(tzinfo=None) + length, first["end"])
