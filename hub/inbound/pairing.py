"""Adopt before create: which of a link's new remote events the hub has already.

By the hub's own mark first (a create whose answer was lost), then by the id under which an earlier link
of the calendar knew it, then by UID (the same meeting in two mailboxes), then, at the first listing and
for lost creates, by title with exact time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Connection, bindparam, or_, select
from sqlalchemy.sql.expression import Select

from hub.db import table_of
from hub.domain.plain import Plain
from hub.domain.recurrence import instant
from hub.inbound.rows import read_contents
from hub.inbound.shapes import Shapes
from hub.models import Event, EventCopy, Link
from hub.plugin.codec import content_from_json
from hub.plugin.types import EventContent, RemoteEvent

Sight = tuple[str, object, object]

_EVENTS, _COPIES, _LINKS = table_of(Event), table_of(EventCopy), table_of(Link)
_UIDS: BindParameter[Any] = bindparam("uids", expanding=True)

_UNKNOWN = (
    select(_COPIES.c.event_id, _COPIES.c.id, _COPIES.c.create_id, _COPIES.c.uid)
    .where(
        _COPIES.c.link_id == bindparam("link_id"),
        _COPIES.c.remote_id.is_(None),
        _COPIES.c.removed_at.is_(None),
    )
    .order_by(_COPIES.c.id)
)
_PENDING = _UNKNOWN.where(or_(_COPIES.c.uncertain, _COPIES.c.missing_at.is_not(None)))
"""The link's copies that the provider may hold without our knowing its id: their creates were sent and not
answered, or their calendar has moved. At a first listing each may be there (`_UNKNOWN`), since the database
may have been restored to a time before its create."""


def _unlinked() -> list[ColumnElement[bool]]:
    own = _COPIES.alias()
    has_copy = select(own.c.id).where(own.c.event_id == _EVENTS.c.id, own.c.link_id == bindparam("link_id"))
    return [
        _EVENTS.c.calendar_id.in_(bindparam("homes", expanding=True)), _EVENTS.c.deleted_at.is_(None),
        ~has_copy.exists(),
    ]  # fmt: skip


_BY_UID = select(_EVENTS.c.id, _EVENTS.c.uid).where(_EVENTS.c.uid.in_(_UIDS), *_unlinked())
_TWINS_BY_UID = select(_COPIES.c.event_id, _COPIES.c.uid).where(
    _COPIES.c.link_id.in_(select(_LINKS.c.id).where(_LINKS.c.calendar_id == bindparam("calendar_id"))),
    _COPIES.c.uid.in_(_UIDS),
)
"""The events of which copies in the calendar's links have these UIDs: asked for apart, since a database that
joins them to their events may begin with all events of the calendar."""
_BY_ID = select(_EVENTS.c.id).where(_EVENTS.c.id.in_(bindparam("ids", expanding=True)), *_unlinked())
_KNOWN_BY_UID = select(
    _COPIES.c.event_id, _COPIES.c.id, _COPIES.c.uid, _COPIES.c.missing_at, _COPIES.c.removed_at
).where(
    _COPIES.c.link_id == bindparam("link_id"),
    _COPIES.c.uid.in_(_UIDS),
    _COPIES.c.remote_id.is_not(None),
)


def _invited() -> Select[Any]:
    """Return what finds events that another account was invited to, of which the link has a copy of ours.

    Such a copy has a UID of its own, or is not written yet. Within one account an event of that UID is one
    that was moved from calendar to calendar (`hub.inbound.moves`).
    """
    own, twins = _COPIES.alias(), _COPIES.alias()
    return (
        select(own.c.event_id, own.c.id, own.c.remote_id, twins.c.uid)
        .join_from(twins, _LINKS, _LINKS.c.id == twins.c.link_id)
        .join(_EVENTS, _EVENTS.c.id == twins.c.event_id)
        .join(own, (own.c.event_id == twins.c.event_id) & (own.c.link_id == bindparam("link_id")))
        .where(
            _LINKS.c.calendar_id == bindparam("calendar_id"),
            _LINKS.c.account_id != bindparam("account_id"),
            twins.c.uid.in_(_UIDS),
            twins.c.removed_at.is_(None),
            _EVENTS.c.deleted_at.is_(None),
            own.c.removed_at.is_(None),
            or_(own.c.uid.is_(None), own.c.uid != twins.c.uid),
        )
        .order_by(own.c.id)
    )


_INVITED = _invited()
_SERIES = select(_EVENTS.c.id).where(
    _EVENTS.c.id.in_(bindparam("ids", expanding=True)),
    _EVENTS.c.content[("when", "recurrence")].as_string().is_not(None),
)
_FORMER = (
    select(_COPIES.c.remote_id, _COPIES.c.event_id, _COPIES.c.base, _COPIES.c.synced, _COPIES.c.is_ours)
    .join_from(_COPIES, _EVENTS, _EVENTS.c.id == _COPIES.c.event_id)
    .join(_LINKS, _LINKS.c.id == _COPIES.c.link_id)
    .where(
        _LINKS.c.remote_calendar_id == bindparam("remote_calendar_id"),
        _LINKS.c.deleted_at.is_not(None),
        _COPIES.c.remote_id.in_(bindparam("remote_ids", expanding=True)),
        _COPIES.c.removed_at.is_(None),
        *_unlinked(),
    )
    .order_by(_LINKS.c.deleted_at.desc(), _COPIES.c.id)
)
"""The events that an ended link of the same remote calendar knew by these ids."""
_AT_SAME_TIME = (
    select(_EVENTS.c.id)
    .where(_EVENTS.c.starts_at.in_(bindparam("instants", expanding=True)), *_unlinked())
    .order_by(_EVENTS.c.id)
)


@dataclass(frozen=True, slots=True)
class Pair:
    """An event of the hub, and its copy in the link if it has one that is not yet known there."""

    event_id: str
    copy_id: str | None
    base: Plain | None = None
    """What an earlier link of the same remote calendar was shown last, and its `synced`."""
    synced: Mapping[str, str] = field(default_factory=dict)
    is_ours: bool = False
    """It is known by the hub's own mark: the hub has made it there, in this link or in an earlier one."""
    is_superseded: bool = False
    """The copy is another event, which the hub has made: it gives way to this one."""


