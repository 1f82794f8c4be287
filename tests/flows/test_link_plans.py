"""Plan before apply: told before anything is done, applied as told or not at all."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from hub.keeping import sweep
from hub.models import Link, LinkPlan, PlannedAction, PlannedLink, PlannedPage
from hub.planning.applying import PlanNotReadyError, PlanOutdatedError
from hub.planning.reading import MOST_FAILURES
from hub.plugin.errors import GrantLostError
from hub.plugin.testing import timed
from hub.plugin.types import Location
from tests.memory_provider import MemoryPlugin, _Fault
from tests.planning import actions, apply, make_plan, plan_of, told
from tests.world import World

NOON = datetime(2026, 12, 3, 12)


@pytest.fixture
def world(tmp_path: Path, database_url: str) -> World:
    world = World(database_url, tmp_path, MemoryPlugin("left"), MemoryPlugin("right", lossy=("location",)))
    world.connect("left")
    world.connect("right")
    return world


def listings(world: World, provider: str) -> int:
    return sum(call["path"] == "fetch_changes" for call in world.services[provider].calls)


def test_two_calendars_that_another_tool_kept_equal_look_the_same_before_anything_is_written(
    world: World,
) -> None:
    """DUP-13."""
    for n in range(200):
        content = timed(f"Event {n}", NOON + timedelta(hours=n % 50))
        world.person_creates("left", content)
        world.api_creates(content)
    plan_id = make_plan(world, ("acc_left_ann", {}))
    plan = plan_of(world, plan_id)
    assert plan.summary["same"] == 200
    assert [(line["kind"], line["count"]) for line in plan.summary["counts"]] == [("pair", 200)]
    assert world.writes() == 0 and len(world.remote("left")) == len(world.hub_events()) == 200
    apply(world, plan_id)
    world.wait(steps=2)
    assert world.writes() == 0 and len(world.remote("left")) == len(world.hub_events()) == 200
    link_id = plan_link(world)
    assert len(world.copies(link_id)) == 200


def plan_link(world: World) -> str:
    with world.ports.db.reading() as session:
        (link,) = session.query(Link).all()
        return link.id


def test_a_plan_tells_each_side_field_by_field_with_what_is_lost(world: World) -> None:
    world.person_creates("right", timed("Theirs", NOON))
    world.api_creates(dataclasses.replace(timed("Ours", NOON), location=Location("Berlin")))
    world.api_creates(timed("Old", NOON - timedelta(days=200)))
    plan_id = make_plan(world, ("acc_right_ann", {}))
    assert told(world, plan_id) == ["hub create Theirs", "remote create Ours", "hub stay Old"]
    theirs, ours, old = actions(world, plan_id)
    assert theirs.fields["title"] == {"after": "Theirs"} and theirs.event_id is None
    assert "location" not in ours.fields
    assert ours.losses == [{"field": "location", "reason": "This calendar keeps no location."}]
    assert old.reason == "It ended before the time that the link keeps in step: it is not written there."
    assert world.hub_titles() == ["Old", "Ours"] and world.titles("right") == ["Theirs"]


def test_a_conflict_is_told_with_both_values_and_who_wins(world: World) -> None:
    world.person_creates("left", dataclasses.replace(timed("Lunch", NOON), description="theirs"))
    world.api_creates(dataclasses.replace(timed("Lunch", NOON), description="ours"))
    plan_id = make_plan(world, ("acc_left_ann", {"policy": "hub"}))
    (clash,) = actions(world, plan_id, "conflict")
    assert clash.fields == {"description": {"hub": "ours", "provider": "theirs", "kept": "hub"}}
    (change,) = actions(world, plan_id, "change")
    assert (change.side, change.fields) == ("remote", {"description": {"before": "theirs", "after": "ours"}})


def test_a_link_in_step_that_is_planned_anew_has_nothing_to_do(world: World) -> None:
    world.person_creates("left", timed("Lunch", NOON))
    link_id = world.link("acc_left_ann")
    world.settle()
    plan_id = make_plan(world, (link_id, {}))
    assert told(world, plan_id) == []
    apply(world, plan_id)
    world.wait(steps=2)
    assert world.writes() == 0 and world.titles("left") == ["Lunch"]


@pytest.mark.parametrize("edit", ["hub", "remote", "deleted there", "link"])
def test_what_was_changed_meanwhile_outdates_a_plan_and_nothing_is_done(world: World, edit: str) -> None:
    remote_id = world.person_creates("left", timed("Lunch", NOON))
    event_id = world.api_creates(timed("Ours", NOON))
    plan_id = make_plan(world, ("acc_left_ann", {}))
    if edit == "hub":
        world.api_updates(event_id, timed("Ours, later", NOON))
    elif edit == "remote":
        world.person_updates("left", remote_id, timed("Late lunch", NOON))
    elif edit == "deleted there":
        world.person_deletes("left", remote_id)
    else:
        world.link("acc_right_ann")
    with pytest.raises(PlanOutdatedError) as refused:
        apply(world, plan_id)
    assert {
        "hub": "In the hub, 'Ours, later' was updated.",
        "remote": "In 'ann@example.test', 'Late lunch' was added, changed or deleted.",
        "deleted there": "In 'ann@example.test', 'Lunch' was added, changed or deleted.",
        "link": "In the hub, links of the calendar were made, changed or ended.",
    }[edit].replace("ann@example.test", "Main") in refused.value.reasons
    assert plan_of(world, plan_id).state == "ready"
    assert all(link.account_id != "acc_left_ann" for link in links(world))


def links(world: World) -> list[Link]:
    with world.ports.db.reading() as session:
        return session.query(Link).all()


def test_a_link_begins_with_what_the_plan_has_read_and_later_edits_come_as_such(world: World) -> None:
    remote_id = world.person_creates("left", timed("Lunch", NOON))
    event_id = world.api_creates(timed("Lunch", NOON))
    plan_id = make_plan(world, ("acc_left_ann", {}))
    service = world.services["left"]

    def delete_when_it_was_applied() -> None:
        service.before_listing = lambda: world.person_deletes("left", remote_id)

    service.before_listing = delete_when_it_was_applied
    apply(world, plan_id)
    world.wait()
    assert world.hub_titles() == world.titles("left") == [], "the pair was known when its half was deleted"
    assert event_id not in world.hub_events() and world.writes() == 0


def test_applying_twice_does_it_once(world: World) -> None:
    world.api_creates(timed("Ours", NOON))
    plan_id = make_plan(world, ("acc_left_ann", {}))
    apply(world, plan_id)
    apply(world, plan_id)
    assert len(links(world)) == 1 and world.titles("left") == ["Ours"] and world.writes() == 1


def test_a_plan_is_read_in_pages_and_goes_on_where_its_worker_died(world: World) -> None:
    service = world.services["left"]
    service.page_size = 5
    for n in range(12):
        world.person_creates("left", timed(f"Event {n}", NOON))

    def die() -> None:
        service.before_listing = lambda: (_ for _ in ()).throw(KeyboardInterrupt)

    service.before_listing = die
    with pytest.raises(KeyboardInterrupt):
        make_plan(world, ("acc_left_ann", {}))
    before = listings(world, "left")
    plan_id = the_plan(world)
    assert plan_of(world, plan_id).state == "reading"
    world.wait(60)
    assert plan_of(world, plan_id).state == "ready"
    assert listings(world, "left") - before == 2, "the first page was kept"
    assert len(actions(world, plan_id, "create")) == 12


def the_plan(world: World) -> str:
    with world.ports.db.reading() as session:
        (plan,) = session.query(LinkPlan).all()
        return plan.id


def test_a_busy_provider_is_waited_for_and_one_that_refuses_is_told(world: World) -> None:
    service = world.services["left"]
    service.faults.append(_Fault("busy", 1, "fetch_changes", {"after": 30.0}))
    plan_id = make_plan(world, ("acc_left_ann", {}))
    plan = plan_of(world, plan_id)
    assert (plan.state, plan.problem) == ("reading", "the provider failed (busy)")
    world.wait(60)
    assert plan_of(world, plan_id).state == "ready"
    lost = GrantLostError("Ann has withdrawn her consent.")
    service.faults.append(_Fault("raise", 2, "fetch_changes", {"error": lost}))
    failed = make_plan(world, ("acc_left_ann", {}))
    plan = plan_of(world, failed)
    assert (plan.state, plan.problem_code) == ("failed", "GrantLostError")
    with pytest.raises(PlanNotReadyError, match="withdrawn"):
        apply(world, failed)


def test_a_provider_that_never_answers_ends_a_plan(world: World) -> None:
    world.services["left"].faults.append(_Fault("busy", 1000, "fetch_changes", {}))
    plan_id = make_plan(world, ("acc_left_ann", {}))
    world.wait(300, steps=MOST_FAILURES + 1)
    assert plan_of(world, plan_id).state == "failed"


def test_a_plan_is_kept_for_an_hour(world: World) -> None:
    plan_id = make_plan(world, ("acc_left_ann", {}))
    world.clock.advance(3601)
    with pytest.raises(PlanOutdatedError, match="make a new one"):
        apply(world, plan_id)
    sweep.expire(world.ports)
    with world.ports.db.reading() as session:
        left = [session.query(table).count() for table in (LinkPlan, PlannedLink, PlannedPage, PlannedAction)]
    assert left == [0, 0, 0, 0] and links(world) == []
