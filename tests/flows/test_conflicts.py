"""Conflicts: by each rule one value stands and the other is kept whole, and one call turns it round."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hub.keeping.sweep import expire
from hub.plugin.testing import timed
from hub.plugin.types import EventContent, SeriesException
from tests.unit.api.hub_app import HubApp
from tests.world import World

NINE = datetime(2026, 12, 7, 9)


@pytest.fixture
def hub(database_url: str, tmp_path: Path) -> HubApp:
    return HubApp(database_url, tmp_path)


@pytest.fixture
def world(hub: HubApp) -> World:
    return hub.world


def linked(world: World, policy: str = "newest") -> str:
    """Link two calendars that hold one event; return the event's id. The left one goes by `policy`."""
    world.link(world.connect("left"), policy=policy)
    world.link(world.connect("right"))
    world.settle()
    world.person_creates("left", timed("Lunch", NINE))
    world.settle()
    world.clock.advance(60)
    (event_id,) = world.hub_events()
    return event_id


def both_edit(world: World, event_id: str, ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    """Edit the event in the hub, then at the left, before either has heard of the other."""
    content = world.hub_events()[event_id]
    ((left_id, _),) = world.remote("left").items()
    world.queue.lossy = True
    world.api_updates(event_id, dataclasses.replace(content, **ours))
    world.clock.advance(10)
    world.person_updates("left", left_id, dataclasses.replace(content, **theirs))
    world.queue.lossy = False
    world.wait(steps=2)


def one(hub: HubApp, query: str = "") -> dict[str, Any]:
    (conflict,) = hub.call("GET", f"/v1/conflicts{query}").get_json()["items"]
    return dict(conflict)


def resolve(hub: HubApp, conflict: dict[str, Any], keep: str, **headers: str) -> dict[str, Any]:
    answer = hub.call("POST", f"/v1/conflicts/{conflict['id']}/resolve", {"keep": keep}, **headers)
    hub.world.settle()
    return {"http": answer.status_code} | dict(answer.get_json())


def everywhere(world: World) -> list[EventContent]:
    """Return the one event of each place; all are the same if the world has converged."""
    places = (world.hub_events(), world.remote("left"), world.remote("right"))
    assert all(len(place) <= 1 for place in places)
    return [content for place in places for content in place.values()]


def assert_quiet(world: World) -> None:
    before = world.writes()
    world.wait(steps=2)
    assert world.writes() == before


@pytest.mark.parametrize(
    ("policy", "kept", "title"),
    [("newest", "provider", "Theirs"), ("hub", "hub", "Ours"), ("provider", "provider", "Theirs")],
)
def test_the_links_rule_says_whose_value_stands_and_one_call_turns_it_round(
    hub: HubApp, world: World, policy: str, kept: str, title: str
) -> None:
    event_id = linked(world, policy)
    both_edit(world, event_id, {"title": "Ours"}, {"title": "Theirs"})
    assert [content.title for content in everywhere(world)] == [title] * 3
    conflict = one(hub, "?state=open")
    assert (conflict["event_id"], conflict["field"], conflict["kept"]) == (event_id, "title", kept)
    assert (conflict["hub_value"], conflict["provider_value"]) == ({"value": "Ours"}, {"value": "Theirs"})
    assert conflict["at"] and conflict["reason"] and conflict["link_id"]
    other, lost = ("hub", "Ours") if kept == "provider" else ("provider", "Theirs")
    resolved = resolve(hub, conflict, other)
    assert resolved["http"] == 200
    assert [content.title for content in everywhere(world)] == [lost] * 3
    assert (resolved["resolution"], resolved["stands"], resolved["resolved_by"]) == (other, other, "api_key")
    last = hub.call("GET", f"/v1/events/{event_id}/history").get_json()["items"][-1]
    assert last["fields"] == {"title": {"before": title, "after": lost}}
    assert last["run_id"] == resolved["resolved_run_id"]
    assert last["author"]["id"] == resolved["resolved_by_id"]
    assert hub.call("GET", "/v1/conflicts?state=open").get_json()["items"] == []
    assert one(hub, "?state=resolved") == one(hub)
    assert_quiet(world)


def test_by_the_rule_newest_a_later_edit_in_the_hub_stands(hub: HubApp, world: World) -> None:
    event_id = linked(world)
    content = world.hub_events()[event_id]
    ((left_id, _),) = world.remote("left").items()
    world.queue.lossy = True
    world.person_updates("left", left_id, dataclasses.replace(content, title="Theirs"))
    world.clock.advance(10)
    world.api_updates(event_id, dataclasses.replace(content, title="Ours"))
    world.queue.lossy = False
    world.wait(steps=2)
    assert one(hub)["kept"] == "hub"
    assert [content.title for content in everywhere(world)] == ["Ours"] * 3


def test_keeping_what_stands_only_closes_the_conflict(hub: HubApp, world: World) -> None:
    event_id = linked(world)
    both_edit(world, event_id, {"title": "Ours"}, {"title": "Theirs"})
    writes, seq = world.writes(), hub.call("GET", "/v1/changes").get_json()["next_after"]
    first = resolve(hub, one(hub), "provider")
    assert (first["http"], first["resolution"]) == (200, "provider")
    assert (world.writes(), hub.call("GET", "/v1/changes").get_json()["next_after"]) == (writes, seq)
    world.clock.advance(5)
    assert resolve(hub, first, "provider")["resolved_at"] == first["resolved_at"], "it was closed before"


def test_a_time_is_turned_round_as_one_with_its_rule_and_exceptions(hub: HubApp, world: World) -> None:
    event_id = linked(world)
    when = world.hub_events()[event_id].when
    series = dataclasses.replace(
        when,
        recurrence=("RRULE:FREQ=DAILY;COUNT=5",),
        exceptions=(SeriesException(NINE + timedelta(days=1), title="Second"),),
    )
    moved = dataclasses.replace(when, start=NINE + timedelta(hours=3), end=NINE + timedelta(hours=4))
    both_edit(world, event_id, {"when": series}, {"when": moved})
    assert [content.when for content in everywhere(world)] == [moved] * 3
    resolve(hub, one(hub), "hub")
    assert [content.when for content in everywhere(world)] == [series] * 3
    resolve(hub, one(hub), "provider")
    assert [content.when for content in everywhere(world)] == [moved] * 3, (
        "a decision can be turned round again"
    )
    assert_quiet(world)


def test_a_description_comes_back_with_its_formatting(hub: HubApp, world: World) -> None:
    event_id = linked(world, "hub")
    theirs = {"description": "Bring cake", "description_html": "Bring <b>cake</b>"}
    both_edit(world, event_id, {"description": "Bring bread"}, theirs)
    assert one(hub)["provider_value"] == {"value": "Bring cake", "html": "Bring <b>cake</b>"}
    resolve(hub, one(hub), "provider")
    assert world.hub_events()[event_id].description_html == "Bring <b>cake</b>"


def test_what_was_edited_since_is_not_overwritten_unseen(hub: HubApp, world: World) -> None:
    event_id = linked(world)
    both_edit(world, event_id, {"title": "Ours"}, {"title": "Theirs"})
    path = f"/v1/events/{event_id}"
    hub.call("PATCH", path, {"title": "Third"})
    refused = resolve(hub, one(hub), "hub")
    assert (refused["http"], refused["type"]) == (409, "urn:coordinoter:problem:edited_since")
    assert "If-Match" in refused["detail"]
    assert one(hub)["resolution"] is None
    assert resolve(hub, one(hub), "hub", If_Match='"1"')["http"] == 412
    etag = hub.call("GET", path).headers["ETag"]
    assert resolve(hub, one(hub), "hub", If_Match=etag)["http"] == 200
    assert [content.title for content in everywhere(world)] == ["Ours"] * 3


def test_an_edit_of_another_field_since_is_no_hindrance(hub: HubApp, world: World) -> None:
    event_id = linked(world)
    both_edit(world, event_id, {"title": "Ours"}, {"title": "Theirs"})
    hub.call("PATCH", f"/v1/events/{event_id}", {"description": "new"})
    assert resolve(hub, one(hub), "hub")["http"] == 200
    assert {(c.title, c.description) for c in everywhere(world)} == {("Ours", "new")}


def delete_against_edit(world: World, event_id: str, deleter: str) -> None:
    content = world.hub_events()[event_id]
    ((left_id, _),) = world.remote("left").items()
    edited = dataclasses.replace(content, title="Still on")
    world.queue.lossy = True
    if deleter == "hub":
        world.api_deletes(event_id)
        world.person_updates("left", left_id, edited)
    else:
        world.person_deletes("left", left_id)
        world.api_updates(event_id, edited)
    world.queue.lossy = False
    world.wait(steps=3)


@pytest.mark.parametrize("deleter", ["hub", "provider"])
def test_a_deletion_that_lost_against_an_edit_can_be_made_good_and_taken_back(
    hub: HubApp, world: World, deleter: str
) -> None:
    event_id = linked(world)
    delete_against_edit(world, event_id, deleter)
    assert [content.title for content in everywhere(world)] == ["Still on"] * 3
    conflict = one(hub)
    editor = "provider" if deleter == "hub" else "hub"
    assert (conflict["field"], conflict["kept"]) == ("deleted", editor)
    assert conflict[f"{deleter}_value"]["value"] is None
    assert conflict[f"{editor}_value"]["value"]["title"] == "Still on"
    assert resolve(hub, conflict, deleter)["http"] == 200
    assert everywhere(world) == []
    assert resolve(hub, conflict, editor)["http"] == 200
    assert [content.title for content in everywhere(world)] == ["Still on"] * 3
    kinds = [c["kind"] for c in hub.call("GET", f"/v1/events/{event_id}/history").get_json()["items"]]
    assert kinds[-2:] == ["deleted", "restored"]
    assert_quiet(world)


def test_a_deletion_is_not_made_good_over_a_later_edit_unseen(hub: HubApp, world: World) -> None:
    event_id = linked(world)
    delete_against_edit(world, event_id, "provider")
    hub.call("PATCH", f"/v1/events/{event_id}", {"title": "Now with guests"})
    assert resolve(hub, one(hub), "provider")["type"].endswith("edited_since")
    etag = hub.call("GET", f"/v1/events/{event_id}").headers["ETag"]
    assert resolve(hub, one(hub), "provider", If_Match=etag)["http"] == 200
    assert everywhere(world) == []


def test_a_value_for_a_deleted_event_is_refused_and_the_conflict_ends_with_the_tombstone(
    hub: HubApp, world: World
) -> None:
    event_id = linked(world)
    both_edit(world, event_id, {"title": "Ours"}, {"title": "Theirs"})
    hub.call("DELETE", f"/v1/events/{event_id}")
    conflict = one(hub)
    refused = resolve(hub, conflict, "hub")
    assert (refused["http"], refused["type"]) == (409, "urn:coordinoter:problem:event_deleted")
    assert resolve(hub, conflict, "provider")["http"] == 200
    world.wait(31 * 24 * 3600)
    expire(world.ports)
    assert hub.call("GET", f"/v1/conflicts/{conflict['id']}").status_code == 404


def test_a_conflict_with_a_busy_only_calendar_keeps_the_hubs_value_whole(hub: HubApp, world: World) -> None:
    world.link(world.connect("left"), detail="busy_only")
    world.link(world.connect("right"))
    world.settle()
    second = SeriesException(NINE + timedelta(days=1), title="Second")
    daily = dataclasses.replace(
        timed("Lunch", NINE).when, recurrence=("RRULE:FREQ=DAILY;COUNT=5",), exceptions=(second,)
    )
    event_id = world.api_creates(dataclasses.replace(timed("Lunch", NINE), when=daily))
    world.settle()
    world.clock.advance(60)
    longer = dataclasses.replace(daily, end=daily.end + timedelta(hours=1))
    moved = dataclasses.replace(daily, start=NINE.replace(hour=7), end=NINE.replace(hour=8), exceptions=())
    both_edit(world, event_id, {"when": longer}, {"when": moved, "title": "Busy"})
    assert world.hub_events()[event_id].when.start == NINE.replace(hour=7)
    resolve(hub, one(hub), "hub")
    assert world.hub_events()[event_id].when == longer
    assert world.titles("left") == ["Busy"]
    assert_quiet(world)
