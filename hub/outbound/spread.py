"""Events that have changed, and the copies in other links that this makes wanted: by few statements.

Comes after the events were written (`hub.outbound.edit`, `hub.inbound.apply`), in the same transaction;
the pushes are hinted once it has committed.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import and_, bindparam, insert, or_, select, update
from sqlalchemy.orm import Session

from hub.db import after_commit, forget, table_of
from hub.domain.drafts import FIRST_VERSION, NewEvent
from hub.domain.plain import is_meeting
from hub.many import Many
from hub.models import Account, Calendar, Direction, Event, EventCopy, Link, LinkSignal, LinkState
from hub.outbound import owed
from hub.outbound.former import keep_former
from hub.outbound.window import window_at
from hub.ports import Ports

_ACCOUNTS, _CALENDARS, _LINKS = table_of(Account), table_of(Calendar), table_of(Link)
_EVENTS, _COPIES, _SIGNALS = table_of(Event), table_of(EventCopy), table_of(LinkSignal)

_TARGET = select(
    _LINKS.c.id, _LINKS.c.direction, _LINKS.c.past_days, _ACCOUNTS.c.provider,
    or_(
        _LINKS.c.imported_at.is_not(None),
        and_(_LINKS.c.cursor.is_not(None), _LINKS.c.fresh_mark <= _LINKS.c.pulled),
    ).label("is_listed"),
    _LINKS.c.state, _LINKS.c.lease_until, _LINKS.c.planned_at,
).join_from(_LINKS, _ACCOUNTS, _ACCOUNTS.c.id == _LINKS.c.account_id)  # fmt: skip
_ONE = _TARGET.where(_LINKS.c.id == bindparam("link_id"))
_OTHERS = _TARGET.where(
    _LINKS.c.calendar_id == bindparam("calendar_id"),
    _LINKS.c.id != bindparam("source"),
    _LINKS.c.deleted_at.is_(None),
    _LINKS.c.direction != Direction.IMPORT,
).order_by(_LINKS.c.id)
_JOIN = (
    select(_CALENDARS.c.id)
    .where(_CALENDARS.c.id == bindparam("calendar_id"))
    .with_for_update(read=True, key_share=True)
)
_WAIT = (
    select(_CALENDARS.c.id)
    .where(_CALENDARS.c.id.in_(select(_LINKS.c.calendar_id).where(_LINKS.c.id == bindparam("link_id"))))
    .with_for_update()
)

FRESH: dict[str, Any] = {"due_at": None, "parked_at": None, "attempts": 0, "unkept": 0}
"""A fresh wish clears old failures."""
ANEW: dict[str, Any] = {
    "removed_at": None, "remote_id": None, "remote_version": "", "base": None, "synced": {}, "tried": {},
    "replaced": {}, "shown_at": None, "doubted": False, "is_ours": False, "left_out": False,
    "read_only": None, "own_fields": [], "notice": None, "notify_only": None, "partial_fields": [],
    "notify_version": 0, "reply": None, "pushed_version": 0,
}  # fmt: skip
"""What was removed is wanted as a new event."""
_IS_THERE = and_(
    _COPIES.c.link_id.in_(bindparam("link_ids", expanding=True)),
    _COPIES.c.event_id.in_(bindparam("event_ids", expanding=True)),
    _COPIES.c.removed_at.is_(None),
)
_LOCKED = select(_COPIES.c.id).where(_IS_THERE).order_by(_COPIES.c.id).with_for_update()
_VERSION = select(_EVENTS.c.version).where(_EVENTS.c.id == _COPIES.c.event_id).scalar_subquery()
_ANEW = update(_COPIES).values(wanted_version=_VERSION, **FRESH)
_WANT = {True: _ANEW.where(_IS_THERE), False: _ANEW.where(_COPIES.c.id.in_(_LOCKED))}
"""Makes wanted what is there, by whether the database has one writer at a time; else the copies are locked
first, in the order of their ids, as everywhere."""
_WANT_AND_TELL = {one: want.returning(_COPIES.c.link_id, _COPIES.c.event_id) for one, want in _WANT.items()}

_NOT_THERE = (
    select(
        _EVENTS.c.id, _EVENTS.c.version, _EVENTS.c.deleted_at, _EVENTS.c.ends_at, _EVENTS.c.content,
        _COPIES.c.id.label("copy_id"), _COPIES.c.left_out, _COPIES.c.read_only,
    )
    .join_from(
        _EVENTS,
        _COPIES,
        and_(_COPIES.c.event_id == _EVENTS.c.id, _COPIES.c.link_id == bindparam("link_id")),
        isouter=True,
    )
    .where(_EVENTS.c.id.in_(bindparam("event_ids", expanding=True)))
    .order_by(_EVENTS.c.id)
)  # fmt: skip
_REVIVE = (
    update(_COPIES)
    .where(_COPIES.c.id == bindparam("copy_id"))
    .values(wanted_version=bindparam("version"), create_id=bindparam("new_create_id"), **ANEW, **FRESH)
)
_INSERT = Many(insert(_COPIES))
_NOTIFY = (
    update(_SIGNALS)
    .where(_SIGNALS.c.link_id == bindparam("of_link"))
    .values(notified=_SIGNALS.c.notified + 1)
)


class _Target(NamedTuple):
    """A link that changes go to, as `_TARGET` reads it."""

    id: str
    direction: str
    past_days: int
    provider: str
    is_listed: bool
    """Whether it is known what the remote calendar holds already."""
    state: str
    lease_until: datetime | None
    planned_at: datetime | None


def spread(
    session: Session,
    ports: Ports,
    calendar_id: str,
    event_ids: Collection[str],
    *,
    source: str = "",
    new: Collection[NewEvent] = (),
) -> None:
    """Make the copies of changed events wanted in every link of their calendar but `source`; hint pushes.

    A link whose listing has not come to its end gets no new copies: what it holds already is not known.
    When it has, the link gets what it lacks; before that it waits for those who still saw it listing
    (`wait_for_writers`).

    Args:
        new: events that this very transaction has stored, beside the others: no link has copies of them.
    """
    if not event_ids and not new:
        return
    others = _others(session, calendar_id, source)
    if not others:
        return
    if not all(link.is_listed for link in others):
        session.connection().execute(_JOIN, {"calendar_id": calendar_id})
        others = _others(session, calendar_id, source)
    if event_ids:
        _want(session, ports, others, event_ids)
    if new:
        _add_new(session, ports, [link for link in others if link.is_listed], new)
    now = ports.clock.now()
    active = [link for link in others if link.state == LinkState.ACTIVE]
    free = [link.id for link in active if link.lease_until is None or link.lease_until < now]
    held = [link.id for link in active if link.id not in free]
    if free:
        after_commit(session, lambda: _hint(ports, free))
    if held:
        # Their runs look for what is owed when they end, but may have done so before this is committed.
        owed.hint_after(session, ports, "push", held)


def _others(session: Session, calendar_id: str, source: str) -> list[_Target]:
    found = session.connection().execute(_OTHERS, {"calendar_id": calendar_id, "source": source})
    return list(map(_Target._make, found))


def wait_for_writers(session: Session, link_id: str) -> None:
    """Wait until nobody changes events of a link's calendar who could not see yet that it is listed.

    The lock is for a transaction of its own, and a short one: those who are waited for hold others.
    """
    session.connection().execute(_WAIT, {"link_id": link_id})


def _hint(ports: Ports, link_ids: list[str]) -> None:
    for link_id in link_ids:
        ports.queue.hint("push", link_id)


def want_in(session: Session, ports: Ports, link_id: str, event_ids: Collection[str]) -> None:
    """Make the copies of events in one link wanted at the events' present version."""
    link = _Target(*session.connection().execute(_ONE, {"link_id": link_id}).one())
    _want(session, ports, [link], event_ids, always_add=True)


