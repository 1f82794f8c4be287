"""A user's edit and the copies it makes wanted, in one transaction.

Comes after the API (or the page) has checked the input; before the outbox. Every change of an event's
row goes through this module or `hub.inbound.apply`, which calls `record` and `fan_out` too.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session, selectinload

from hub.db import before_commit
from hub.domain.recurrence import without_orphans
from hub.models import Actor, Calendar, Change, ChangeKind, Direction, Event, EventCopy, Link, Tenant
from hub.models.content import content_of, exception_row, write_content
from hub.outbound import owed
from hub.outbound.window import window_of
from hub.plugin.codec import to_json
from hub.plugin.types import EventContent, changed_fields
from hub.ports import Ports


@dataclass(frozen=True, slots=True)
class Author:
    """Who makes a change, for the log: an actor, its id, and the run or request it belongs to."""

    actor: Actor
    id: str | None = None
    run_id: str | None = None


class StaleVersionError(Exception):
    """The event has another version than the caller named."""


def get_event(session: Session, event_id: str, *, lock: bool = False) -> Event | None:
    """Return the event with its exceptions, tombstones included; locked against other writers if asked."""
    query = select(Event).where(Event.id == event_id).options(selectinload(Event.exceptions))
    return session.scalars(query.with_for_update(of=Event) if lock else query).one_or_none()


def create_event(
    session: Session,
    ports: Ports,
    calendar: Calendar,
    content: EventContent,
    author: Author,
    *,
    extra: Mapping[str, Any] | None = None,
    uid: str | None = None,
) -> Event:
    """Add an event to a calendar and make its copies wanted in every link that writes."""
    event_id = ports.ids.new("evt")
    uid = uid or f"{event_id}@coordinoter"
    event = _insert(session, ports, calendar, content, event_id, uid, 1, extra or {})
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
) -> Event:
    now = ports.clock.now()
    content = dataclasses.replace(content, when=without_orphans(content.when))
    event = Event(
        id=event_id,
        tenant_id=calendar.tenant_id,
        calendar_id=calendar.id,
        uid=uid,
        version=version,
        extra=dict(extra),
        created_at=now,
        updated_at=now,
        exceptions=[exception_row(e) for e in content.when.exceptions],
        has_exceptions=bool(content.when.exceptions),
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
    travels: bool = True,
) -> bool:
    """Bring an event (from `get_event(lock=True)`) to `content`; return whether anything changed.

    Args:
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
) -> Event:
    """Bring an event back whose tombstone is gone: under its old id, from what the log keeps of it.

    The caller fans out.
    """
    event = _insert(session, ports, calendar, content, event_id, uid, version, extra)
    record(session, ports, event, ChangeKind.RESTORED, beginning(event), author)
    return event


def revive(session: Session, ports: Ports, event: Event) -> None:
    """Let a deleted event live again, also in export-only calendars that lost it by its deletion.

    A copy that a person had removed there before stays away.
    """
    lost = session.scalars(
        select(EventCopy)
        .join(Link, Link.id == EventCopy.link_id)
        .where(
            EventCopy.event_id == event.id,
            EventCopy.removed_at.is_not(None),
            or_(EventCopy.wanted_version >= event.version, EventCopy.removed_at > event.deleted_at),
            Link.direction == Direction.EXPORT,
            Link.deleted_at.is_(None),
        )
    )
    event.version += 1
    for copy in lost:
        want(ports, copy, event.version)
    event.deleted_at = None
    event.updated_at = ports.clock.now()


def record(
    session: Session,
    ports: Ports,
    event: Event,
    kind: ChangeKind,
    fields: dict[str, Any],
    author: Author,
) -> None:
    """Note one line for the change log; it gets its number at the end of the transaction."""
    if "changes" not in session.info:
        before_commit(session, lambda: _number_changes(session))
    session.info.setdefault("changes", []).append(
        Change(
            tenant_id=event.tenant_id,
            seq=0,
            kind=kind,
            calendar_id=event.calendar_id,
            event_id=event.id,
            event_version=event.version,
            fields=fields,
            actor=author.actor,
            actor_id=author.id,
            run_id=author.run_id,
            at=ports.clock.now(),
        )
    )


