"""Events that a person has moved from one calendar of an account to another.

Comes between the fetching of a page and its storing: what is new in a calendar may be what another link
of the account knows under the same id, or the same UID. If that calendar holds it no more, it is the
same event: it takes its content along, fields that the provider cannot hold too, and its going is no
deletion that the guard would count. It does not matter which of the two calendars is listed first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import BindParameter, Connection, bindparam, or_, select
from sqlalchemy.orm import Session, aliased

from hub.db import table_of
from hub.domain.plain import Plain
from hub.inbound.pairing import Pair
from hub.models import Direction, Event, EventCopy, Link, RemoteCalendar
from hub.outbound.edit import Author, delete_event, fan_out, get_event, heir_of, update_event
from hub.outbound.lease import Lease, border_calendar
from hub.outbound.linking import ask_for_pull
from hub.outbound.outbox import recreate
from hub.outbound.owed import hint_after
from hub.outbound.spread import look_first
from hub.plugin import types
from hub.plugin.codec import content_from_json
from hub.plugin.errors import CalendarLostError, GoneError, RefusedError
from hub.plugin.types import RemoteChange, RemoteEvent
from hub.ports import Ports

LOOK = timedelta(minutes=1)
"""So long a new copy of what was moved waits for a listing that succeeds: it may be there already."""

_COPIES = table_of(EventCopy)
_NAMES: BindParameter[Any] = bindparam("names", expanding=True)
_SIBLINGS = select(Link.id).where(
    Link.account_id == bindparam("account_id"),
    Link.id != bindparam("link_id"),
    Link.deleted_at.is_(None),
    Link.direction != Direction.EXPORT,
)
_HERE = select(EventCopy.remote_id).where(
    EventCopy.link_id == bindparam("link_id"), EventCopy.remote_id.in_(_NAMES)
)
_THERE = (
    select(EventCopy, RemoteCalendar)
    .join(Link, Link.id == EventCopy.link_id)
    .join(RemoteCalendar, RemoteCalendar.id == Link.remote_calendar_id)
    .where(EventCopy.link_id.in_(bindparam("siblings", expanding=True)), EventCopy.base.is_not(None))
)
_KNOWN_THERE = (
    _THERE.join(Event, Event.id == EventCopy.event_id)
    .where(
        EventCopy.remote_id.is_not(None),
        or_(EventCopy.removed_at.is_(None), Event.deleted_at.is_not(None)),
        Event.part_of.is_(None),  # An occurrence leaves its series alone.
    )
    .order_by(EventCopy.removed_at.nulls_first(), EventCopy.id)
)
_COPY = select(_COPIES.c.id, _COPIES.c.event_id, _COPIES.c.base, _COPIES.c.synced, _COPIES.c.is_ours).where(
    _COPIES.c.id.in_(bindparam("ids", expanding=True))
)
_OWN = select(_COPIES.c.id, _COPIES.c.remote_id, _COPIES.c.removed_at).where(
    _COPIES.c.event_id == bindparam("event_id"), _COPIES.c.link_id == bindparam("link_id")
)
_OLD, _OLD_LINK = aliased(EventCopy), aliased(Link)
_MAY_BE_THERE = (
    select(EventCopy, Link.id)
    .join(Link, Link.id == EventCopy.link_id)
    .join(_OLD_LINK, _OLD_LINK.account_id == Link.account_id)
    .join(_OLD, (_OLD.link_id == _OLD_LINK.id) & (_OLD.event_id == bindparam("event_id")))
    .where(
        EventCopy.event_id == bindparam("heir_id"),
        EventCopy.remote_id.is_(None),
        EventCopy.removed_at.is_(None),
        EventCopy.uncertain.is_(False),
        _OLD.remote_id.is_not(None),
        _OLD_LINK.id != bindparam("source"),
        _OLD_LINK.deleted_at.is_(None),
    )
    .order_by(EventCopy.id)
    .execution_options(populate_existing=True)
)
"""New copies of an event in accounts that have, or had, what it was before in another of their calendars."""
_BY_ID = _KNOWN_THERE.where(EventCopy.remote_id.in_(_NAMES))
_UNFOUND = _THERE.where(EventCopy.id.in_(_NAMES), EventCopy.remote_id.is_(None), EventCopy.uncertain)
"""What the hub has made without knowing it, by the hub's own mark: it was moved before it was found."""
_BY_UID = _KNOWN_THERE.where(EventCopy.uid.in_(_NAMES))


