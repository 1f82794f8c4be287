"""A rehearsal: the real drivers carry the plan out in a private copy of what the hub knows of the calendar.

Comes when all remote calendars are read. The drivers are handed the stored pages, the instant at which the
plan was made, and a gateway that reads and never writes; so what they do there is what they will do when
the plan is applied, whatever they become. Nothing that others see is touched.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Executable, insert, or_, select, update
from sqlalchemy.orm import Session

from hub.db import ScratchDatabase
from hub.inbound.pull import pull_link
from hub.models import (
    Account,
    Calendar,
    Event,
    EventCopy,
    Link,
    LinkPlan,
    LinkSignal,
    LinkState,
    ParkedChange,
    PlannedLink,
    PlannedPage,
    RemoteCalendar,
    Tenant,
    User,
)
from hub.outbound import singles
from hub.outbound.owed import UNWRITTEN
from hub.planning.inputs import digests
from hub.planning.intent import carry_out
from hub.plugin.errors import RetryLaterError
from hub.plugin.types import ChangePage, ProviderInfo, Scope
from hub.ports import Gateway, Ports
from hub.pulse import NoPulse

BATCH = 500


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What a rehearsal leaves to be looked at."""

    ports: Ports
    links: list[str]
    """The plan's links, new ones under ids that will not be theirs."""
    calendar_id: str
    inputs: dict[str, Any]
    seq: int
    owed_before: dict[str, int]
    """By copy, the version that it was wanted at already."""
    copies_before: frozenset[str]
    created_at: datetime


@contextmanager
def rehearse(ports: Ports, plan_id: str) -> Iterator[Rehearsed]:
    """Carry a plan out in private, and show what came of it while the block runs.

    Raises:
        RetryLaterError: the provider, or another link of the calendar, is not ready for it.
    """
    scratch = ScratchDatabase()
    try:
        with ports.db.reading() as source:
            plan = source.get_one(LinkPlan, plan_id)
            _copy(source, scratch, plan)
        yield _play(ports, scratch, plan)
    finally:
        scratch.close()


def _play(ports: Ports, scratch: ScratchDatabase, plan: LinkPlan) -> Rehearsed:
    own = Ports(
        ports.settings,
        _StillClock(plan.created_at),
        ports.ids,
        scratch,
        ports.vault,
        _ReadingGateway(ports.gateway),
        _NoQueue(),
        NoPulse(),
    )
    with scratch.transaction() as session:
        _check_ready(session, plan)
        inputs = digests(session, plan.calendar_id)
        tenant = session.get_one(Tenant, plan.tenant_id)
        seq = tenant.change_seq
        session.execute(update(Link).values(lease_owner=None, lease_until=None, lost_runs=0, due_at=None))
        session.expire_all()
        owed = {row.id: row.wanted_version for row in session.execute(_owed())}
        copies = frozenset(session.scalars(select(EventCopy.id)))
        links = [link.id for link in carry_out(session, own, session.get_one(LinkPlan, plan.id))]
    for link_id in links:
        pull_link(own, link_id)
        _check_done(own, link_id)
    with scratch.transaction() as session:
        for link in session.scalars(select(Link).where(Link.id.in_(links))):
            singles.follow_all(session, own, link)
    return Rehearsed(own, links, plan.calendar_id, inputs, seq, owed, copies, plan.created_at)


def _owed() -> Executable:
    return select(EventCopy.id, EventCopy.wanted_version).where(*UNWRITTEN)


def _check_ready(session: Session, plan: LinkPlan) -> None:
    importing = select(Link.id).where(
        Link.calendar_id == plan.calendar_id,
        Link.imported_at.is_(None),
        Link.state == LinkState.ACTIVE,
        Link.deleted_at.is_(None),
    )
    if session.scalar(importing.limit(1)) is not None:
        raise RetryLaterError("Another link of this calendar is being read for the first time.", after=5)