def _number_changes(session: Session) -> None:
    """Give the noted changes their numbers and add them.

    The tenant's row is locked from here to the commit, so numbers have no gaps and no reader can see
    a number before all lower ones.
    """
    noted: list[Change] = session.info.pop("changes", [])
    for tenant_id in sorted({change.tenant_id for change in noted}):
        own = [change for change in noted if change.tenant_id == tenant_id]
        session.flush()
        last = session.scalar(
            update(Tenant)
            .where(Tenant.id == tenant_id)
            .values(change_seq=Tenant.change_seq + len(own))
            .returning(Tenant.change_seq)
        )
        assert last is not None
        for place, change in enumerate(own, last - len(own) + 1):
            change.seq = place
        session.add_all(own)


def fan_out(session: Session, ports: Ports, events: list[Event], *, source: Link | None = None) -> None:
    """Make the copies of `events` wanted in every link of their calendar but `source`, and hint pushes.

    A link whose listing has not come to its end gets no new copies: what it holds already is not known.
    """
    events = list({event.id: event for event in events}.values())
    calendars = {event.calendar_id for event in events}
    if not calendars:
        return
    links = session.scalars(
        select(Link).where(
            Link.calendar_id.in_(calendars),
            Link.deleted_at.is_(None),
            Link.direction != Direction.IMPORT,
        )
    ).all()
    others = [link for link in links if source is None or link.id != source.id]
    for link in others:
        own = [event for event in events if event.calendar_id == link.calendar_id]
        want_copies(session, ports, link, own, create=link.imported_at is not None)
    if others:
        owed.hint_after(session, ports, "push", [link.id for link in others])


def want_copies(
    session: Session, ports: Ports, link: Link, events: list[Event], *, create: bool = True
) -> None:
    """Make the copies of `events` in `link` wanted at the events' present version.

    A copy that a person removed from an export-only calendar is unwanted there and stays away; what
    ended before the link's window is not copied.
    """
    oldest, _ = window_of(session, ports, link)
    copies = {
        copy.event_id: copy
        for copy in session.scalars(
            select(EventCopy).where(
                EventCopy.link_id == link.id, EventCopy.event_id.in_([e.id for e in events])
            )
        )
    }
    for event in events:
        copy = copies.get(event.id)
        if copy is None:
            if create and event.deleted_at is None and (event.ends_at is None or event.ends_at >= oldest):
                session.add(new_copy(ports, link, event, wanted_version=event.version))
        elif copy.removed_at is None or (event.deleted_at is None and link.direction != Direction.EXPORT):
            want(ports, copy, event.version)


def want(ports: Ports, copy: EventCopy, version: int) -> None:
    """Make one copy wanted at `version`: a fresh wish clears old failures."""
    copy.wanted_version = version
    copy.due_at = None
    copy.parked_at = None
    copy.attempts = copy.unkept = 0
    if copy.removed_at is not None:
        copy.removed_at = None
        copy.remote_id = None
        copy.base = None
        copy.synced = {}
        copy.remote_version = ""
        copy.tried, copy.replaced, copy.shown_at, copy.doubted = {}, {}, None, False
        copy.read_only = None
        copy.create_id = ports.ids.bare()
        copy.pushed_version = 0


def new_copy(ports: Ports, link: Link, event: Event, **values: Any) -> EventCopy:
    """Return a copy of an event that the link does not have yet."""
    return EventCopy(
        id=ports.ids.new("cpy"),
        event_id=event.id,
        link_id=link.id,
        create_id=values.pop("create_id", ports.ids.bare()),
        synced=values.pop("synced", {}),
        wanted_version=values.pop("wanted_version", 0),
        pushed_version=values.pop("pushed_version", 0),
        **values,
    )


def differences(before: EventContent, after: EventContent) -> dict[str, Any]:
    """Return the changed fields with both values, as the change log keeps them."""
    names = changed_fields(before, after)
    if "description" in names and (before.description_html or after.description_html):
        names |= {"description_html"}
    return {
        name: {"before": to_json(getattr(before, name)), "after": to_json(getattr(after, name))}
        for name in sorted(names)
    }


def beginning(event: Event) -> dict[str, Any]:
    """Return all of an event (with its exceptions) that came into being, as the change log keeps it."""
    values = to_json(content_of(event)) | ({"metadata": event.extra} if event.extra else {})
    return {name: {"after": value} for name, value in values.items()}


def remains(event: Event) -> dict[str, Any]:
    """Return all of an event (with its exceptions) that is deleted: the log can bring it back."""
    values = to_json(content_of(event)) | ({"metadata": event.extra} if event.extra else {})
    return {name: {"before": value} for name, value in (values | {"uid": event.uid}).items()}
