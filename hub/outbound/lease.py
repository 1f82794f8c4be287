"""One writer per link: a lease with an end, and a fence number that every write of the run checks.

A lease alone is not safe (a paused process may wake up after its end), so `held` refuses every write of
a run whose fence is not the link's any more. It is short and prolonged while the run lives
(`prolong`), so that a provider call may last longer than it. A run that ends gives it back: a lease that
is taken while it still has an owner tells of a run that died.

The statements are built once: a run is made of few and small ones, and building them would take longer
than running them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, exists, func, select, update
from sqlalchemy.orm import Session, aliased

from hub.models import Account, Calendar, Link, LinkState, ParkedChange, RemoteCalendar
from hub.outbound.owed import BURST, hint_owed_after, is_free, planned_links
from hub.plugin import types
from hub.ports import Ports

RUN_LOST = "RunLost"
"""The problem code of a link whose runs die."""
TURN = timedelta(seconds=5)
"""How long one run may take while others wait: a long first import is done in such steps."""

_Other = aliased(Link)
_NOW = bindparam("now", type_=Link.lease_until.type)

_FIND = (
    select(
        Link,
        Account.provider,
        select(func.count())
        .where(_Other.account_id == Link.account_id, _Other.lease_until > _NOW)
        .scalar_subquery(),
        RemoteCalendar.remote_id,
        RemoteCalendar.name,
        RemoteCalendar.access_role,
        RemoteCalendar.zone,
        RemoteCalendar.color,
        RemoteCalendar.primary,
        RemoteCalendar.can_watch,
    )
    .join(RemoteCalendar, RemoteCalendar.id == Link.remote_calendar_id)
    .join(Account, Account.id == Link.account_id)
    .where(
        Link.id == bindparam("link_id"),
        Link.state == LinkState.ACTIVE,
        Link.deleted_at.is_(None),
        is_free(),
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
    select(Link, Calendar.zone, exists().where(ParkedChange.link_id == Link.id))
    .join(Calendar, Calendar.id == Link.calendar_id)
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
    .returning(Link.calendar_id)
)
_PLANNED_BEFORE = select(Link.id).where(
    *planned_links(bindparam("calendar_id")), Link.planned_id < bindparam("planned_id")
)
"""Links of a calendar that have yet to bring in what a plan has read for them, before another does."""


_PART = timedelta(seconds=0.25)
"""Of each second of a lease: a run of many small transactions need not prolong it with each of them."""


class LeaseLostError(Exception):
    """Another worker has taken the link, or it was paused or ended: stop at once, write nothing."""


@dataclass(slots=True)
class Term:
    """What a run knows of its time, and of what each of its transactions has to know."""

    end: datetime
    """Until when it knows, without asking, that its lease is its own."""
    look_at: datetime
    """When it has to look for what waits for it, if it still works then."""
    zone: str = ""
    """The calendar's, for floating times, as `held` has just read it; likewise the next."""
    has_parked: bool = False
    """Whether an item of an earlier page could not be understood."""


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
    return _border_calendar(
        row.remote_id, row.name, row.access_role, row.zone, row.color, row.primary, row.can_watch
    )


def _border_calendar(remote_id: str, name: str, role: str, *rest: Any) -> types.RemoteCalendar:
    return types.RemoteCalendar(remote_id, name, types.AccessRole(role), *rest)


def find_free(session: Session, ports: Ports, link_id: str) -> tuple[Lease, Link] | None:
    """Lock the link's row for a run; None if it is taken, at rest, or its account is busy enough.

    The lease is as it will be once `take` has written it down.
    """
    now = ports.clock.now()
    row = session.execute(_FIND, {"link_id": link_id, "now": now}).first()
    if row is None:
        return None
    link, provider, running, *calendar = row
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
        _border_calendar(*calendar),
        link.fence + 1,
        ports.ids.new("run"),
        now + TURN,
        Term(now, now + BURST),
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
    """Return the link, locked, its lease prolonged once a part of it is over.

    Raises:
        LeaseLostError: the lease is not ours any more.
    """
    found = session.execute(_OWN, _key(lease)).one_or_none()
    if found is None or found[0].state != LinkState.ACTIVE:
        raise LeaseLostError(lease.link_id)
    link: Link
    link, lease.term.zone, lease.term.has_parked = found
    end = _end(ports)
    if link.lease_until is None or end - link.lease_until >= _PART * ports.settings.lease_seconds:
        link.lease_until = lease.term.end = end
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
    """Keep the lease while the run lives; False if it is not ours any more.

    A provider may take long to answer this run: what waits for its end in the calendar's other links waits
    no longer than for a beat.
    """
    end = _end(ports)
    values = {"own_fence": lease.fence, "run_id": lease.run_id, "until": end}
    with ports.db.transaction() as session:
        calendar_id = session.connection().execute(_PROLONG, {"link_id": lease.link_id} | values).scalar()
        if calendar_id is None:
            return False
        hint_owed_after(session, ports, None, calendar_id, all_of_both=False)
    lease.term.end = end
    return True


def give_back(session: Session, ports: Ports, link: Link, lease: Lease) -> None:
    """End the run with this transaction, and hint what is owed to the account's links.

    Looking for owed work when the release is visible closes the gap: whoever found the lease taken had
    committed its wish before, so it is visible, too.
    """
    put_down(ports, link, lease)
    _hint_owed_after(session, ports, link, lease)


def wake_waiting(session: Session, ports: Ports, link: Link, lease: Lease) -> None:
    """Hint what waits for this run in the calendar's other links, if it has worked for a while."""
    now = ports.clock.now()
    if now >= lease.term.look_at:
        lease.term.look_at = now + BURST
        hint_owed_after(session, ports, None, link.calendar_id, all_of_both=False)


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
        _hint_owed_after(session, ports, link, lease)


def _hint_owed_after(session: Session, ports: Ports, link: Link | None, lease: Lease) -> None:
    calendar_id = link.calendar_id if link is not None else lease.importing
    all_of_both = lease.importing is not None
    hint_owed_after(session, ports, lease.account_id, calendar_id, all_of_both=all_of_both)
