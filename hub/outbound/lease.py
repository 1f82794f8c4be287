"""One writer per link: a lease with an end, and a fence number that every write of the run checks.

A lease alone is not safe (a paused process may wake up after its end), so `held` refuses every write of
a run whose fence is not the link's any more. It is short and prolonged while the run lives
(`prolong`), so that a provider call may last longer than it. A run that ends gives it back: a lease that
is taken while it still has an owner tells of a run that died.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, case, func, not_, or_, select, update
from sqlalchemy.orm import Session, aliased

from hub.models import Account, Calendar, EventCopy, Link, LinkSignal, LinkState
from hub.ports import Ports

RUN_LOST = "RunLost"
"""The problem code of a link whose runs die."""
TURN = timedelta(seconds=5)
"""How long one run may take while others wait: a long first import is done in such steps."""


class LeaseLostError(Exception):
    """Another worker has taken the link, or it was paused or ended: stop at once, write nothing."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A run's right to write one link."""

    link_id: str
    account_id: str
    fence: int
    run_id: str
    until: datetime
    """When the run should let others have their turn."""
    importing: str | None = None
    """The calendar, if this run lists the link for the first time: its other links wait for it."""
    lost_runs: int = 0
    """Runs of this link that died, in a row."""
    after_loss: bool = False
    """The run before this one died."""

    def is_over(self, ports: Ports) -> bool:
        """Whether the run has had its time: what is left is hinted anew, behind the work of others."""
        return ports.clock.now() >= self.until


def acquire(ports: Ports, link_id: str) -> Lease | None:
    """Take the link's lease; None if it is taken, at rest, or its account is busy enough."""
    now = ports.clock.now()
    if not _free(ports, [link_id]):
        return None
    run_id = ports.ids.new("run")
    with ports.db.transaction() as session:
        row = session.execute(
            select(Link.account_id, Account.provider, Link.calendar_id, Link.imported_at, Link.planned_id)
            .add_columns(Link.lost_runs)
            .join(Account, Account.id == Link.account_id)
            .where(Link.id == link_id)
        ).first()
        if row is None or _account_is_busy(session, ports, row.account_id, row.provider, now):
            return None
        importing = row.calendar_id if row.imported_at is None or row.planned_id else None
        if importing and _sibling_imports(session, link_id, importing, now):
            return None
        if row.planned_id and _planned(session, row.calendar_id, Link.planned_id < row.planned_id):
            return None
        taken = session.execute(
            update(Link)
            .where(
                Link.id == link_id,
                Link.state == LinkState.ACTIVE,
                Link.deleted_at.is_(None),
                or_(Link.lease_until.is_(None), Link.lease_until < now),
            )
            .values(
                lease_owner=run_id,
                lease_until=now + timedelta(seconds=ports.settings.lease_seconds),
                fence=Link.fence + 1,
                lost_runs=case((Link.lease_owner.is_(None), Link.lost_runs), else_=Link.lost_runs + 1),
            )
            .returning(Link.fence, Link.lost_runs)
        ).first()
    if taken is None:
        return None
    after_loss = taken.lost_runs > row.lost_runs
    return Lease(
        link_id, row.account_id, taken.fence, run_id, now + TURN, importing, taken.lost_runs, after_loss
    )


def _sibling_imports(session: Session, link_id: str, calendar_id: str, now: datetime) -> bool:
    """Whether another link of the calendar is being listed for the first time.

    Two at once could not see that they bring in the same events.
    """
    session.execute(select(Calendar.id).where(Calendar.id == calendar_id).with_for_update())
    query = select(Link.id).where(
        Link.calendar_id == calendar_id,
        Link.id != link_id,
        Link.imported_at.is_(None),
        Link.deleted_at.is_(None),
        Link.lease_until > now,
    )
    return session.scalar(query.limit(1)) is not None


def _planned(session: Session, calendar_id: str, *conditions: ColumnElement[bool]) -> bool:
    """Whether links of the calendar have yet to bring in what a plan has read for them."""
    query = select(Link.id).where(*_planned_links(calendar_id), *conditions)
    return session.scalar(query.limit(1)) is not None


def _planned_links(calendar_id: Any, of: type[Link] = Link) -> list[ColumnElement[bool]]:
    return [
        of.calendar_id == calendar_id,
        of.planned_id.is_not(None),
        of.state == LinkState.ACTIVE,
        of.deleted_at.is_(None),
    ]


def may_write(link_calendar_id: Any) -> ColumnElement[bool]:
    """Return the condition that no plan is being carried out in a calendar.

    Until all of its links have brought in what was read for them, nothing is written: so each event is
    written once, as the plan says, and not again for each link.
    """
    planned = aliased(Link)
    return ~select(planned.id).where(*_planned_links(link_calendar_id, planned)).exists()


def _account_is_busy(session: Session, ports: Ports, account_id: str, provider: str, now: datetime) -> bool:
    most = ports.gateway.info(provider).limits.per_account_concurrency
    running = session.scalar(
        select(func.count()).select_from(Link).where(Link.account_id == account_id, Link.lease_until > now)
    )
    return (running or 0) >= most