@dataclass(frozen=True, slots=True)
class Suspect:
    """A copy in another link that a new event may have been."""

    copy_id: str
    remote_id: str
    calendar: types.RemoteCalendar
    has_left: bool
    """Whether that calendar has told already that it holds the event no more."""


def suspects(
    session: Session, link: Link, changes: Iterable[RemoteChange], known: Container[str]
) -> dict[str, Suspect]:
    """Return, by remote id, the copies of other links that new events of a page may have been before.

    Args:
        known: ids of events that the link has a copy of; others may be among the rest.
    """
    events = {c.remote_id: c.event for c in changes if c.event is not None and c.remote_id not in known}
    if not events or link.direction == Direction.EXPORT:
        return {}
    connection = session.connection()
    own = {"account_id": link.account_id, "link_id": link.id}
    siblings = connection.execute(_SIBLINGS, own).scalars().all()
    if not siblings:
        return {}
    held = set(connection.execute(_HERE, {"link_id": link.id, "names": list(events)}).scalars())
    new = {remote_id: event for remote_id, event in events.items() if remote_id not in held}
    uids = [event.uid for event in new.values() if event.uid]
    rows = [
        (copy, calendar)
        for query, names in ((_BY_ID, list(new)), (_BY_UID, uids))
        for copy, calendar in session.execute(query, {"siblings": siblings, "names": names})
    ]
    by_name: dict[str, list[tuple[EventCopy, RemoteCalendar]]] = defaultdict(list)
    for copy, calendar in rows:
        for name in {copy.remote_id or "", copy.uid or copy.remote_id or ""}:
            by_name[name].append((copy, calendar))
    found = _unfound(session, siblings, new)
    for remote_id, event in new.items():
        for copy, calendar in [*by_name[remote_id], *(by_name[event.uid] if event.uid else ())]:
            if remote_id not in found and _may_be(copy, event):
                found[remote_id] = Suspect(
                    copy.id,
                    copy.remote_id or "",
                    border_calendar(calendar),
                    copy.removed_at is not None or copy.missing_at is not None,
                )
                break
    return found


def _unfound(session: Session, siblings: Sequence[str], new: Mapping[str, RemoteEvent]) -> dict[str, Suspect]:
    tags = {event.tag: remote_id for remote_id, event in new.items() if event.tag}
    rows = session.execute(_UNFOUND, {"siblings": siblings, "names": list(tags)}).all() if tags else ()
    return {
        tags[copy.id]: Suspect(copy.id, "", border_calendar(calendar), has_left=True)
        for copy, calendar in rows
    }


def confirmed(ports: Ports, run: Lease, found: Mapping[str, Suspect]) -> dict[str, str]:
    """Return, by remote id, the copies that new events were before: what their calendars hold no more."""
    return {
        remote_id: suspect.copy_id
        for remote_id, suspect in found.items()
        if suspect.has_left or _is_gone(ports, run, suspect)
    }


def _may_be(copy: EventCopy, event: RemoteEvent) -> bool:
    """Whether they have the same id, or the same UID and time where a move gives another id."""
    if copy.remote_id == event.remote_id:
        return True
    if not event.uid or copy.uid != event.uid or not copy.base:
        return False
    return content_from_json(copy.base).when == event.content.when