class Pairing:
    """Finds pairs for new remote events of one link.

    Args:
        zone: the calendar's, for floating times.
    """

    def __init__(self, connection: Connection, link: Link, zone: str, shapes: Shapes) -> None:
        self._connection = connection
        self._link = link
        homes = [link.calendar_id, *([link.singles_id] if link.singles_id else [])]
        self._ids = {"link_id": link.id, "calendar_id": link.calendar_id, "homes": homes}
        self._zone = zone
        self._shapes = shapes
        self._taken: set[str] = set()

    def find(self, remotes: list[RemoteEvent], *, first: bool, gone: Collection[str] = ()) -> dict[str, Pair]:
        """Return pairs by remote id; each event of the hub is used once.

        Args:
            first: whether this is the link's first listing, when equal events are taken as one.
            gone: copies whose ids the provider does not know any more, as the same page says.
        """
        found: dict[str, Pair] = {}
        rows = self._connection.execute(_UNKNOWN if first else _PENDING, {"link_id": self._link.id})
        pending: list[Pair] = []
        by_mark: dict[str, Pair] = {}
        by_uid: dict[str, list[Pair]] = defaultdict(list)
        for event_id, copy_id, create_id, uid in rows:
            pair = Pair(event_id, copy_id)
            pending.append(pair)
            by_mark[copy_id] = by_mark[create_id or copy_id] = replace(pair, is_ours=True)
            if uid:
                by_uid[uid].append(pair)
        for remote in remotes if pending else ():
            marked = by_mark.get(remote.tag or "") or by_mark.get(remote.remote_id)
            self._use(found, remote, [marked] if marked else [])
        if first:
            former = self._former(remotes)
            for remote in remotes if former else ():
                self._use(found, remote, former.get(remote.remote_id, ()))
        for remote in remotes if by_uid else ():
            self._use(found, remote, by_uid.get(remote.uid or "", ()))
        self._find_renumbered(found, [r for r in remotes if r.uid and r.remote_id not in found], gone)
        self._find_invited(found, [r for r in remotes if r.remote_id not in found])
        self._find_by_uid(found, [r for r in remotes if r.uid and r.remote_id not in found])
        rest = [r for r in remotes if r.remote_id not in found]
        candidates = pending + (self._at_same_time(rest) if first and rest else [])
        by_sight = self._by_sight([pair for pair in candidates if pair.event_id not in self._taken])
        for remote in rest if by_sight else ():
            for sight in self._sights(remote.content):
                self._use(found, remote, by_sight.get(sight, ()))
        return found

    def _use(self, found: dict[str, Pair], remote: RemoteEvent, pairs: Iterable[Pair]) -> None:
        for pair in pairs:
            if remote.remote_id not in found and pair.event_id not in self._taken:
                found[remote.remote_id] = pair
                self._taken.add(pair.event_id)

    def _use_by_uid(
        self, found: dict[str, Pair], remotes: Iterable[RemoteEvent], pairs: Mapping[str, list[Pair]]
    ) -> None:
        """Pair what has one UID, but no single day with the series that it is of: they share theirs."""
        ids = list({pair.event_id for some in pairs.values() for pair in some})
        series = set(self._connection.scalars(_SERIES, {"ids": ids})) if ids else set()
        for remote in remotes if pairs else ():
            is_series = remote.content.when.is_series
            same = (p for p in pairs.get(remote.uid or "", ()) if (p.event_id in series) == is_series)
            self._use(found, remote, same)

    def _find_renumbered(
        self, found: dict[str, Pair], remotes: list[RemoteEvent], gone: Collection[str]
    ) -> None:
        """Find copies that the calendar holds no more under the id that the hub knows: it has another."""
        uids = [remote.uid for remote in remotes]
        pairs: dict[str, list[Pair]] = defaultdict(list)
        rows = self._connection.execute(_KNOWN_BY_UID, self._ids | {"uids": uids}) if uids else ()
        for event_id, copy_id, uid, missing_at, removed_at in rows:
            if missing_at is not None or removed_at is not None or copy_id in gone:
                pairs[uid].append(Pair(event_id, copy_id))
        self._use_by_uid(found, remotes, pairs)

    def _find_invited(self, found: dict[str, Pair], remotes: list[RemoteEvent]) -> None:
        """Find meetings that came to another account, too, and were or are to be copied from there."""
        meetings = [r for r in remotes if r.uid and (r.content.organizer or r.content.attendees)]
        if not meetings:
            return
        pairs: dict[str, list[Pair]] = defaultdict(list)
        values = self._ids | {"account_id": self._link.account_id, "uids": [r.uid for r in meetings]}
        for event_id, copy_id, remote_id, uid in self._connection.execute(_INVITED, values):
            pairs[uid].append(Pair(event_id, copy_id, is_superseded=remote_id is not None))
        self._use_by_uid(found, meetings, pairs)

    def _find_by_uid(self, found: dict[str, Pair], remotes: list[RemoteEvent]) -> None:
        if not remotes:
            return
        by_uid: dict[str, list[Pair]] = defaultdict(list)
        uids = [remote.uid for remote in remotes]
        for event_id, uid in sorted([*self._own_by_uid(uids), *self._twins_by_uid(uids)]):
            by_uid[uid].append(Pair(event_id, None))
        self._use_by_uid(found, remotes, by_uid)

    def _own_by_uid(self, uids: list[str | None]) -> Iterable[tuple[str, str]]:
        """Return events that have one of the UIDs themselves, and which."""
        return [
            (event_id, uid) for event_id, uid in self._connection.execute(_BY_UID, self._ids | {"uids": uids})
        ]

    def _twins_by_uid(self, uids: list[str | None]) -> Iterable[tuple[str, str]]:
        """Return events of which a copy in another link has one of the UIDs, and which."""
        found = [
            (event_id, uid)
            for event_id, uid in self._connection.execute(_TWINS_BY_UID, self._ids | {"uids": uids})
        ]
        if not found:
            return []
        ids = list({event_id for event_id, _ in found})
        alone = set(self._connection.scalars(_BY_ID, self._ids | {"ids": ids}))
        return [(event_id, uid) for event_id, uid in found if event_id in alone]

    def _former(self, remotes: list[RemoteEvent]) -> dict[str, list[Pair]]:
        values = self._ids | {
            "remote_calendar_id": self._link.remote_calendar_id,
            "remote_ids": [remote.remote_id for remote in remotes],
        }
        pairs: dict[str, list[Pair]] = defaultdict(list)
        for remote_id, event_id, base, synced, is_ours in self._connection.execute(_FORMER, values):
            pairs[remote_id].append(Pair(event_id, None, base, synced, is_ours))
        return pairs

    def _at_same_time(self, remotes: list[RemoteEvent]) -> list[Pair]:
        whens = [remote.content.when for remote in remotes]
        instants = {instant(when.start, when.start_zone, self._zone) for when in whens}
        rows = self._connection.execute(_AT_SAME_TIME, self._ids | {"instants": list(instants)})
        return [Pair(event_id, None) for (event_id,) in rows]

    def _by_sight(self, pairs: list[Pair]) -> dict[Sight, list[Pair]]:
        found: dict[Sight, list[Pair]] = defaultdict(list)
        if pairs:
            contents = read_contents(self._connection, [pair.event_id for pair in pairs])
            for pair in pairs:
                for sight in self._sights(content_from_json(contents[pair.event_id])):
                    found[sight].append(pair)
        return found

    def _sights(self, content: EventContent) -> list[Sight]:
        """Return what people see of an event: at each of the providers, since one may show less of it."""
        return list(dict.fromkeys(map(_sight, self._shapes.all(content))))


def _sight(content: EventContent) -> Sight:
    """Return what two events that look the same to people have in common."""
    title, when = content.title.strip(), content.when
    if when.all_day:
        return title, when.start, when.end
    return (
        title,
        instant(when.start, when.start_zone, "UTC"),
        instant(when.end, when.end_zone or when.start_zone, "UTC"),
    )
