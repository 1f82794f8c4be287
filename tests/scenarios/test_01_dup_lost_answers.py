"""DUP: an answer that never came, or that was not true, makes no second event."""

from __future__ import annotations

import dataclasses
import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from hub.plugin.testing import all_day, series, timed
from hub.plugin.types import Location, SeriesException
from tests.provider_world import ProviderWorld, Side
from tests.scenarios.play import (
    EVENTS,
    add_calendar,
    clear,
    kill_after,
    later,
    link_more,
    lose_answer,
    other,
    pull,
    refuse,
    writes,
)

TEN = datetime(2026, 12, 7, 10)
LUNCH = timed("Lunch", TEN, description="Soup", location=Location("Canteen"))
MOVED = SeriesException(TEN + timedelta(days=1), start=TEN + timedelta(days=1, hours=2))
STANDUP = series("Standup", TEN, "FREQ=DAILY;COUNT=5", MOVED)
KINDS = {"single": LUNCH, "all-day": all_day("Holiday", TEN.date(), 2), "series": STANDUP}


def posts(side: Side) -> list[dict[str, Any]]:
    return [call for call in writes(side, "POST") if call["path"].endswith("/events")]


def assert_one_everywhere(world: ProviderWorld, title: str) -> None:
    for side in world.sides.values():
        assert [c.title for c in side.events().values()] == [title], side.name
    assert len(world.hub_events()) == 1


def copy_ids(world: ProviderWorld, side: Side) -> list[str | None]:
    return [copy.remote_id for copy in world.copies(side.link_id)]


@pytest.mark.parametrize(("how", "kind"), [("cut", "single"), ("504", "series"), ("500", "all-day")])
def test_dup_04_a_create_that_graph_did_and_never_answered_is_made_once(
    world: ProviderWorld, how: str, kind: str
) -> None:
    lose_answer(world.outlook, how, "POST", times=2)
    world.google.create(KINDS[kind])
    world.sync()
    later(world)
    assert_one_everywhere(world, KINDS[kind].title)
    keys = {call["body"]["transactionId"] for call in posts(world.outlook)}
    assert len(keys) == 1, "the key was made before the first try and kept"
    assert copy_ids(world, world.outlook) == list(world.outlook.events())
    assert writes(world.google) == []
    world.assert_quiet()


@pytest.mark.parametrize(("how", "kind"), [("cut", "all-day"), ("503", "series"), ("500", "single")])
def test_dup_05_an_insert_that_google_did_and_never_answered_is_made_once(
    world: ProviderWorld, how: str, kind: str
) -> None:
    lose_answer(world.google, how, "POST", times=2)
    world.outlook.create(KINDS[kind])
    world.sync()
    later(world)
    assert_one_everywhere(world, KINDS[kind].title)
    ids = {call["body"]["id"] for call in posts(world.google)}
    assert ids == set(world.google.events()) == set(copy_ids(world, world.google))
    assert writes(world.outlook) == []
    world.assert_quiet()


@pytest.mark.parametrize(
    ("name", "meanwhile"),
    [
        ("google", "edited"),
        ("outlook", "deleted"),
        ("google", "edited there"),
        ("outlook", "edited there"),
        ("outlook", "deleted there"),
    ],
)
def test_dup_04_what_happens_to_the_event_while_its_create_is_uncertain_is_not_lost(
    world: ProviderWorld, name: str, meanwhile: str
) -> None:
    side, source = world.sides[name], other(world, name)
    lose_answer(side, "cut", "POST")
    remote_id = source.create(LUNCH)
    world.sync()
    match meanwhile:
        case "edited":
            source.update(remote_id, title="Brunch")
        case "deleted":
            source.delete(remote_id)
        case "edited there":
            side.update(side.find("Lunch"), title="Brunch")
        case "deleted there":
            side.delete(side.find("Lunch"))
    later(world)
    world.assert_quiet()
    titles = [c.title for c in world.hub_events().values()]
    assert titles in ([] if meanwhile.startswith("deleted") else ["Brunch"], ["Brunch"])


