"""Calendars and accounts that move, and databases that go back in time: no event is doubled, none deleted."""

from __future__ import annotations

import dataclasses
import sqlite3
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from hub.inbound.pull import pull_link
from hub.models import LinkState, RemoteCalendar
from hub.outbound.linking import adopt_anew
from hub.plugin.testing import timed
from tests.memory_provider import _Calendar, _Event, consent, revoke
from tests.unit.api.hub_app import HubApp
from tests.world import World

NINE = datetime(2026, 12, 7, 9)
ANN = "ann@example.test"
TITLES = [f"Event {n:02}" for n in range(12)]


@pytest.fixture
def hub(database_url: str, tmp_path: Path) -> HubApp:
    return HubApp(database_url, tmp_path)


@pytest.fixture
def world(hub: HubApp) -> World:
    return hub.world


def fill(world: World) -> tuple[str, str]:
    links = world.linked_pair()
    for n, title in enumerate(TITLES):
        world.person_creates("left", timed(title, NINE.replace(day=8 + n)))
    world.settle()
    assert world.titles("right") == TITLES
    return links


def renumbered(calendar: _Calendar) -> dict[str, _Event]:
    """Return the calendar's events as a mailbox that was moved has them: other ids, no marks."""
    return {
        f"new-{key}": dataclasses.replace(event, remote_id=f"new-{key}", tag=None)
        for key, event in calendar.events.items()
    }


def replace_calendar(world: World, remote_id: str, events: dict[str, _Event]) -> None:
    """Take the person's main calendar away; another one of the same name holds `events`."""
    person = world.services["right"].people[ANN]
    old = person.calendars.pop(ANN)
    person.calendars[remote_id] = _Calendar(remote_id, old.name, primary=True, events=events)
    person.epoch += 1


def titles_in(world: World, calendar: str) -> list[str]:
    return sorted(content.title for content in world.remote("right", calendar).values())


def lose_calendar(world: World, link_id: str) -> None:
    """Have the hub find out."""
    world.person_creates("left", timed("After", NINE))
    world.settle()
    world.wait(60, steps=3)


def row_of(world: World, remote_id: str) -> str:
    with world.ports.db.reading() as session:
        return session.scalars(select(RemoteCalendar).where(RemoteCalendar.remote_id == remote_id)).one().id


def assert_quiet(world: World) -> None:
    before = world.writes()
    world.wait(steps=3)
    assert world.writes() == before


def test_a_calendar_whose_id_changes_is_found_again_by_itself(world: World) -> None:
    _, right = fill(world)
    events = world.services["right"].people[ANN].calendars[ANN].events
    replace_calendar(world, "other-id", events)
    before = world.writes()
    lose_calendar(world, right)
    assert titles_in(world, "other-id") == world.titles("left") == world.hub_titles() == ["After", *TITLES]
    assert world.writes() == before + 2, "one was refused, one made there"
    assert world.get_link(right).state == LinkState.ACTIVE
    assert_quiet(world)


@pytest.mark.parametrize("holds", ["all of its events", "some of its events"])
def test_a_calendar_whose_id_and_name_change_at_once_is_known_by_all_of_its_events(
    world: World, holds: str
) -> None:
    _, right = fill(world)
    person = world.services["right"].people[ANN]
    events = person.calendars[ANN].events
    if holds == "some of its events":
        events = dict(list(events.items())[:-1])  # A person has moved them there, before the calendar went.
    replace_calendar(world, "other-id", events)
    person.calendars["other-id"].name = "Renamed"
    lose_calendar(world, right)
    expected = LinkState.ACTIVE if holds == "all of its events" else LinkState.STOPPED
    assert world.get_link(right).state == expected
    assert world.titles("left") == world.hub_titles() == ["After", *TITLES]
    if expected == LinkState.ACTIVE:
        assert titles_in(world, "other-id") == ["After", *TITLES]
        assert_quiet(world)


def test_a_calendar_that_was_made_anew_stops_its_link_with_a_question_and_deletes_nothing(
    world: World, hub: HubApp
) -> None:
    _, right = fill(world)
    replace_calendar(world, "anew", {})
    lose_calendar(world, right)
    link = world.get_link(right)
    assert (link.state, link.problem_code) == (LinkState.STOPPED, "calendar_made_anew")
    assert world.titles("left") == world.hub_titles() == ["After", *TITLES]
    body = {"remote_calendar_id": row_of(world, "anew")}
    assert hub.call("POST", f"/v1/links/{right}/move", json=body).status_code == 200
    world.settle()
    world.wait(steps=2)
    assert world.titles("left") == world.hub_titles() == ["After", *TITLES]
    assert hub.call("GET", f"/v1/links/{right}").get_json()["health"]["state"] == "held"
    hub.call("POST", f"/v1/links/{right}/held-deletions/reject")
    world.settle()
    assert titles_in(world, "anew") == ["After", *TITLES]
    assert_quiet(world)


