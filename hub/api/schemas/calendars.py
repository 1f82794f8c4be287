"""Calendars, links, changes and conflicts."""

from __future__ import annotations

import re
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from hub.api.schemas.common import Choice, Instant, PageQuery, Strict, Text, iana_zone
from hub.domain.lens import LEAVABLE, PLACEHOLDERS, fault_of_title
from hub.models import Detail, Direction, Policy, Unholdable


def hex_color(value: str) -> None:
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", value):
        raise ValidationError("must look like #1a73e8")


class CalendarSchema(Strict):
    """The hub's own calendar."""

    id = fields.String(dump_only=True)
    user_id = fields.String(required=True)
    name = Text(200, 1, required=True)
    zone = Text(64, load_default="UTC", validate=[iana_zone], metadata={"description": "IANA time zone"})
    color = Text(20, load_default=None, allow_none=True, validate=[hex_color])
    created_at = Instant(dump_only=True)


class CalendarPatchSchema(Strict):
    """What may be changed of a calendar."""

    name = Text(200, 1)
    zone = Text(64, validate=[iana_zone])
    color = Text(20, allow_none=True, validate=[hex_color])


class CalendarQuery(PageQuery):
    user_id = fields.String()


class ParkedSchema(Schema):
    """An event that does not travel, and why."""

    event_id = fields.String(allow_none=True)
    remote_id = fields.String(allow_none=True)
    title = fields.String()
    reason = fields.String()
    advice = fields.String(metadata={"description": "what helps, in words for people"})
    at = Instant()


class HealthSchema(Schema):
    """How well a link does."""

    state = fields.String(
        metadata={"description": "in_sync, syncing, behind, held, paused, stopped or needs_reconnect"}
    )
    lag_seconds = fields.Float()
    heard_at = Instant(allow_none=True)
    waiting = fields.Integer(metadata={"description": "events that are still to be written there"})
    waiting_since = Instant(allow_none=True)
    delivery = fields.String(metadata={"description": "push, or poll: asked every `poll_seconds`"})
    poll_seconds = fields.Float()
    problem = fields.String(allow_none=True, metadata={"description": "what is wrong and what to do"})
    problem_at = Instant(allow_none=True)
    held_deletions = fields.Integer(metadata={"description": "deletions that wait for a person"})
    parked_count = fields.Integer()
    parked = fields.List(fields.Nested(ParkedSchema))


class HeldDeletionSchema(Schema):
    """An event that its calendar holds no more, and whose deletion waits for a person."""

    event_id = fields.String()
    title = fields.String()
    missing_at = Instant()


_DAYS = validate.Range(0, 3660)


class TrueOrFalse(fields.Boolean):
    """A boolean that is one: no words that may mean it."""

    truthy = {True}  # noqa: RUF012
    falsy = {False}  # noqa: RUF012


class FiltersSchema(Strict):
    """Which events are copied to the remote calendar; what is not named stays as it is."""

    declined = TrueOrFalse(
        metadata={
            "description": "those that the owner has declined, and such days of a series; false by default"
        }
    )
    free = TrueOrFalse(metadata={"description": "those whose time counts as free; true by default"})
    all_day = TrueOrFalse(metadata={"description": "true by default"})
    past = TrueOrFalse(
        metadata={"description": "those that are over; false takes them away once they are; true by default"}
    )
    only_categories = fields.List(
        Text(255, 1),
        validate=validate.Length(max=100),
        metadata={"description": "only events of one of these; empty, as by default: of any, and of none"},
    )
    without_categories = fields.List(
        Text(255, 1), validate=validate.Length(max=100), metadata={"description": "no events of any of these"}
    )


def busy_title(value: str) -> None:
    if fault := fault_of_title(value):
        raise ValidationError(fault)


def _leave_alone(**settings: Any) -> Any:
    return fields.List(
        Choice(LEAVABLE),
        metadata={"description": "fields that are neither written there nor taken over from there"},
        **settings,
    )


class LinkSchema(Strict):
    """Ties a calendar to a remote calendar."""

    id = fields.String(dump_only=True)
    calendar_id = fields.String(required=True)
    remote_calendar_id = fields.String(required=True)
    account_id = fields.String(dump_only=True)
    direction = Choice(
        Direction,
        load_default="two_way",
        metadata={"description": "seen from the hub: import reads only, export writes only"},
    )
    detail = Choice(
        Detail,
        load_default="full",
        metadata={"description": "busy_only shows there when the time is taken, and nothing else"},
    )
    busy_title = Text(
        200,
        1,
        load_default="Busy",
        validate=[busy_title],
        metadata={"description": f"of busy_only copies; may name {', '.join(PLACEHOLDERS)} in braces"},
    )
    filters = fields.Nested(FiltersSchema, load_default=dict)
    leave_alone = _leave_alone(load_default=list)
    unholdable = Choice(
        Unholdable,
        load_default="hold",
        metadata={
            "description": "what becomes of a series whose rule cannot be held there: hold parks it with the "
            "reason, singles writes its occurrences in the window as single events"
        },
    )
    policy = Choice(Policy, load_default="newest", metadata={"description": "who wins a conflict"})
    past_days = fields.Integer(strict=True, load_default=90, validate=_DAYS)
    future_days = fields.Integer(strict=True, load_default=400, validate=_DAYS)
    state = fields.String(dump_only=True)
    health = fields.Nested(HealthSchema, dump_only=True)
    created_at = Instant(dump_only=True)


class LinkPatchSchema(Strict):
    """What may be changed of a link."""

    direction = Choice(Direction)
    detail = Choice(Detail)
    busy_title = Text(200, 1, validate=[busy_title])
    filters = fields.Nested(FiltersSchema)
    leave_alone = _leave_alone()
    unholdable = Choice(Unholdable)
    policy = Choice(Policy)
    past_days = fields.Integer(strict=True, validate=_DAYS)
    future_days = fields.Integer(strict=True, validate=_DAYS)


class LinkQuery(PageQuery):
    user_id = fields.String(metadata={"description": "only links between calendars of this user"})
    calendar_id = fields.String(metadata={"description": "only links of this calendar"})
    account_id = fields.String(metadata={"description": "only links to calendars of this account"})


class MoveSchema(Strict):
    """Where a link moves to."""

    remote_calendar_id = fields.String(required=True)


class SyncSchema(Strict):
    """How to sync now."""

    full = fields.Boolean(
        truthy={True},
        falsy={False},
        load_default=False,
        metadata={"description": "list everything again instead of only what changed"},
    )


class ChangeSchema(Schema):
    """One line of the change log."""

    seq = fields.Integer()
    kind = fields.String(metadata={"description": "created, updated, deleted or restored"})
    calendar_id = fields.String()
    event_id = fields.String()
    event_version = fields.Integer()
    fields_ = fields.Dict(
        attribute="fields", data_key="fields", metadata={"description": "by field: before and after"}
    )
    actor = fields.String(metadata={"description": "api_key, provider, page or hub"})
    actor_id = fields.String(allow_none=True)
    run_id = fields.String(allow_none=True, metadata={"description": "the pull, request or undo that did it"})
    at = Instant()


class ChangesQuery(Strict):
    after = fields.Integer(
        load_default=0,
        validate=validate.Range(0, 2**62),
        metadata={"description": "the last number that you have seen"},
    )
    calendar_id = fields.String()
    event_id = fields.String()
    run_id = fields.String(metadata={"description": "only what one run did"})
    limit = fields.Integer(load_default=100, validate=validate.Range(1, 1000))


class ChangesSchema(Schema):
    """A stretch of the change log."""

    items = fields.List(fields.Nested(ChangeSchema))
    next_after = fields.Integer(metadata={"description": "pass it as `after`"})
    more = fields.Boolean(metadata={"description": "whether there is more already"})


class ConflictSchema(Schema):
    """Both sides changed the same; the losing value is kept here."""

    id = fields.String()
    event_id = fields.String()
    link_id = fields.String()
    field = fields.String(
        metadata={"description": "a field of the event (when: start, end, rule and exceptions), or deleted"}
    )
    kept = fields.String(metadata={"description": "hub or provider: whose value the link's rule kept"})
    stands = fields.String(metadata={"description": "hub or provider: whose value was last said to stand"})
    hub_value = fields.Dict(metadata={"description": "`value`; null: it had deleted the event"})
    provider_value = fields.Dict(metadata={"description": "the same"})
    reason = fields.String()
    at = Instant()
    resolution = fields.String(
        allow_none=True, metadata={"description": "hub or provider, as resolved; null: it is open"}
    )
    resolved_at = Instant(allow_none=True)
    resolved_by = fields.String(allow_none=True, metadata={"description": "api_key or page"})
    resolved_by_id = fields.String(allow_none=True)
    resolved_run_id = fields.String(allow_none=True, metadata={"description": "the run that did it"})


class ConflictQuery(PageQuery):
    event_id = fields.String()
    link_id = fields.String()
    state = Choice(("open", "resolved"))


class ResolveSchema(Strict):
    """Whose value shall stand."""

    keep = Choice(("hub", "provider"), required=True)
