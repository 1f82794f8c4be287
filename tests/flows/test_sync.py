"""What changes in one of three places shows up in the other two, and then there is quiet."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hub.inbound.pull import pull_link
from hub.models import Link
from hub.outbound import linking
from hub.outbound.push import push_link
from hub.plugin.errors import GoneError, GrantLostError, PluginError, RefusedError, RetryLaterError
from hub.plugin.testing import timed
from hub.plugin.types import EventContent, Location, SeriesException
from tests.memory_provider import MemoryPlugin, _Fault, revoke
from tests.world import World

NINE = datetime(2026, 12, 7, 9)


@pytest.fixture
def world(tmp_path: Path, database_url: str) -> World:
    return World(database_url, tmp_path)


def lunch(title: str = "Lunch", **more: object) -> EventContent:
    return timed(title, NINE, **more)


def only(events: dict[str, EventContent]) -> tuple[str, EventContent]:
    assert len(events) == 1, events
    return next(iter(events.items()))


def assert_quiet(world: World) -> None:
    """In a quiet system the hub makes no write, whatever time passes."""
    before = world.writes()
    world.wait(steps=3)
    assert world.writes() == before


def test_an_event_created_in_any_place_arrives_once_in_the_other_two(world: World) -> None:
    world.linked_pair()
    world.person_creates("left", lunch("From left"))
    world.settle()
    world.person_creates("right", lunch("From right"))
    world.settle()
    world.api_creates(lunch("From the hub"))
    world.settle()
    expected = ["From left", "From right", "From the hub"]
    assert world.titles("left") == world.titles("right") == world.hub_titles() == expected
    assert world.writes() == 4
    assert_quiet(world)


def test_a_run_that_fails_while_the_person_signs_in_again_makes_the_link_wait_for_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    links = world.linked_pair()
    gateway = world.ports.gateway

    def too_early(account_id: str, hook: str, **arguments: object) -> object:
        # It was true when the run looked; when the run settles, it is not any more.
        monkeypatch.undo()
        raise GrantLostError("The account is not connected any more.")

    monkeypatch.setattr(gateway, "call", too_early)
    world.person_creates("left", lunch())
    world.settle()
    assert world.hub_titles() == world.titles("right") == ["Lunch"]
    assert [world.get_link(link).problem for link in links] == [None, None]


def test_changes_and_deletions_travel_both_ways(world: World) -> None:
    world.linked_pair()
    left_id = world.person_creates("left", lunch())
    world.settle()
    right_id, content = only(world.remote("right"))
    world.person_updates("right", right_id, dataclasses.replace(content, location=Location("Room 5")))
    world.settle()
    assert world.remote("left")[left_id].location == Location("Room 5")
    event_id, content = only(world.hub_events())
    world.api_updates(event_id, dataclasses.replace(content, title="Brunch"))
    world.settle()
    assert world.titles("left") == world.titles("right") == ["Brunch"]
    world.person_deletes("left", left_id)
    world.settle()
    assert world.remote("right") == world.remote("left") == world.hub_events() == {}
    assert_quiet(world)


def test_both_sides_change_different_fields_and_both_are_kept(world: World) -> None:
    world.linked_pair()
    left_id = world.person_creates("left", lunch())
    world.settle()
    right_id, content = only(world.remote("right"))
    world.queue.lossy = True
    world.person_updates("left", left_id, dataclasses.replace(content, title="T2"))
    world.person_updates("right", right_id, dataclasses.replace(content, description="D2"))
    world.queue.lossy = False
    world.wait()
    for place in (world.remote("left"), world.remote("right"), world.hub_events()):
        _, merged = only(place)
        assert (merged.title, merged.description) == ("T2", "D2")
    assert world.conflicts() == []


def test_both_sides_change_one_field_and_the_loser_is_kept_in_a_conflict(world: World) -> None:
    world.linked_pair()
    left_id = world.person_creates("left", lunch())
    world.settle()
    right_id, content = only(world.remote("right"))
    world.queue.lossy = True
    world.person_updates("left", left_id, dataclasses.replace(content, title="Early"))
    world.clock.advance(10)
    world.person_updates("right", right_id, dataclasses.replace(content, title="Late"))
    world.queue.lossy = False
    world.wait(steps=2)
    assert world.titles("left") == world.titles("right") == world.hub_titles() == ["Late"]
    (conflict,) = world.conflicts()
    assert {conflict.hub_value["value"], conflict.provider_value["value"]} == {"Early", "Late"}


def test_an_edit_wins_over_a_deletion_and_is_told(world: World) -> None:
    world.linked_pair()
    left_id = world.person_creates("left", lunch())
    world.settle()
    right_id, content = only(world.remote("right"))
    world.queue.lossy = True
    world.person_deletes("left", left_id)
    world.person_updates("right", right_id, dataclasses.replace(content, title="Still on"))
    world.queue.lossy = False
    world.wait(steps=2)
    assert world.titles("left") == world.titles("right") == world.hub_titles() == ["Still on"]
    assert [c.field for c in world.conflicts()] == ["deleted"]
    assert_quiet(world)


def test_an_edit_that_a_provider_has_refused_wins_over_a_deletion_there_since_nobody_could_see_it(
    world: World,
) -> None:
    left, _ = world.linked_pair()
    left_id = world.person_creates("left", lunch())
    world.settle()
    event_id, content = only(world.hub_events())
    refusal = {"error": RefusedError("400 for a reason that only the provider knows")}
    world.services["left"].faults.append(_Fault("raise", 1, "push_event", refusal))
    world.api_updates(event_id, dataclasses.replace(content, title="Still on"))
    world.settle()
    assert [copy.parked_at is not None for copy in world.copies(left)] == [True]
    world.person_deletes("left", left_id)
    world.settle()
    assert world.titles("left") == world.titles("right") == world.hub_titles() == ["Still on"]
    assert [c.field for c in world.conflicts()] == ["deleted"]
    assert_quiet(world)


def test_an_edit_in_the_hub_wins_over_a_deletion_at_the_provider(world: World) -> None:
    world.linked_pair()
    left_id = world.person_creates("left", lunch())
    world.settle()
    event_id, content = only(world.hub_events())
    world.queue.lossy = True
    world.person_deletes("left", left_id)
    world.api_updates(event_id, dataclasses.replace(content, title="Still on"))
    world.queue.lossy = False
    world.wait(steps=2)
    assert world.titles("left") == world.titles("right") == world.hub_titles() == ["Still on"]
    assert_quiet(world)


def test_equal_events_on_both_sides_are_paired_at_the_first_link(world: World) -> None:
    left, right = world.connect("left"), world.connect("right")
    for provider in ("left", "right"):
        for n in range(5):
            world.person_creates(provider, timed(f"Same {n}", NINE.replace(day=8 + n)))
    world.link(left)
    world.settle()
    world.link(right)
    world.settle()
    assert len(world.hub_events()) == len(world.remote("left")) == len(world.remote("right")) == 5
    assert world.writes() == 0


def test_a_first_listing_of_many_pages_brings_all_and_copies_all(world: World) -> None:
    world.connect("left")
    for n in range(230):
        world.person_creates("left", timed(f"Event {n:03}", NINE.replace(day=8 + n % 20)))
    world.link("acc_left_ann")
    world.link(world.connect("right"))
    world.settle()
    assert len(world.hub_events()) == len(world.remote("right")) == 230
    assert_quiet(world)


def test_an_expired_cursor_lists_anew_and_finds_what_was_deleted_in_the_gap(world: World) -> None:
    world.linked_pair()
    ids = [world.person_creates("left", timed(f"Event {n}", NINE.replace(day=8 + n))) for n in range(6)]
    world.settle()
    world.queue.lossy = True
    world.person_deletes("left", ids[0])
    world.services["left"].people["ann@example.test"].epoch += 1
    world.queue.lossy = False
    writes = world.writes()
    world.wait()
    assert len(world.remote("right")) == len(world.hub_events()) == 5
    assert world.writes() == writes + 1
    assert_quiet(world)


def test_a_create_whose_answer_was_lost_makes_no_second_event(world: World) -> None:
    world.linked_pair()
    world.services["right"].faults.append(_Fault("reset_after", 1, "push_event", {}))
    world.person_creates("left", lunch())
    world.settle()
    world.wait(steps=2)
    assert len(world.remote("right")) == len(world.hub_events()) == len(world.remote("left")) == 1
    assert_quiet(world)


def test_what_a_person_deletes_between_its_finding_and_a_full_listing_is_deleted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, right = world.linked_pair()
    world.services["right"].faults.append(_Fault("reset_after", 1, "push_event", {}))
    world.queue.lossy = True
    world.api_creates(lunch())
    push_link(world.ports, right)
    assert [copy.uncertain for copy in world.copies(right)] == [True]
    call = world.ports.gateway.call

    def deleted_first(account_id: str, hook: str, **arguments: Any) -> Any:
        if hook == "fetch_changes":
            monkeypatch.undo()
            (copy,) = world.remote("right")
            world.person_deletes("right", copy)
        return call(account_id, hook, **arguments)

    monkeypatch.setattr(world.ports.gateway, "call", deleted_first)
    with world.ports.db.transaction() as session:
        linking.adopt_anew(session, world.ports, session.get_one(Link, right))
    world.clock.advance(60)
    pull_link(world.ports, right)
    world.queue.lossy = False
    world.wait(steps=3)
    assert world.remote("right") == world.remote("left") == world.hub_events() == {}


def test_a_lost_answer_is_recognised_even_if_the_event_is_listed_before_the_retry(world: World) -> None:
    world.linked_pair()
    world.services["right"].faults.append(_Fault("reset_after", 1, "push_event", {}))
    world.services["right"].faults.append(_Fault("reset_before", 5, "push_event", {}))
    world.person_creates("left", lunch())
    world.settle()
    world.wait(5, steps=5)
    world.wait(steps=5)
    assert len(world.remote("right")) == len(world.hub_events()) == len(world.remote("left")) == 1


def test_an_event_that_a_provider_refuses_is_parked_alone_and_goes_when_it_changes(world: World) -> None:
    _, right = world.linked_pair()
    refusal = {"error": RefusedError("The title is not allowed.")}
    world.services["right"].faults.append(_Fault("raise", 1, "push_event", refusal))
    world.person_creates("left", lunch("Bad"))
    world.settle()
    world.person_creates("left", lunch("Good"))
    world.settle()
    assert world.titles("right") == ["Good"]
    (parked,) = [c for c in world.copies(right) if c.parked_at]
    assert parked.problem == "The title is not allowed."
    world.wait(steps=2)
    assert world.titles("right") == ["Good"]
    event_id = next(i for i, c in world.hub_events().items() if c.title == "Bad")
    world.api_updates(event_id, lunch("Better"))
    world.settle()
    assert world.titles("right") == ["Better", "Good"]


def test_what_a_provider_has_refused_is_tried_again_when_a_person_edits_the_event_there(world: World) -> None:
    _, right = world.linked_pair()
    world.person_creates("left", lunch("Lunch"))
    world.settle()
    refusal = {"error": RefusedError("Not while it has no place.")}
    world.services["right"].faults.append(_Fault("raise", 1, "push_event", refusal))
    ((event_id, content),) = world.hub_events().items()
    world.api_updates(event_id, dataclasses.replace(content, title="Feast"))
    world.settle()
    assert [c.problem for c in world.copies(right)] == ["Not while it has no place."]
    ((copy, shown),) = world.remote("right").items()
    world.person_updates("right", copy, dataclasses.replace(shown, location=Location("Hall")))
    world.settle()
    (there,) = world.remote("right").values()
    assert (there.title, there.location) == ("Feast", Location("Hall"))
    assert [(c.parked_at, c.problem) for c in world.copies(right)] == [(None, None)]
    assert_quiet(world)


@pytest.mark.parametrize(
    "error", [RetryLaterError("busy", after=7), PluginError("broken"), RuntimeError("a bug in the plugin")]
)
def test_a_failing_listing_deletes_nothing_and_is_tried_again(world: World, error: Exception) -> None:
    left, _ = world.linked_pair()
    world.person_creates("left", lunch())
    world.settle()
    world.services["left"].faults.append(_Fault("raise", 3, "fetch_changes", {"error": error}))
    world.person_creates("left", lunch("Second"))
    world.settle()
    assert world.get_link(left).problem
    assert len(world.hub_events()) == 1
    world.wait(steps=4)
    assert world.hub_titles() == world.titles("right") == ["Lunch", "Second"]
    assert world.get_link(left).problem is None


def test_a_revoked_grant_stops_the_account_and_keeps_everything(world: World) -> None:
    left, _ = world.linked_pair()
    world.person_creates("left", lunch())
    world.settle()
    revoke(world.services["left"], "ann@example.test")
    world.person_creates("left", lunch("Unseen"))
    world.settle()
    world.wait(steps=3)
    assert world.hub_titles() == world.titles("right") == ["Lunch"]
    assert "withdrawn" in (world.get_link(left).problem or "")


def test_a_calendar_that_is_gone_stops_its_link_and_deletes_nothing(world: World) -> None:
    left, _ = world.linked_pair()
    for n in range(5):
        world.person_creates("left", timed(f"Event {n}", NINE.replace(day=8 + n)))
    world.settle()
    del world.services["left"].people["ann@example.test"].calendars["ann@example.test"]
    world.wait(steps=2)
    assert world.get_link(left).state == "stopped"
    assert len(world.hub_events()) == len(world.remote("right")) == 5


def test_all_hints_lost_costs_only_time(world: World) -> None:
    world.linked_pair()
    world.queue.lossy = True
    world.person_creates("left", lunch())
    world.settle()
    assert world.hub_events() == {}
    world.queue.lossy = False
    world.wait()
    assert world.titles("right") == ["Lunch"]


def test_a_lost_field_survives_in_the_hub_and_in_the_provider_that_can_hold_it(
    tmp_path: Path, database_url: str
) -> None:
    world = World(database_url, tmp_path, MemoryPlugin("left"), MemoryPlugin("right", lossy=("location",)))
    world.linked_pair()
    left_id = world.person_creates("left", lunch(location=Location("Room 5")))
    world.settle()
    right_id, content = only(world.remote("right"))
    assert content.location is None
    world.person_updates("right", right_id, dataclasses.replace(content, title="Renamed"))
    world.settle()
    assert world.remote("left")[left_id].location == Location("Room 5")
    assert world.remote("left")[left_id].title == "Renamed"
    assert_quiet(world)


def test_an_import_link_never_writes_and_an_export_link_never_takes(world: World) -> None:
    left = world.link(world.connect("left"), direction="import")
    world.link(world.connect("right"), direction="export")
    world.settle()
    world.person_creates("left", lunch("Theirs"))
    world.settle()
    world.api_creates(lunch("Ours"))
    world.person_creates("right", lunch("Private"))
    world.settle()
    assert world.titles("left") == ["Theirs"]
    assert world.hub_titles() == ["Ours", "Theirs"]
    assert world.titles("right") == ["Ours", "Private", "Theirs"]
    assert world.get_link(left).problem is None


def test_what_a_person_removes_from_an_export_link_stays_away(world: World) -> None:
    world.link(world.connect("right"), direction="export")
    world.settle()
    event_id = world.api_creates(lunch())
    world.settle()
    right_id, _ = only(world.remote("right"))
    world.person_deletes("right", right_id)
    world.settle()
    world.api_updates(event_id, lunch("Renamed"))
    world.settle()
    world.wait(steps=2)
    assert world.remote("right") == {} and world.hub_titles() == ["Renamed"]


def test_a_busy_only_link_shows_no_title_and_brings_moves_back(world: World) -> None:
    world.link(world.connect("left"))
    world.link(world.connect("right"), detail="busy_only")
    world.settle()
    left_id = world.person_creates("left", lunch("Secret", description="hush"))
    world.settle()
    right_id, content = only(world.remote("right"))
    assert (content.title, content.description) == ("Busy", "")
    moved = timed("Busy", NINE.replace(hour=15))
    world.person_updates("right", right_id, moved)
    world.settle()
    assert world.remote("left")[left_id] == timed("Secret", NINE.replace(hour=15), description="hush")
    assert_quiet(world)


def test_a_deletion_that_finds_nothing_is_done(world: World) -> None:
    world.linked_pair()
    world.person_creates("left", lunch())
    world.settle()
    event_id, _ = only(world.hub_events())
    world.services["right"].faults.append(_Fault("raise", 1, "push_event", {"error": GoneError("gone")}))
    world.api_deletes(event_id)
    world.settle()
    assert_quiet(world)
    assert world.remote("left") == {}


def test_a_missed_subscription_is_opened_by_the_sweep_and_renewed_before_it_ends(world: World) -> None:
    world.linked_pair()
    first = set(world.services["left"].channels)
    assert len(first) == 1
    world.wait(6 * 3600, steps=24)
    world.wait(120)
    second = set(world.services["left"].channels)
    assert len(second) == 1 and second != first
    world.person_creates("left", lunch())
    world.settle()
    assert world.titles("right") == ["Lunch"]


def test_a_busy_only_calendar_changes_when_occurrences_take_place_and_keeps_what_it_is_not_shown(
    world: World,
) -> None:
    world.link(world.connect("left"))
    world.link(world.connect("right"), detail="busy_only")
    world.settle()
    second, third, fourth = (NINE + timedelta(days=n) for n in (1, 2, 3))
    exceptions = (
        SeriesException(
            second, title="Second", start=second + timedelta(hours=1), end=second + timedelta(hours=2)
        ),
        SeriesException(third, title="Third"),
    )
    daily = dataclasses.replace(lunch().when, recurrence=("RRULE:FREQ=DAILY;COUNT=5",), exceptions=exceptions)
    event_id = world.api_creates(dataclasses.replace(lunch(), when=daily))
    world.settle()
    right_id, busy = only(world.remote("right"))
    cancelled = (*busy.when.exceptions, SeriesException(fourth, cancelled=True))
    world.person_updates(
        "right",
        right_id,
        dataclasses.replace(busy, when=dataclasses.replace(busy.when, exceptions=cancelled)),
    )
    world.settle()
    assert world.hub_events()[event_id].when.exceptions == (
        *exceptions,
        SeriesException(fourth, cancelled=True),
    )
    assert only(world.remote("left"))[1] == world.hub_events()[event_id]
    assert_quiet(world)
