"""One writer per link: a lease with an end, and a fence number that every write of the run checks.

A lease alone is not safe (a paused process may wake up after its end), so `held` refuses every write of
a run whose fence is not the link's any more. It is short and prolonged while the run lives
(`prolong`), so that a provider call may last longer than it. A run that ends gives it back: a lease that
is taken while it still has an owner tells of a run that died.

The statements are built once: a run is made of few and small ones, and building them would take longer
than running them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, exists, func, or_, select, update
from sqlalchemy.orm import Session, aliased

from hub.models import Account, Calendar, EventCopy, Link, LinkSignal, LinkState, RemoteCalendar
from hub.plugin import types
from hub.ports import Ports

RUN_LOST = "RunLost"
"""The problem code of a link whose runs die."""
TURN = timedelta(seconds=5)
"""How long one run may take while others wait: a long first import is done in such steps."""

_Other = aliased(Link)
_NOW = bindparam("now", type_=Link.lease_until.type)
_IS_FREE = or_(Link.lease_until.is_(None), Link.lease_until < _NOW)

_FIND = (
    select(
        Link,
        RemoteCalendar,
        Account.provider,
        select(func.count())
        .where(_Other.account_id == Link.account_id, _Other.lease_until > _NOW)
        .scalar_subquery(),
    )
    .join(RemoteCalendar, RemoteCalendar.id == Link.remote_calendar_id)
    .join(Account, Account.id == Link.account_id)
    .where(
        Link.id == bindparam("link_id"),
        Link.state == LinkState.ACTIVE,
        Link.deleted_at.is_(None),
        _IS_FREE,
    )
    .with_for_update(of=Link, key_share=True)
)
_LOCK_CALENDAR = select(Calendar.id).where(Calendar.id == bindparam("calendar_id")).with_for_update()
_IMPORTING = (
    select(Link.id)
    .where(
        Link.calendar_id == bindparam("calendar_id"),
        Link.id != bindparam("link_id"),
        Link.imported_at.is_(None),
        Link.deleted_at.is_(None),
        Link.lease_until > _NOW,
    )
    .limit(1)
)
_OWN = (
    select(Link)
    .where(Link.id == bindparam("link_id"), Link.fence == bindparam("fence"), Link.deleted_at.is_(None))
    .with_for_update(of=Link, key_share=True)
    .execution_options(populate_existing=True)
)
_PROLONG = (
    update(Link)
    .where(
        Link.id == bindparam("link_id"),
        Link.fence == bindparam("own_fence"),
        Link.lease_owner == bindparam("run_id"),
    )
    .values(lease_until=bindparam("until"))
    .returning(Link.id)
)
_FREE = select(Link.id).where(Link.id.in_(bindparam("link_ids", expanding=True)), _IS_FREE).order_by(Link.id)

UNWRITTEN = (
    EventCopy.wanted_version > EventCopy.pushed_version,
    EventCopy.parked_at.is_(None),
    EventCopy.doubted.is_(False),
    or_(EventCopy.remote_id.is_not(None), EventCopy.missing_at.is_(None)),
)
"""The conditions of the outbox; a copy that is looked for where its calendar moved waits, and one that has
to be read again before it may be written."""
COPY_IS_DUE = or_(EventCopy.due_at.is_(None), EventCopy.due_at <= _NOW)


def may_write(calendar_id: Any) -> ColumnElement[bool]:
    """Return the condition that no plan is being carried out in a calendar.

    Until all of its links have brought in what was read for them, nothing is written: so each event is
    written once, as the plan says, and not again for each link.
    """
    planned = aliased(Link)
    return ~select(planned.id).where(*_planned_links(calendar_id, planned)).exists()


def _planned_links(calendar_id: Any, of: type[Link] = Link) -> list[ColumnElement[bool]]:
    return [
        of.calendar_id == calendar_id,
        of.planned_id.is_not(None),
        of.state == LinkState.ACTIVE,
        of.deleted_at.is_(None),
    ]


_PLANNED_BEFORE = select(Link.id).where(
    *_planned_links(bindparam("calendar_id")), Link.planned_id < bindparam("planned_id")
)
"""Links of a calendar that have yet to bring in what a plan has read for them, before another does."""
_OWES_PULL = or_(LinkSignal.notified > Link.pulled, Link.failures > 0)
_OWES_PUSH = and_(
    Link.imported_at.is_not(None),
    may_write(Link.calendar_id),
    exists().where(EventCopy.link_id == Link.id, *UNWRITTEN, COPY_IS_DUE),
)
_OWED = (
    select(
        Link.id,
        Link.is_long,
        or_(Link.is_long, Link.wants_all),
        _OWES_PULL,
        _OWES_PUSH,
    )
    .join(LinkSignal, LinkSignal.link_id == Link.id)
    .where(
        Link.state == LinkState.ACTIVE,
        Link.deleted_at.is_(None),
        _IS_FREE,
        or_(Link.due_at.is_(None), Link.due_at <= _NOW),
        or_(_OWES_PULL, _OWES_PUSH),
    )
)
_OWED_NEAR = _OWED.where(
    or_(Link.account_id == bindparam("account_id"), Link.calendar_id == bindparam("calendar_id"))
)


class LeaseLostError(Exception):
    """Another worker has taken the link, or it was paused or ended: stop at once, write nothing."""


@dataclass(slots=True)
class Term:
    """Until when a run knows, without asking, that its lease is its own."""

    end: datetime


@dataclass(frozen=True, slots=True)
class Lease:
    """A run's right to write one link."""

    link_id: str
    account_id: str
    provider: str
    calendar: types.RemoteCalendar
    """The link's remote calendar, as it was when the run began."""
    fence: int
    run_id: str
    until: datetime
    """When the run should let others have their turn."""
    term: Term
    importing: str | None = None
    """The calendar, if this run lists the link for the first time: its other links wait for it."""
    lost_runs: int = 0
    """Runs of this link that died, in a row."""
    after_loss: bool = False
    """The run before this one died."""

    def is_over(self, ports: Ports) -> bool:
        """Whether the run has had its time: what is left is hinted anew, behind the work of others."""
        return ports.clock.now() >= self.until


