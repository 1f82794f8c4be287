"""Plans: what links would do, before they are made or changed."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from hub.api.schemas.calendars import LinkPatchSchema
from hub.api.schemas.common import Choice, Instant, PageQuery, Strict

KINDS = (
    *("create", "change", "delete", "restore", "pair", "conflict"),
    *("refuse", "unreadable", "hold", "stay"),
)


class PlannedLinkSchema(LinkPatchSchema):
    """A link to be made, as `POST /v1/links` takes it, or the `link_id` of one and what changes of it."""

    link_id = fields.String(
        metadata={"description": "a link to be changed; nothing but this: everything is compared anew"}
    )
    calendar_id = fields.String()
    remote_calendar_id = fields.String()
    listed = fields.Integer(dump_only=True, metadata={"description": "events that were read there so far"})

    @validates_schema
    def check(self, data: dict[str, Any], **_: Any) -> None:
        """Tell the two kinds apart."""
        faults: dict[str, list[str]] = {}
        if "link_id" in data:
            for name in ("calendar_id", "remote_calendar_id"):
                if name in data:
                    faults[name] = ["cannot be changed of a link: leave it out, or make a new link"]
        else:
            for name in ("calendar_id", "remote_calendar_id"):
                if name not in data:
                    faults[name] = ["is required, unless link_id names a link to be changed"]
        if faults:
            raise ValidationError(faults)


class PlanCountSchema(Schema):
    """How many actions of one kind."""

    side = fields.String(metadata={"description": "hub or remote"})
    kind = fields.String()
    remote_calendar_id = fields.String(allow_none=True)
    count = fields.Integer()


class PlanLossSchema(Schema):
    """What a provider cannot hold."""

    remote_calendar_id = fields.String(allow_none=True)
    field = fields.String()
    reason = fields.String()
    count = fields.Integer(metadata={"description": "events that lose it"})


class PlanSchema(Strict):
    """What links would do."""

    id = fields.String(dump_only=True)
    state = fields.String(dump_only=True, metadata={"description": "reading, ready, failed or applied"})
    links = fields.List(
        fields.Nested(PlannedLinkSchema),
        required=True,
        validate=validate.Length(1, 10),
        metadata={"description": "links of one calendar, in the order in which they would be read"},
    )
    problem = fields.String(
        dump_only=True, allow_none=True, metadata={"description": "why it failed, or why it waits"}
    )
    is_empty = fields.Boolean(
        dump_only=True, allow_none=True, metadata={"description": "nothing would be changed on any side"}
    )
    same = fields.Integer(
        dump_only=True,
        metadata={"description": "events that look the same on both sides: nothing is written"},
    )
    counts = fields.List(fields.Nested(PlanCountSchema), dump_only=True)
    losses = fields.List(fields.Nested(PlanLossSchema), dump_only=True)
    created_at = Instant(dump_only=True)
    ready_at = Instant(dump_only=True, allow_none=True)
    applied_at = Instant(dump_only=True, allow_none=True)
    expires_at = Instant(dump_only=True, metadata={"description": "until then it can be applied"})


class ActionLossSchema(Schema):
    """A field that a provider cannot hold as it is."""

    field = fields.String()
    reason = fields.String()


class PlannedActionSchema(Schema):
    """What would happen to one event."""

    side = fields.String(metadata={"description": "where: hub or remote"})
    kind = fields.String(metadata={"description": ", ".join(KINDS)})
    remote_calendar_id = fields.String(
        allow_none=True, metadata={"description": "the one that is written, or that the news comes from"}
    )
    event_id = fields.String(allow_none=True, metadata={"description": "null: the hub does not have it yet"})
    remote_id = fields.String(allow_none=True)
    title = fields.String()
    start = fields.String(allow_none=True, metadata={"description": "a date or a wall time"})
    fields_ = fields.Dict(
        attribute="fields",
        data_key="fields",
        metadata={"description": "by field: before and after; of a conflict hub, provider and kept"},
    )
    losses = fields.List(fields.Nested(ActionLossSchema))
    reason = fields.String(allow_none=True)


class PlannedActionQuery(PageQuery):
    side = Choice(("hub", "remote"))
    kind = Choice(KINDS)
    remote_calendar_id = fields.String()