def held(session: Session, ports: Ports, lease: Lease) -> Link:
    """Return the link, locked and with its lease prolonged.

    Raises:
        LeaseLostError: the lease is not ours any more.
    """
    link = session.scalars(
        select(Link)
        .where(Link.id == lease.link_id, Link.fence == lease.fence, Link.deleted_at.is_(None))
        .with_for_update(of=Link)
        .execution_options(populate_existing=True)
    ).one_or_none()
    if link is None or link.state != LinkState.ACTIVE:
        raise LeaseLostError(lease.link_id)
    link.lease_until = ports.clock.now() + timedelta(seconds=ports.settings.lease_seconds)
    return link


def prolong(ports: Ports, lease: Lease) -> bool:
    """Keep the lease while the run lives; False if it is not ours any more."""
    with ports.db.transaction() as session:
        kept = session.scalar(
            update(Link)
            .where(Link.id == lease.link_id, Link.fence == lease.fence, Link.lease_owner == lease.run_id)
            .values(lease_until=ports.clock.now() + timedelta(seconds=ports.settings.lease_seconds))
            .returning(Link.id)
        )
    return kept is not None


def release(ports: Ports, lease: Lease) -> None:
    """Give the lease back, and hint what is owed to the account's links.

    Looking for owed work after the release closes the gap: whoever found the lease taken had
    committed its wish before, so it is visible here.
    """
    with ports.db.transaction() as session:
        session.execute(
            update(Link)
            .where(Link.id == lease.link_id, Link.fence == lease.fence)
            .values(lease_owner=None, lease_until=None, lost_runs=0, is_long=lease.is_over(ports))
        )
        if lease.lost_runs:
            session.execute(
                update(Link)
                .where(Link.id == lease.link_id, Link.problem_code == RUN_LOST)
                .values(problem=None, problem_code=None, problem_at=None)
            )
    near = Link.account_id == lease.account_id
    if lease.importing:
        near |= Link.calendar_id == lease.importing
    hint_owed(ports, near)


def hint(ports: Ports, task: str, link_ids: list[str]) -> None:
    """Hint a task for those links that no run holds, after the wish for it was committed.

    A run that holds a link looks for owed work after its release, when it can see the wish: a hint
    would only wake another worker in vain.
    """
    for link_id in _free(ports, link_ids):
        ports.queue.hint(task, link_id)


def hint_owed(ports: Ports, *conditions: ColumnElement[bool]) -> None:
    """Hint what is owed to links: long work, such as a first import, in a queue of its own."""
    now = ports.clock.now()
    hints = []
    with ports.db.reading() as session:
        for is_long, pull, push in ((False, "pull", "push"), (True, "import", "export")):
            pulls = owed_pulls(session, now, _takes_long(is_long, pulls=True), *conditions)
            pushes = owed_pushes(session, now, _takes_long(is_long), *conditions)
            hints += [(pull, link_id) for link_id in pulls] + [(push, link_id) for link_id in pushes]
    for task, link_id in hints:
        ports.queue.hint(task, link_id)


def _takes_long(is_long: bool, *, pulls: bool = False) -> ColumnElement[bool]:
    """Return the condition for links whose last run had to stop for others, or that list everything."""
    found = or_(Link.is_long, Link.wants_all) if pulls else Link.is_long.is_(True)
    return found if is_long else not_(found)


def _free(ports: Ports, link_ids: list[str]) -> list[str]:
    now = ports.clock.now()
    with ports.db.reading() as session:
        query = select(Link.id).where(
            Link.id.in_(link_ids), or_(Link.lease_until.is_(None), Link.lease_until < now)
        )
        return sorted(session.scalars(query))


def _workable(now: datetime) -> list[ColumnElement[bool]]:
    return [
        Link.state == LinkState.ACTIVE,
        Link.deleted_at.is_(None),
        or_(Link.lease_until.is_(None), Link.lease_until < now),
        or_(Link.due_at.is_(None), Link.due_at <= now),
    ]


def owed_pulls(session: Session, now: datetime, *conditions: ColumnElement[bool]) -> list[str]:
    """Return the links that were notified since their last listing, or failed, and that nobody works on."""
    query = (
        select(Link.id)
        .join(LinkSignal, LinkSignal.link_id == Link.id)
        .where(or_(LinkSignal.notified > Link.pulled, Link.failures > 0), *_workable(now), *conditions)
    )
    return list(session.scalars(query))


def unwritten() -> list[ColumnElement[bool]]:
    """Return the conditions of the outbox; a copy that is looked for where its calendar moved waits."""
    return [
        EventCopy.wanted_version > EventCopy.pushed_version,
        EventCopy.parked_at.is_(None),
        or_(EventCopy.remote_id.is_not(None), EventCopy.missing_at.is_(None)),
    ]


def owed_pushes(session: Session, now: datetime, *conditions: ColumnElement[bool]) -> list[str]:
    """Return the links whose outbox holds something due and that nobody works on."""
    query = select(Link.id).where(
        Link.imported_at.is_not(None),
        may_write(Link.calendar_id),
        select(EventCopy.id)
        .where(
            EventCopy.link_id == Link.id,
            *unwritten(),
            or_(EventCopy.due_at.is_(None), EventCopy.due_at <= now),
        )
        .exists(),
        *_workable(now),
        *conditions,
    )
    return list(session.scalars(query))
