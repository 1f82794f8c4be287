"""A worker reads the remote calendars of a plan page by page, rehearses it, and stores what would happen.

Comes after `intent`, by a hint or by the sweep. A plan is worked on by one worker at a time, under a lease
with a fence; each page is kept in its own transaction, so that another worker goes on where this one died.
No transaction is open while a provider is asked, and nothing but the plan is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import TypeVar

from sqlalchemy import BindParameter, ColumnElement, bindparam, delete, insert, or_, select, update
from sqlalchemy.orm import Session

from hub import log as hub_log
from hub.models import (
    LinkPlan,
    PlannedAction,
    PlannedLink,
    PlannedPage,
    PlanState,
    RemoteCalendar,
)
from hub.outbound.lease import TURN, border_calendar
from hub.outbound.linking import LinkingError
from hub.outbound.trouble import backoff
from hub.planning.actions import Summary, actions_of
from hub.planning.intent import planned_links, window_of_planned
from hub.planning.rehearsal import Rehearsed, rehearse
from hub.plugin import types
from hub.plugin.codec import to_json
from hub.plugin.errors import CursorExpiredError, ProviderError, RetryLaterError
from hub.plugin.types import ChangePage, Window
from hub.ports import Ports
from hub.providers.manager import UnknownProviderError

log = hub_log.get_logger()
T = TypeVar("T")

MOST_EVENTS = 50_000
"""Calendars that hold more are linked without a plan."""
MOST_FAILURES = 8
BATCH = 500


class PlanLostError(Exception):
    """Another worker has taken the plan, or it is gone: stop."""


class TooLargeError(Exception):
    """The calendar holds more than can be planned."""


@dataclass(frozen=True, slots=True)
class _Turn:
    plan_id: str
    fence: int
    until: datetime


def read_plan(ports: Ports, plan_id: str) -> None:
    """Work a plan out. Returns at once if another worker does, or if nothing is to be done."""
    turn = _take(ports, plan_id)
    if turn is None:
        return
    try:
        with ports.pulse.beating(lambda: _prolong(ports, turn)), hub_log.bound(plan_id=plan_id):
            _work(ports, turn)
    except PlanLostError:
        log.info("plan_lost", plan_id=plan_id)
    except RetryLaterError as error:
        _later(ports, turn, error)
    except (ProviderError, UnknownProviderError, LinkingError, TooLargeError) as error:
        _failed(ports, turn, str(error), type(error).__name__)
    except Exception as error:
        _failed(ports, turn, f"The hub failed here ({type(error).__name__}): see its log.", "internal_error")
        raise
    finally:
        _release(ports, turn)


def owed(session: Session, now: datetime) -> list[str]:
    """Return the plans that wait for a worker."""
    return list(session.connection().execute(OWED, {"now": now}).scalars())


def expire(session: Session, now: datetime) -> None:
    """Forget plans whose time is over, and what was stored for them."""
    session.execute(delete(LinkPlan).where(LinkPlan.expires_at < now))


def _is_free(now: datetime | BindParameter[datetime]) -> list[ColumnElement[bool]]:
    return [
        LinkPlan.state == PlanState.READING,
        LinkPlan.expires_at > now,
        or_(LinkPlan.lease_until.is_(None), LinkPlan.lease_until < now),
        or_(LinkPlan.due_at.is_(None), LinkPlan.due_at <= now),
    ]


OWED = select(LinkPlan.id).where(*_is_free(bindparam("now", type_=LinkPlan.due_at.type)))
"""The plans that wait for a worker at the instant `now`."""


def _take(ports: Ports, plan_id: str) -> _Turn | None:
    """Take the plan's lease; one that was never given back tells of a worker that died with it."""
    now = ports.clock.now()
    with ports.db.transaction() as session:
        query = select(LinkPlan).where(LinkPlan.id == plan_id, *_is_free(now))
        plan = session.scalars(query.with_for_update(of=LinkPlan)).one_or_none()
        if plan is None:
            return None
        plan.failures += plan.lease_until is not None
        if plan.failures > MOST_FAILURES:
            plan.state = PlanState.FAILED
            plan.problem = plan.problem or "The processes that worked it out died (killed, out of memory?)."
            plan.problem_code = plan.problem_code or "RunLost"
            return None
        plan.fence += 1
        plan.lease_until = now + timedelta(seconds=ports.settings.lease_seconds)
        return _Turn(plan_id, plan.fence, now + TURN)


def _held(session: Session, turn: _Turn) -> LinkPlan:
    """Return the plan, locked.

    Raises:
        PlanLostError: it is not ours any more.
    """
    query = select(LinkPlan).where(LinkPlan.id == turn.plan_id, LinkPlan.fence == turn.fence)
    plan = session.scalars(query.with_for_update(of=LinkPlan)).one_or_none()
    if plan is None or plan.state != PlanState.READING:
        raise PlanLostError(turn.plan_id)
    return plan


def _mine(turn: _Turn) -> list[ColumnElement[bool]]:
    return [LinkPlan.id == turn.plan_id, LinkPlan.fence == turn.fence]


def _prolong(ports: Ports, turn: _Turn) -> bool:
    until = ports.clock.now() + timedelta(seconds=ports.settings.lease_seconds)
    with ports.db.transaction() as session:
        query = update(LinkPlan).where(*_mine(turn)).values(lease_until=until).returning(LinkPlan.id)
        return session.scalar(query) is not None