def test_a_moved_calendar_with_other_ids_is_recognised_with_the_edits_made_there(
    world: World, hub: HubApp
) -> None:
    _, right = fill(world)
    events = renumbered(world.services["right"].people[ANN].calendars[ANN])
    replace_calendar(world, "moved", events)
    edited = next(key for key in events if events[key].content.title != "Event 05")
    events[edited].content = dataclasses.replace(events[edited].content, description="Edited there")
    gone = [key for key in events if events[key].content.title == "Event 05"]
    del events[gone[0]]
    lose_calendar(world, right)
    body = {"remote_calendar_id": row_of(world, "moved")}
    assert hub.call("POST", f"/v1/links/{right}/move", json=body).status_code == 200
    world.settle()
    world.wait(steps=2)
    assert world.titles("left") == world.hub_titles() == ["After", *TITLES], (
        "nothing doubled, nothing deleted"
    )
    assert titles_in(world, "moved") == ["After", *(t for t in TITLES if t != "Event 05")]
    assert [c.description for c in world.remote("left").values()].count("Edited there") == 1
    held = hub.call("GET", f"/v1/links/{right}/held-deletions").get_json()["items"]
    assert [item["title"] for item in held] == ["Event 05"]
    hub.call("POST", f"/v1/links/{right}/held-deletions/apply")
    world.settle()
    assert "Event 05" not in world.titles("left")
    assert_quiet(world)


@pytest.mark.parametrize("wrong", ["rcal_none", "of another account", "linked already"])
def test_a_link_moves_only_to_a_free_calendar_of_its_account(world: World, hub: HubApp, wrong: str) -> None:
    _, right = fill(world)
    with world.ports.db.reading() as session:
        rows = {(r.account_id, r.name): r.id for r in session.scalars(select(RemoteCalendar))}
    target = {"of another account": rows["acc_left_ann", "Team"], "rcal_none": wrong}
    if wrong == "linked already":
        world.link("acc_right_ann", "Team", direction="import")
        target[wrong] = rows["acc_right_ann", "Team"]
    answer = hub.call("POST", f"/v1/links/{right}/move", json={"remote_calendar_id": target[wrong]})
    assert answer.status_code == 422
    assert answer.get_json()["errors"][0]["pointer"] == "/remote_calendar_id"


@pytest.mark.parametrize("who", ["the same person, moved", "another person"])
def test_a_moved_account_is_followed_when_it_is_reconnected_and_another_one_is_refused(
    world: World, hub: HubApp, who: str
) -> None:
    _, right = fill(world)
    service = world.services["right"]
    revoke(service, ANN)
    world.person_creates("left", timed("After", NINE))
    world.settle()
    other = "ben@example.test"
    moved = who == "the same person, moved"
    if moved:
        person = service.people[ANN]
        person.id, person.epoch = "subject-2", 5
        old = person.calendars.pop(ANN)
        person.calendars = {"p2": _Calendar("p2", "Calendar", primary=True, events=renumbered(old))}
    else:
        service.add_person(other, "Ben")
    url = hub.call("POST", "/v1/accounts/acc_right_ann/reconnect", json={}).get_json()["authorization_url"]
    callback = consent(service, url, ANN if moved else other)
    answer = hub.get(hub.browser(), callback.split("8000", 1)[1])
    world.settle()
    world.wait(steps=2)
    assert world.titles("left") == world.hub_titles() == ["After", *TITLES]
    if moved:
        assert titles_in(world, "p2") == ["After", *TITLES]
        assert world.get_link(right).state == LinkState.ACTIVE
        assert_quiet(world)
    else:
        assert answer.status_code == 400
        assert "was to be reconnected" in answer.get_data(as_text=True)


def test_a_restored_database_recognises_what_was_written_after_the_backup(
    tmp_path: Path, sqlite_url: str
) -> None:
    world = World(sqlite_url, tmp_path)
    left, right = fill(world)
    with sqlite3.connect(tmp_path / "hub.db") as live, sqlite3.connect(tmp_path / "backup.db") as backup:
        live.backup(backup)
    world.person_creates("left", timed("New at left", NINE))
    world.api_creates(timed("New in the hub", NINE))
    remote_id = next(i for i, c in world.remote("right").items() if c.title == "Event 03")
    world.person_updates("right", remote_id, timed("Event 03 moved", NINE))
    world.person_deletes("right", next(i for i, c in world.remote("right").items() if c.title == "Event 07"))
    world.settle()
    expected = world.titles("left")
    with sqlite3.connect(tmp_path / "hub.db") as live, sqlite3.connect(tmp_path / "backup.db") as backup:
        backup.backup(live)
    world.queue.hints.clear()
    with world.ports.db.transaction() as session:
        for link_id in (left, right):
            adopt_anew(
                session, world.ports, world.get_link(link_id) and session.merge(world.get_link(link_id))
            )
    before = world.writes()
    world.settle()
    world.wait(steps=2)
    assert world.titles("left") == world.titles("right") == world.hub_titles() == expected
    assert world.writes() == before
    assert_quiet(world)


def test_two_calendars_linked_at_once_do_not_double_what_both_hold(world: World) -> None:
    accounts = world.connect("left"), world.connect("right")
    for provider in ("left", "right"):
        for n in range(5):
            world.person_creates(provider, timed(f"Same {n}", NINE.replace(day=8 + n)))
    _, right = (world.link(account) for account in accounts)
    world.services["left"].before_listing = lambda: pull_link(world.ports, right)
    world.settle()
    world.wait(steps=2)
    assert len(world.hub_events()) == len(world.remote("left")) == len(world.remote("right")) == 5
    assert world.writes() == 0
