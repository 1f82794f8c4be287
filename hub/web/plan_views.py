"""A plan as people see it: how much would happen, the first differences, and then yes or no."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import abort, redirect, render_template, url_for
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from hub.models import Account, LinkPlan, PlannedAction, PlanState, RemoteCalendar
from hub.outbound.linking import LinkingError
from hub.planning import intent
from hub.planning.actions import does_nothing
from hub.planning.applying import PlanNotReadyError, PlanOutdatedError, apply_plan
from hub.plugin.errors import ProviderError
from hub.web import words
from hub.web.site import blp, ports, visitor

SHOWN = 8
"""Events that are named of each kind."""
LONGEST = 80
WORDS = {
    ("hub", "create"): "{n} {events} would come into the hub",
    ("hub", "change"): "{n} {events} of the hub would change",
    ("hub", "delete"): "{n} {events} of the hub would be deleted",
    ("hub", "restore"): "{n} {events} would come back into the hub",
    ("remote", "create"): "{n} {events} would be made in {there}",
    ("remote", "change"): "{n} {events} would change in {there}",
    ("remote", "delete"): "{n} {events} would be deleted in {there}",
    ("hub", "conflict"): "{n} times both sides say something else: one value wins, the other is kept for you",
    ("remote", "refuse"): "{n} {events} cannot be written to {there}",
    ("hub", "hold"): "{n} {events} {are} missing in {there}: you would be asked before they are deleted",
    ("hub", "pair"): "{n} {events} {are} on both sides, here and in {there}: taken as one",
    ("remote", "unreadable"): "{n} {events} of {there} cannot be understood and would be left alone",
    ("remote", "stay"): "{n} {events} would stay in {there} only",
    ("hub", "stay"): "{n} {events} would stay in the hub only, not in {there}",
}


@dataclass(frozen=True, slots=True)
class Example:
    """One event of a group, and what of it in words."""

    title: str
    start: str
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Everything of one kind."""

    sentence: str
    kind: str
    count: int
    examples: list[Example]


def _own_plan(session: Session, plan_id: str) -> LinkPlan:
    plan = session.get(LinkPlan, plan_id)
    if plan is None or plan.user_id != visitor().id:
        abort(404)
    return plan


@blp.get("/plans/<plan_id>")
def show_plan(plan_id: str) -> Response | str:
    with ports().db.reading() as session:
        if _own_plan(session, plan_id).state == PlanState.APPLIED:
            return redirect(url_for("page.home"), 303)
    return _page(plan_id)


def _page(plan_id: str, *, errors: list[str] | None = None) -> str:
    with ports().db.reading() as session:
        plan = _own_plan(session, plan_id)
        planned = intent.planned_links(session, plan.id)
        names = _names(session)
        return render_template(
            "plan.html",
            plan=plan,
            groups=_groups(session, plan, names) if plan.state == PlanState.READY else [],
            losses=plan.summary.get("losses", []),
            same=plan.summary.get("same", 0),
            is_empty=plan.state == PlanState.READY and does_nothing(plan.summary),
            is_new=any(one.is_new for one in planned),
            listed=sum(one.listed for one in planned),
            targets=[names.get(one.remote_calendar_id, "") for one in planned],
            names=names,
            errors=errors or [],
            field=words.field,
        )


def _names(session: Session) -> dict[str, str]:
    """Return what the visitor's remote calendars are called: some accounts share a name for theirs."""
    labels = {info.name: info.label for info in ports().gateway.providers()}
    query = select(RemoteCalendar.id, RemoteCalendar.name, Account.provider)
    query = query.join(Account, Account.id == RemoteCalendar.account_id).where(
        Account.user_id == visitor().id
    )
    return {
        remote_id: f"{name} ({labels.get(provider, provider)})"
        for remote_id, name, provider in session.execute(query)
    }


def _groups(session: Session, plan: LinkPlan, names: Mapping[str, str]) -> list[Group]:
    order = list(WORDS)
    counts = sorted(plan.summary["counts"], key=lambda line: order.index((line["side"], line["kind"])))
    groups = []
    for line in counts:
        told = WORDS[line["side"], line["kind"]]
        there = f"“{names.get(line['remote_calendar_id'], '')}”"
        n = line["count"]
        sentence = told.format(
            n=n, events="event" if n == 1 else "events", are="is" if n == 1 else "are", there=there
        )
        examples = select(PlannedAction).where(
            PlannedAction.plan_id == plan.id,
            PlannedAction.side == line["side"],
            PlannedAction.kind == line["kind"],
            PlannedAction.remote_calendar_id == line["remote_calendar_id"],
        )
        rows = session.scalars(examples.order_by(PlannedAction.number).limit(SHOWN))
        groups.append(Group(sentence, line["kind"], n, [_example(action) for action in rows]))
    return groups


def _example(action: PlannedAction) -> Example:
    notes = [loss["reason"] for loss in action.losses]
    if action.kind in ("change", "conflict"):
        notes = [_difference(name, value) for name, value in action.fields.items()] + notes
    elif action.reason and action.kind not in ("pair", "hold"):
        notes.append(action.reason)
    return Example(action.title or "(untitled)", (action.start or "").replace("T", " ")[:16], tuple(notes))


def _difference(name: str, value: Mapping[str, Any]) -> str:
    label = words.field(name)
    if "kept" in value:
        winner = "the hub's" if value["kept"] == "hub" else "the provider's"
        return f"{label}: {_short(value['hub'])} here, {_short(value['provider'])} there; {winner} wins"
    return f"{label}: {_short(value.get('before'))} → {_short(value.get('after'))}"


def _short(value: Any) -> str:
    """Return a value in a few words."""
    if isinstance(value, Mapping) and "start" in value:
        text = f"{value['start']} to {value['end']}".replace("T", " ")
        text += ", repeats" if value.get("recurrence") else ""
    elif isinstance(value, Mapping):
        text = ", ".join(str(part) for part in value.values())
    elif isinstance(value, list):
        text = f"{len(value)} of them" if value else ""
    else:
        text = "" if value is None else str(value)
    text = text.strip() or "nothing"
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


@blp.post("/plans/<plan_id>/apply")
def apply(plan_id: str) -> Response | tuple[str, int]:
    with ports().db.reading() as session:
        plan = _own_plan(session, plan_id)
        is_new = any(planned.is_new for planned in intent.planned_links(session, plan.id))
    try:
        apply_plan(ports(), plan_id)
    except PlanOutdatedError as error:
        return _page(plan_id, errors=error.reasons), 409
    except PlanNotReadyError:
        return redirect(url_for("page.show_plan", plan_id=plan_id), 303)
    except ProviderError as error:
        return _page(plan_id, errors=[error.message]), 502
    return redirect(url_for("page.home", note="linked" if is_new else "changed"), 303)


@blp.post("/plans/<plan_id>/again")
def plan_again(plan_id: str) -> Response | tuple[str, int]:
    try:
        with ports().db.transaction() as session:
            plan = intent.begin_again(session, ports(), _own_plan(session, plan_id))
    except LinkingError as error:
        return _page(plan_id, errors=[f"{error}."]), 422
    return redirect(url_for("page.show_plan", plan_id=plan.id), 303)


@blp.post("/plans/<plan_id>/discard")
def discard_plan(plan_id: str) -> Response:
    with ports().db.transaction() as session:
        session.delete(_own_plan(session, plan_id))
    return redirect(url_for("page.home"), 303)
