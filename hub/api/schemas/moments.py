"""Dates and wall times between a consumer's JSON and the types that the hub speaks of.

A time with an offset is an instant. It is taken for what clocks show at that instant in the time zone that
is meant; which one that is, `hub.api.event_content` knows.
"""

# The signatures of marshmallow's hooks are given.
# ruff: noqa: ARG002

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from marshmallow import ValidationError, fields, post_load, pre_dump, validates_schema

from hub.api.schemas.common import Strict, Text, check_year, iana_zone

CALENDARS_ZONE = ""
"""Stands for a `time_zone` that was not given: the calendar's own."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A date, or a wall time with its zone (None: floating); an aware time is yet to be put there."""

    value: date | datetime
    zone: str | None
    is_day: bool = False
    """For an aware time: only its date is meant."""


class WallField(fields.Field[Any]):
    """A wall time such as 2026-12-24T09:00:00, or an instant such as 2026-12-24T09:00:00+01:00."""

    wanted = "must be a wall time such as 2026-12-24T09:00:00, or have an offset: 2026-12-24T09:00:00+01:00"

    def _serialize(self, value: Any, attr: Any, obj: Any, **kwargs: Any) -> str | None:
        return None if value is None else str(value.isoformat())

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> datetime:
        try:
            moment = datetime.fromisoformat(value) if len(value) > 10 else None
        except (TypeError, ValueError):
            moment = None
        if moment is None:
            raise ValidationError(self.wanted)
        return check_year(moment.replace(microsecond=0))  # type: ignore[no-any-return]


class DayOrWallField(WallField):
    """A date or a wall time, as its series has it; or an instant."""

    wanted = "must be a date such as 2026-12-24, or a wall time such as 2026-12-24T09:00:00"

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        if isinstance(value, str) and len(value) == 10:
            return _day(value, self.wanted)
        return super()._deserialize(value, attr, data, **kwargs)


class DayField(WallField):
    """A date such as 2026-12-24, or an instant whose date is meant."""

    wanted = "must be a date such as 2026-12-24"

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        if isinstance(value, str) and len(value) == 10:
            return _day(value, self.wanted)
        moment = super()._deserialize(value, attr, data, **kwargs)
        if moment.tzinfo is None:
            raise ValidationError(self.wanted)
        return moment


def _day(value: str, wanted: str) -> Any:
    try:
        return check_year(date.fromisoformat(value))
    except ValidationError:
        raise
    except ValueError:
        raise ValidationError(wanted) from None


class MomentSchema(Strict):
    """Either `date` (all-day) or `date_time` with `time_zone`.

    A time with an offset is that instant, shown in `time_zone`: `2026-12-10T10:00:00+02:00` with
    Europe/Berlin is nine o'clock there. So is a date with a time and an offset: the day that it is in
    `time_zone` at that instant.
    """

    date = DayField(
        metadata={
            "type": "string",
            "format": "date",
            "description": "all day; `end` is the day after the last",
        }
    )
    date_time = WallField(
        metadata={
            "type": "string",
            "example": "2026-12-24T09:00:00",
            "description": "what the clock shows in `time_zone`; with an offset, an instant",
        }
    )
    time_zone = Text(
        64,
        allow_none=True,
        validate=[iana_zone],
        metadata={"description": "IANA time zone; null is floating; the calendar's if left out"},
    )

    @validates_schema
    def check(self, data: dict[str, Any], **_: Any) -> None:
        if ("date" in data) == ("date_time" in data):
            raise ValidationError("must hold either date (all day) or date_time")
        value, zone = data.get("date", data.get("date_time")), data.get("time_zone", CALENDARS_ZONE)
        is_instant = isinstance(value, datetime) and value.tzinfo is not None
        if "date" in data and zone and not is_instant:
            raise ValidationError("an all-day event has no time zone: leave it out", "time_zone")
        if is_instant and zone is None:
            raise ValidationError(
                "a floating time has no offset: leave one of the two out, or name a zone", "time_zone"
            )

    @post_load
    def make(self, data: dict[str, Any], **_: Any) -> Moment:
        if "date" in data:
            aware = isinstance(data["date"], datetime)
            zone = data.get("time_zone", CALENDARS_ZONE) if aware else None
            return Moment(data["date"], zone, is_day=aware)
        return Moment(data["date_time"], data.get("time_zone", CALENDARS_ZONE))

    @pre_dump
    def read(self, moment: Moment, **_: Any) -> dict[str, Any]:
        if isinstance(moment.value, datetime):
            return {"date_time": moment.value, "time_zone": moment.zone}
        return {"date": moment.value}
