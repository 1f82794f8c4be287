"""A user's edit and the copies it makes wanted, in one transaction.

Comes after the API (or the page) has checked the input; before the outbox. Every change of an event's
row goes through this module or `hub.inbound.apply`, which calls `record` and `fan_out` too.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, insert, or_, select, update
from sqlalchemy.orm import Session

from hub.db import before_commit, table_of
from hub.domain import plain
from hub.domain.recurrence import without_orphans
from hub.many import Many
from hub.models import Actor, Calendar, Change, ChangeKind, Direction, Event, EventCopy, Link, Tenant
from hub.models.content import content_of, write_content
from hub.outbound.spread import spread, want, want_in
from hub.plugin.codec import to_json
from hub.plugin.types import EventContent
from hub.ports import Ports

_TENANTS = table_of(Tenant)
_COUNT_ON = (
    update(_TENANTS)
    .where(_TENANTS.c.id == bindparam("tenant"))
    .values(change_seq=_TENANTS.c.change_seq + bindparam("count"))
    .returning(_TENANTS.c.change_seq)
)
_EVENTS = table_of(Event)
_STATE = select(_EVENTS.c.id, _EVENTS.c.calendar_id, _EVENTS.c.deleted_at, _EVENTS.c.moved_to).where(
    _EVENTS.c.id == bindparam("event_id")
)
_EVENT = select(Event).where(Event.id == bindparam("event_id"))
_LOCKED_EVENT = _EVENT.with_for_update(of=Event)
_ADD_CHANGES = Many(insert(table_of(Change)))


@dataclass(frozen=True, slots=True)
class Author:
    """Who makes a change, for the log: an actor, its id, and the run or request it belongs to."""

    actor: Actor
    id: str | None = None
    run_id: str | None = None


class StaleVersionError(Exception):
    """The event has another version than the caller named."""


def get_event(session: Session, event_id: str, *, lock: bool = False) -> Event | None:
    """Return the event, tombstones included; locked against other writers if asked."""
    event: Event | None = session.scalars(
        _LOCKED_EVENT if lock else _EVENT, {"event_id": event_id}
    ).one_or_none()
    return event


def heir_of(connection: Connection, event_id: str) -> tuple[str, str] | None:
    """Return what a deleted event goes on as, and in which calendar of the hub, if that lives."""
    asked: set[str] = set()
    while event_id not in asked:
        asked.add(event_id)
        event = connection.execute(_STATE, {"event_id": event_id}).first()
        if event is None or (event.deleted_at is not None and event.moved_to is None):
            return None
        if event.deleted_at is None:
            return (event.id, event.calendar_id) if len(asked) > 1 else None
        event_id = event.moved_to
    return None


def create_event(
    session: Session,
    ports: Ports,
    calendar: Calendar,
    content: EventContent,
    author: Author,
    *,
    extra: Mapping[str, Any] | None = None,
    uid: str | None = None,
    split_from: str | None = None,
) -> Event:
    """Add an event to a calendar and make its copies wanted in every link that writes."""
    event_id = ports.ids.new("evt")
    uid = uid or f"{event_id}@coordinoter"
    event = _insert(session, ports, calendar, content, event_id, uid, 1, extra or {}, split_from)
    record(session, ports, event, ChangeKind.CREATED, beginning(event), author)
    fan_out(session, ports, [event])
    return event


def _insert(
    session: Session,
    ports: Ports,
    calendar: Calendar,
    content: EventContent,
    event_id: str,
    uid: str,
    version: int,
    extra: Mapping[str, Any],
    split_from: str | None,
) -> Event:
    now = ports.clock.now()
    content = dataclasses.replace(content, when=without_orphans(content.when))
    event = Event(
        id=event_id,
        tenant_id=calendar.tenant_id,
        calendar_id=calendar.id,
        uid=uid,
        split_from=split_from,
        version=version,
        extra=dict(extra),
        created_at=now,
        updated_at=now,
    )
    write_content(event, content, calendar.zone)
    session.add(event)
    session.flush()
    return event


def update_event(
    session: Session,
    ports: Ports,
    event: Event,
    content: EventContent,
    author: Author,
    *,
    extra: Mapping[str, Any] | None = None,
    expected_version: int | None = None,
    split_into: str | None = None,
    travels: bool = True,
) -> bool:
    """Bring an event (from `get_event(lock=True)`) to `content`; return whether anything changed.

    Args:
        split_into: the event that its later occurrences are from now on, for the log.
        travels: False if the caller fans out several events at once; likewise below.

    Raises:
        StaleVersionError: `expected_version` is given and is not the event's.
    """
    if expected_version is not None and event.version != expected_version:
        raise StaleVersionError
    before = content_of(event)
    content = dataclasses.replace(content, when=without_orphans(content.when))
    fields = differences(before, content)
    if extra is not None and dict(extra) != event.extra:
        fields["metadata"] = {"before": event.extra, "after": dict(extra)}
        event.extra = dict(extra)
    if not fields:
        return False
    if split_into is not None:
        fields["split_into"] = {"before": None, "after": split_into}
    zone = session.get_one(Calendar, event.calendar_id).zone
    write_content(event, content, zone)
    event.version += 1
    event.updated_at = ports.clock.now()
    record(session, ports, event, ChangeKind.UPDATED, fields, author)
    if travels:
        fan_out(session, ports, [event])
    return True


def delete_event(
    session: Session,
    ports: Ports,
    event: Event,
    author: Author,
    *,
    expected_version: int | None = None,
    travels: bool = True,
) -> bool:
    """Delete an event (from `get_event(lock=True)`) here and in every linked calendar.

    Returns False if it is already deleted.

    Raises:
        StaleVersionError: `expected_version` is given and is not the event's.
    """
    if event.deleted_at is not None:
        return False
    if expected_version is not None and event.version != expected_version:
        raise StaleVersionError
    event.version += 1
    event.deleted_at = event.updated_at = ports.clock.now()
    record(session, ports, event, ChangeKind.DELETED, remains(event), author)
    if travels:
        fan_out(session, ports, [event])
    return True


def restore_event(
    session: Session,
    ports: Ports,
    event: Event,
    content: EventContent,
    author: Author,
    *,
    extra: Mapping[str, Any],
    travels: bool = True,
) -> None:
    """Bring a deleted event (from `get_event(lock=True)`) back as `content`, here and wherever it was.

    Where a provider holds it no more it is made anew.
    """
    revive(session, ports, event)
    content = dataclasses.replace(content, when=without_orphans(content.when))
    write_content(event, content, session.get_one(Calendar, event.calendar_id).zone)
    event.extra = dict(extra)
    record(session, ports, event, ChangeKind.RESTORED, beginning(event), author)
    if travels:
        fan_out(session, ports, [event])


def remake_event(
    session: Session,
    ports: Ports,
    calendar: Calendar,
    content: EventContent,
    author: Author,
    *,
    event_id: str,
    uid: str,
    version: int,
    extra: Mapping[str, Any],
    split_from: str | None,
) -> Event:
    """Bring an event back whose tombstone is gone: under its old id, from what the log keeps of it.

    The caller fans out.
    """
    event = _insert(session, ports, calendar, content, event_id, uid, version, extra, split_from)
    record(session, ports, event, ChangeKind.RESTORED, beginning(event), author)
    return event


def revive(session: Session, ports: Ports, event: Event) -> None:
    """Let a deleted event live again, also in export-only calendars that lost it by its deletion."""
    if event.deleted_at is not None:
        revive_copies(session, ports, event.id, event.version, event.deleted_at)
    event.version += 1
    event.deleted_at = event.moved_to = None
    event.updated_at = ports.clock.now()


def revive_copies(session: Session, ports: Ports, event_id: str, version: int, deleted_at: datetime) -> None:
    """Want the copies that export-only calendars have lost by an event's deletion.

    A copy that a person had removed there before stays away.
    """
    lost = session.scalars(
        select(EventCopy)
        .join(Link, Link.id == EventCopy.link_id)
        .where(
            EventCopy.event_id == event_id,
            EventCopy.removed_at.is_not(None),
            or_(EventCopy.wanted_version >= version, EventCopy.removed_at > deleted_at),
            Link.direction == Direction.EXPORT,
            Link.deleted_at.is_(None),
        )
    )
    for copy in lost:
        want(ports, copy, version + 1)


def record(
    session: Session,
    ports: Ports,
    event: Event,
    kind: ChangeKind,
    fields: dict[str, Any],
    author: Author,
) -> None:
    """Note one line for the change log; it gets its number at the end of the transaction.

    What stands for an occurrence of a series (`hub.outbound.singles`) has no history but that of its series.
    """
    if event.part_of is not None:
        return
    line = {"kind": kind, "event_id": event.id, "event_version": event.version, "fields": fields}
    note_changes(session, ports, event.tenant_id, event.calendar_id, author, [line])


def note_changes(
    session: Session,
    ports: Ports,
    tenant_id: str,
    calendar_id: str,
    author: Author,
    lines: list[dict[str, Any]],
) -> None:
    """Note lines for the change log (kind, event_id, event_version, fields) of one calendar's events."""
    if "changes" not in session.info:
        before_commit(session, lambda: _number_changes(session))
    common = {
        "tenant_id": tenant_id, "calendar_id": calendar_id, "at": ports.clock.now(),
        "actor": author.actor, "actor_id": author.id, "run_id": author.run_id,
    }  # fmt: skip
    session.info.setdefault("changes", {}).setdefault(tenant_id, []).extend(common | line for line in lines)


