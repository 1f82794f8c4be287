"""Plan before apply between both real plugins: what is told is what their sandboxes then see."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from hub.models import PlannedLink
from hub.plugin.codec import to_json
from hub.plugin.testing import timed
from hub.plugin.types import EventContent, Location, SeriesException
from tests.planning import actions, apply, make_plan, plan_of, told
from tests.provider_world import ZONE, ProviderWorld, provider_world

NOON = datetime(2026, 12, 3, 12)


@pytest.fixture
def world(tmp_path: Path, sqlite_url: str) -> Iterator[ProviderWorld]:
    """Both accounts are connected, and nothing is linked."""
    with provider_world(sqlite_url, tmp_path) as made:
        for name, side in made.sides.items():
            side.account_id = made.connect(name)
        yield made


def series(title: str) -> EventContent:
    content = timed(title, NOON, zone=ZONE)
    cancelled = SeriesException(NOON + timedelta(days=7), cancelled=True)
    when = replace(content.when, recurrence=("RRULE:FREQ=WEEKLY;COUNT=4",), exceptions=(cancelled,))
    return replace(content, when=when)


def test_linking_both_calendars_does_what_the_plan_of_both_has_told(world: ProviderWorld) -> None:
    both = replace(timed("On both sides", NOON, zone=ZONE), description="The same")
    world.google.create(both)
    world.outlook.create(both)
    world.google.create(replace(timed("Coloured", NOON, zone=ZONE), color="#dc2127"))
    world.google.create(series("Weekly"))
    world.outlook.create(replace(timed("With a place", NOON, zone=ZONE), location=Location("Rome")))
    world.api_creates(replace(timed("Made here", NOON, zone=ZONE), priority=1))
    for side in world.sides.values():
        side.control.clear_ledger()
    plan_id = make_plan(world, (world.google.account_id, {}), (world.outlook.account_id, {}))
    assert plan_of(world, plan_id).state == "ready", plan_of(world, plan_id).problem
    assert world.writes() == [] and len(world.hub_events()) == 1
    assert sorted(told(world, plan_id)) == [
        "hub create Coloured",
        "hub create On both sides",
        "hub create Weekly",
        "hub create With a place",
        "hub pair On both sides",
        "remote create Coloured",
        "remote create Made here",
        "remote create Made here",
        "remote create Weekly",
        "remote create With a place",
    ]
    foretold = {
        (a.remote_calendar_id, a.title): a.fields for a in actions(world, plan_id, "create", side="remote")
    }
    losses = {(loss["field"], loss["count"]) for loss in plan_of(world, plan_id).summary["losses"]}
    apply(world, plan_id)
    for side, planned in zip(world.sides.values(), planned_links(world), strict=True):
        side.link_id = planned.link_id
    seen = {
        (world.get_link(side.link_id).remote_calendar_id, content.title): content
        for side in world.sides.values()
        for content in side.events().values()
    }
    for key, fields in foretold.items():
        shown = to_json(seen[key])
        assert {name: shown.get(name) for name in fields} == {n: v["after"] for n, v in fields.items()}
    assert losses == {("color", 1), ("priority", 1), ("reminders", 3)}
    world.assert_quiet()


def test_changing_the_direction_does_what_the_plan_has_told(world: ProviderWorld) -> None:
    remote_id = world.outlook.create(timed("Theirs", NOON, zone=ZONE))
    made = make_plan(world, (world.outlook.account_id, {"direction": "import"}))
    apply(world, made)
    (planned,) = planned_links(world)
    event_id, content = world.hub_event("Theirs")
    world.api_updates(event_id, replace(content, title="Theirs, renamed here"))
    world.api_creates(timed("Ours", NOON, zone=ZONE))
    world.settle()
    world.outlook.control.clear_ledger()
    assert planned.link_id is not None
    plan_id = make_plan(world, (planned.link_id, {"direction": "two_way"}))
    assert told(world, plan_id) == ["remote change Theirs, renamed here", "remote create Ours"]
    apply(world, plan_id)
    assert len(world.writes()) == 2
    assert world.outlook.events()[remote_id].title == "Theirs, renamed here"
    assert sorted(c.title for c in world.outlook.events().values()) == ["Ours", "Theirs, renamed here"]


def planned_links(world: ProviderWorld) -> list[PlannedLink]:
    with world.ports.db.reading() as session:
        return list(session.scalars(select(PlannedLink).order_by(PlannedLink.id)))
