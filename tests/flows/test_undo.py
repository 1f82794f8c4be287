"""Undo: an event, or all that one run did, put back here and at the providers; told before it is done."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from hub.keeping.sweep import expire
from hub.models import Change, Link, RemoteCalendar, Undo
from hub.outbound import undo
from hub.plugin.testing import timed
from hub.plugin.types import Attendee, EventContent, SeriesException
from tests.memory_provider import MemoryPlugin
from tests.unit.api.hub_app import HubApp, an_event
from tests.world import World

NINE = datetime(2026, 12, 7, 9)
MONTH = 31 * 24 * 3600


@pytest.fixture
def hub(database_url: str, tmp_path: Path) -> HubApp:
    return HubApp(database_url, tmp_path)


@pytest.fixture
def world(hub: HubApp) -> World:
    return hub.world


def lunch(title: str = "Lunch", **more: Any) -> EventContent:
    return timed(title, NINE, **more)


def brought_in(world: World, content: EventContent) -> tuple[str, str]:
    """Link two calendars and let a person make an event at the left; return its id here and there."""
    world.linked_pair()
    left_id = world.person_creates("left", content)
    world.settle()
    world.clock.advance(60)
    (event_id,) = world.hub_events()
    return event_id, left_id


def history(hub: HubApp, event_id: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = hub.call("GET", f"/v1/events/{event_id}/history").get_json()["items"]
    return items


def look(hub: HubApp, address: str) -> dict[str, Any]:
    answer = hub.call("GET", f"/v1/{address}")
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return dict(answer.get_json())


def do(hub: HubApp, address: str, **body: Any) -> dict[str, Any]:
    answer = hub.call("POST", f"/v1/{address}", body)
    assert answer.status_code in (200, 202), answer.get_data(as_text=True)
    hub.world.settle()
    return dict(answer.get_json())


def everywhere(world: World) -> list[EventContent]:
    places = (world.hub_events(), world.remote("left"), world.remote("right"))
    return [content for place in places for content in place.values()]


def assert_quiet(world: World) -> None:
    before = world.writes()
    world.wait(steps=3)
    assert world.writes() == before


# --- one change ---


def test_a_persons_edit_is_taken_back_at_both_providers_after_it_was_shown(hub: HubApp, world: World) -> None:
    event_id, left_id = brought_in(world, lunch())
    world.person_updates("left", left_id, lunch("Brunch"))
    world.settle()
    address = f"changes/{history(hub, event_id)[-1]['seq']}/undo"
    shown = look(hub, address)
    (item,) = shown["items"]
    assert (item["action"], item["title"]) == ("update", "Brunch")
    assert item["fields"] == {"title": {"before": "Brunch", "after": "Lunch"}}
    assert (item["kept"], item["losses"], item["blocked"]) == ([], [], None)
    assert (shown["counts"]["events"], shown["counts"]["updated"]) == (1, 1)
    assert [content.title for content in everywhere(world)] == ["Brunch"] * 3, "looking changes nothing"
    done = do(hub, address)
    assert (done["state"], done["items"]) == ("done", shown["items"])
    assert [content.title for content in everywhere(world)] == ["Lunch"] * 3
    last = history(hub, event_id)[-1]
    assert (last["run_id"], last["author"]["kind"]) == (done["run_id"], "api_key")
    assert last["undoes"]["seq"] == history(hub, event_id)[-2]["seq"]
    assert_quiet(world)


def test_an_undo_is_a_run_and_can_be_undone(hub: HubApp, world: World) -> None:
    event_id, left_id = brought_in(world, lunch())
    world.person_updates("left", left_id, lunch("Brunch"))
    world.settle()
    done = do(hub, f"changes/{history(hub, event_id)[-1]['seq']}/undo")
    do(hub, f"runs/{done['run_id']}/undo")
    assert [content.title for content in everywhere(world)] == ["Brunch"] * 3
    run = look(hub, f"runs/{done['run_id']}")
    assert (run["undo"]["state"], run["counts"]["updated"], len(run["undone_by"])) == ("done", 1, 1)


def test_what_others_have_changed_since_survives_unless_it_is_forced(hub: HubApp, world: World) -> None:
    event_id, left_id = brought_in(world, lunch())
    world.person_updates("left", left_id, lunch("Brunch", description="at noon"))
    world.settle()
    hub.call("PATCH", f"/v1/events/{event_id}", {"title": "Dinner"})
    address = f"changes/{history(hub, event_id)[1]['seq']}/undo"
    (item,) = look(hub, address)["items"]
    assert item["fields"] == {"description": {"before": "at noon", "after": ""}}
    (kept,) = item["kept"]
    assert (kept["field"], kept["present"], kept["wanted"]) == ("title", "Dinner", "Lunch")
    assert "forced" in kept["reason"]
    assert look(hub, f"{address}?force=true")["items"][0]["kept"] == []
    assert do(hub, address)["counts"] == look(hub, address)["counts"] | {"updated": 1, "unchanged": 0}
    assert {(c.title, c.description) for c in everywhere(world)} == {("Dinner", "")}
    do(hub, address, force=True)
    assert {(c.title, c.description) for c in everywhere(world)} == {("Lunch", "")}


@pytest.mark.parametrize("by", ["the api", "a person at the provider"])
def test_a_deletion_is_taken_back_with_rule_exceptions_and_metadata_and_nothing_is_doubled(
    hub: HubApp, world: World, by: str
) -> None:
    world.linked_pair()
    body = an_event(
        recurrence=["RRULE:FREQ=DAILY;COUNT=3"],
        exceptions=[{"original_start": "2026-12-02T12:00:00", "title": "Second"}],
        metadata={"ticket": "A-1"},
    )
    made = hub.call("POST", "/v1/events", body).get_json()
    world.settle()
    before = world.hub_events()
    world.clock.advance(60)
    if by == "the api":
        hub.call("DELETE", f"/v1/events/{made['id']}")
    else:
        world.person_deletes("left", next(iter(world.remote("left"))))
    world.settle()
    assert everywhere(world) == []
    address = f"changes/{history(hub, made['id'])[-1]['seq']}/undo"
    (item,) = look(hub, address)["items"]
    assert (item["action"], len(item["losses"])) == ("restore", 2)
    assert all("made anew" in loss["reason"] for loss in item["losses"])
    do(hub, address)
    assert world.hub_events() == before
    assert everywhere(world) == [before[made["id"]]] * 3
    read = hub.call("GET", f"/v1/events/{made['id']}").get_json()
    assert (read["metadata"], read["uid"]) == (made["metadata"], made["uid"])
    assert look(hub, address)["items"][0]["action"] == "none", "it is there again: nothing is left to do"
    world.wait(steps=2)
    assert len(everywhere(world)) == 3
    assert_quiet(world)


def test_undoing_a_creation_deletes_and_undoing_that_restores(hub: HubApp, world: World) -> None:
    event_id, _ = brought_in(world, lunch())
    address = f"changes/{history(hub, event_id)[0]['seq']}/undo"
    assert look(hub, address)["items"][0]["action"] == "delete"
    done = do(hub, address)
    assert everywhere(world) == []
    do(hub, f"runs/{done['run_id']}/undo")
    assert everywhere(world) == [lunch()] * 3
    assert_quiet(world)


def test_an_event_that_others_edited_is_not_deleted_with_its_creation(hub: HubApp, world: World) -> None:
    event_id, _ = brought_in(world, lunch())
    hub.call("PATCH", f"/v1/events/{event_id}", {"description": "bring cake"})
    address = f"changes/{history(hub, event_id)[0]['seq']}/undo"
    (item,) = look(hub, address)["items"]
    assert (item["action"], [kept["field"] for kept in item["kept"]]) == ("none", ["deleted"])
    assert "description" in item["kept"][0]["reason"]
    assert do(hub, address)["counts"]["kept"] == 1
    assert len(world.hub_events()) == 1
    do(hub, address, force=True)
    assert everywhere(world) == []


def test_an_occurrence_that_was_cancelled_takes_place_again(hub: HubApp, world: World) -> None:
    when = dataclasses.replace(lunch().when, recurrence=("RRULE:FREQ=DAILY;COUNT=3",))
    event_id, left_id = brought_in(world, dataclasses.replace(lunch(), when=when))
    gone = dataclasses.replace(when, exceptions=(SeriesException(NINE + timedelta(days=1), cancelled=True),))
    world.person_updates("left", left_id, dataclasses.replace(lunch(), when=gone))
    world.settle()
    do(hub, f"changes/{history(hub, event_id)[-1]['seq']}/undo")
    assert [content.when for content in everywhere(world)] == [when] * 3


# --- back to a version ---


def test_an_event_goes_back_to_a_version_whoever_changed_it_since(hub: HubApp, world: World) -> None:
    event_id, left_id = brought_in(world, lunch())
    hub.call("PATCH", f"/v1/events/{event_id}", {"title": "Brunch"})
    world.settle()
    world.person_updates("left", left_id, dataclasses.replace(lunch("Brunch"), description="x"))
    world.settle()
    hub.call("DELETE", f"/v1/events/{event_id}")
    world.settle()
    address = f"events/{event_id}/versions/2/revert"
    (item,) = look(hub, address)["items"]
    assert (item["action"], item["fields"]["title"]["after"]) == ("restore", "Brunch")
    assert do(hub, address)["undoes"] == {"event_id": event_id, "version": 2, "run_id": None, "seq": None}
    assert {(c.title, c.description) for c in everywhere(world)} == {("Brunch", "")}
    do(hub, f"events/{event_id}/versions/1/revert")
    assert everywhere(world) == [lunch()] * 3
    assert_quiet(world)


def test_going_back_can_be_bound_to_the_version_that_was_looked_at(hub: HubApp, world: World) -> None:
    event_id = hub.call("POST", "/v1/events", an_event()).get_json()["id"]
    hub.call("PATCH", f"/v1/events/{event_id}", {"title": "Brunch"})
    path = f"/v1/events/{event_id}/versions/1/revert"
    assert hub.call("POST", path, {}, If_Match='"1"').status_code == 412
    assert hub.call("POST", path, {}, If_Match='"2"').status_code == 200
    assert world.hub_titles() == ["Lunch"]
    assert hub.call("POST", f"/v1/events/{event_id}/versions/9/revert", {}).status_code == 404


# --- a whole run ---


def test_a_run_of_many_events_is_undone_in_steps_that_go_on_in_the_background(
    hub: HubApp, world: World
) -> None:
    world.linked_pair()
    stays = world.api_creates(lunch("Mine"))
    world.settle()
    world.queue.lossy = True
    for n in range(130):
        world.person_creates("left", timed(f"Event {n:03}", NINE + timedelta(hours=n)))
    world.queue.lossy = False
    world.wait()
    run_id = history(hub, sorted(set(world.hub_events()) - {stays})[0])[0]["run_id"]
    edited = next(i for i, content in world.hub_events().items() if content.title == "Event 007")
    hub.call("PATCH", f"/v1/events/{edited}", {"title": "Event 007, mine now"})
    world.settle()
    shown = look(hub, f"runs/{run_id}/undo")
    assert (shown["counts"]["events"], shown["counts"]["deleted"], shown["counts"]["kept"]) == (130, 129, 1)
    assert len(shown["items"]) == 50
    more = look(hub, f"runs/{run_id}/undo?cursor={shown['next_cursor']}&limit=200")
    assert (len(more["items"]), more["counts"], more["next_cursor"]) == (80, None, None)
    answer = hub.call("POST", f"/v1/runs/{run_id}/undo", {})
    assert (answer.status_code, answer.get_json()["state"]) == (202, "running")
    assert len(world.hub_events()) > 80, "one step is made at once"
    assert hub.call("POST", f"/v1/runs/{answer.get_json()['run_id']}/undo", {}).status_code == 409
    world.settle()
    run = look(hub, f"runs/{answer.get_json()['run_id']}")
    assert (run["undo"]["state"], run["counts"]["deleted"], run["undo"]["counts"]["kept"]) == ("done", 129, 1)
    assert world.hub_titles() == world.titles("right") == ["Event 007, mine now", "Mine"]
    assert world.titles("left") == world.titles("right")
    do(hub, f"runs/{run['id']}/undo")
    world.wait()
    assert len(world.hub_events()) == len(world.remote("left")) == len(world.remote("right")) == 131
    assert_quiet(world)


def test_the_counts_of_a_very_large_run_are_bounded(
    hub: HubApp, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(undo, "LOOK", 10)
    monkeypatch.setattr(undo, "MOST_COUNTED", 20)
    for n in range(35):
        world.api_creates(timed(f"Event {n}", NINE + timedelta(hours=n)))
    with world.ports.db.transaction() as session:
        for change in session.scalars(select(Change)):
            change.run_id = "run_1"
    counts = look(hub, "runs/run_1/undo")["counts"]
    assert (counts["events"], counts["deleted"], counts["uncounted"]) == (20, 20, 15)


def test_a_lost_hint_and_a_dead_worker_do_not_stop_an_undo(
    hub: HubApp, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(undo, "STEP", 10)
    ids = [world.api_creates(timed(f"Event {n}", NINE + timedelta(hours=n))) for n in range(35)]
    with world.ports.db.transaction() as session:
        for change in session.scalars(select(Change).where(Change.event_id.in_(ids))):
            change.run_id = "run_1"
    world.queue.lossy = True
    hub.call("POST", "/v1/runs/run_1/undo", {})
    world.queue.lossy = False
    assert len(world.hub_events()) == 25
    carry_out, calls = undo._carry_out, iter(range(100))

    def dies(*arguments: Any) -> Any:
        if next(calls) == 14:
            raise SystemExit
        return carry_out(*arguments)

    monkeypatch.setattr(undo, "_carry_out", dies)
    with pytest.raises(SystemExit):
        world.wait()
    assert len(world.hub_events()) == 15, "a whole step is done, or nothing of it"
    world.wait()
    assert world.hub_events() == {}
    with world.ports.db.reading() as session:
        deleted = select(func.count()).select_from(Change).where(Change.kind == "deleted")
        assert session.scalar(deleted) == 35
        assert session.scalars(select(Undo)).one().counts == {"events": 35, "deleted": 35}


def test_a_run_that_still_works_is_not_undone(hub: HubApp, world: World) -> None:
    left, _ = world.linked_pair()
    world.person_creates("left", lunch())
    world.settle()
    (event_id,) = world.hub_events()
    run_id = history(hub, event_id)[0]["run_id"]
    with world.ports.db.transaction() as session:
        link = session.get_one(Link, left)
        link.lease_owner, link.lease_until = run_id, world.clock.now() + timedelta(seconds=20)
    answer = hub.call("POST", f"/v1/runs/{run_id}/undo", {})
    assert (answer.status_code, answer.get_json()["type"]) == (409, "urn:coordinoter:problem:run_under_way")
    world.clock.advance(30)
    assert hub.call("POST", f"/v1/runs/{run_id}/undo", {}).status_code == 200


def test_a_repeated_undo_with_its_key_is_one_undo(hub: HubApp) -> None:
    made = hub.call("POST", "/v1/events", an_event())
    path = f"/v1/runs/{made.headers['X-Run-Id']}/undo"
    first = hub.call("POST", path, {}, Idempotency_Key="k1").get_json()
    assert hub.call("POST", path, {}, Idempotency_Key="k1").get_json() == first


# --- what it cannot bring back ---


def forgotten(hub: HubApp, event_id: str) -> None:
    """Let the tombstone of a deleted event end."""
    hub.world.clock.advance(MONTH)
    expire(hub.world.ports)
    with hub.world.ports.db.transaction() as session:
        for link in session.scalars(select(Link)):
            link.past_days = 400


def test_an_event_whose_tombstone_is_gone_comes_back_from_the_log_under_its_id(
    hub: HubApp, world: World
) -> None:
    event_id, _ = brought_in(world, lunch())
    hub.call("PATCH", f"/v1/events/{event_id}", {"metadata": {"ticket": "A-1"}})
    uid = hub.call("GET", f"/v1/events/{event_id}").get_json()["uid"]
    hub.call("DELETE", f"/v1/events/{event_id}")
    world.settle()
    forgotten(hub, event_id)
    address = f"changes/{history(hub, event_id)[-1]['seq']}/undo"
    (item,) = look(hub, address)["items"]
    assert item["action"] == "restore"
    assert "forgotten" in item["losses"][0]["reason"]
    do(hub, address)
    read = hub.call("GET", f"/v1/events/{event_id}").get_json()
    assert (read["version"], read["uid"], read["metadata"]) == (4, uid, {"ticket": "A-1"})
    assert everywhere(world) == [lunch()] * 3
    assert [line["event_version"] for line in history(hub, event_id)] == [1, 2, 3, 4]
    assert_quiet(world)


def test_what_is_older_than_a_links_window_is_told_not_to_be_written_there(hub: HubApp, world: World) -> None:
    event_id, _ = brought_in(world, lunch())
    hub.call("DELETE", f"/v1/events/{event_id}")
    world.settle()
    world.clock.advance(4 * MONTH)
    expire(world.ports)
    seq = history(hub, event_id)[-1]["seq"]
    (item,) = look(hub, f"changes/{seq}/undo")["items"]
    assert ["not written there" in loss["reason"] for loss in item["losses"]] == [False, True, True]
    do(hub, f"changes/{seq}/undo")
    assert everywhere(world) == [lunch()]


def test_a_deleted_calendar_blocks_and_a_deleted_user_leaves_nothing_to_bring_back(
    hub: HubApp, world: World
) -> None:
    event_id = hub.call("POST", "/v1/events", an_event()).get_json()["id"]
    hub.call("DELETE", f"/v1/events/{event_id}")
    hub.call("DELETE", "/v1/calendars/cal_1")
    (item,) = look(hub, "changes/2/undo")["items"]
    assert (item["action"], item["blocked"], item["fields"]) == ("none", "Its calendar was deleted.", {})
    assert do(hub, "changes/2/undo")["counts"]["blocked"] == 1
    hub.call("DELETE", "/v1/users/usr_1")
    (item,) = look(hub, "changes/2/undo")["items"]
    assert (item["action"], item["blocked"]) == ("none", "The log does not hold enough to bring it back.")
    assert do(hub, "changes/2/undo", force=True)["counts"]["blocked"] == 1
    assert world.hub_events() == {}


def test_it_is_told_where_the_hub_does_not_write(hub: HubApp, world: World) -> None:
    reading = world.link(world.connect("left"), direction="import")
    resting = world.link(world.connect("right"))
    world.settle()
    left_id = world.person_creates("left", lunch())
    world.settle()
    world.person_updates("left", left_id, lunch("Brunch"))
    world.settle()
    hub.call("POST", f"/v1/links/{resting}/pause")
    (event_id,) = world.hub_events()
    address = f"changes/{history(hub, event_id)[-1]['seq']}/undo"
    losses = {loss["link_id"]: loss["reason"] for loss in look(hub, address)["items"][0]["losses"]}
    assert "does not write" in losses[reading]
    assert "resumed" in losses[resting]
    do(hub, address)
    assert (world.titles("left"), world.titles("right"), world.hub_titles()) == (
        ["Brunch"],
        ["Brunch"],
        ["Lunch"],
    )
    hub.call("POST", f"/v1/links/{resting}/resume")
    world.settle()
    assert world.titles("right") == ["Lunch"]
    hub.call("DELETE", f"/v1/links/{resting}")
    losses = {loss["link_id"]: loss["reason"] for loss in look(hub, "changes/3/undo")["items"][0]["losses"]}
    assert "has ended" in losses[resting]


def test_it_is_told_what_a_provider_cannot_hold_and_that_nobody_is_invited(
    database_url: str, tmp_path: Path
) -> None:
    plugins = MemoryPlugin("left"), MemoryPlugin("right", lossy=("color",))
    hub = HubApp(database_url, tmp_path, *plugins)
    world = hub.world
    event_id, _ = brought_in(world, lunch(color="red", attendees=(Attendee("bob@example.test"),)))
    hub.call("PATCH", f"/v1/events/{event_id}", {"color": None, "attendees": None})
    world.settle()
    address = f"changes/{history(hub, event_id)[-1]['seq']}/undo"
    losses = look(hub, address)["items"][0]["losses"]
    assert sorted((loss["field"], loss["link_id"] is None) for loss in losses) == [
        ("attendees", False),
        ("attendees", False),
        ("attendees", True),
        ("color", False),
    ]
    assert "nobody is invited" in losses[0]["reason"]
    do(hub, address)
    assert world.hub_events()[event_id].color == "red"
    assert_quiet(world)


def test_a_copy_that_is_not_the_hubs_to_change_is_told(hub: HubApp, world: World) -> None:
    left, _ = world.linked_pair()
    event_id = world.api_creates(lunch())
    world.settle()
    world.api_updates(event_id, lunch("Brunch"))
    world.settle()
    (copy,) = world.copies(left)
    with world.ports.db.transaction() as session:
        session.merge(copy).read_only = "It is Bob's meeting."
    (loss,) = look(hub, "changes/2/undo")["items"][0]["losses"]
    assert (loss["link_id"], "Bob" in loss["reason"]) == (left, True)


def test_a_calendar_that_may_only_be_read_now_is_told(hub: HubApp, world: World) -> None:
    left, _ = world.linked_pair()
    world.api_creates(lunch())
    world.settle()
    with world.ports.db.transaction() as session:
        link = session.get_one(Link, left)
        session.get_one(RemoteCalendar, link.remote_calendar_id).access_role = "reader"
    (loss,) = look(hub, "changes/1/undo")["items"][0]["losses"]
    assert (loss["link_id"], "does not write" in loss["reason"]) == (left, True)


def test_what_is_not_there_cannot_be_undone(hub: HubApp) -> None:
    for path in ("changes/1", "changes/x", "changes/-1", "runs/run_9", "events/evt_9/versions/1"):
        address = f"/v1/{path}/{'revert' if 'versions' in path else 'undo'}"
        assert hub.call("GET", address).status_code == 404, address
        assert hub.call("POST", address, {}).status_code == 404, address