def test_dup_06_an_event_that_graph_saved_without_our_mark_behind_a_503_is_found_and_marked(
    world: ProviderWorld,
) -> None:
    world.outlook.control.fault(
        "strip",
        method="POST",
        path=EVENTS,
        keys=["singleValueExtendedProperties"],
        status=503,
        body=json.dumps({"error": {"code": "ErrorConcurrentItemSave", "message": "Try again."}}),
    )
    world.google.create(LUNCH)
    world.sync()
    later(world)
    assert_one_everywhere(world, "Lunch")
    marked = [c for c in writes(world.outlook, "PATCH") if "singleValueExtendedProperties" in c["body"]]
    assert len(marked) == 1
    world.assert_quiet()


@pytest.mark.parametrize(("name", "place"), [("outlook", 0), ("outlook", 2), ("google", 2), ("outlook", 4)])
def test_dup_07_one_of_five_creates_conflicts_after_it_was_stored(
    world: ProviderWorld, name: str, place: int
) -> None:
    side, source = world.sides[name], other(world, name)
    code = "ErrorIrresolvableConflict" if name == "outlook" else "conflict"
    body = {"error": {"code": code if name == "outlook" else 409, "errors": [{"reason": code}]}}
    side.control.fault(
        "status_after", method="POST", path=EVENTS, status=409, body=json.dumps(body), skip=place
    )
    for n in range(5):
        source.create(dataclasses.replace(LUNCH, title=f"Event {n}"))
    world.sync()
    later(world)
    assert sorted(side.by_title()) == [f"Event {n}" for n in range(5)]
    assert len(side.events()) == len(world.hub_events()) == 5
    world.assert_quiet()


@pytest.mark.parametrize("name", ["google", "outlook"])
def test_dup_09_an_event_that_was_replaced_before_its_run_was_killed_is_not_made_again(
    world: ProviderWorld, name: str
) -> None:
    side, source = world.sides[name], other(world, name)
    remote_id = source.create(LUNCH)
    world.sync()
    side.delete(side.find("Lunch"))
    source.update(remote_id, title="Late lunch")
    clear(world)
    kill_after(world, "push_event", lambda: pull(world, source))
    later(world, 400, times=4)
    assert_one_everywhere(world, "Late lunch")
    assert len(posts(side)) <= 2
    world.assert_quiet(conflicts=1)


@pytest.mark.parametrize(("name", "kind"), [("google", "series"), ("outlook", "single")])
def test_dup_09_every_run_that_is_killed_after_its_write_adds_no_copy(
    world: ProviderWorld, name: str, kind: str
) -> None:
    other(world, name).create(KINDS[kind])
    for _ in range(3):
        kill_after(world, "push_event", lambda: (world.sync(), later(world, 400)))
    later(world, 2000, times=4)
    assert_one_everywhere(world, KINDS[kind].title)
    world.assert_quiet()


def test_dup_21_a_move_to_another_calendar_leaves_one_event_however_often_the_delete_fails(
    world: ProviderWorld,
) -> None:
    old, new = world.outlook, two_calendars(world)
    event_id = world.api_creates(LUNCH)
    world.sync()
    refuse(old, 503, "DELETE", times=3)
    move(world, event_id)
    world.sync()
    assert list(old.by_title()) == list(new.by_title()) == ["Lunch"], "the delete has failed"
    later(world, 400, times=4)
    assert (list(old.by_title()), list(new.by_title())) == ([], ["Lunch"])
    assert len([c for c in posts(old) if new.calendar in c["path"]]) == 1


def test_dup_21_an_edit_of_the_old_copy_is_not_lost_in_a_move(world: ProviderWorld) -> None:
    old, new = world.outlook, two_calendars(world)
    event_id = world.api_creates(LUNCH)
    world.sync()
    refuse(old, 503, "DELETE", times=3)
    move(world, event_id)
    world.settle()
    old.update(old.find("Lunch"), description="Bring the papers")
    later(world, 400, times=4)
    world.sync()
    assert list(new.by_title()) == ["Lunch"]
    assert [c.description for c in old.events().values()] == ["Bring the papers"]
    assert [c.field for c in world.conflicts()] == ["deleted"]


def two_calendars(world: ProviderWorld) -> Side:
    """Link Ann's second Outlook calendar to a second calendar of the hub, and hers at Google to none."""
    add_calendar(world, "cal_2")
    return link_more(world, "outlook", hub_calendar="cal_2")


def move(world: ProviderWorld, event_id: str) -> None:
    """Move as an application does: make the event in one calendar, then delete it in the other."""
    world.api_creates(LUNCH, "cal_2")
    world.api_deletes(event_id)
