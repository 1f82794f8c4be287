"""Adopt before create: which of a link's new remote events the hub has already.

By the hub's own mark first (a create whose answer was lost), then by the id under which an earlier link
of the calendar knew it, then by UID (the same meeting in two mailboxes), then, at the first listing and
for lost creates, by title with exact time.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from sqlalchemy import ColumnElement, or_, select, true
from sqlalchemy.orm import Session, aliased, selectinload

from hub.domain.recurrence import instant
from hub.inbound.shapes import Shapes
from hub.models import Calendar, Event, EventCopy, Link
from hub.models.content import content_of
from hub.plugin.types import EventContent, RemoteEvent, When

_Sight = tuple[str, object, object]


@dataclass(frozen=True, slots=True)
class Pair:
    """An event of the hub, and its copy in the link if it has one that is not yet known there."""

    event: Event
    copy: EventCopy | None
    former: EventCopy | None = None
    """The copy that an earlier link of the same remote calendar had, with the base of then."""


class Pairing:
    """Finds pairs for new remote events of one link."""

    def __init__(self, session: Session, link: Link, shapes: Shapes) -> None:
        self._session = session
        self._link = link
        self._shapes = shapes
        self._taken: set[str] = set()

    def find(self, remotes: list[RemoteEvent], *, first: bool) -> dict[str, Pair]:
        """Return pairs by remote id; each event of the hub is used once.

        Args:
            first: whether this is the link's first listing, when equal events are taken as one.
        """
        found: dict[str, Pair] = {}
        pending = self._pending(first=first)
        by_mark = {p.copy.id: p for p in pending if p.copy} | {
            p.copy.create_id: p for p in pending if p.copy and p.copy.create_id
        }
        for remote in remotes:
            pair = by_mark.get(remote.tag or "") or by_mark.get(remote.remote_id)
            self._use(found, remote, [pair] if pair else [])
        if first:
            former = self._former([r.remote_id for r in remotes if r.remote_id not in found])
            for remote in remotes:
                self._use(found, remote, former.get(remote.remote_id, []))
        moved: dict[str, list[Pair]] = defaultdict(list)
        for pair in pending:
            if pair.copy and pair.copy.uid:
                moved[pair.copy.uid].append(pair)
        for remote in remotes:
            self._use(found, remote, moved.get(remote.uid or "", []))
        by_uid = self._by_uid([r.uid for r in remotes if r.uid and r.remote_id not in found])
        for remote in remotes:
            self._use(found, remote, by_uid.get(remote.uid or "", []))
        rest = [r for r in remotes if r.remote_id not in found]
        candidates = pending + (self._at_same_time(rest) if first else [])
        by_sight: dict[_Sight, list[Pair]] = defaultdict(list)
        for pair in candidates:
            for sight in self._sights(content_of(pair.event)):
                by_sight[sight].append(pair)
        for remote in rest:
            for sight in self._sights(remote.content) if by_sight else ():
                self._use(found, remote, by_sight.get(sight, []))
        return found

    def _sights(self, content: EventContent) -> list[_Sight]:
        """Return what people see of an event: at each of the providers, since one may show less of it."""
        return list(dict.fromkeys(_sight(shape.title, shape.when) for shape in self._shapes.all(content)))

    def _use(self, found: dict[str, Pair], remote: RemoteEvent, pairs: list[Pair]) -> None:
        for pair in pairs:
            if remote.remote_id not in found and pair.event.id not in self._taken:
                found[remote.remote_id] = pair
                self._taken.add(pair.event.id)

    def _pending(self, *, first: bool) -> list[Pair]:
        """Return the link's copies that the provider may hold without our knowing its id.

        Their creates were sent and not answered, or their calendar has moved; at a first listing each
        may be there, since the database may have been restored to a time before its create.
        """
        is_suspect = or_(EventCopy.uncertain, EventCopy.missing_at.is_not(None))
        rows = self._session.execute(
            select(EventCopy, Event)
            .join(Event, Event.id == EventCopy.event_id)
            .where(
                EventCopy.link_id == self._link.id,
                EventCopy.remote_id.is_(None),
                EventCopy.removed_at.is_(None),
                true() if first else is_suspect,
            )
            .options(selectinload(Event.exceptions))
        )
        return [Pair(event, copy) for copy, event in rows]

    def _unlinked(self) -> list[ColumnElement[bool]]:
        own = aliased(EventCopy)
        has_copy = select(own.id).where(own.event_id == Event.id, own.link_id == self._link.id)
        return [
            Event.calendar_id == self._link.calendar_id,
            Event.deleted_at.is_(None),
            ~has_copy.exists(),
        ]

    def _former(self, remote_ids: list[str]) -> dict[str, list[Pair]]:
        """Return the events that an ended link of the same remote calendar knew by these ids."""
        rows = self._session.execute(
            select(Event, EventCopy)
            .join(EventCopy, EventCopy.event_id == Event.id)
            .join(Link, Link.id == EventCopy.link_id)
            .where(
                Link.remote_calendar_id == self._link.remote_calendar_id,
                Link.deleted_at.is_not(None),
                Link.detail == self._link.detail,
                EventCopy.remote_id.in_(remote_ids),
                EventCopy.removed_at.is_(None),
                *self._unlinked(),
            )
            .options(selectinload(Event.exceptions))
            .order_by(Link.deleted_at.desc(), EventCopy.id)
        )
        pairs: dict[str, list[Pair]] = defaultdict(list)
        for event, copy in rows:
            pairs[copy.remote_id or ""].append(Pair(event, None, copy))
        return pairs

    def _by_uid(self, uids: list[str]) -> dict[str, list[Pair]]:
        if not uids:
            return {}
        twin = aliased(EventCopy)
        rows = self._session.execute(
            select(Event, twin.uid)
            .outerjoin(twin, twin.event_id == Event.id)
            .where(or_(Event.uid.in_(uids), twin.uid.in_(uids)), *self._unlinked())
            .options(selectinload(Event.exceptions))
            .order_by(Event.id)
        )
        pairs: dict[str, list[Pair]] = defaultdict(list)
        for event, uid in rows:
            for name in {event.uid, uid or event.uid}:
                pairs[name].append(Pair(event, None))
        return pairs

    def _at_same_time(self, remotes: list[RemoteEvent]) -> list[Pair]:
        zone = self._session.get_one(Calendar, self._link.calendar_id).zone
        instants = {instant(r.content.when.start, r.content.when.start_zone, zone) for r in remotes}
        if not instants:
            return []
        query = (
            select(Event)
            .where(Event.starts_at.in_(instants), *self._unlinked())
            .options(selectinload(Event.exceptions))
            .order_by(Event.id)
        )
        return [Pair(event, None) for event in self._session.scalars(query)]


def _sight(title: str, when: When) -> _Sight:
    """Return what two events that look the same to people have in common."""
    if when.all_day:
        return title.strip(), when.start, when.end
    return (
        title.strip(),
        instant(when.start, when.start_zone, "UTC"),
        instant(when.end, when.end_zone or when.start_zone, "UTC"),
    )
