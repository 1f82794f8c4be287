"""What a plan is to do: taken down as rows, and carried out in one transaction.

Comes after the API or the page; `carry_out` is the one way in which a plan becomes links, in the rehearsal
and when it is applied.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from hub.accounts.links import change_link
from hub.db import after_commit
from hub.domain.lens import Filters
from hub.models import (
    Account,
    Calendar,
    Direction,
    Link,
    LinkPlan,
    LinkState,
    PlannedLink,
    PlanState,
    RemoteCalendar,
)
from hub.outbound import linking
from hub.outbound.linking import LinkingError
from hub.outbound.window import window_at
from hub.plugin.types import Window
from hub.ports import Ports

LIFE = timedelta(hours=1)
"""How long a plan may be applied, and is kept after it was."""
DEFAULTS: dict[str, Any] = {
    "direction": "two_way",
    "detail": "full",
    "busy_title": "Busy",
    "filters": Filters().stored(),
    "leave_alone": [],
    "unholdable": "hold",
    "policy": "newest",
    "past_days": 90,
    "future_days": 400,
}
MOST_LINKS = 10
"""So that `PlannedLink.id` sorts by place."""


@dataclass(frozen=True, slots=True)
class Wish:
    """One link that is to be made (`remote`) or changed (`link`), and its options."""

    options: Mapping[str, Any]
    remote: RemoteCalendar | None = None
    link: Link | None = None


class WishError(LinkingError):
    """The link at `place` of a plan cannot be made or changed so."""

    def __init__(self, message: str, field: str, place: int) -> None:
        super().__init__(message, field)
        self.place = place


def begin(session: Session, ports: Ports, calendar: Calendar, wishes: Sequence[Wish]) -> LinkPlan:
    """Take down a plan and have it worked out after the commit. Nothing but the plan is written.

    A calendar that is not stored yet is made when the plan is applied. Older plans of the same calendar
    that were not applied are forgotten.

    Args:
        wishes: links of this calendar, in the order in which they are to be listed.

    Raises:
        WishError: it cannot be linked so.
    """
    is_new = calendar.id is None
    _forget_others(session, calendar.id)
    now = ports.clock.now()
    plan = LinkPlan(
        id=ports.ids.new("pln"),
        tenant_id=calendar.tenant_id,
        user_id=calendar.user_id,
        calendar_id=calendar.id or ports.ids.new("cal"),
        calendar_name=calendar.name if is_new else None,
        calendar_zone=calendar.zone if is_new else None,
        created_at=now,
        expires_at=now + LIFE,
    )
    session.add(plan)
    session.flush()
    for place, wish in enumerate(wishes):
        try:
            session.add(_planned(session, calendar, plan, place, wish))
        except LinkingError as error:
            raise WishError(str(error), error.field, place) from error
    after_commit(session, lambda: ports.queue.hint("plan", plan.id))
    return plan


def begin_again(session: Session, ports: Ports, plan: LinkPlan) -> LinkPlan:
    """Take down the same plan anew, since the old one is outdated.

    Raises:
        WishError: it cannot be linked so any more.
    """
    calendar = session.get(Calendar, plan.calendar_id) or Calendar(
        tenant_id=plan.tenant_id, user_id=plan.user_id, name=plan.calendar_name, zone=plan.calendar_zone
    )
    wishes = []
    for planned in planned_links(session, plan.id):
        remote = session.get_one(RemoteCalendar, planned.remote_calendar_id)
        link = None if planned.is_new else session.get_one(Link, planned.link_id)
        wishes.append(Wish(planned.options, None if link else remote, link))
    session.delete(plan)
    session.flush()
    return begin(session, ports, calendar, wishes)


def _planned(session: Session, calendar: Calendar, plan: LinkPlan, place: int, wish: Wish) -> PlannedLink:
    if wish.remote is not None:
        remote = wish.remote
        account = session.get_one(Account, remote.account_id)
        linking.check(session, calendar, remote, account, wish.options.get("direction", Direction.TWO_WAY))
    else:
        assert wish.link is not None
        if wish.link.state != LinkState.ACTIVE:
            raise LinkingError("this link is at rest: resume it before you plan a change of it", "link_id")
        remote = wish.link.remote_calendar
        if "direction" in wish.options:
            linking.check_direction(session, remote, wish.options["direction"])
    return PlannedLink(
        id=f"{plan.id}.{place}",
        plan_id=plan.id,
        place=place,
        remote_calendar_id=remote.id,
        account_id=remote.account_id,
        link_id=wish.link and wish.link.id,
        is_new=wish.link is None,
        options=(DEFAULTS if wish.link is None else {}) | dict(wish.options),
    )


def _forget_others(session: Session, calendar_id: str | None) -> None:
    if calendar_id is not None:
        session.execute(
            delete(LinkPlan).where(LinkPlan.calendar_id == calendar_id, LinkPlan.state != PlanState.APPLIED)
        )


def planned_links(session: Session, plan_id: str) -> list[PlannedLink]:
    """Return the links of a plan in their order."""
    query = select(PlannedLink).where(PlannedLink.plan_id == plan_id).order_by(PlannedLink.place)
    return list(session.scalars(query))


def window_of_planned(session: Session, ports: Ports, plan: LinkPlan, planned: PlannedLink) -> Window:
    """Return the span that a planned link will keep in step, reckoned from when the plan was made."""
    options = options_of(session, planned)
    provider = session.get_one(Account, planned.account_id).provider
    return Window(*window_at(ports, provider, options["past_days"], options["future_days"], plan.created_at))


def options_of(session: Session, planned: PlannedLink) -> dict[str, Any]:
    """Return what a planned link would be like: all its options."""
    link = session.get(Link, planned.link_id) if planned.link_id else None
    before = {name: getattr(link, name) for name in DEFAULTS} if link else DEFAULTS
    filters = before["filters"] | planned.options.get("filters", {})
    return before | planned.options | {"filters": filters}


def carry_out(session: Session, ports: Ports, plan: LinkPlan) -> list[Link]:
    """Make and change the links of a plan; each begins with the listing that the plan has stored.

    Raises:
        LinkingError: a remote calendar was linked, or a right was lost, since the plan was made.
    """
    calendar = session.get(Calendar, plan.calendar_id)
    if calendar is None:
        calendar = Calendar(
            id=plan.calendar_id,
            tenant_id=plan.tenant_id,
            user_id=plan.user_id,
            name=plan.calendar_name,
            zone=plan.calendar_zone,
            created_at=ports.clock.now(),
        )
        session.add(calendar)
        session.flush()
    links = []
    all_planned = planned_links(session, plan.id)
    linking.locked(session, Link.id.in_([p.link_id for p in all_planned if p.link_id]))
    for planned in all_planned:
        if planned.is_new:
            remote = session.get_one(RemoteCalendar, planned.remote_calendar_id)
            link = linking.create_link(session, ports, calendar, remote, **planned.options)
        else:
            assert planned.link_id is not None
            link = _change(session, ports, planned.link_id, planned.options)
        planned.link_id = link.id
        link.planned_id, link.planned_at = planned.id, plan.created_at
        session.flush()
        links.append(link)
    return links


def _change(session: Session, ports: Ports, link_id: str, options: Mapping[str, Any]) -> Link:
    """Change a link, and have it begin with the stored listing; a run of before loses its lease."""
    link = session.get_one(Link, link_id)
    change_link(session, ports, link, **options)
    link.cursor = link.page = None
    link.fresh_mark = link.listed = link.pulled
    link.fence += 1
    link.lease_owner = link.lease_until = None
    session.flush()
    linking.ask_for_pull(session, ports, link.id)
    return link
