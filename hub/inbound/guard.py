"""The deletion guard: a few deletions are believed, a suspicious mass of them waits for a person.

Comes at the end of a complete listing, in its last transaction. Until then apply has only marked what
the provider holds no more (`EventCopy.missing_at`), so a listing that fails half way deletes nothing.
What shows up again meanwhile loses its mark; what was edited elsewhere is made again, since an edit
wins over a deletion.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from sqlalchemy import ColumnElement, Select, and_, bindparam, func, or_, select
from sqlalchemy.orm import Session, aliased

from hub.log import get_logger
from hub.models import Actor, ChangeKind, Direction, Event, EventCopy, Link, Verdict
from hub.models.content import content_of
from hub.outbound import singles
from hub.outbound.asked import barrier
from hub.outbound.edit import Author, fan_out, record, remains
from hub.outbound.lease import Lease, held
from hub.outbound.outbox import make_again, note_deletion_conflict, recreate
from hub.ports import Ports

log = get_logger()

BATCH = 200

_IS_MISSING = EventCopy.missing_at.is_not(None)
_HOW_MANY = select(func.count()).where(
    EventCopy.link_id == bindparam("link_id"), EventCopy.removed_at.is_(None)
)
_HOW_MANY_MISSING = _HOW_MANY.where(_IS_MISSING)
_TWIN = aliased(EventCopy)
_HOW_MANY_LOST = _HOW_MANY_MISSING.where(
    ~select(_TWIN.id)
    .where(
        _TWIN.link_id == EventCopy.link_id,
        _TWIN.uid == EventCopy.uid,
        _TWIN.id != EventCopy.id,
        _TWIN.remote_id.is_not(None),
        _TWIN.removed_at.is_(None),
        _TWIN.missing_at.is_(None),
    )
    .exists()
)
"""Without those whose meeting the calendar shows under another id, as an occurrence's whole series is."""
_HOW_MANY_KNOWN = _HOW_MANY.where(EventCopy.remote_id.is_not(None))


def settle(session: Session, ports: Ports, link: Link, run_id: str) -> None:
    """Believe the deletions that a complete listing has shown, or hold all of them.

    Once some are held, later ones join them until the person has decided.
    """
    waiting = _count(session, link, _HOW_MANY_MISSING)
    if not waiting:
        link.held_at = None
        return
    lost = _count(session, link, _HOW_MANY_LOST)
    if link.held_at is None and not _is_suspicious(session, ports, link, lost):
        link.removals += min(lost, _bury(session, ports, link, run_id, _missing_copies(session, link)))
    elif link.held_at is None:
        link.held_at = ports.clock.now()
        log.warning(
            "deletions_held",
            link_id=link.id,
            account_id=link.account_id,
            calendar=link.remote_calendar_id,
            deletions=waiting,
        )


def is_wrongly_empty(session: Session, link: Link) -> bool:
    """Whether a first listing showed nothing although the hub has events, which it would all write there.

    Providers answer so by mistake at times; a second listing tells.
    """
    if link.direction == Direction.IMPORT:
        return False
    shown = select(EventCopy.id).where(
        EventCopy.link_id == link.id, EventCopy.seen_generation == link.generation
    )
    waiting = select(Event.id).where(Event.calendar_id == link.calendar_id, Event.deleted_at.is_(None))
    return session.scalar(shown.limit(1)) is None and session.scalar(waiting.limit(1)) is not None


def carry_out(ports: Ports, lease: Lease) -> None:
    """Do what the person said about held deletions, in bounded transactions."""
    while True:
        with ports.db.transaction() as session:
            link = held(session, ports, lease)
            if link.verdict is None:
                return
            copies = _missing_copies(session, link, EventCopy.missing_at <= link.verdict_at, limit=BATCH)
            if not copies:
                log.info("verdict_carried_out", link_id=link.id, verdict=link.verdict)
                link.verdict = link.verdict_at = link.held_at = link.removals_from = None
                return
            if link.verdict == Verdict.APPLY:
                _bury(session, ports, link, lease.run_id, copies)
            else:
                _put_back(ports, link, copies)


def _count(session: Session, link: Link, query: Select[int]) -> int:
    return int(session.connection().execute(query, {"link_id": link.id}).scalar_one())


def _is_suspicious(session: Session, ports: Ports, link: Link, lost: int) -> bool:
    """Whether so many deletions, with those of the last minutes, look like a mishap."""
    settings, now = ports.settings, ports.clock.now()
    if link.removals_from is None or now - link.removals_from > timedelta(seconds=settings.guard_window):
        link.removals_from, link.removals = now, 0
    removals = link.removals + lost
    if removals <= settings.guard_least:
        return False
    known = link.removals + _count(session, link, _HOW_MANY_KNOWN)
    return removals > settings.guard_count or removals > settings.guard_share * known


def _missing_copies(
    session: Session, link: Link, *conditions: ColumnElement[bool], limit: int | None = None
) -> list[tuple[EventCopy, Event]]:
    """Return missing copies with their events, the events locked in the order of their ids."""
    rows = session.execute(
        select(EventCopy, Event)
        .join(Event, Event.id == EventCopy.event_id)
        .where(
            EventCopy.link_id == link.id,
            EventCopy.removed_at.is_(None),
            _IS_MISSING,
            *conditions,
        )
        .order_by(Event.id)
        .limit(limit)
        .with_for_update(of=Event)
        .execution_options(populate_existing=True)
    )
    return [(copy, event) for copy, event in rows]


def _bury(
    session: Session, ports: Ports, link: Link, run_id: str, copies: Iterable[tuple[EventCopy, Event]]
) -> int:
    """Delete the events of missing copies here and everywhere; return how many were deleted."""
    now = ports.clock.now()
    author = Author(Actor.PROVIDER, link.id, run_id)
    deleted = []
    parts: dict[str, tuple[str, ...]] = {}
    copies = list(copies)
    sources = other_sources(session, link, [copy.id for copy, _ in copies])
    for copy, event in copies:
        if event.deleted_at is None and copy.id in sources:
            _lose_copy(ports, link, copy, event)
            continue
        # What the provider has refused nobody has seen there; what the hub must not write was not to be seen.
        may_write = copy.parked_at is None or barrier(copy) is None
        edited_elsewhere = copy.wanted_version > copy.pushed_version and may_write
        if event.deleted_at is None and edited_elsewhere and link.direction == Direction.TWO_WAY:
            note_deletion_conflict(session, ports, link, event, content_of(event))
            make_again(session, ports, copy)
            continue
        copy.removed_at, copy.missing_at, copy.read_only = now, None, None
        copy.attempts, copy.problem, copy.parked_at, copy.due_at = 0, None, None, None
        if event.deleted_at is None:
            event.version += 1
            event.deleted_at = event.updated_at = now
            if event.part_of is not None:
                parts[event.id] = ()
            else:
                record(session, ports, event, ChangeKind.DELETED, remains(event), author)
                deleted.append(event)
        copy.wanted_version = copy.pushed_version = event.version
    session.flush()
    fan_out(session, ports, deleted, source=link)
    if parts:
        singles.came_back(session, ports, link, parts, author)
    return len(deleted) + len(parts)


def other_sources(session: Session, link: Link, copy_ids: list[str]) -> set[str]:
    """Return those copies whose event another calendar holds by itself (the same UID), and where it lives on.

    The hub only reads that calendar, or the lost copy was a guest's: who takes an invitation out of the own
    calendar deletes nobody else's meeting.
    """
    own, other = aliased(EventCopy), aliased(EventCopy)
    query = (
        select(own.id)
        .join(other, (other.event_id == own.event_id) & (other.uid == own.uid))
        .join(Link, Link.id == other.link_id)
        .where(
            own.id.in_(copy_ids),
            Link.id != link.id,
            or_(Link.direction == Direction.IMPORT, and_(own.read_only.is_not(None), ~other.is_ours)),
            Link.deleted_at.is_(None),
            other.removed_at.is_(None),
            other.missing_at.is_(None),
        )
    )
    return set(session.scalars(query))


def _lose_copy(ports: Ports, link: Link, copy: EventCopy, event: Event) -> None:
    """Let a link lose its copy of an event that lives on; where the hub writes, it is made again.

    What somebody else organises was not the hub's to make: it stays away (`hub.outbound.spread`).
    """
    if link.direction == Direction.TWO_WAY and copy.read_only is None:
        recreate(ports, copy)
        copy.wanted_version = event.version
        return
    copy.removed_at, copy.missing_at = ports.clock.now(), None
    copy.wanted_version = copy.pushed_version = event.version


def _put_back(ports: Ports, link: Link, copies: Iterable[tuple[EventCopy, Event]]) -> None:
    """Keep the events and make them again at the provider; where the hub may not write, they stay here."""
    for copy, event in copies:
        if link.direction == Direction.IMPORT or event.deleted_at is not None:
            copy.removed_at, copy.missing_at = ports.clock.now(), None
            copy.pushed_version = copy.wanted_version
        else:
            recreate(ports, copy)
            copy.wanted_version = event.version
