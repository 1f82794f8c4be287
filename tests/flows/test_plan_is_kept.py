"""What a plan says is what happens: whatever both sides hold, and nothing at all before it is applied."""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path

import pytest

from hub.plugin.types import EventContent
from tests.memory_provider import MemoryPlugin
from tests.planning import actions, apply, contents, fill, foretold, happened, make_plan, plan_of, same_events
from tests.world import World

SEEDS = 4


@pytest.fixture
def world(tmp_path: Path, sqlite_url: str) -> World:
    lossy = MemoryPlugin("right", lossy=("priority", "location"))
    return World(sqlite_url, tmp_path, MemoryPlugin("left"), lossy)


def options(chance: random.Random) -> dict[str, object]:
    return {
        "direction": chance.choice(["two_way", "two_way", "import", "export"]),
        "policy": chance.choice(["newest", "hub", "provider"]),
        **shows(chance),
    }


def shows(chance: random.Random) -> dict[str, object]:
    """Return what a link shows of which events."""
    return {
        "detail": chance.choice(["full", "full", "full", "busy_only"]),
        "filters": chance.choice([{}, {"free": False}, {"all_day": False}, {"past": False}]),
        "leave_alone": chance.choice([[], [], ["location"], ["priority", "description"]]),
    }


def check(world: World, plan_id: str) -> None:
    """Apply a plan and compare what happens with what it said; afterwards all is quiet."""
    assert plan_of(world, plan_id).state == "ready", plan_of(world, plan_id).problem
    conflicts = len(world.conflicts())
    before = contents(world)
    writes = len(actions(world, plan_id, "create", "change", "delete", side="remote"))
    clashes = len(actions(world, plan_id, "conflict"))
    apply(world, plan_id)
    after = contents(world)
    assert happened(world, before, after) == foretold(world, plan_id, same_events(world, before))
    assert after.writes - before.writes == writes
    assert len(world.conflicts()) - conflicts == clashes
    world.wait(steps=2)
    assert contents(world) == after


@pytest.mark.parametrize("seed", range(SEEDS))
def test_making_a_link_does_what_its_plan_says(world: World, seed: int) -> None:
    chance = random.Random(seed)
    world.connect("left")
    world.connect("right")
    fill(world, chance, "left", "right")
    if chance.random() < 0.5:
        world.link("acc_right_ann")
        world.settle()
    before = contents(world)
    plan_id = make_plan(world, ("acc_left_ann", options(chance)))
    assert contents(world) == before
    check(world, plan_id)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_making_two_links_at_once_does_what_their_plan_says(world: World, seed: int) -> None:
    chance = random.Random(seed)
    world.connect("left")
    world.connect("right")
    fill(world, chance, "left", "right")
    before = contents(world)
    plan_id = make_plan(world, ("acc_left_ann", options(chance)), ("acc_right_ann", options(chance)))
    assert contents(world) == before
    check(world, plan_id)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_changing_a_link_does_what_its_plan_says(world: World, seed: int) -> None:
    chance = random.Random(seed)
    world.connect("left")
    world.connect("right")
    fill(world, chance, "left", "right")
    world.link("acc_right_ann")
    made = options(chance)
    link_id = world.link("acc_left_ann", **made)
    world.settle()
    _edit(world, chance)
    world.wait(2000, steps=2)
    before = contents(world)
    changes = {
        "direction": chance.choice(["two_way", "import", "export"]),
        "past_days": chance.choice([90, 400]),
        **(shows(chance) if chance.random() < 0.7 else {}),
    }
    plan_id = make_plan(world, (link_id, changes))
    assert contents(world) == before
    check(world, plan_id)


def _edit(world: World, chance: random.Random) -> None:
    """Let people edit and delete on both sides, whatever the link makes of it."""
    fill(world, chance, "left", most=4)
    for event_id, content in list(world.hub_events().items()):
        if chance.random() < 0.3:
            world.api_updates(event_id, _other(content, chance))
        elif chance.random() < 0.1:
            world.api_deletes(event_id)
    world.settle()
    for remote_id, content in list(world.remote("left").items()):
        world.clock.advance(1)
        if chance.random() < 0.3:
            world.person_updates("left", remote_id, _other(content, chance))
        elif chance.random() < 0.1:
            world.person_deletes("left", remote_id)
    world.settle()


def _other(content: EventContent, chance: random.Random) -> EventContent:
    return dataclasses.replace(
        content, title=chance.choice(["Lunch", "Dinner"]), priority=chance.choice([0, 5])
    )
