"""The parts of events and of their occurrences, between JSON and the types that the hub speaks of."""

# The signatures of marshmallow's hooks are given.

from __future__ import annotations

import re
from typing import Any

from marshmallow import ValidationError, fields, post_load, pre_dump, validate, validates_schema

from hub.api.schemas.common import Choice, Strict, Text, http_url
from hub.api.schemas.moments import DayOrWallField, Moment, MomentSchema
from hub.api.schemas.standing import KeptFloat, KeptInteger, KeptList
from hub.plugin import types

MOST_EXCEPTIONS = 1000
MOST_TEXT = 100_000
CHOICES: dict[str, Any] = {
    "status": types.EventStatus,
    "show_as": types.ShowAs,
    "visibility": types.Visibility,
}
TUPLES = ("reminders", "attachments", "categories")


def at_most(count: int, what: str) -> validate.Length:
    return validate.Length(max=count, error=f"may hold {count} {what} at most")


def _http_url_or_none(value: str) -> None:
    if value:
        http_url(value)


class LocationSchema(Strict):
    """A place."""

    name = Text(1000, required=True, metadata={"description": "the one line that people read"})
    address = Text(1000, load_default="")
    latitude = KeptFloat(load_default=None, allow_none=True, validate=validate.Range(-90, 90))
    longitude = KeptFloat(load_default=None, allow_none=True, validate=validate.Range(-180, 180))

    @post_load
    def make(self, data: dict[str, Any], **_: Any) -> types.Location:
        return types.Location(**data)


class ReminderSchema(Strict):
    """An alarm before the start."""

    minutes = KeptInteger(strict=True, required=True, validate=validate.Range(0, 40320))
    method = Choice(("popup", "email"), load_default="popup")

    @post_load
    def make(self, data: dict[str, Any], **_: Any) -> types.Reminder:
        return types.Reminder(**data)


class PersonSchema(Strict):
    """Who calls to a meeting."""

    email = Text(320, 3, required=True, validate=[validate.Email()])
    name = Text(200)


class AttendeeSchema(PersonSchema):
    """A guest, kept as data: told only of a change with `notify`. What is left out stays as it is."""

    role = Choice(types.Role, metadata={"description": "required for a new guest"})
    answer = Choice(types.Answer, metadata={"description": "needs_action for a new guest"})


class OccurrenceConferenceSchema(Strict):
    """A way to join; with neither `url` nor `provider` there is none, though the series has one."""

    url = Text(2000, load_default="", validate=[_http_url_or_none])
    provider = Text(100, load_default="")
    label = Text(200, load_default="")

    @post_load
    def make(self, data: dict[str, Any], **_: Any) -> types.Conference:
        return types.Conference(**data)


class ConferenceSchema(OccurrenceConferenceSchema):
    """A way to join; without `url` a wish that the calendar service named by `provider` make one."""

    @validates_schema
    def check(self, data: dict[str, Any], **_: Any) -> None:
        if not data.get("url") and not data.get("provider"):
            raise ValidationError("must be given, unless provider says who is to make it", "url")


class AttachmentSchema(Strict):
    """A file by link."""

    url = Text(2000, 1, required=True, validate=[http_url])
    title = Text(500, load_default="")
    media_type = Text(200, load_default="")

    @post_load
    def make(self, data: dict[str, Any], **_: Any) -> types.Attachment:
        return types.Attachment(**data)


def color(value: str) -> None:
    if not re.fullmatch(r"#[0-9a-fA-F]{6}|[a-zA-Z]{3,30}", value):
        raise ValidationError("must be a CSS colour name or look like #1a73e8")


def _color_or_none(value: str) -> None:
    if value:
        color(value)


def occurrence_color() -> Text:
    told = {"description": "an empty text: none, though the series has one"}
    return Text(30, allow_none=True, validate=[_color_or_none], metadata=told)


class OccurrenceFields(Strict):
    """What an occurrence may have otherwise than its series."""

    title = Text(1000, allow_none=True)
    description = Text(MOST_TEXT, allow_none=True)
    location = fields.Nested(
        LocationSchema, allow_none=True, metadata={"description": "with an empty name: none"}
    )
    status = Choice(types.EventStatus, allow_none=True)
    show_as = Choice(types.ShowAs, allow_none=True)
    visibility = Choice(types.Visibility, allow_none=True)
    reminders = KeptList(fields.Nested(ReminderSchema), allow_none=True, validate=[at_most(20, "reminders")])
    attendees = KeptList(fields.Nested(AttendeeSchema), allow_none=True, validate=[at_most(500, "guests")])
    conference = fields.Nested(OccurrenceConferenceSchema, allow_none=True)
    attachments = KeptList(
        fields.Nested(AttachmentSchema), allow_none=True, validate=[at_most(50, "attachments")]
    )
    categories = KeptList(Text(200, 1), allow_none=True, validate=[at_most(50, "categories")])
    color = occurrence_color()


OCCURRENCE_FIELDS = tuple(OccurrenceFields._declared_fields)


class ExceptionSchema(OccurrenceFields):
    """An occurrence that was cancelled or changed; what is left out is as in the series."""

    original_start = DayOrWallField(
        required=True, metadata={"type": "string", "description": "where the rule puts it, as wall time"}
    )
    cancelled = fields.Boolean(truthy={True}, falsy={False}, load_default=False)
    start = fields.Nested(MomentSchema, allow_none=True)
    end = fields.Nested(MomentSchema, allow_none=True)
    own_answer = Choice(
        types.Answer,
        allow_none=True,
        metadata={"description": "what the owner has answered for this occurrence; kept as it is if sent"},
    )

    @post_load
    def make(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        data.pop("own_answer", None)
        return data

    @pre_dump
    def read(self, exception: types.SeriesException, **_: Any) -> dict[str, Any]:
        names = ("original_start", "cancelled", "own_answer", *OCCURRENCE_FIELDS)
        values = {name: getattr(exception, name) for name in names}
        if exception.start is not None:
            values["start"] = Moment(exception.start, exception.start_zone)
        if exception.end is not None:
            values["end"] = Moment(exception.end, exception.end_zone)
        return {name: value for name, value in values.items() if value is not None}
