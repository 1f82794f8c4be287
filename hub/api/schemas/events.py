"""Events: between a consumer's JSON and the types that the whole hub speaks of."""

# The signatures of marshmallow's hooks are given.
# ruff: noqa: ARG002

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from marshmallow import Schema, ValidationError, fields, post_load, pre_dump, validate, validates_schema

from hub.api.schemas.common import (
    Choice,
    Instant,
    PageQuery,
    Strict,
    Text,
    check_year,
    http_url,
    iana_zone,
)
from hub.plugin import types

CALENDARS_ZONE = ""
"""Stands for a `time_zone` that was not given: the calendar's own."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A date, or a wall time with its zone (None: floating)."""

    value: date | datetime
    zone: str | None


class WallField(fields.Field[Any]):
    """A wall time without offset, such as 2026-12-24T09:00:00."""

    def _serialize(self, value: Any, attr: Any, obj: Any, **kwargs: Any) -> str | None:
        return None if value is None else str(value.isoformat())

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> datetime:
        wanted = "must be a wall time such as 2026-12-24T09:00:00; its zone goes into time_zone"
        try:
            moment = datetime.fromisoformat(value) if len(value) > 10 else None
        except (TypeError, ValueError):
            moment = None
        if moment is None or moment.tzinfo is not None:
            raise ValidationError(wanted)
        return check_year(moment.replace(microsecond=0))  # type: ignore[no-any-return]


class DayField(WallField):
    """A date, such as 2026-12-24."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        try:
            if not isinstance(value, str) or len(value) != 10:
                raise ValueError
            return check_year(date.fromisoformat(value))
        except ValidationError:
            raise
        except ValueError:
            raise ValidationError("must be a date such as 2026-12-24") from None


class DayOrWallField(WallField):
    """A date or a wall time, as its series has it."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        if isinstance(value, str) and len(value) == 10:
            return DayField().deserialize(value)
        return super()._deserialize(value, attr, data, **kwargs)


class MomentSchema(Strict):
    """Either `date` (all-day) or `date_time` with `time_zone`."""

    date = DayField(metadata={"type": "string", "format": "date"})
    date_time = WallField(metadata={"type": "string", "example": "2026-12-24T09:00:00"})
    time_zone = Text(
        64,
        allow_none=True,
        validate=[iana_zone],
        metadata={"description": "IANA time zone; null is floating; the calendar's if left out"},
    )

    @validates_schema
    def check(self, data: dict[str, Any], **_: Any) -> None:
        if ("date" in data) == ("date_time" in data):
            raise ValidationError("must hold either date or date_time")
        if "date" in data and data.get("time_zone") is not None:
            raise ValidationError("an all-day event has no time zone", "time_zone")

    @post_load
    def make(self, data: dict[str, Any], **_: Any) -> Moment:
        if "date" in data:
            return Moment(data["date"], None)
        return Moment(data["date_time"], data.get("time_zone", CALENDARS_ZONE))

    @pre_dump
    def read(self, moment: Moment, **_: Any) -> dict[str, Any]:
        if isinstance(moment.value, datetime):
            return {"date_time": moment.value, "time_zone": moment.zone}
        return {"date": moment.value}


class LocationSchema(Strict):
    """A place."""

    name = Text(1000, required=True)
    address = Text(1000, load_default="")
    latitude = fields.Float(load_default=None, allow_none=True, validate=validate.Range(-90, 90))
    longitude = fields.Float(load_default=None, allow_none=True, validate=validate.Range(-180, 180))

    @post_load
    def make(self, data: dict[str, Any], **_: Any) -> types.Location:
        return types.Location(**data)


class ReminderSchema(Strict):
    """An alarm before the start."""

    minutes = fields.Integer(strict=True, required=True, validate=validate.Range(0, 40320))
    method = Choice(("popup", "email"), load_default="popup")

    @post_load
    def make(self, data: dict[str, Any], **_: Any) -> types.Reminder:
        return types.Reminder(**data)


class AttendeeSchema(Strict):
    """A guest, kept as data: nobody is mailed."""

    email = Text(320, 3, required=True, validate=[validate.Email()])
    name = Text(200, load_default="")
    role = Choice(types.Role, load_default="required")
    answer = Choice(types.Answer, load_default="needs_action")

    @post_load
    def make(self, data: dict[str, Any], **_: Any) -> types.Attendee:
        return types.Attendee(
            data["email"], data["name"], types.Role(data["role"]), types.Answer(data["answer"])
        )


class ConferenceSchema(Strict):
    """A way to join; without `url` a wish that the calendar service named by `provider` make one."""

    url = Text(2000, 1, load_default="", validate=[http_url])
    provider = Text(100, load_default="")
    label = Text(200, load_default="")

    @validates_schema
    def check(self, data: dict[str, Any], **_: Any) -> None:
        if not data.get("url") and not data.get("provider"):
            raise ValidationError("must be given, unless provider says who is to make it", "url")

    @post_load
    def make(self, data: dict[str, Any], **_: Any) -> types.Conference:
        return types.Conference(**data)


