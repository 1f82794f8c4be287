"""The rows that a page tells of, read and written many at once by statements that are made once.

Used by apply, around its plan. What a page changes is read after it was locked: first the events, then
the copies, each in the order of their ids, as everyone does who writes them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    BindParameter,
    Connection,
    Table,
    Text,
    and_,
    bindparam,
    case,
    delete,
    insert,
    null,
    select,
    type_coerce,
    update,
)

from hub.db import Json, read_json, table_of
from hub.direct import DirectConnection
from hub.domain.drafts import FIRST_VERSION, Draft, EventDraft, Followed, InStep, NewEvent, Writes
from hub.domain.merge import NOTHING
from hub.domain.plain import Plain
from hub.many import Many
from hub.models import (
    Conflict,
    Event,
    EventCopy,
    Link,
    ParkedChange,
)

_EVENTS, _COPIES, _PARKED = table_of(Event), table_of(EventCopy), table_of(ParkedChange)
_IDS: BindParameter[Any] = bindparam("ids", expanding=True)


class Known(NamedTuple):
    """A copy, as far as it takes to recognise old news."""

    id: str
    event_id: str
    remote_id: str
    remote_version: str
    seen_generation: int
    replaced: Mapping[str, str] = NOTHING
    unkept: int = 0
    missing_at: datetime | None = None
    doubted: bool = False
    removed_at: datetime | None = None
    tried: Mapping[str, Any] = NOTHING
    left_out: bool = False
    step: Sequence[Any] | None = None
    """Whether the copy is in step, if that is known: empty if it is not, else what was read of it
    (`_KNOWN_IN_STEP`), and all the others are as they stand here."""


_COPY = tuple(_COPIES.c[name] for name in Known._fields[:-1])
_NAMED = (_COPIES.c.link_id == bindparam("link_id"), _COPIES.c.remote_id.in_(_IDS))
_KNOWN = select(*_COPY).where(*_NAMED)
_EVENTS_OF = select(_COPIES.c.id, _COPIES.c.event_id).where(_COPIES.c.id.in_(_IDS))
_LOCK_EVENTS = select(_EVENTS.c.id).where(_EVENTS.c.id.in_(_IDS)).order_by(_EVENTS.c.id).with_for_update()
_LOCK_COPIES = select(_COPIES.c.id).where(_COPIES.c.id.in_(_IDS)).order_by(_COPIES.c.id).with_for_update()

_COPY_NAMES = tuple(c.name for c in _COPIES.columns)
_EVENT_NAMES = ("id", "uid", "version", "updated_at", "deleted_at", "extra", "part_of", "moved_to")
_EVENT_COLUMNS = tuple(_EVENTS.c[name] for name in _EVENT_NAMES)
_OTHER_CONTENT = type_coerce(
    case((_EVENTS.c.content == _COPIES.c.base, null()), else_=_EVENTS.c.content), Json
).label("other")
"""What an event means, unless that is what the copy's provider has shown last: it need not be read twice."""
_PAIRS = (
    select(*_COPIES.columns, *_EVENT_COLUMNS, _OTHER_CONTENT)
    .join_from(_COPIES, _EVENTS, _EVENTS.c.id == _COPIES.c.event_id)
    .where(_COPIES.c.id.in_(_IDS))
)
_IS_IN_STEP = and_(
    _EVENTS.c.content == _COPIES.c.base,
    _EVENTS.c.deleted_at.is_(None),
    _EVENTS.c.part_of.is_(None),
    *(_COPIES.c[n].is_(None) for n in (
        "removed_at", "missing_at", "reply", "create_id", "due_at", "parked_at", "problem", "read_only",
        "notify_only", "notice",
    )),
    *(_COPIES.c[n] == {} for n in ("synced", "tried", "replaced")),
    *(_COPIES.c[n] == [] for n in ("own_fields", "partial_fields")),
    *(_COPIES.c[n] == 0 for n in ("unkept", "notify_version", "attempts")),
    *(~_COPIES.c[n] for n in ("doubted", "left_out", "uncertain")),
)  # fmt: skip
_IN_STEP = (
    select(
        _COPIES.c.id, _COPIES.c.event_id, _COPIES.c.remote_version, _COPIES.c.uid, _COPIES.c.web_link,
        _COPIES.c.is_ours, _COPIES.c.base, _EVENTS.c.version, _EVENTS.c.updated_at,
    )
    .join_from(_COPIES, _EVENTS, _EVENTS.c.id == _COPIES.c.event_id)
    .where(_COPIES.c.id.in_(_IDS), _IS_IN_STEP)
)  # fmt: skip
_KNOWN_IN_STEP = (
    select(
        *_COPY[:5], case((_IS_IN_STEP, 1), else_=0),
        _COPIES.c.uid, _COPIES.c.web_link, _COPIES.c.is_ours, type_coerce(_COPIES.c.base, Text),
        _EVENTS.c.version, _EVENTS.c.updated_at,
    )
    .join_from(_COPIES, _EVENTS, _EVENTS.c.id == _COPIES.c.event_id)
    .where(*_NAMED)
)  # fmt: skip
_ALONE = select(*_EVENT_COLUMNS, _EVENTS.c.content).where(_EVENTS.c.id.in_(_IDS))
_CONTENTS = select(_EVENTS.c.id, _EVENTS.c.content).where(_EVENTS.c.id.in_(_IDS))