def border_calendar(row: RemoteCalendar) -> types.RemoteCalendar:
    """Return a remote calendar as it crosses the border."""
    return types.RemoteCalendar(
        row.remote_id,
        row.name,
        types.AccessRole(row.access_role),
        row.zone,
        row.color,
        row.primary,
        row.can_watch,
    )


def find_free(session: Session, ports: Ports, link_id: str) -> tuple[Lease, Link] | None:
    """Lock the link's row for a run; None if it is taken, at rest, or its account is busy enough.

    The lease is as it will be once `take` has written it down.
    """
    now = ports.clock.now()
    row = session.execute(_FIND, {"link_id": link_id, "now": now}).first()
    if row is None:
        return None
    link, remote, provider, running = row
    if running >= ports.gateway.info(provider).limits.per_account_concurrency:
        return None
    importing = link.calendar_id if link.imported_at is None or link.planned_id else None
    if importing and _must_wait(session, link, now):
        return None
    after_loss = link.lease_owner is not None
    lease = Lease(
        link_id,
        link.account_id,
        provider,
        border_calendar(remote),
        link.fence + 1,
        ports.ids.new("run"),
        now + TURN,
        Term(now),
        importing,
        link.lost_runs + after_loss,
        after_loss,
    )
    return lease, link


def _must_wait(session: Session, link: Link, now: datetime) -> bool:
    """Whether another link of the calendar is being listed for the first time, or is before it in a plan.

    Two at once could not see that they bring in the same events.
    """
    values = {"calendar_id": link.calendar_id, "link_id": link.id, "now": now, "planned_id": link.planned_id}
    session.execute(_LOCK_CALENDAR, values)
    if session.execute(_IMPORTING, values).first() is not None:
        return True
    return link.planned_id is not None and session.execute(_PLANNED_BEFORE, values).first() is not None


def take(ports: Ports, link: Link, lease: Lease) -> None:
    """Write down that the link is the run's."""
    link.lease_owner, link.fence, link.lost_runs = lease.run_id, lease.fence, lease.lost_runs
    link.lease_until = lease.term.end = _end(ports)


def _end(ports: Ports) -> datetime:
    return ports.clock.now() + timedelta(seconds=ports.settings.lease_seconds)


