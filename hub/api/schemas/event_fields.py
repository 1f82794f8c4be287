"""What a consumer may say of an event."""

# The signatures of marshmallow's hooks are given.

from __future__ import annotations

import re
from typing import Any

from marshmallow import ValidationError, fields, validate

from hub.api.schemas.common import Choice, Strict, Text, http_url, unstorable
from hub.api.schemas.event_parts import (
    MOST_EXCEPTIONS,
    MOST_TEXT,
    AttachmentSchema,
    AttendeeSchema,
    ConferenceSchema,
    ExceptionSchema,
    LocationSchema,
    ReminderSchema,
    at_most,
    color,
)
from hub.api.schemas.moments import MomentSchema
from hub.api.schemas.rules import one_rule, rule_line
from hub.api.schemas.standing import KeptList
from hub.plugin import types

MOST_METADATA = 50
METADATA_KEY = re.compile(r"[A-Za-z0-9_.:-]{1,100}")


def _metadata(value: dict[str, Any]) -> None:
    """Keep metadata what it is for: a few small texts that a consumer finds things by."""
    if len(value) > MOST_METADATA:
        raise ValidationError(f"may hold {MOST_METADATA} keys at most")
    faults = {}
    for key, item in value.items():
        if not METADATA_KEY.fullmatch(key):
            faults[key] = ["a key has 1 to 100 letters, digits or _ . : -"]
        elif item is not None and not isinstance(item, str):
            faults[key] = ["must be a text, or null to take it away"]
        elif item is not None and (len(item) > 2000 or unstorable(item)):
            faults[key] = ["must have 2000 characters at most, no NUL and no lone surrogate"]
    if faults:
        raise ValidationError(faults)


class EventFields(Strict):
    """What may be said of an event; left out on creation means the default."""

    title = Text(1000, allow_none=True)
    description = Text(MOST_TEXT, allow_none=True, metadata={"description": "as plain text"})
    description_html = Text(
        MOST_TEXT,
        allow_none=True,
        metadata={
            "description": "the HTML that `description` is read from, as its author wrote it: "
            "make it safe before you show it"
        },
    )
    location = fields.Nested(LocationSchema, allow_none=True)
    start = fields.Nested(MomentSchema)
    end = fields.Nested(MomentSchema, metadata={"description": "exclusive"})
    recurrence = fields.List(
        Text(20_000, 1, validate=[rule_line]),
        allow_none=True,
        validate=[at_most(20, "lines"), one_rule],
        metadata={
            "description": "RFC 5545 lines RRULE:… and RDATE…; empty for a single event. "
            "EXDATE… is taken, and shown as cancelled exceptions"
        },
    )
    exceptions = fields.List(
        fields.Nested(ExceptionSchema),
        allow_none=True,
        validate=[at_most(MOST_EXCEPTIONS, "exceptions: split the series")],
    )
    status = Choice(types.EventStatus, allow_none=True)
    show_as = Choice(types.ShowAs, allow_none=True)
    visibility = Choice(types.Visibility, allow_none=True)
    reminders = KeptList(
        fields.Nested(ReminderSchema),
        allow_none=True,
        validate=[at_most(20, "reminders")],
        metadata={"description": "null: the calendar's default; empty: none"},
    )
    attendees = KeptList(fields.Nested(AttendeeSchema), allow_none=True, validate=[at_most(500, "guests")])
    conference = fields.Nested(ConferenceSchema, allow_none=True)
    attachments = KeptList(
        fields.Nested(AttachmentSchema), allow_none=True, validate=[at_most(50, "attachments")]
    )
    categories = KeptList(Text(200, 1), allow_none=True, validate=[at_most(50, "categories")])
    color = Text(
        30, allow_none=True, validate=[color], metadata={"description": "a CSS colour name, or as #1a73e8"}
    )
    priority = fields.Integer(
        strict=True,
        allow_none=True,
        validate=validate.Range(0, 9),
        metadata={"description": "0 none, 1 highest, 9 lowest"},
    )
    url = Text(
        2000, 1, allow_none=True, validate=[http_url], metadata={"description": "a page about the event"}
    )
    metadata = fields.Dict(
        keys=fields.String(),
        allow_none=True,
        validate=[_metadata],
        metadata={
            "description": "your own keys and texts, never sent to a provider; merged key by key, "
            "null takes one away"
        },
    )