_INSERTS = {table: Many(insert(table)) for table in (_EVENTS, _COPIES, table_of(Conflict))}
_UPDATES = {
    table: Many(update(table).where(table.c.id == bindparam("row_id"))) for table in (_EVENTS, _COPIES)
}
_UNPARK = delete(_PARKED).where(_PARKED.c.link_id == bindparam("link_id"), _PARKED.c.remote_id.in_(_IDS))


@dataclass(frozen=True, slots=True)
class Rows:
    """What was read of a page's events."""

    copies: dict[str, tuple[Draft, EventDraft]] = field(default_factory=dict)
    """Copies with their events, by the id of the copy."""
    events: dict[str, EventDraft] = field(default_factory=dict)


def known(connection: Connection, link_id: str, remote_ids: Collection[str]) -> dict[str, Known]:
    """Return those copies that the link has, by remote id, as far as it takes to recognise old news."""
    found: dict[str, Known] = {}
    rest, step = list(remote_ids), None
    if isinstance(connection, DirectConnection):
        # Nothing of this changes until the page is written, so that it need not be read a second time.
        rows, rest, step = connection.execute(_KNOWN_IN_STEP, {"link_id": link_id, "ids": rest}), [], ()
        for row in rows:
            copy_id, event_id, remote_id, version, generation, is_in_step, *_ = row
            if is_in_step:
                found[remote_id] = Known(copy_id, event_id, remote_id, version, generation, step=row)
            else:
                rest.append(remote_id)
    if rest:
        rows = connection.execute(_KNOWN, {"link_id": link_id, "ids": rest})
        found |= {copy.remote_id: copy for copy in (Known._make((*row, step)) for row in rows)}
    return found


def draft_of(known: Known) -> Draft:
    """Return a copy as far as it is known, to be changed."""
    return Draft(known._asdict())


def events_of(connection: Connection, copy_ids: Collection[str]) -> list[tuple[str, str]]:
    """Return copies with the ids of their events."""
    rows = connection.execute(_EVENTS_OF, {"ids": list(copy_ids)})
    return [(copy_id, event_id) for copy_id, event_id in rows]


def lock(connection: Connection, event_ids: Iterable[str], copy_ids: Iterable[str]) -> None:
    """Lock events and copies that are to be written; where writers take turns nobody else can be at them."""
    if not isinstance(connection, DirectConnection):
        connection.execute(_LOCK_EVENTS, {"ids": sorted(event_ids)})
        connection.execute(_LOCK_COPIES, {"ids": sorted(copy_ids)})


def in_step(connection: Connection, copies: Collection[Known]) -> dict[str, InStep]:
    """Return those copies that show their events as they are, with nothing open."""
    found, ids = {}, []
    for copy in copies:
        step = copy.step
        if not step:
            ids += [copy.id] if step is None else []
            continue
        *_, uid, web_link, is_ours, base, version, at = step
        content = read_json(base)
        found[copy.id] = InStep(*copy[:2], copy.remote_version, uid, web_link, is_ours, content, version, at)
    rows = connection.execute(_IN_STEP, {"ids": ids}) if ids else ()
    return found | {copy.id: copy for copy in map(InStep._make, rows)}