def want(ports: Ports, copy: EventCopy, version: int) -> None:
    """Make one copy wanted at `version`."""
    values = {"wanted_version": version, **FRESH}
    if copy.removed_at is not None:
        values |= ANEW | {"create_id": ports.ids.bare()}
    for name, value in values.items():
        setattr(copy, name, value)


def _want(
    session: Session,
    ports: Ports,
    links: Collection[_Target],
    event_ids: Collection[str],
    *,
    always_add: bool = False,
) -> None:
    """Make copies wanted.

    A copy that a person removed from an export-only calendar is unwanted there and stays away, and so does
    an invitation that was taken out of a calendar while the meeting goes on in others; what ended before the
    link's window is not copied. Whether the link copies such events at all is asked when they are about to be
    written (`hub.outbound.outbox`), so each change of an event asks it anew.
    """
    forget(session, EventCopy)
    connection = session.connection()
    ids = {"link_ids": [link.id for link in links], "event_ids": list(event_ids)}
    if connection.execute(_WANT[ports.db.is_sqlite], ids).rowcount == len(links) * len(event_ids):
        return
    found = {tuple(row) for row in connection.execute(_WANT_AND_TELL[ports.db.is_sqlite], ids)}
    for link in links:
        missing = [event_id for event_id in event_ids if (link.id, event_id) not in found]
        if missing:
            _add(session, ports, link, missing, may_add=always_add or link.is_listed)


