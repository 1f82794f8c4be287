"""Events: between a consumer's JSON and the types that the whole hub speaks of."""

# The signatures of marshmallow's hooks are given.

from __future__ import annotations

from typing import Any

from marshmallow import Schema, ValidationError, fields, validates_schema

from hub.api.schemas.common import Choice, Instant, PageQuery
from hub.api.schemas.event_fields import METADATA_KEY, EventFields
from hub.api.schemas.event_parts import PersonSchema, at_most
from hub.api.schemas.guests import NotifySchema
from hub.api.schemas.moments import MomentSchema
from hub.api.schemas.occurrences import OccurrenceSchema
from hub.plugin import types


class EventCreateSchema(EventFields, NotifySchema):
    """A new event."""

    calendar_id = fields.String(required=True)
    start = fields.Nested(MomentSchema, required=True)
    end = fields.Nested(MomentSchema, required=True, metadata={"description": "exclusive"})


class EventPatchSchema(EventFields, NotifySchema):
    """What to change; fields that are left out stay, null means the default, `metadata` merges by key."""


class CopyLossSchema(Schema):
    """A field that a linked calendar shows otherwise than it stands here."""

    field = fields.String()
    reason = fields.String()


class CopyStateSchema(Schema):
    """Where the event stands in one link."""

    link_id = fields.String()
    state = fields.String(
        metadata={
            "description": "synced, waiting, parked, missing (its deletion is held), left_out (the link "
            "copies no such events) or removed"
        }
    )
    web_link = fields.String(allow_none=True, metadata={"description": "its page at the provider"})
    problem = fields.String(
        allow_none=True, metadata={"description": "why it is not as wanted, or not there at all"}
    )
    advice = fields.String(
        allow_none=True, metadata={"description": "what helps if it is parked; not told in lists"}
    )
    notice = fields.String(
        allow_none=True, metadata={"description": "what of it could not be understood there, if anything"}
    )
    read_only = fields.String(
        allow_none=True, metadata={"description": "why nothing is written to it there, if so"}
    )
    updated_at = Instant(
        allow_none=True, metadata={"description": "when it was last changed there, by the provider's clock"}
    )
    losses = fields.List(
        fields.Nested(CopyLossSchema),
        metadata={"description": "what is kept here and not shown there, and why; not told in lists"},
    )


class EventSchema(EventFields):
    """An event of a calendar: a single one, or a series with its rule and exceptions."""

    id = fields.String()
    calendar_id = fields.String()
    uid = fields.String()
    version = fields.Integer(metadata={"description": "also the ETag"})
    organizer = fields.Nested(
        PersonSchema, allow_none=True, metadata={"description": "who calls to the meeting, if it is one"}
    )
    own_answer = Choice(
        types.Answer,
        allow_none=True,
        metadata={"description": "what the account's owner has answered to an invitation; null: none came"},
    )
    split_from = fields.String(
        allow_none=True,
        metadata={"description": "the series whose later occurrences these are, here or at a provider"},
    )
    split_into = fields.List(
        fields.String(), metadata={"description": "the series that later occurrences of this one are now"}
    )
    copies = fields.List(fields.Nested(CopyStateSchema))
    occurrence = fields.Nested(
        OccurrenceSchema, metadata={"description": "with expand=true: which occurrence this line is"}
    )
    created_at = Instant()
    updated_at = Instant()


def _pair(value: str) -> None:
    if not METADATA_KEY.fullmatch(value.partition("=")[0]) or "=" not in value or "\0" in value:
        raise ValidationError("must look like key=value")


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
    metadata = fields.List(
        fields.String(validate=[_pair]),
        load_default=list,
        validate=[at_most(10, "pairs")],
        metadata={"description": "only events whose metadata has this `key=value`; several: all of them"},
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
