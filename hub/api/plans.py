"""Plan before apply: what links would do, worked out and looked at before anything is done."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView
from sqlalchemy import select
from sqlalchemy.orm import Session

from hub.api import find
from hub.api.blueprint import IDEMPOTENCY_KEY, page_of, query_of, resource
from hub.api.context import ports
from hub.api.errors import Problem, fault, invalid
from hub.api.idempotency import idempotent
from hub.api.paging import bad_cursor, decode, encode
from hub.api.schemas.plans import PlannedActionQuery, PlannedActionSchema, PlanSchema
from hub.models import Calendar, LinkPlan, PlannedAction, PlanState
from hub.planning import intent
from hub.planning.actions import does_nothing
from hub.planning.applying import apply_plan
from hub.planning.intent import Wish

blp = resource("link plans", "What links would do, before they are made or changed")


def shown(session: Session, plan: LinkPlan) -> dict[str, Any]:
    links = [
        {
            "link_id": planned.link_id,
            "calendar_id": plan.calendar_id,
            "remote_calendar_id": planned.remote_calendar_id,
            "listed": planned.listed,
        }
        | intent.options_of(session, planned)
        for planned in intent.planned_links(session, plan.id)
    ]
    names = ("id", "state", "problem", "created_at", "ready_at", "applied_at", "expires_at")
    summary = {"counts": [], "losses": [], "same": 0} | plan.summary
    is_known = plan.state in (PlanState.READY, PlanState.APPLIED)
    summary["is_empty"] = does_nothing(plan.summary) if is_known else None
    return {name: getattr(plan, name) for name in names} | {"links": links} | summary


def _wishes(session: Session, given: list[dict[str, Any]]) -> tuple[Calendar, list[Wish]]:
    """Find what the links of a request speak of."""
    faults: list[dict[str, str]] = []
    calendars: dict[str, Calendar] = {}
    wishes = []
    for place, data in enumerate(given):
        options = dict(data)
        try:
            if "link_id" in options:
                link = find.link(session, options.pop("link_id"))
                calendars[link.calendar_id] = link.calendar
                wishes.append(Wish(options, link=link))
                continue
            calendar = find.calendar(session, options.pop("calendar_id"))
            calendars[calendar.id] = calendar
        except Problem:
            name = "link_id" if "link_id" in data else "calendar_id"
            faults.append(fault(f"/links/{place}/{name}", "is not one of yours"))
        remote = find.remote_calendar(session, options.pop("remote_calendar_id", ""))
        if remote is not None:
            wishes.append(Wish(options, remote=remote))
        elif "link_id" not in data:
            faults.append(fault(f"/links/{place}/remote_calendar_id", "is not a remote calendar of yours"))
    if len(calendars) > 1:
        faults.append(fault("/links", "must all be of one calendar"))
    targets = [wish.link.id if wish.link else wish.remote and wish.remote.id for wish in wishes]
    if len(set(targets)) < len(targets):
        faults.append(fault("/links", "must each be of another remote calendar"))
    if faults:
        raise invalid(faults)
    return next(iter(calendars.values())), wishes


@blp.route("/link-plans")
class Plans(MethodView):
    @idempotent
    @blp.arguments(PlanSchema)
    @blp.response(202, PlanSchema)
    @blp.doc(parameters=[IDEMPOTENCY_KEY])
    def post(self, data: dict[str, Any]) -> dict[str, Any]:
        """Plan links: their remote calendars are read, and nothing is written.

        Get the plan again until its `state` is ready. An older plan of the same calendar is forgotten.
        """
        with ports().db.transaction() as session:
            calendar, wishes = _wishes(session, data["links"])
            try:
                plan = intent.begin(session, ports(), calendar, wishes)
            except intent.WishError as error:
                raise invalid([fault(f"/links/{error.place}/{error.field}", str(error))]) from error
            session.flush()
            return shown(session, plan)


@blp.route("/link-plans/<plan_id>")
class OnePlan(MethodView):
    @blp.response(200, PlanSchema)
    def get(self, plan_id: str) -> dict[str, Any]:
        """Get a plan: whether it is ready, how much of what would happen, and what would be lost."""
        with ports().db.reading() as session:
            return shown(session, find.link_plan(session, plan_id))

    @blp.response(204)
    def delete(self, plan_id: str) -> None:
        """Forget a plan; links that came of it stay."""
        with ports().db.transaction() as session:
            session.delete(find.link_plan(session, plan_id))


@blp.route("/link-plans/<plan_id>/actions")
class Actions(MethodView):
    @query_of(blp, PlannedActionQuery)
    @blp.response(200, page_of(PlannedActionSchema))
    def get(self, query: dict[str, Any], plan_id: str) -> dict[str, Any]:
        """List what would happen: first in the hub, then at the providers, then what stays as it is."""
        limit = query["limit"]
        with ports().db.reading() as session:
            plan = find.link_plan(session, plan_id)
            wanted = select(PlannedAction).where(PlannedAction.plan_id == plan.id)
            for name in ("side", "kind", "remote_calendar_id"):
                if name in query:
                    wanted = wanted.where(getattr(PlannedAction, name) == query[name])
            if query["cursor"] is not None:
                wanted = wanted.where(PlannedAction.number > _number(query["cursor"]))
            rows = session.scalars(wanted.order_by(PlannedAction.number).limit(limit + 1)).all()
        more = len(rows) > limit
        return {"items": rows[:limit], "next_cursor": encode(rows[limit - 1].number) if more else None}


def _number(cursor: str) -> int:
    (number,) = decode(cursor, 1)
    if not isinstance(number, int) or not -1 < number < 2**31:
        raise bad_cursor()
    return number


@blp.route("/link-plans/<plan_id>/apply")
class Apply(MethodView):
    @blp.response(200, PlanSchema)
    def post(self, plan_id: str) -> dict[str, Any]:
        """Do exactly what the plan says, or nothing: 409 `plan_outdated` tells what has changed since.

        Applying it again does nothing more.
        """
        with ports().db.reading() as session:
            find.link_plan(session, plan_id)
        apply_plan(ports(), plan_id)
        with ports().db.reading() as session:
            return shown(session, find.link_plan(session, plan_id))
