"""Undo: lines of the change log taken back here and at the providers, in bounded steps.

Comes after the API or the page; what it changes are normal edits, which the outbox carries on. The row of
an undo is the intent: the first step is made with it, in one transaction, further ones by the task `undo`
until no event is left, each with its place in one transaction. A step that is repeated does nothing, since
a field is put back only where it still holds what is taken back.
"""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, func, literal_column, or_, select
from sqlalchemy.orm import Session

from hub.db import after_commit
from hub.domain.recurrence import RecurrenceError, without_orphans
from hub.domain.undo import METADATA, Line, UndoPlan, content_of_state, plan_undo, state_of
from hub.log import get_logger
from hub.models import Actor, Calendar, Change, ChangeKind, Event, Link, Undo, UndoState
from hub.models.content import content_of
from hub.outbound import edit
from hub.outbound.edit import Author
from hub.outbound.lease import TURN
from hub.plugin.codec import CodecError
from hub.plugin.types import EventContent
from hub.ports import Ports

log = get_logger()

STEP = 50
"""Events of one transaction."""
LOOK = 500
"""Events that are looked at together where nothing is written."""
MOST_COUNTED = 20_000
"""Events that a preview looks at for its counts, so that it is answered in time."""

SPLIT_FROM, SPLIT_INTO = "split_from", "split_into"
"""In the log, what tells of the two halves of a series that was split."""
RUNNING = select(Undo.id).where(Undo.state == literal_column(f"'{UndoState.RUNNING}'"))
"""As its index is written: for a bound value SQLite would plan the statement anew each time."""
_DONE = {"update": "updated", "delete": "deleted", "restore": "restored", "none": "unchanged"}


class RunUnderWayError(Exception):
    """The run that is to be undone has not ended."""


@dataclass(frozen=True, slots=True)
class Target:
    """What is to be taken back: a run, one change, or what an event became beyond a version."""

    tenant_id: str
    run_id: str | None = None
    seq: int | None = None
    event_id: str | None = None
    version: int | None = None
    cut_off: tuple[str, ...] = ()
    """With a version: events that were split off since. They are taken back whole, or there would be two."""

    def lines(self) -> list[ColumnElement[bool]]:
        """Return the conditions for its lines of the log."""
        own = Change.tenant_id == self.tenant_id
        if self.run_id is not None:
            return [own, Change.run_id == self.run_id]
        if self.seq is not None:
            return [own, Change.seq == self.seq]
        since = and_(Change.event_id == self.event_id, Change.event_version > self.version)
        return [own, or_(since, Change.event_id.in_(self.cut_off)) if self.cut_off else since]


@dataclass(frozen=True, slots=True)
class EventUndo:
    """What an undo does to one event."""

    event_id: str
    plan: UndoPlan
    calendar: Calendar | None
    event: Event | None
    """None: its tombstone is gone."""
    content: EventContent | None = None
    """What it will mean; None: it will not be there, or it is blocked."""
    uid: str = ""
    split_from: str | None = None
    blocked: str | None = None
    """Why nothing can be done, in a sentence for people."""

    @property
    def action(self) -> str:
        return "none" if self.blocked else self.plan.action

    @property
    def title(self) -> str:
        state = self.plan.present or self.plan.result or {}
        return str(state.get("title", ""))


def target_of(session: Session, undo: Undo) -> Target:
    if undo.of_event is not None and undo.to_version is not None:
        return version_target(session, undo.tenant_id, undo.of_event, undo.to_version)
    return Target(undo.tenant_id, undo.of_run, undo.of_seq)


def change_target(session: Session, tenant_id: str, seq: int) -> Target:
    """Return what undoing one change takes back: a split of a series is undone whole, and that is its run."""
    change = session.get(Change, (tenant_id, seq))
    if change is not None and change.actor in (Actor.API_KEY, Actor.PAGE):
        began = change.kind == ChangeKind.CREATED and SPLIT_FROM in change.fields
        if began or SPLIT_INTO in change.fields:
            return Target(tenant_id, run_id=change.run_id)
    return Target(tenant_id, seq=seq)