def held(session: Session, ports: Ports, lease: Lease) -> Link:
    """Return the link, locked and with its lease prolonged.

    Raises:
        LeaseLostError: the lease is not ours any more.
    """
    link = session.scalars(_OWN, _key(lease)).one_or_none()
    if link is None or link.state != LinkState.ACTIVE:
        raise LeaseLostError(lease.link_id)
    link.lease_until = lease.term.end = _end(ports)
    return link


def assure(ports: Ports, lease: Lease) -> None:
    """Ask, before a write, whether the lease is still ours, if this process slept for longer than it lasts.

    Raises:
        LeaseLostError: it is not.
    """
    if ports.clock.now() >= lease.term.end:
        with ports.db.transaction() as session:
            held(session, ports, lease)


def _key(lease: Lease) -> dict[str, Any]:
    return {"link_id": lease.link_id, "fence": lease.fence}


def prolong(ports: Ports, lease: Lease) -> bool:
    """Keep the lease while the run lives; False if it is not ours any more."""
    end = _end(ports)
    values = {"own_fence": lease.fence, "run_id": lease.run_id, "until": end}
    with ports.db.transaction() as session:
        kept = session.connection().execute(_PROLONG, {"link_id": lease.link_id} | values).first()
    if kept is not None:
        lease.term.end = end
    return kept is not None


def give_back(session: Session, ports: Ports, link: Link, lease: Lease) -> None:
    """End the run with this transaction, and hint what is owed to the account's links.

    Looking for owed work when the release is visible closes the gap: whoever found the lease taken had
    committed its wish before, so it is visible, too.
    """
    put_down(ports, link, lease)
    hint_owed_after(session, ports, account_id=lease.account_id, calendar_id=lease.importing)


def put_down(ports: Ports, link: Link, lease: Lease) -> None:
    """Write down that nobody has the link; the run has come to its end."""
    link.lease_owner = link.lease_until = None
    link.lost_runs, link.is_long = 0, lease.is_over(ports)
    if link.problem_code == RUN_LOST:
        link.problem = link.problem_code = link.problem_at = None


def release(ports: Ports, lease: Lease) -> None:
    """Give the lease back, if it is still ours, after a run that was cut short."""
    with ports.db.transaction() as session:
        link = session.scalars(_OWN, _key(lease)).one_or_none()
        if link is not None:
            put_down(ports, link, lease)
        hint_owed_after(session, ports, account_id=lease.account_id, calendar_id=lease.importing)


def hint_owed_after(
    session: Session, ports: Ports, *, account_id: str | None = None, calendar_id: str | None = None
) -> None:
    """Hint what is owed to the links of an account or a calendar once the transaction is committed."""
    near = {"account_id": account_id, "calendar_id": calendar_id}
    ports.db.look_after(session, lambda later: owed(later, ports, near), lambda found: send(ports, found))


def hint_after(session: Session, ports: Ports, task: str, link_ids: Sequence[str]) -> None:
    """Hint a task for those links that no run holds, once the wish for it is committed.

    A run that holds a link looks for owed work with its release, when it can see the wish: a hint
    would only wake another worker in vain.
    """

    def free(later: Session) -> list[tuple[str, str]]:
        values = {"link_ids": list(link_ids), "now": ports.clock.now()}
        return [(task, row.id) for row in later.connection().execute(_FREE, values)]

    ports.db.look_after(session, free, lambda found: send(ports, found))


def send(ports: Ports, hints: list[tuple[str, str]]) -> None:
    """Hint tasks for links."""
    for task, link_id in hints:
        ports.queue.hint(task, link_id)


def owed(session: Session, ports: Ports, near: dict[str, Any] | None = None) -> list[tuple[str, str]]:
    """Return tasks for links that were notified since their last listing, or failed, or have to write.

    Long work, such as a first import, goes to a queue of its own, and comes last.
    """
    values = {"now": ports.clock.now()} | (near or {})
    rows = session.connection().execute(_OWED if near is None else _OWED_NEAR, values).all()
    hints = []
    for link_id, is_long, lists_long, owes_pull, owes_push in rows:
        if owes_pull:
            hints.append((2 if lists_long else 0, "import" if lists_long else "pull", link_id))
        if owes_push:
            hints.append((3 if is_long else 1, "export" if is_long else "push", link_id))
    return [(task, link_id) for _, task, link_id in sorted(hints)]