class AttachmentSchema(Strict):
    """A file by link."""

    url = Text(2000, 1, required=True, validate=[http_url])
    title = Text(500, load_default="")
    media_type = Text(200, load_default="")

    @post_load
    def make(self, data: dict[str, Any], **_: Any) -> types.Attachment:
        return types.Attachment(**data)


class PersonSchema(Schema):
    email = fields.String()
    name = fields.String()


class ExceptionSchema(Strict):
    """An occurrence that was cancelled or changed; what is left out is as in the series."""

    original_start = DayOrWallField(
        required=True, metadata={"type": "string", "description": "where the rule puts it, as wall time"}
    )
    cancelled = fields.Boolean(truthy={True}, falsy={False}, load_default=False)
    start = fields.Nested(MomentSchema, allow_none=True)
    end = fields.Nested(MomentSchema, allow_none=True)
    title = Text(1000, allow_none=True)
    description = Text(100_000, allow_none=True)
    location = fields.Nested(LocationSchema, allow_none=True)
    status = Choice(types.EventStatus, allow_none=True)
    show_as = Choice(types.ShowAs, allow_none=True)
    visibility = Choice(types.Visibility, allow_none=True)
    own_answer = Choice(
        types.Answer,
        allow_none=True,
        metadata={"description": "what the owner has answered for this occurrence; kept as it is if sent"},
    )

    @post_load
    def make(self, data: dict[str, Any], **_: Any) -> types.SeriesException:
        data.pop("own_answer", None)
        values = {name: value for name, value in data.items() if value is not None}
        for name in ("start", "end"):
            moment = values.pop(name, None)
            if moment is not None:
                values[name] = moment.value
                values[f"{name}_zone"] = moment.zone or None
        for name, kind in _CHOICES.items():
            if name in values:
                values[name] = kind(values[name])
        return types.SeriesException(**values)

    @pre_dump
    def read(self, exception: types.SeriesException, **_: Any) -> dict[str, Any]:
        names = ("original_start", "cancelled", "title", "description", "location", "own_answer", *_CHOICES)
        values = {name: getattr(exception, name) for name in names}
        if exception.start is not None:
            values["start"] = Moment(exception.start, exception.start_zone)
        if exception.end is not None:
            values["end"] = Moment(exception.end, exception.end_zone)
        return {name: value for name, value in values.items() if value is not None}


_CHOICES: dict[str, Any] = {
    "status": types.EventStatus,
    "show_as": types.ShowAs,
    "visibility": types.Visibility,
}


def _color(value: str) -> None:
    if not re.fullmatch(r"#[0-9a-fA-F]{6}|[a-zA-Z]{3,30}", value):
        raise ValidationError("must be a CSS colour name or look like #1a73e8")


def _rule_line(value: str) -> None:
    upper = value.upper()
    if upper.startswith("EXDATE"):
        raise ValidationError("cancel an occurrence by an entry in exceptions instead of EXDATE")
    if not upper.startswith(("RRULE:", "RDATE:", "RDATE;")) or not value.isprintable():
        raise ValidationError("must be one RFC 5545 line that begins with RRULE: or RDATE")
    if not upper.startswith("RRULE:"):
        return
    # Rules that no calendar provider keeps, and that take for ever to compute.
    parts = dict(part.partition("=")[::2] for part in upper.removeprefix("RRULE:").split(";"))
    if parts.get("FREQ") not in ("DAILY", "WEEKLY", "MONTHLY", "YEARLY"):
        raise ValidationError("FREQ must be DAILY, WEEKLY, MONTHLY or YEARLY")
    if parts.keys() & {"BYHOUR", "BYMINUTE", "BYSECOND"}:
        raise ValidationError("an event repeats at its own time of day: BYHOUR and the like are not taken")
    for name in ("INTERVAL", "COUNT"):
        if not re.fullmatch("[1-9][0-9]{0,3}", parts.get(name, "1")):
            raise ValidationError(f"{name} must be a whole number from 1 to 9999")


def _one_rule(lines: list[str]) -> None:
    if sum(line.upper().startswith("RRULE") for line in lines) > 1:
        raise ValidationError("may hold one RRULE only")


def _metadata(value: dict[str, Any]) -> None:
    """Keep metadata what it is for: a few small values that a consumer finds things by."""
    if len(value) > 50:
        raise ValidationError("may hold 50 keys at most")
    faults = {}
    for key, item in value.items():
        if not 1 <= len(key) <= 100:
            faults[key] = ["a key has 1 to 100 characters"]
        elif not isinstance(item, (str, int, float, bool, type(None))):
            faults[key] = ["must be a text, a number, true, false or null"]
        elif isinstance(item, str) and (len(item) > 2000 or "\0" in item):
            faults[key] = ["must have 2000 characters at most and no NUL"]
        elif isinstance(item, (int, float)) and (math.isinf(item) or abs(item) > 2**63):
            faults[key] = ["is too large a number"]
    if faults:
        raise ValidationError(faults)


