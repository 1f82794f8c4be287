"""Changing a link's direction or window: afterwards both sides agree as far as the link lets them."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hub.accounts.links import change_link
from hub.models import Link
from hub.outbound.linking import ask_for_pull
from hub.plugin.testing import timed
from tests.world import World

NOON = datetime(2026, 12, 3, 12)


@pytest.fixture
def world(tmp_path: Path, database_url: str) -> World:
    return World(database_url, tmp_path)


def linked(world: World, **options: Any) -> str:
    link_id = world.link(world.connect("left"), **options)
    world.settle()
    return link_id


def change(world: World, link_id: str, **options: Any) -> None:
    with world.ports.db.transaction() as session:
        change_link(session, world.ports, session.get_one(Link, link_id), **options)
    world.settle()


def only(events: dict[str, Any]) -> str:
    (found,) = events
    return found


@pytest.mark.parametrize("direction", ["two_way", "export"])
def test_a_reading_link_that_begins_to_write_tells_the_provider_what_was_edited_here(
    world: World, direction: str
) -> None:
    world.connect("left")
    remote_id = world.person_creates("left", timed("Lunch", NOON))
    link_id = world.link("acc_left_ann", direction="import")
    world.settle()
    event_id = only(world.hub_events())
    world.api_updates(event_id, dataclasses.replace(world.hub_events()[event_id], title="Late lunch"))
    world.api_creates(timed("Made here", NOON))
    world.settle()
    assert world.titles("left") == ["Lunch"] and world.writes() == 0
    change(world, link_id, direction=direction)
    assert world.titles("left") == world.hub_titles() == ["Late lunch", "Made here"]
    assert world.remote("left")[remote_id].title == "Late lunch"
    assert world.writes() == 2 and world.conflicts() == []


def test_a_writing_link_that_begins_to_read_brings_in_what_is_there(world: World) -> None:
    link_id = linked(world, direction="export")
    world.api_creates(timed("Ours", NOON))
    world.settle()
    world.person_creates("left", timed("Theirs", NOON))
    world.settle()
    assert world.hub_titles() == ["Ours"]
    change(world, link_id, direction="two_way")
    assert world.hub_titles() == world.titles("left") == ["Ours", "Theirs"]
    assert world.writes() == 1


@pytest.mark.parametrize(("policy", "stands"), [("newest", "Theirs"), ("hub", "Ours")])
def test_what_was_edited_in_an_exported_calendar_is_a_conflict_once_it_is_read(
    world: World, policy: str, stands: str
) -> None:
    link_id = linked(world, direction="export", policy=policy)
    world.api_creates(timed("Ours", NOON))
    world.settle()
    remote_id = only(world.remote("left"))
    world.clock.advance(60)
    world.person_updates("left", remote_id, timed("Theirs", NOON))
    world.settle()
    assert world.hub_titles() == ["Ours"] and world.titles("left") == ["Theirs"]
    change(world, link_id, direction="two_way")
    assert world.hub_titles() == world.titles("left") == [stands]
    (told,) = world.conflicts()
    assert (told.field, told.hub_value, told.provider_value) == (
        "title",
        {"value": "Ours"},
        {"value": "Theirs"},
    )


def test_what_was_removed_from_an_exported_calendar_comes_back_when_both_are_to_agree(world: World) -> None:
    link_id = linked(world, direction="export")
    world.api_creates(timed("Ours", NOON))
    world.settle()
    world.person_deletes("left", only(world.remote("left")))
    world.settle()
    assert world.titles("left") == [] and world.hub_titles() == ["Ours"]
    change(world, link_id, direction="two_way")
    assert world.titles("left") == world.hub_titles() == ["Ours"]


def test_a_link_that_ends_to_write_lets_go_of_what_was_still_to_be_written(world: World) -> None:
    link_id = linked(world)
    world.queue.lossy = True
    world.api_creates(timed("Never sent", NOON))
    world.queue.lossy = False
    change(world, link_id, direction="import")
    world.wait(steps=2)
    assert world.titles("left") == [] and world.writes() == 0
    change(world, link_id, direction="two_way")
    assert world.titles("left") == ["Never sent"]


def test_a_wider_past_is_brought_in_and_copied_and_equal_events_are_taken_as_one(world: World) -> None:
    world.connect("left")
    old = NOON - timedelta(days=200)
    for title in ("Old there", "Old on both sides"):
        world.person_creates("left", timed(title, old))
    for title in ("Old here", "Old on both sides"):
        world.api_creates(timed(title, old))
    link_id = world.link("acc_left_ann")
    world.settle()
    assert world.hub_titles() == ["Old here", "Old on both sides"]
    assert world.titles("left") == ["Old on both sides", "Old there"]
    change(world, link_id, past_days=365)
    assert world.hub_titles() == world.titles("left") == ["Old here", "Old on both sides", "Old there"]
    assert world.writes() == 1


def test_a_full_listing_that_is_asked_for_during_a_pull_is_not_forgotten(world: World) -> None:
    link_id = linked(world)
    generation = world.get_link(link_id).generation

    def ask() -> None:
        with world.ports.db.transaction() as session:
            ask_for_pull(session, world.ports, link_id, fresh=True)

    world.services["left"].before_listing = ask
    world.person_creates("left", timed("Lunch", NOON))
    world.settle()
    assert world.get_link(link_id).generation == generation + 1
    assert world.hub_titles() == ["Lunch"]