def _number_changes(session: Session) -> None:
    """Give the noted changes their numbers and add them.

    The tenant's row is locked from here to the commit, so numbers have no gaps and no reader can see
    a number before all lower ones.
    """
    noted: dict[str, list[dict[str, Any]]] = session.info.pop("changes", {})
    session.flush()
    connection = session.connection()
    for tenant_id, lines in sorted(noted.items()):
        count = len(lines)
        last = connection.execute(_COUNT_ON, {"tenant": tenant_id, "count": count}).scalar_one()
        for seq, line in enumerate(lines, last - count + 1):
            line["seq"] = seq
        _ADD_CHANGES.execute(connection, lines)


def fan_out(session: Session, ports: Ports, events: list[Event], *, source: Link | None = None) -> None:
    """Make the copies of `events` wanted in every link of their calendar but `source`, and hint pushes.

    A link whose listing has not come to its end gets no new copies: what it holds already is not known.
    """
    session.flush()
    ids: dict[str, dict[str, None]] = {}
    for event in events:
        ids.setdefault(event.calendar_id, {})[event.id] = None
    for calendar_id, event_ids in ids.items():
        spread(session, ports, calendar_id, event_ids, source=source.id if source else "")


def want_copies(session: Session, ports: Ports, link: Link, events: list[Event]) -> None:
    """Make the copies of `events` in `link` wanted at the events' present version."""
    session.flush()
    want_in(session, ports, link.id, [event.id for event in events])


def differences(before: EventContent, after: EventContent) -> dict[str, Any]:
    """Return the changed fields with both values, as the change log keeps them."""
    fields = plain.differences(to_json(before), to_json(after))
    if before.description_html != after.description_html and before.description == after.description:
        # Another formatting of the same words is no change for any provider, and is kept all the same.
        fields["description_html"] = {"before": before.description_html, "after": after.description_html}
    return fields


def beginning(event: Event) -> dict[str, Any]:
    """Return all of an event (with its exceptions) that came into being, as the change log keeps it."""
    fields = plain.beginning(to_json(content_of(event)), event.extra)
    return fields | ({"split_from": {"after": event.split_from}} if event.split_from else {})


def remains(event: Event) -> dict[str, Any]:
    """Return all of an event (with its exceptions) that is deleted: the log can bring it back."""
    values = to_json(content_of(event)) | ({"metadata": event.extra} if event.extra else {})
    values |= {"uid": event.uid} | ({"split_from": event.split_from} if event.split_from else {})
    return {name: {"before": value} for name, value in values.items()}