class EventFields(Strict):
    """What may be said of an event; left out on creation means the default."""

    title = Text(1000, allow_none=True)
    description = Text(100_000, allow_none=True)
    location = fields.Nested(LocationSchema, allow_none=True)
    start = fields.Nested(MomentSchema)
    end = fields.Nested(MomentSchema)
    recurrence = fields.List(
        Text(2000, 1, validate=[_rule_line]),
        allow_none=True,
        validate=[validate.Length(0, 20), _one_rule],
        metadata={"description": "RFC 5545 lines RRULE:… and RDATE…; empty for a single event"},
    )
    exceptions = fields.List(
        fields.Nested(ExceptionSchema), allow_none=True, validate=[validate.Length(0, 1000)]
    )
    status = Choice(types.EventStatus, allow_none=True)
    show_as = Choice(types.ShowAs, allow_none=True)
    visibility = Choice(types.Visibility, allow_none=True)
    reminders = fields.List(
        fields.Nested(ReminderSchema),
        allow_none=True,
        validate=[validate.Length(0, 20)],
        metadata={"description": "null: the calendar's default; empty: none"},
    )
    attendees = fields.List(
        fields.Nested(AttendeeSchema), allow_none=True, validate=[validate.Length(0, 500)]
    )
    conference = fields.Nested(ConferenceSchema, allow_none=True)
    attachments = fields.List(
        fields.Nested(AttachmentSchema), allow_none=True, validate=[validate.Length(0, 50)]
    )
    categories = fields.List(Text(200, 1), allow_none=True, validate=[validate.Length(0, 50)])
    color = Text(30, allow_none=True, validate=[_color])
    priority = fields.Integer(strict=True, allow_none=True, validate=validate.Range(0, 9))
    url = Text(2000, 1, allow_none=True, validate=[http_url])
    metadata = fields.Dict(
        keys=fields.String(),
        allow_none=True,
        validate=[_metadata],
        metadata={"description": "your own keys and values; never sent to a provider"},
    )


class EventCreateSchema(EventFields):
    """A new event."""

    calendar_id = fields.String(required=True)
    start = fields.Nested(MomentSchema, required=True)
    end = fields.Nested(MomentSchema, required=True)


class EventPatchSchema(EventFields):
    """What to change; fields that are left out stay, null means the default, `metadata` merges by key."""


class CopyStateSchema(Schema):
    """Where the event stands in one link."""

    link_id = fields.String()
    state = fields.String(
        metadata={"description": "synced, waiting, parked, missing (its deletion is held) or removed"}
    )
    web_link = fields.String(allow_none=True)
    problem = fields.String(allow_none=True)
    notice = fields.String(
        allow_none=True, metadata={"description": "what of it could not be understood there, if anything"}
    )


class OccurrenceSchema(Schema):
    """When an occurrence takes place."""

    original_start = DayOrWallField(metadata={"type": "string"})
    starts_at = Instant()
    ends_at = Instant()


class EventSchema(EventFields):
    """An event of a calendar: a single one, or a series with its rule and exceptions."""

    id = fields.String()
    calendar_id = fields.String()
    uid = fields.String()
    version = fields.Integer(metadata={"description": "also the ETag"})
    organizer = fields.Nested(PersonSchema, allow_none=True)
    own_answer = Choice(
        types.Answer,
        allow_none=True,
        metadata={"description": "what the account's owner has answered to an invitation; null: none came"},
    )
    copies = fields.List(fields.Nested(CopyStateSchema))
    occurrence = fields.Nested(
        OccurrenceSchema, metadata={"description": "with expand=true: which occurrence this line is"}
    )
    created_at = Instant()
    updated_at = Instant()


class EventQuery(PageQuery):
    calendar_id = fields.String()
    user_id = fields.String()
    start = Instant(metadata={"description": "only what ends after this instant"})
    end = Instant(metadata={"description": "only what starts before this instant"})
    expand = fields.Boolean(
        load_default=False,
        metadata={
            "description": "give occurrences instead of series; needs start and end, at most 400 days apart"
        },
    )

    @validates_schema
    def check(self, data: dict[str, Any], **_: Any) -> None:
        start, end = data.get("start"), data.get("end")
        if start is not None and end is not None and end <= start:
            raise ValidationError("must be after start", "end")
        if data.get("expand"):
            for name in ("start", "end"):
                if data.get(name) is None:
                    raise ValidationError("is needed with expand", name)
            if start is not None and end is not None and (end - start).days > 400:
                raise ValidationError("must be at most 400 days after start with expand", "end")