def _check_done(ports: Ports, link_id: str) -> None:
    """Make sure that the drivers came to their end."""
    with ports.db.reading() as session:
        link = session.get_one(Link, link_id)
        if link.problem is not None or link.planned_id is not None or link.confirmed < link.generation:
            raise RetryLaterError(link.problem or "The remote calendar could not be compared now.")


# --- the private copy ---


def _copy(source: Session, scratch: ScratchDatabase, plan: LinkPlan) -> None:
    """Copy the rows that carrying out a plan reads.

    The tenant comes first: what its change log tells later than that is later than all rows here.
    """
    links = select(Link.id).where(Link.calendar_id == plan.calendar_id)
    linked = select(Link.remote_calendar_id).where(Link.calendar_id == plan.calendar_id)
    planned = select(PlannedLink.id).where(PlannedLink.plan_id == plan.id)
    to_be = select(PlannedLink.remote_calendar_id).where(PlannedLink.plan_id == plan.id)
    remotes = or_(RemoteCalendar.id.in_(linked), RemoteCalendar.id.in_(to_be))
    accounts = select(RemoteCalendar.account_id).where(remotes)
    # Single events of series stand in calendars of their links.
    homes = select(Link.singles_id).where(Link.calendar_id == plan.calendar_id, Link.singles_id.is_not(None))
    held = or_(Event.calendar_id == plan.calendar_id, Event.calendar_id.in_(homes))
    wanted: list[tuple[Any, ColumnElement[bool]]] = [
        (Tenant, Tenant.id == plan.tenant_id),
        (User, User.id == plan.user_id),
        (Calendar, or_(Calendar.id == plan.calendar_id, Calendar.id.in_(homes))),
        (Link, Link.calendar_id == plan.calendar_id),
        (LinkSignal, LinkSignal.link_id.in_(links)),
        (Account, Account.id.in_(accounts)),
        (RemoteCalendar, remotes),
        (Event, held),
        (EventCopy, EventCopy.link_id.in_(links)),
        (ParkedChange, ParkedChange.link_id.in_(links)),
        (LinkPlan, LinkPlan.id == plan.id),
        (PlannedLink, PlannedLink.plan_id == plan.id),
        (PlannedPage, PlannedPage.planned_id.in_(planned)),
    ]
    with scratch.transaction() as session:
        session.connection().exec_driver_sql("PRAGMA defer_foreign_keys=ON")
        for model, condition in wanted:
            table = model.__table__
            rows = source.execute(select(table).where(condition), execution_options={"yield_per": BATCH})
            for batch in rows.mappings().partitions():
                session.execute(insert(table), [dict(row) for row in batch])


# --- the other ports ---


@dataclass(frozen=True, slots=True)
class _StillClock:
    at: datetime

    def now(self) -> datetime:
        return self.at

    def sleep(self, seconds: float) -> None:
        """Time stands still: what is waited for is over at once."""


class _NoQueue:
    def hint(self, task: str, *arguments: str) -> None:
        """Nothing outside is to be woken."""


class _ReadingGateway:
    """Lets reads through. What was read for the plan is all there is; what came later is later news."""

    def __init__(self, real: Gateway) -> None:
        self._real = real

    def info(self, provider: str) -> ProviderInfo:
        return self._real.info(provider)

    def providers(self) -> tuple[ProviderInfo, ...]:
        return self._real.providers()

    def settings(self, provider: str) -> dict[str, str]:
        return self._real.settings(provider)

    def plain(self, provider: str, hook: str, **arguments: Any) -> Any:
        return self._real.plain(provider, hook, **arguments)

    def call(self, account_id: str, hook: str, **arguments: Any) -> Any:
        if hook == "fetch_changes" and arguments["cursor"] is not None:
            return ChangePage((), Scope.DELTA, next_cursor=arguments["cursor"])
        if hook in ("get_event", "list_calendars"):
            return self._real.call(account_id, hook, **arguments)
        raise RetryLaterError(f"A plan does not {hook}: it only reads.")
