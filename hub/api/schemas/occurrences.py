"""Occurrences of a series: one of them, or it and all that follow."""

# The signatures of marshmallow's hooks are given.

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError, fields, validates_schema

from hub.api.schemas.common import Choice, Instant, PageQuery, Strict
from hub.api.schemas.event_fields import EventFields
from hub.api.schemas.event_parts import OccurrenceConferenceSchema, OccurrenceFields, occurrence_color
from hub.api.schemas.guests import NotifyQuery, NotifySchema
from hub.api.schemas.moments import DayOrWallField, MomentSchema
from hub.plugin import types

STATES = ("regular", "changed", "moved", "cancelled")
SCOPES = ("this", "this_and_following")


class OccurrenceSchema(OccurrenceFields):
    """An occurrence as it takes place: what its series says, and what it has otherwise."""

    event_id = fields.String(metadata={"description": "the series that it belongs to"})
    original_start = DayOrWallField(
        metadata={"type": "string", "description": "where the rule puts it: its name in this address"}
    )
    state = Choice(
        STATES,
        metadata={
            "description": "regular: as its series; changed: otherwise at its usual time; moved: at another "
            "time; cancelled: it does not take place"
        },
    )
    start = fields.Nested(MomentSchema)
    end = fields.Nested(MomentSchema)
    starts_at = Instant()
    ends_at = Instant()
    own_answer = Choice(types.Answer, allow_none=True)
    version = fields.Integer(metadata={"description": "of the series; also the ETag"})


class OccurrencePatchSchema(EventFields, NotifySchema):
    """What to change.

    Of this occurrence alone: the fields that an exception may have; null means as in the series. Of this and
    following: all fields of an event; null means the default.
    """

    conference = fields.Nested(OccurrenceConferenceSchema, allow_none=True)
    color = occurrence_color()
    start = fields.Nested(MomentSchema, allow_none=True, metadata={"description": "alone: as long as before"})
    end = fields.Nested(MomentSchema, allow_none=True)
    cancelled = fields.Boolean(
        truthy={True}, falsy={False}, metadata={"description": "false brings a cancelled occurrence back"}
    )


class OccurrenceQuery(PageQuery):
    """Which occurrences."""

    from_ = Instant(
        data_key="from", metadata={"description": "only what ends after this instant; now if left out"}
    )
    to = Instant(
        metadata={"description": "only what starts before it; 400 days after from if left out, and at most"}
    )
    cancelled = fields.Boolean(
        load_default=False, metadata={"description": "list those that do not take place, too"}
    )

    @validates_schema
    def check(self, data: dict[str, Any], **_: Any) -> None:
        start, end = data.get("from_"), data.get("to")
        if start is not None and end is not None and end <= start:
            raise ValidationError("must be after from", "to")
        if start is not None and end is not None and (end - start).days > 400:
            raise ValidationError("must be at most 400 days after from", "to")


class ScopeQuery(Strict):
    """How far a change reaches."""

    scope = Choice(
        SCOPES,
        load_default="this",
        metadata={
            "description": "this occurrence alone, or this_and_following: they become a series of their own"
        },
    )


class ScopeDeleteQuery(ScopeQuery, NotifyQuery):
    """How far a deletion reaches, and who is told."""
