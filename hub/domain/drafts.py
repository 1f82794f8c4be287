"""Rows of events and copies as a page of changes leaves them, before anything is written.

Plain values: the plan of a page makes them (`hub.domain.page`), apply reads and writes them
(`hub.inbound.rows`), and the outbox notes the answers to its writes with the same columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from hub.domain.fingerprint import fingerprint
from hub.domain.plain import Plain, value_of, with_fields
from hub.plugin.codec import to_json
from hub.plugin.types import RemoteEvent

DELETED = "deleted"
"""Stands in `EventCopy.tried` where our own deletion may have been carried out; also the field of a conflict
between a deletion and an edit."""
UNTROUBLED: Mapping[str, Any] = {"attempts": 0, "problem": None, "parked_at": None, "due_at": None}
"""What a copy has of failures once it is in step."""
NEW_COPY: dict[str, Any] = {
    "remote_id": None,
    "remote_version": "",
    "uid": None,
    "web_link": None,
    "is_ours": False,
    "left_out": False,
    "read_only": None,
    "own_fields": [],
    "notify_only": None,
    "partial_fields": [],
    "notify_version": 0,
    "reply": None,
    "notice": None,
    "base": None,
    "shown_at": None,
    "synced": {},
    "tried": {},
    "replaced": {},
    "unkept": 0,
    "doubted": False,
    "wanted_version": 0,
    "pushed_version": 0,
    "create_id": None,
    "uncertain": False,
    "seen_generation": 0,
    "missing_at": None,
    "removed_at": None,
    **UNTROUBLED,
}
"""A copy of which nothing is known, by column: what the database stores where it is told no other."""
FIRST_VERSION = 1
"""Of a new event."""


class Draft(dict[str, Any]):
    """A row as it is to become, and what of it differs from the stored one: only that is written."""

    __slots__ = ("changed", "stored")

    def __init__(self, stored: Mapping[str, Any]) -> None:
        super().__init__(stored)
        self.stored = stored
        self.changed: dict[str, Any] = {}

    def set(self, values: Mapping[str, Any]) -> None:
        self.update(values)
        stored, changed = self.stored, self.changed
        for name, value in values.items():
            before = stored[name]
            if value is not before and value != before:
                changed[name] = value
            elif name in changed:
                del changed[name]


@dataclass(slots=True)
class EventDraft:
    """An event of the hub, what it means, and what is to become of it."""

    row: Draft
    """`id`, `uid`, `version`, `updated_at`, `deleted_at`, `extra`, `part_of`, `moved_to`."""
    content: Plain
    fields: frozenset[str] = frozenset()
    """The fields of `content` that are to be written."""
    span: tuple[datetime, datetime | None] | None = None
    """The new first start and last end, where the time is among them."""

    @property
    def id(self) -> str:
        event_id: str = self.row["id"]
        return event_id

    @property
    def version(self) -> int:
        version: int = self.row["version"]
        return version


class InStep(NamedTuple):
    """A copy that shows its event as it is, with nothing open between the two."""

    id: str
    event_id: str
    remote_version: str
    uid: str | None
    web_link: str | None
    is_ours: bool
    content: Plain
    """Its base, and what the event means."""
    version: int
    """Of the event; likewise `updated_at`."""
    updated_at: datetime


class Followed(NamedTuple):
    """An event that takes on what the provider shows now, and its copy: they stay in step."""

    id: str
    event_id: str
    remote: RemoteEvent
    content: Plain
    version: int
    """Of the event, from now on."""
    updated_at: datetime | None
    """None: nothing of the event has changed."""
    span: tuple[datetime, datetime | None] | None
    """Its new first start and last end, where the time has changed."""


class NewEvent(NamedTuple):
    """An event that the hub does not have yet."""

    id: str
    uid: str
    content: Plain
    starts_at: datetime
    ends_at: datetime | None
    created_at: datetime
    updated_at: datetime
    extra: dict[str, Any]
    deleted_at: datetime | None = None


@dataclass(slots=True)
class Writes:
    """What a page comes to."""

    new_events: list[NewEvent] = field(default_factory=list)
    events: list[EventDraft] = field(default_factory=list)
    new_copies: list[dict[str, Any]] = field(default_factory=list)
    """What is known of them, by column; the rest is as `NEW_COPY` has it."""
    copies: list[Draft] = field(default_factory=list)
    followed: list[Followed] = field(default_factory=list)
    log: list[dict[str, Any]] = field(default_factory=list)
    """Lines of the change log: kind, event_id, event_version, fields."""
    conflicts: list[tuple[EventDraft, dict[str, Any]]] = field(default_factory=list)
    """Rows of conflicts, each with its event, whose version is part of the decision."""
    revived: list[tuple[str, int, datetime]] = field(default_factory=list)
    """Events that live again: their version and the moment of their deletion."""
    touched: list[str] = field(default_factory=list)
    """The events whose copies in other links are wanted, beside those of `new_events`."""
    passed_on: list[tuple[str, Plain]] = field(default_factory=list)
    """Events of other calendars, and what they mean now that what was said here of what they were counts."""
    unkept: list[tuple[str, str, frozenset[str]]] = field(default_factory=list)
    """Copy, event and fields of writes of ours that the provider did not keep."""


def shown(remote: RemoteEvent, content: Plain) -> dict[str, Any]:
    """Return the columns of a copy that keep what the provider shows as its base."""
    return {
        "remote_id": remote.remote_id,
        "remote_version": remote.version,
        "base": content,
        "shown_at": remote.updated_at,
        "doubted": False,
        "uncertain": False,
        "create_id": None,
        "tried": NEW_COPY["tried"],  # One value in all rows is written once.
        "uid": remote.uid,
        "web_link": remote.web_link,
        "read_only": remote.read_only,
        "own_fields": sorted(remote.own_fields) if remote.own_fields else NEW_COPY["own_fields"],
        "notify_only": remote.notify_only,
        "partial_fields": sorted(remote.partial_fields)
        if remote.partial_fields
        else NEW_COPY["partial_fields"],
        "notice": remote.notice,
        "removed_at": None,
        "left_out": False,
        "missing_at": None,
    }


def lost(create_id: str) -> dict[str, Any]:
    """Return the columns of a copy that the provider has lost and that is wanted as a new event."""
    return {
        "remote_id": None,
        "remote_version": "",
        "base": None,
        "synced": {},
        "tried": {},
        "replaced": {},
        "shown_at": None,
        "doubted": False,
        "create_id": create_id,
        "uncertain": False,
        "is_ours": False,
        "left_out": False,
        "read_only": None,
        "own_fields": [],
        "notify_only": None,
        "partial_fields": [],
        "reply": None,
        "notice": None,
        "removed_at": None,
        "missing_at": None,
        "pushed_version": 0,
        **UNTROUBLED,
    }


def lost_later(replaced: Mapping[str, str], base: Plain, theirs: Plain) -> frozenset[str]:
    """Return the fields of our last write that a listing shows with the value that they replaced.

    Args:
        replaced: by field, the fingerprint of what our last write replaced.
        base: what the provider's answer to the write showed.
        theirs: what it shows now, under the same version or an older one.
    """
    if not replaced:
        return frozenset()
    return frozenset(
        name
        for name, before in replaced.items()
        if theirs.get(name) != base.get(name) and fingerprint(value_of(theirs, name)) == before
    )


def is_leftover(copy: Draft) -> bool:
    """Whether the hub itself has deleted a copy, so that it must not be there any more."""
    return copy["removed_at"] is not None and DELETED in (copy["tried"] or ())


def plain_of(remote: RemoteEvent, base: Plain | None) -> Plain:
    """Return what a provider shows as the store holds it.

    Args:
        base: what it showed before; that stands for what it shows a part of.
    """
    content: Plain = to_json(remote.content)
    if base and remote.partial_fields:
        content = with_fields(content, {name: base.get(name) for name in remote.partial_fields})
    return content