def read(connection: Connection, copy_ids: Collection[str], event_ids: Collection[str]) -> Rows:
    """Return copies with their events, and events without.

    Args:
        event_ids: the events, those of the copies among them.
    """
    rows, width = Rows(), len(_COPY_NAMES)
    if copy_ids:
        for row in connection.execute(_PAIRS, {"ids": list(copy_ids)}).all():
            copy = Draft(dict(zip(_COPY_NAMES, row, strict=False)))
            other = row[-1]
            event = _event(row[width:-1], copy["base"] if other is None else other)
            rows.events[event.id] = event
            rows.copies[copy["id"]] = (copy, event)
    alone = [event_id for event_id in event_ids if event_id not in rows.events]
    if alone:
        for row in connection.execute(_ALONE, {"ids": alone}):
            rows.events[row[0]] = _event(row[:-1], row[-1])
    return rows


def _event(values: Sequence[Any], content: Plain) -> EventDraft:
    return EventDraft(Draft(dict(zip(_EVENT_NAMES, values, strict=True))), content)


def read_contents(connection: Connection, event_ids: Collection[str]) -> dict[str, Plain]:
    """Return what events mean, without a lock."""
    rows = connection.execute(_CONTENTS, {"ids": list(event_ids)})
    return {row[0]: row[1] for row in rows}


def write(connection: Connection, link: Link, writes: Writes) -> None:
    """Carry a plan out: each kind of row by one statement."""
    _follow(connection, link, writes.followed)
    _add_events(connection, link, writes.new_events)
    _update(connection, _EVENTS, ((event.id, _event_columns(event)) for event in writes.events))
    # First those that there are: a new one may take over the remote id of another.
    _update(connection, _COPIES, ((copy["id"], copy.changed) for copy in writes.copies))
    for alike in _alike(writes.new_copies):
        _insert(connection, _COPIES, alike)
    own = {"tenant_id": link.tenant_id, "link_id": link.id}
    conflicts = [own | conflict | {"event_version": event.version} for event, conflict in writes.conflicts]
    _insert(connection, table_of(Conflict), conflicts)


def _follow(connection: Connection, link: Link, followed: Sequence[Followed]) -> None:
    edited = [f for f in followed if f.updated_at is not None]
    moved = [(f.span, f) for f in edited if f.span is not None]
    if edited:
        _UPDATES[_EVENTS].columns(connection, {
            "row_id": [f.event_id for f in edited],
            "content": [f.content for f in edited],
            "version": [f.version for f in edited],
            "updated_at": [f.updated_at for f in edited],
        })  # fmt: skip
    if moved:
        _UPDATES[_EVENTS].columns(connection, {
            "row_id": [f.event_id for _, f in moved],
            "starts_at": [span[0] for span, _ in moved],
            "ends_at": [span[1] for span, _ in moved],
        })  # fmt: skip
    if followed:
        versions = [f.version for f in followed]
        _UPDATES[_COPIES].columns(connection, {
            "row_id": [f.id for f in followed],
            "remote_version": [f.remote.version for f in followed],
            "base": [f.content for f in followed],
            "shown_at": [f.remote.updated_at for f in followed],
            "seen_generation": [link.generation] * len(followed),
            "wanted_version": versions,
            "pushed_version": versions,
        })  # fmt: skip


def _add_events(connection: Connection, link: Link, events: Sequence[NewEvent]) -> None:
    if events:
        own = {"tenant_id": link.tenant_id, "calendar_id": link.calendar_id, "version": FIRST_VERSION}
        columns = {name: [value] * len(events) for name, value in own.items()}
        columns |= dict(zip(NewEvent._fields, zip(*events, strict=True), strict=True))
        _INSERTS[_EVENTS].columns(connection, columns)


def _event_columns(event: EventDraft) -> dict[str, Any]:
    columns = event.row.changed
    if event.fields:
        columns["content"] = event.content
    if event.span is not None:
        columns["starts_at"], columns["ends_at"] = event.span
    return columns


def _insert(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    _INSERTS[table].execute(connection, rows)


def _update(connection: Connection, table: Table, changes: Iterable[tuple[str, dict[str, Any]]]) -> None:
    """Update rows, those with the same columns at once."""
    for alike in _alike({**columns, "row_id": row_id} for row_id, columns in changes):
        _UPDATES[table].execute(connection, alike)


def _alike(rows: Iterable[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Return the rows, those with the same columns in the same order together."""
    found: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        found[tuple(row)].append(row)
    return [found[names] for names in sorted(found)]


def unpark(connection: Connection, link_id: str, remote_ids: Collection[str]) -> None:
    """Forget items that could not be understood and now can."""
    connection.execute(_UNPARK, {"link_id": link_id, "ids": list(remote_ids)})
