"""History and runs."""

from __future__ import annotations

from marshmallow import Schema, fields

from hub.api.schemas.common import Instant


class AuthorSchema(Schema):
    """Who made a change."""

    kind = fields.String(metadata={"description": "api_key, provider (a person there), page or hub"})
    id = fields.String(allow_none=True, metadata={"description": "of the key, the link or the user"})
    name = fields.String(metadata={"description": "the key's name, the person's, or the account's address"})
    provider = fields.String(allow_none=True)
    account_id = fields.String(allow_none=True)
    link_id = fields.String(allow_none=True)
    calendar = fields.String(allow_none=True, metadata={"description": "the remote calendar's name"})


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
    at = Instant()


class CountsSchema(Schema):
    """How many changes of each kind."""

    created = fields.Integer(dump_default=0)
    updated = fields.Integer(dump_default=0)
    deleted = fields.Integer(dump_default=0)
    restored = fields.Integer(dump_default=0)


class RunSchema(Schema):
    """What one run did: a pull of a link, a request, or an undo."""

    id = fields.String()
    author = fields.Nested(AuthorSchema)
    begun_at = Instant()
    ended_at = Instant()
    events = fields.Integer(metadata={"description": "how many events it changed"})
    counts = fields.Nested(CountsSchema)
    changes = fields.List(
        fields.Nested(HistorySchema),
        metadata={"description": "the first of them; all are in the change log, by `run_id`"},
    )
    more = fields.Boolean(metadata={"description": "whether there are more changes than are shown here"})
