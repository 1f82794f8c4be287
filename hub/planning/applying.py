"""Applying a plan: exactly what it says, or nothing.

Comes when a person (or an application) has seen the plan. First each provider is asked what has changed
since the plan read it; then, in one transaction, what the plan was worked out from is compared with what
there is now, and the links are made. They begin with the very pages that the plan was worked out from;
what people change from then on is later news, and travels as such.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from hub.models import Change, Event, LinkPlan, PlannedLink, PlannedPage, PlanState, RemoteCalendar
from hub.outbound.lease import border_calendar
from hub.outbound.linking import LinkingError
from hub.planning.inputs import REASONS, digests
from hub.planning.intent import carry_out, planned_links, window_of_planned
from hub.plugin.codec import from_json
from hub.plugin.errors import CursorExpiredError
from hub.plugin.types import ChangePage, RemoteChange
from hub.ports import Ports

MOST_PAGES = 20
"""A provider that tells of more pages of changes has changed too much to look."""
NAMED = 10


class PlanNotReadyError(Exception):
    """The plan is still being worked out, or it failed."""


class PlanOutdatedError(Exception):
    """What the plan was worked out from has changed; `reasons` say what."""

    def __init__(self, reasons: list[str]) -> None:
        super().__init__("Nothing was done, since the plan does not hold any more: make a new one.")
        self.reasons = reasons


def apply_plan(ports: Ports, plan_id: str) -> None:
    """Make or change the links of a plan. Nothing, if that was done already.

    Raises:
        PlanNotReadyError: it is not ready.
        PlanOutdatedError: something has changed since.
        ProviderError: a provider cannot be asked now.
    """
    with ports.db.reading() as session:
        if not _check_state(session.get_one(LinkPlan, plan_id)):
            return
        planned = planned_links(session, plan_id)
    reasons = [reason for one in planned for reason in _moved_there(ports, one)]
    if reasons:
        raise PlanOutdatedError(reasons)
    with ports.db.transaction() as session:
        plan = session.get_one(LinkPlan, plan_id, with_for_update=True, populate_existing=True)
        if not _check_state(plan):
            return
        if plan.expires_at < ports.clock.now():
            raise PlanOutdatedError(["It was not applied in time."])
        reasons = _moved_here(session, plan)
        if reasons:
            raise PlanOutdatedError(reasons)
        try:
            carry_out(session, ports, plan)
        except LinkingError as error:
            raise PlanOutdatedError([f"{error}."]) from error
        plan.state, plan.applied_at = PlanState.APPLIED, ports.clock.now()


def _check_state(plan: LinkPlan) -> bool:
    """Whether the plan is to be applied; False if it was."""
    if plan.state == PlanState.READING:
        raise PlanNotReadyError("The plan is still being worked out: get it again until it is ready.")
    if plan.state == PlanState.FAILED:
        raise PlanNotReadyError(f"The plan failed: make a new one. {plan.problem}")
    return plan.state != PlanState.APPLIED


def _moved_here(session: Session, plan: LinkPlan) -> list[str]:
    """Return what has changed in the hub since the plan was worked out, in words."""
    now = digests(session, plan.calendar_id)
    moved = [name for name in REASONS if now[name] != plan.inputs.get(name)]
    if "events" not in moved:
        return [f"In the hub, {REASONS[name]}." for name in moved]
    query = (
        select(Event.title, Change.kind)
        .join(Event, Event.id == Change.event_id)
        .where(
            Change.tenant_id == plan.tenant_id,
            Change.calendar_id == plan.calendar_id,
            Change.seq > plan.seq,
        )
        .order_by(Change.seq)
        .limit(NAMED)
    )
    told = [f"In the hub, {title!r} was {kind}." for title, kind in session.execute(query)]
    return told or [f"In the hub, {REASONS['events']}."]


def _moved_there(ports: Ports, planned: PlannedLink) -> list[str]:
    """Ask the provider what has changed since the plan read its calendar."""
    with ports.db.reading() as session:
        remote = border_calendar(session.get_one(RemoteCalendar, planned.remote_calendar_id))
        plan = session.get_one(LinkPlan, planned.plan_id)
        window = window_of_planned(session, ports, plan, planned)
    moved: list[RemoteChange] = []
    page = None
    for _ in range(MOST_PAGES):
        try:
            answer: ChangePage = ports.gateway.call(
                planned.account_id,
                "fetch_changes",
                calendar=remote,
                cursor=planned.cursor,
                page=page,
                window=window,
            )
        except CursorExpiredError:
            return [f"{remote.name!r} cannot tell any more what has changed since it was read."]
        moved += answer.changes
        page = answer.next_page
        if page is None:
            return _explain(remote.name, _news(ports, planned, moved))
    return [f"A great deal has changed in {remote.name!r}."]


def _news(ports: Ports, planned: PlannedLink, moved: Iterable[RemoteChange]) -> list[RemoteChange]:
    """Leave out what the plan has seen already: a provider may tell the same again."""
    latest = {change.remote_id: change for change in moved}
    if not latest:
        return []
    with ports.db.reading() as session:
        pages = select(PlannedPage.content).where(PlannedPage.planned_id == planned.id)
        for content in session.scalars(
            pages.order_by(PlannedPage.number), execution_options={"yield_per": 5}
        ):
            for seen in from_json(ChangePage, content).changes:
                now = latest.get(seen.remote_id)
                if now is None:
                    continue
                if _is_same(seen, now):
                    del latest[seen.remote_id]
                elif now.event is None:
                    latest[seen.remote_id] = seen
    return [change for change in latest.values() if change.event is not None or change.fault is not None]


def _is_same(seen: RemoteChange, now: RemoteChange) -> bool:
    if seen.event is None or now.event is None:
        return (seen.event, seen.fault) == (now.event, now.fault)
    is_same_version = seen.event.version == now.event.version != ""
    return is_same_version or seen.event.content == now.event.content


def _explain(name: str, news: list[RemoteChange]) -> list[str]:
    """Tell of the first few; a deletion is shown by what was there before."""
    titles = [change.event.content.title if change.event else change.remote_id for change in news[:NAMED]]
    return [f"In {name!r}, {title!r} was added, changed or deleted." for title in titles]