def version_target(session: Session, tenant_id: str, event_id: str, version: int) -> Target:
    """Return what going back to a version takes back: with it, what was split off since."""
    found: dict[str, None] = {}
    since = [(event_id, version)]
    while since:
        looked_at, beyond = since.pop()
        lines = select(Change.fields).where(
            Change.tenant_id == tenant_id, Change.event_id == looked_at, Change.event_version > beyond
        )
        for fields in session.scalars(lines.order_by(Change.seq)):
            other = fields.get(SPLIT_INTO, {}).get("after")
            if other is not None and other not in found:
                found[other] = None
                since.append((other, 0))
    return Target(tenant_id, event_id=event_id, version=version, cut_off=tuple(found))


# --- looking ---


def event_ids(session: Session, target: Target, after: str, limit: int) -> list[str]:
    """Return the next events that a target touches, in the order of their ids."""
    query = select(Change.event_id).where(*target.lines(), Change.event_id > after)
    return list(session.scalars(query.group_by(Change.event_id).order_by(Change.event_id).limit(limit)))


def plan_events(
    session: Session, target: Target, ids: Sequence[str], *, force: bool, lock: bool = False
) -> list[EventUndo]:
    """Plan what becomes of events, from the log and from what they are now; locked if asked."""
    query = select(Event).where(Event.id.in_(ids)).order_by(Event.id)
    query = query.execution_options(populate_existing=True)
    events = {e.id: e for e in session.scalars(query.with_for_update(of=Event) if lock else query)}
    lines: dict[str, list[Change]] = defaultdict(list)
    for change in session.scalars(
        select(Change).where(*target.lines(), Change.event_id.in_(ids)).order_by(Change.seq)
    ):
        lines[change.event_id].append(change)
    of = {changes[0].calendar_id for changes in lines.values()}
    calendars = {c.id: c for c in session.scalars(select(Calendar).where(Calendar.id.in_(of)))}
    return [_plan(events.get(i), lines[i], calendars.get(lines[i][0].calendar_id), force=force) for i in ids]


def _plan(
    event: Event | None, changes: Sequence[Change], calendar: Calendar | None, *, force: bool
) -> EventUndo:
    event_id = changes[0].event_id
    present = None
    if event is not None and event.deleted_at is None:
        present = state_of(content_of(event), event.extra)
    try:
        plan = plan_undo(present, [Line(c.seq, c.kind, c.fields) for c in changes], force=force)
        content = None
        if plan.result is not None:
            content = content_of_state(plan.result)
            content = dataclasses.replace(content, when=without_orphans(content.when))
    except (CodecError, RecurrenceError):
        reason = "The log does not hold enough to bring it back."
        return EventUndo(event_id, UndoPlan(present, present), calendar, event, blocked=reason)
    uids = [c.fields["uid"]["before"] for c in changes if "uid" in c.fields]
    blocked = None
    if calendar is None or calendar.deleted_at is not None:
        blocked = "Its calendar was deleted."
    uid = event.uid if event else uids[-1] if uids else f"{event_id}@coordinoter"
    splits = [c.fields[SPLIT_FROM] for c in changes if SPLIT_FROM in c.fields]
    split_from = next((s.get("before") or s.get("after") for s in reversed(splits)), None)
    return EventUndo(event_id, plan, calendar, event, content, uid, split_from, blocked)


def count(session: Session, target: Target, *, force: bool) -> dict[str, int]:
    """Return how many events an undo would update, delete, restore, leave, keep in part, or not reach.

    Beyond `MOST_COUNTED` events only their number is told, as `uncounted`.
    """
    total: Counter[str] = Counter()
    for ids in _batches(session, target):
        for item in plan_events(session, target, ids, force=force):
            _tally(total, item)
        session.expunge_all()
        if total["events"] >= MOST_COUNTED:
            rest = select(func.count(Change.event_id.distinct())).where(
                *target.lines(), Change.event_id > ids[-1]
            )
            total["uncounted"] = session.scalar(rest) or 0
            break
    return dict(total)


def _batches(session: Session, target: Target) -> Iterator[list[str]]:
    after = ""
    while ids := event_ids(session, target, after, LOOK):
        yield ids
        after = ids[-1]


