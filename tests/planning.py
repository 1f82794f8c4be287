"""Making plans in a world, and telling what really happened from both sides' contents."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from hub.models import (
    Calendar,
    EventCopy,
    Link,
    LinkPlan,
    PlannedAction,
    RemoteCalendar,
)
from hub.planning import intent
from hub.planning.applying import apply_plan
from hub.planning.intent import Wish
from hub.plugin.codec import to_json
from hub.plugin.types import CONTENT_FIELDS, EventContent, Location, SeriesException, ShowAs, When
from tests.world import HubWorld, World

ZONE = "Europe/Berlin"


def make_plan(world: HubWorld, *wishes: tuple[str, dict[str, Any]]) -> str:
    """Plan links: each wish is the id of a link, or of an account whose primary calendar is to be linked."""
    with world.ports.db.transaction() as session:
        made = []
        for target, options in wishes:
            link = session.get(Link, target)
            query = select(RemoteCalendar).where(RemoteCalendar.account_id == target, RemoteCalendar.primary)
            remote = None if link else session.scalars(query).one()
            made.append(Wish(options, remote, link))
        plan_id = intent.begin(session, world.ports, session.get_one(Calendar, "cal_1"), made).id
    world.settle()
    return plan_id


def apply(world: HubWorld, plan_id: str) -> None:
    apply_plan(world.ports, plan_id)
    world.settle()


def plan_of(world: HubWorld, plan_id: str) -> LinkPlan:
    with world.ports.db.reading() as session:
        return session.get_one(LinkPlan, plan_id)


def actions(world: HubWorld, plan_id: str, *kinds: str, side: str = "") -> list[PlannedAction]:
    with world.ports.db.reading() as session:
        query = select(PlannedAction).where(PlannedAction.plan_id == plan_id).order_by(PlannedAction.number)
        return [
            a
            for a in session.scalars(query)
            if (not kinds or a.kind in kinds) and (not side or a.side == side)
        ]


def told(world: HubWorld, plan_id: str) -> list[str]:
    """Return a plan in short lines, such as `remote create Lunch`."""
    return [f"{a.side} {a.kind} {a.title}" for a in actions(world, plan_id)]


# --- contents by chance ---


def content_by_chance(chance: random.Random) -> EventContent:
    """Return an event out of so few titles and times that both sides often hold the same."""
    day = chance.choice([-200, -91, -89, 1, 2, 3])
    start = datetime(2026, 12, 1, chance.choice([9, 14])) + timedelta(days=day)
    when = When(start, start + timedelta(hours=1), ZONE, ZONE)
    if chance.random() < 0.15:
        cancelled = SeriesException(start + timedelta(days=1), cancelled=True)
        exceptions = (cancelled,) if chance.random() < 0.5 else ()
        when = replace(when, recurrence=("RRULE:FREQ=DAILY;COUNT=4",), exceptions=exceptions)
    elif chance.random() < 0.15:
        when = When(start.date(), start.date() + timedelta(days=1))
    return EventContent(
        when=when,
        title=chance.choice(["Lunch", "Tea", "Talk", "Walk", ""]),
        description=chance.choice(["", "", "Bring the notes", "Bring cake"]),
        location=chance.choice([None, None, Location("Berlin"), Location("Rome")]),
        show_as=chance.choice([ShowAs.BUSY, ShowAs.BUSY, ShowAs.FREE]),
        priority=chance.choice([0, 0, 1]),
    )


def fill(world: World, chance: random.Random, *providers: str, most: int = 12) -> None:
    """Put events into the hub and the providers, some of them on all sides."""
    makers: list[Callable[[EventContent], object]] = [world.api_creates]
    makers += [lambda content, name=name: world.person_creates(name, content) for name in providers]
    for _ in range(chance.randrange(most)):
        world.clock.advance(chance.randrange(100))
        content = content_by_chance(chance)
        for make in makers if chance.random() < 0.4 else [chance.choice(makers)]:
            make(content if chance.random() < 0.6 else replace(content_by_chance(chance), when=content.when))


# --- what really happened ---


@dataclass(frozen=True)
class Contents:
    """What each side holds: events by id in the hub, and by remote id at each provider."""

    hub: dict[str, EventContent]
    remote: dict[str, dict[str, EventContent]]
    writes: int


def contents(world: World) -> Contents:
    return Contents(world.hub_events(), {name: world.remote(name) for name in world.services}, world.writes())


Line = tuple[str, str, str, str]
"""Where, what, which event, and what of it."""


def happened(world: World, before: Contents, after: Contents) -> list[Line]:
    """Return what differs between two moments, in the same lines as `foretold` returns."""
    names = same_events(world, before)
    with world.ports.db.reading() as session:
        rows = session.execute(select(EventCopy.event_id, EventCopy.remote_id)).all()
    by_event = {event_id: names[remote_id] for event_id, remote_id in rows if remote_id in names}
    lines = _diff("hub", before.hub, after.hub, lambda event_id: by_event[event_id])
    for name in after.remote:
        lines += _diff(name, before.remote[name], after.remote[name], lambda _: "new")
    return sorted(lines)


def same_events(world: World, before: Contents) -> dict[str, str]:
    """Return one name for all remote ids that now belong to one event and were there before."""
    known = {remote_id for held in before.remote.values() for remote_id in held}
    with world.ports.db.reading() as session:
        rows = session.execute(select(EventCopy.event_id, EventCopy.remote_id)).all()
    groups: dict[str, list[str]] = {}
    for event_id, remote_id in rows:
        if remote_id in known:
            groups.setdefault(event_id, []).append(remote_id)
    return {remote_id: min(group) for group in groups.values() for remote_id in group}


def _diff(
    where: str,
    before: dict[str, EventContent],
    after: dict[str, EventContent],
    name_of: Callable[[str], str],
) -> list[Line]:
    lines = [(where, "create", name_of(i), _text(_whole(after[i]))) for i in after.keys() - before.keys()]
    lines += [(where, "delete", i, "") for i in before.keys() - after.keys()]
    for same in before.keys() & after.keys():
        old, new = before[same], after[same]
        fields = {
            name: [to_json(getattr(old, name)), to_json(getattr(new, name))]
            for name in CONTENT_FIELDS
            if getattr(old, name) != getattr(new, name)
        }
        lines += [(where, "change", same, _text(fields))] if fields else []
    return lines


def _whole(content: EventContent) -> dict[str, Any]:
    return {name: [None, value] for name, value in to_json(content).items()}


def _text(fields: dict[str, Any]) -> str:
    return json.dumps(fields, sort_keys=True)


def foretold(world: World, plan_id: str, names: dict[str, str]) -> list[Line]:
    """Return what a plan says will happen to the contents of both sides.

    Args:
        names: one name for all ids that an event has at the providers (`same_events`).
    """
    with world.ports.db.reading() as session:
        rows = select(RemoteCalendar.id, RemoteCalendar.account_id)
        places = {row.id: row.account_id.split("_")[1] for row in session.execute(rows)}
    lines: dict[tuple[str, str], tuple[str, dict[str, list[Any]]]] = {}
    for action in actions(world, plan_id, "create", "change", "delete"):
        where = "hub" if action.side == "hub" else places[action.remote_calendar_id or ""]
        own = action.event_id if where == "hub" else action.remote_id
        new = names[action.remote_id or ""] if where == "hub" and not own else f"new {action.number}"
        which = own or new
        kind, fields = lines.get((where, which), (action.kind, {}))
        for name, value in action.fields.items():
            first = None if kind == "create" else fields.get(name, [value.get("before")])[0]
            fields[name] = [first, value.get("after")]
        lines[where, which] = (kind if kind == "create" else action.kind, fields)
    return sorted(
        (where, kind, "new" if which.startswith("new ") else which, _text(fields) * (kind != "delete"))
        for (where, which), (kind, fields) in lines.items()
        if kind == "delete" or any(a != b for a, b in fields.values())
    )