def _is_gone(ports: Ports, run: Lease, suspect: Suspect) -> bool:
    """Whether the other calendar says clearly that it holds the event no more."""
    try:
        ports.gateway.call(
            run.account_id, "get_event", calendar=suspect.calendar, remote_id=suspect.remote_id
        )
    except GoneError:
        return True
    except (CalendarLostError, RefusedError):
        return False
    return False


def source_of(session: Session, copy_id: str) -> tuple[EventCopy, Event, Link]:
    """Return what an event was before it came here: its old copy, locked, its event and its old link."""
    event = get_event(session, session.get_one(EventCopy, copy_id).event_id, lock=True)
    assert event is not None
    copy = session.get_one(EventCopy, copy_id, with_for_update=True, populate_existing=True)
    return copy, event, session.get_one(Link, copy.link_id)


def heirs_here(connection: Connection, link: Link, moved: Mapping[str, str]) -> dict[str, Pair]:
    """Return, by remote id, what moved events go on as in the link's own calendar already.

    Somebody has moved another copy of them there before. If the hub has made that here, too, its own copy
    gives way.

    Args:
        moved: see `confirmed`.
    """
    pairs: dict[str, Pair] = {}
    taken: set[str] = set()
    names = {copy_id: remote_id for remote_id, copy_id in moved.items()}
    for copy in connection.execute(_COPY, {"ids": list(names)}):
        heir = heir_of(connection, copy.event_id)
        if heir is None or heir[1] != link.calendar_id or heir[0] in taken:
            continue
        taken.add(heir[0])
        own = connection.execute(_OWN, {"event_id": heir[0], "link_id": link.id}).first()
        is_there = own is not None and own.remote_id is not None and own.removed_at is None
        pairs[names[copy.id]] = Pair(
            heir[0], own and own.id, copy.base, copy.synced, is_ours=copy.is_ours, is_superseded=is_there
        )
    return pairs


def settle_source(session: Session, ports: Ports, copy_id: str, event_id: str, author: Author) -> None:
    """End an event where it was, since it goes on here as `event_id`.

    If that is the same event, only the link of before loses its copy; where the hub writes, it is made
    again there, for all links of a calendar hold the same events. If somebody else had moved the event to
    yet another calendar, it ends there.
    """
    copy, event, link = source_of(session, copy_id)
    if event.id == event_id and link.direction == Direction.TWO_WAY:
        recreate(ports, copy)
        copy.wanted_version = event.version
        hint_after(session, ports, "push", [link.id])
        return
    heir = heir_of(session.connection(), event.id)
    last = event if heir is None else get_event(session, heir[0], lock=True)
    assert last is not None
    if last.id != event_id:
        _end(session, ports, last, event_id, author, source=link if last is event else None)
    copy.remote_id, copy.removed_at, copy.missing_at = None, ports.clock.now(), None
    copy.attempts, copy.problem, copy.parked_at, copy.due_at = 0, None, None, None
    copy.wanted_version, copy.pushed_version, copy.uncertain = event.version, event.version, False
    if link.held_at is not None:
        ask_for_pull(session, ports, link.id)  # So many were missing that they are held; now it is known why.


def _end(
    session: Session, ports: Ports, event: Event, heir_id: str, author: Author, *, source: Link | None
) -> None:
    """Delete an event that goes on as another; people may have moved their other copies as well."""
    event.moved_to = heir_id
    if delete_event(session, ports, event, author, travels=False):
        fan_out(session, ports, [event], source=source)
    due_at = ports.clock.now() + LOOK
    values = {"event_id": event.id, "heir_id": heir_id, "source": source.id if source else ""}
    for new, target_id in session.execute(_MAY_BE_THERE, values).all():
        new.due_at = due_at
        look_first(session, ports, target_id)


def pass_on(session: Session, ports: Ports, event_id: str, content: Plain, author: Author) -> None:
    """Let an event of another calendar mean `content`, since what it was before was changed here."""
    event = get_event(session, event_id, lock=True)
    assert event is not None
    update_event(session, ports, event, content_from_json(content), author)