def _add(session: Session, ports: Ports, link: _Target, event_ids: list[str], *, may_add: bool) -> None:
    connection = session.connection()
    oldest = _oldest(ports, link)
    new, removed, has_meeting = [], [], False
    for event in connection.execute(_NOT_THERE, {"link_id": link.id, "event_ids": event_ids}):
        if event.deleted_at is not None and not event.left_out:
            continue
        if event.copy_id is None:
            if may_add and _is_within(event.ends_at, oldest):
                new.append(_new_copy(ports, link.id, event.id, event.version))
                has_meeting |= is_meeting(event.content)
        elif (link.direction != Direction.EXPORT and event.read_only is None) or event.left_out:
            removed.append(
                {"copy_id": event.copy_id, "version": event.version, "new_create_id": ports.ids.bare()}
            )
    _INSERT.execute(connection, new)
    if removed:
        keep_former(connection, ports, [row["copy_id"] for row in removed])
        connection.execute(_REVIVE, removed)
    if has_meeting:
        look_first(session, ports, link.id)


def _add_new(session: Session, ports: Ports, links: list[_Target], events: Collection[NewEvent]) -> None:
    """Make copies of new events wanted; what `_add` would read of them is known."""
    for link in links:
        oldest = _oldest(ports, link)
        wanted = [event for event in events if _is_within(event.ends_at, oldest)]
        count = len(wanted)
        if count:
            _INSERT.columns(session.connection(), {
                "id": [f"cpy_{new}" for new in ports.ids.many(count)],
                "create_id": ports.ids.many(count),
                "event_id": [event.id for event in wanted],
                "link_id": [link.id] * count,
                "wanted_version": [FIRST_VERSION] * count,
            })  # fmt: skip
        if any(is_meeting(event.content) for event in wanted):
            look_first(session, ports, link.id)


def look_first(session: Session, ports: Ports, link_id: str) -> None:
    """Let a link look for what may have come there as well (an invitation, say), before it is made there."""
    session.connection().execute(_NOTIFY, {"of_link": link_id})
    after_commit(session, lambda: ports.queue.hint("pull", link_id))


def _oldest(ports: Ports, link: _Target) -> datetime:
    """Return what an event must not have ended before to be copied."""
    now = link.planned_at or ports.clock.now()
    return window_at(ports, link.provider, link.past_days, 0, now)[0]


def _is_within(ends_at: datetime | None, oldest: datetime) -> bool:
    return ends_at is None or ends_at >= oldest


def _new_copy(ports: Ports, link_id: str, event_id: str, version: int) -> dict[str, Any]:
    return {
        "id": ports.ids.new("cpy"), "link_id": link_id, "event_id": event_id, "create_id": ports.ids.bare(),
        "wanted_version": version,
    }  # fmt: skip