def _release(ports: Ports, turn: _Turn) -> None:
    """Give the lease back; what is left is hinted anew, behind the work of others."""
    now = ports.clock.now()
    with ports.db.transaction() as session:
        session.execute(update(LinkPlan).where(*_mine(turn)).values(lease_until=None))
        is_left = session.scalar(select(LinkPlan.id).where(*_mine(turn), *_is_free(now)))
    if is_left:
        ports.queue.hint("plan", turn.plan_id)


def _later(ports: Ports, turn: _Turn, error: RetryLaterError) -> None:
    """Wait as long as the provider asks for; give up after too many tries."""
    with ports.db.transaction() as session:
        plan = session.scalars(select(LinkPlan).where(*_mine(turn))).one_or_none()
        if plan is not None and plan.state == PlanState.READING:
            plan.failures += 1
            plan.problem, plan.problem_code = error.message, error.code or type(error).__name__
            wait = backoff(ports, plan.failures, error.after)
            plan.due_at = ports.clock.now() + timedelta(seconds=wait)
            if plan.failures > MOST_FAILURES:
                plan.state = PlanState.FAILED


def _failed(ports: Ports, turn: _Turn, reason: str, code: str) -> None:
    with ports.db.transaction() as session:
        values = {"state": PlanState.FAILED, "problem": reason, "problem_code": code}
        session.execute(
            update(LinkPlan).where(*_mine(turn), LinkPlan.state == PlanState.READING).values(values)
        )
    log.warning("plan_failed", plan_id=turn.plan_id, cause=code, reason=reason)


def _work(ports: Ports, turn: _Turn) -> None:
    while (source := _next_source(ports, turn)) is not None:
        try:
            page: ChangePage = ports.gateway.call(
                source.account_id,
                "fetch_changes",
                calendar=source.calendar,
                cursor=None,
                page=source.page,
                window=source.window,
            )
        except CursorExpiredError as error:
            _start_over(ports, turn, source.planned_id)
            raise RetryLaterError(error.message, code=error.code) from error
        _store(ports, turn, source, page)
        if ports.clock.now() >= turn.until:
            return
    with rehearse(ports, turn.plan_id) as rehearsed:
        _keep(ports, turn, rehearsed)


# --- reading ---


@dataclass(frozen=True, slots=True)
class _Source:
    planned_id: str
    account_id: str
    calendar: types.RemoteCalendar
    page: str | None
    window: Window


def _next_source(ports: Ports, turn: _Turn) -> _Source | None:
    """Return where the next page comes from; None if all is read."""
    with ports.db.transaction() as session:
        plan = _held(session, turn)
        for planned in planned_links(session, plan.id):
            if planned.cursor is None:
                remote = session.get_one(RemoteCalendar, planned.remote_calendar_id)
                window = window_of_planned(session, ports, plan, planned)
                calendar = border_calendar(remote)
                return _Source(planned.id, planned.account_id, calendar, planned.page, window)
    return None


def _start_over(ports: Ports, turn: _Turn, planned_id: str) -> None:
    with ports.db.transaction() as session:
        _held(session, turn)
        session.execute(delete(PlannedPage).where(PlannedPage.planned_id == planned_id))
        planned = session.get_one(PlannedLink, planned_id)
        planned.page, planned.pages, planned.listed = None, 0, 0


def _store(ports: Ports, turn: _Turn, source: _Source, page: ChangePage) -> None:
    with ports.db.transaction() as session:
        plan = _held(session, turn)
        planned = session.get_one(PlannedLink, source.planned_id)
        session.add(PlannedPage(planned_id=source.planned_id, number=planned.pages, content=to_json(page)))
        planned.page, planned.cursor = page.next_page, page.next_cursor
        planned.pages += 1
        planned.listed += len(page.changes)
        plan.problem = plan.problem_code = plan.due_at = None
        if planned.listed > MOST_EVENTS:
            raise TooLargeError(
                f"{source.calendar.name!r} holds more than {MOST_EVENTS} events, too many to plan: link it "
                "without a plan, or with a shorter past."
            )


# --- what would happen ---


def _keep(ports: Ports, turn: _Turn, rehearsed: Rehearsed) -> None:
    """Store the actions in short transactions; the plan is ready with the last one."""
    summary, number = Summary(), 0
    with ports.db.transaction() as session:
        _held(session, turn)
        session.execute(delete(PlannedAction).where(PlannedAction.plan_id == turn.plan_id))
    for batch in _batches(actions_of(rehearsed), BATCH):
        rows = []
        for action in batch:
            summary.add(action)
            rows.append(action.row() | {"plan_id": turn.plan_id, "number": number})
            number += 1
        with ports.db.transaction() as session:
            _held(session, turn)
            session.execute(insert(PlannedAction), rows)
    with ports.db.transaction() as session:
        plan = _held(session, turn)
        plan.inputs, plan.seq, plan.summary = rehearsed.inputs, rehearsed.seq, summary.to_json()
        plan.state, plan.ready_at = PlanState.READY, ports.clock.now()
        plan.problem = plan.problem_code = None


def _batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch
