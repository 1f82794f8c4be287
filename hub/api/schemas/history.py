"""History and runs."""

from __future__ import annotations

from marshmallow import Schema, fields

from hub.api.schemas.common import Instant, PageQuery, Strict


class AuthorSchema(Schema):
    """Who made a change."""

    kind = fields.String(metadata={"description": "api_key, provider (a person there), page or hub"})
    id = fields.String(allow_none=True, metadata={"description": "of the key, the link or the user"})
    name = fields.String(metadata={"description": "the key's name, the person's, or the account's address"})
    provider = fields.String(allow_none=True)
    account_id = fields.String(allow_none=True)
    link_id = fields.String(allow_none=True)
    calendar = fields.String(allow_none=True, metadata={"description": "the remote calendar's name"})


class UndoesSchema(Schema):
    """What an undo takes back: a run, one change, or all changes of an event beyond a version."""

    run_id = fields.String(allow_none=True)
    seq = fields.Integer(allow_none=True)
    event_id = fields.String(allow_none=True)
    version = fields.Integer(allow_none=True)


class HistorySchema(Schema):
    """One change of an event, with its author."""

    seq = fields.Integer(metadata={"description": "its number in the change log"})
    kind = fields.String(metadata={"description": "created, updated, deleted or restored"})
    calendar_id = fields.String()
    event_id = fields.String()
    event_version = fields.Integer(metadata={"description": "the event's version after it"})
    fields_ = fields.Dict(
        attribute="fields", data_key="fields", metadata={"description": "by field: before and after"}
    )
    author = fields.Nested(AuthorSchema)
    run_id = fields.String(allow_none=True)
    undoes = fields.Nested(
        UndoesSchema, allow_none=True, metadata={"description": "set if an undo made this change"}
    )
    at = Instant()


class CountsSchema(Schema):
    """How many changes of each kind."""

    created = fields.Integer(dump_default=0)
    updated = fields.Integer(dump_default=0)
    deleted = fields.Integer(dump_default=0)
    restored = fields.Integer(dump_default=0)


class UndoCountsSchema(Schema):
    """How many events an undo changes, and how."""

    events = fields.Integer(dump_default=0)
    updated = fields.Integer(dump_default=0)
    deleted = fields.Integer(dump_default=0)
    restored = fields.Integer(dump_default=0)
    unchanged = fields.Integer(dump_default=0)
    kept = fields.Integer(
        dump_default=0, metadata={"description": "of all these: events that keep what others changed since"}
    )
    blocked = fields.Integer(dump_default=0)
    uncounted = fields.Integer(
        dump_default=0, metadata={"description": "in a preview: further events that it did not look at"}
    )


class UndoSchema(Schema):
    """An undo: a run of its own, which can be undone."""

    run_id = fields.String(metadata={"description": "the run of what it changes"})
    state = fields.String(metadata={"description": "running: the rest follows by itself; or done"})
    undoes = fields.Nested(UndoesSchema)
    force = fields.Boolean()
    counts = fields.Nested(UndoCountsSchema)


class RunSchema(Schema):
    """What one run did: a pull of a link, a request, or an undo."""

    id = fields.String()
    author = fields.Nested(AuthorSchema)
    begun_at = Instant()
    ended_at = Instant(allow_none=True)
    events = fields.Integer(metadata={"description": "how many events it changed"})
    counts = fields.Nested(CountsSchema)
    changes = fields.List(
        fields.Nested(HistorySchema),
        metadata={"description": "the first of them; all are in the change log, by `run_id`"},
    )
    more = fields.Boolean(metadata={"description": "whether there are more changes than are shown here"})
    undo = fields.Nested(UndoSchema, allow_none=True, metadata={"description": "set if it is an undo"})
    undone_by = fields.List(fields.String(), metadata={"description": "undos of this run"})


class KeptSchema(Schema):
    """What an undo leaves, since it was changed again after what is taken back."""

    field = fields.String(metadata={"description": "a field, or deleted: the event itself"})
    seq = fields.Integer(metadata={"description": "the change that is not taken back"})
    present = fields.Raw(allow_none=True)
    wanted = fields.Raw(allow_none=True)
    reason = fields.String()


class LossSchema(Schema):
    """Something that an undo cannot bring back."""

    link_id = fields.String(allow_none=True, metadata={"description": "where; null: everywhere"})
    field = fields.String(allow_none=True)
    reason = fields.String()


class EventUndoSchema(Schema):
    """What an undo does to one event."""

    event_id = fields.String()
    title = fields.String()
    action = fields.String(metadata={"description": "update, delete, restore or none"})
    fields_ = fields.Dict(
        attribute="fields", data_key="fields", metadata={"description": "by field: before and after the undo"}
    )
    kept = fields.List(fields.Nested(KeptSchema))
    losses = fields.List(fields.Nested(LossSchema))
    blocked = fields.String(allow_none=True, metadata={"description": "why nothing can be done"})


class UndoPreviewSchema(Schema):
    """What an undo would do."""

    undoes = fields.Nested(UndoesSchema)
    force = fields.Boolean()
    counts = fields.Nested(
        UndoCountsSchema, allow_none=True, metadata={"description": "of all pages; on the first one only"}
    )
    items = fields.List(fields.Nested(EventUndoSchema))
    next_cursor = fields.String(allow_none=True)


class UndoneSchema(UndoSchema):
    """An undo that was begun, and what its first step did."""

    items = fields.List(fields.Nested(EventUndoSchema))


class UndoQuery(PageQuery):
    force = fields.Boolean(
        load_default=False, metadata={"description": "as if what others changed since were to be overwritten"}
    )


class UndoRequestSchema(Strict):
    """How to undo."""

    force = fields.Boolean(
        truthy={True},
        falsy={False},
        load_default=False,
        metadata={"description": "overwrite what others have changed since"},
    )