def _tally(total: Counter[str], item: EventUndo) -> None:
    total["events"] += 1
    total["blocked" if item.blocked else _DONE[item.action]] += 1
    if item.plan.kept and not item.blocked:
        total["kept"] += 1


def check_ended(session: Session, ports: Ports, target: Target) -> None:
    """Check that nothing is added any more to what is to be taken back.

    Raises:
        RunUnderWayError: wait a moment.
    """
    if target.run_id is None:
        return
    at_work = select(Link.id).where(Link.lease_owner == target.run_id, Link.lease_until > ports.clock.now())
    undoing = select(Undo.id).where(Undo.id == target.run_id, Undo.state == UndoState.RUNNING)
    if session.scalar(at_work.limit(1)) or session.scalar(undoing):
        raise RunUnderWayError


# --- doing ---


def begin(session: Session, ports: Ports, target: Target, author: Author, *, force: bool) -> Undo:
    """Note an undo and make its first step; the rest follows by itself.

    Raises:
        RunUnderWayError: the run that is to be undone has not ended.
    """
    check_ended(session, ports, target)
    assert author.run_id is not None, "an undo is a run of its own"
    undo = Undo(
        id=author.run_id,
        tenant_id=target.tenant_id,
        of_run=target.run_id,
        of_seq=target.seq,
        of_event=target.event_id,
        to_version=target.version,
        force=force,
        actor=author.actor,
        actor_id=author.id,
        state=UndoState.RUNNING,
        after_event="",
        counts={},
        created_at=ports.clock.now(),
    )
    session.add(undo)
    _step(session, ports, undo, target)
    if undo.state == UndoState.RUNNING:
        after_commit(session, lambda: ports.queue.hint("undo", undo.id))
    return undo


def carry_on(ports: Ports, undo_id: str) -> None:
    """Make steps until the undo is done, or it is the turn of others."""
    until = ports.clock.now() + TURN
    while True:
        with ports.db.transaction() as session:
            undo = session.get(Undo, undo_id, with_for_update=True)
            if undo is None or undo.state != UndoState.RUNNING:
                return
            _step(session, ports, undo, target_of(session, undo))
        if ports.clock.now() >= until:
            ports.queue.hint("undo", undo_id)
            return


def running(session: Session) -> list[str]:
    """Return the undos that are not done."""
    return list(session.connection().execute(RUNNING).scalars())


def _step(session: Session, ports: Ports, undo: Undo, target: Target) -> None:
    author = Author(Actor(undo.actor), undo.actor_id, undo.id)
    ids = event_ids(session, target, undo.after_event, STEP)
    items = plan_events(session, target, ids, force=undo.force, lock=True)
    total = Counter(undo.counts)
    touched = []
    for item in items:
        touched += [event] if (event := _carry_out(session, ports, item, author)) else []
        _tally(total, item)
    edit.fan_out(session, ports, touched)
    undo.counts = dict(total)
    if ids:
        undo.after_event = ids[-1]
    if len(ids) < STEP:
        undo.state, undo.ended_at = UndoState.DONE, ports.clock.now()
        log.info("undo_done", undo=undo.id, **undo.counts)


def _carry_out(session: Session, ports: Ports, item: EventUndo, author: Author) -> Event | None:
    """Do to one event what is planned; return it if it changed, for its copies to follow."""
    action, event = item.action, item.event
    if action == "none":
        return None
    if action == "delete":
        assert event is not None
        edit.delete_event(session, ports, event, author, travels=False)
        return event
    assert item.plan.result is not None
    assert item.content is not None
    extra = item.plan.result[METADATA]
    if action == "update":
        assert event is not None
        edit.update_event(session, ports, event, item.content, author, extra=extra, travels=False)
        return event
    if event is not None:
        edit.restore_event(session, ports, event, item.content, author, extra=extra, travels=False)
        return event
    assert item.calendar is not None
    last = select(func.max(Change.event_version)).where(
        Change.tenant_id == item.calendar.tenant_id, Change.event_id == item.event_id
    )
    version = (session.scalar(last) or 0) + 1
    return edit.remake_event(
        session,
        ports,
        item.calendar,
        item.content,
        author,
        event_id=item.event_id,
        uid=item.uid,
        version=version,
        extra=extra,
        split_from=item.split_from,
    )
