"""The page: history of an event, what an undo would do and its button, conflicts that wait for a person."""

from __future__ import annotations

import dataclasses
import re
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from hub.models import Change
from hub.plugin.testing import timed
from hub.web import words
from tests.unit.api.hub_app import HubApp, an_event
from tests.world import World

NINE = datetime(2026, 12, 7, 9)


@pytest.fixture
def hub(sqlite_url: str, tmp_path: Path) -> HubApp:
    return HubApp(sqlite_url, tmp_path, page_access="signed")


@pytest.fixture
def world(hub: HubApp) -> World:
    return hub.world


@pytest.fixture
def browser(hub: HubApp) -> FlaskClient:
    return hub.signed_in()


def text_of(hub: HubApp, browser: FlaskClient, path: str) -> str:
    answer = hub.get(browser, path)
    assert answer.status_code == 200, path
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.get_data(as_text=True)))


def renamed(world: World) -> str:
    """Return an event of two linked calendars that a person at the left has renamed."""
    world.linked_pair()
    event_id = world.api_creates(timed("Lunch", NINE))
    world.settle()
    ((left_id, content),) = world.remote("left").items()
    world.person_updates("left", left_id, dataclasses.replace(content, title="Brunch"))
    world.settle()
    return event_id


def last_change(world: World) -> Change:
    with world.ports.db.reading() as session:
        return session.scalars(select(Change).order_by(Change.seq.desc()).limit(1)).one()


def test_history_tells_who_changed_what_and_leads_to_the_undo(
    hub: HubApp, world: World, browser: FlaskClient
) -> None:
    event_id = renamed(world)
    assert f'href="/events/{event_id}/history"' in hub.get(browser, f"/events/{event_id}").get_data(
        as_text=True
    )
    told = text_of(hub, browser, f"/events/{event_id}/history")
    assert "changed title by someone in Memory (Main)" in told
    assert "title: Lunch → Brunch" in told
    path = f"/changes/{last_change(world).seq}/undo"
    assert path in hub.get(browser, "/").get_data(as_text=True)
    shown = text_of(hub, browser, path)
    assert "This would change 1 event, here and in the linked calendars." in shown
    assert "title: Brunch → Lunch" in shown
    assert world.hub_titles() == ["Brunch"]
    assert hub.submit(browser, path, page=path).status_code == 303
    world.settle()
    assert world.titles("left") == world.titles("right") == world.hub_titles() == ["Lunch"]
    assert last_change(world).actor == "page"


def test_a_deleted_event_comes_back_from_the_page(hub: HubApp, world: World, browser: FlaskClient) -> None:
    event_id = renamed(world)
    hub.call("DELETE", f"/v1/events/{event_id}")
    world.settle()
    assert "Brunch" in text_of(hub, browser, f"/events/{event_id}/history")
    path = f"/changes/{last_change(world).seq}/undo"
    shown = text_of(hub, browser, path)
    assert "This would bring back 1 event" in shown
    assert "made anew" in shown
    hub.submit(browser, path, page=path)
    world.settle()
    assert world.titles("left") == world.titles("right") == world.hub_titles() == ["Brunch"]


def test_all_that_one_run_did_is_undone_by_one_button(
    hub: HubApp, world: World, browser: FlaskClient
) -> None:
    world.linked_pair()
    world.queue.lossy = True
    for n in range(60):
        world.person_creates("left", timed(f"Event {n}", NINE + timedelta(hours=n)))
    world.queue.lossy = False
    world.wait()
    change = last_change(world)
    run = f"/runs/{change.run_id}/undo"
    assert run in hub.get(browser, f"/changes/{change.seq}/undo").get_data(as_text=True)
    shown = text_of(hub, browser, run)
    assert "This would delete 60 events" in shown and "and 40 more" in shown
    answer = hub.submit(browser, run, page=run)
    assert answer.headers["Location"].endswith("note=undoing")
    world.settle()
    assert world.titles("left") == world.titles("right") == world.hub_titles() == []


def test_what_was_changed_since_is_told_before_the_undo(
    hub: HubApp, world: World, browser: FlaskClient
) -> None:
    event_id = renamed(world)
    seq = last_change(world).seq
    hub.call("PATCH", f"/v1/events/{event_id}", {"title": "Dinner"})
    shown = text_of(hub, browser, f"/changes/{seq}/undo")
    assert "There is nothing that can be undone. 1 keeps what was changed since." in shown
    assert "Title: It was changed again since" in shown
    assert "Undo it" not in shown


def conflicting(world: World) -> None:
    world.linked_pair()
    event_id = world.api_creates(timed("Lunch", NINE))
    world.settle()
    world.clock.advance(60)
    ((left_id, content),) = world.remote("left").items()
    world.queue.lossy = True
    world.api_updates(event_id, dataclasses.replace(content, title="Ours"))
    world.clock.advance(10)
    world.person_updates("left", left_id, dataclasses.replace(content, title="Theirs"))
    world.queue.lossy = False
    world.wait(steps=2)


def buttons(hub: HubApp, browser: FlaskClient) -> dict[str, str]:
    """Return the addresses of the conflict's two buttons by what they keep."""
    found = re.findall(r'action="(/conflicts/\w+/(\w+))"', hub.get(browser, "/").get_data(as_text=True))
    return {keep: path for path, keep in found}


def test_a_conflict_shows_both_values_and_one_button_keeps_the_other(
    hub: HubApp, world: World, browser: FlaskClient
) -> None:
    conflicting(world)
    told = text_of(hub, browser, "/")
    assert "Stands (in Memory) Theirs The other (in the hub) Ours" in told
    assert hub.submit(browser, buttons(hub, browser)["hub"]).status_code == 303
    world.settle()
    assert world.titles("left") == world.titles("right") == world.hub_titles() == ["Ours"]
    assert buttons(hub, browser) == {}
    assert world.conflicts()[0].resolved_by == "page"


def test_a_conflict_that_was_edited_since_is_left_alone_and_can_be_closed(
    hub: HubApp, world: World, browser: FlaskClient
) -> None:
    conflicting(world)
    event_id = world.conflicts()[0].event_id
    hub.call("PATCH", f"/v1/events/{event_id}", {"title": "Third"})
    answer = hub.submit(browser, buttons(hub, browser)["hub"])
    assert answer.status_code == 409
    assert "changed once more" in answer.get_data(as_text=True)
    assert hub.submit(browser, buttons(hub, browser)["provider"]).status_code == 303
    assert buttons(hub, browser) == {}
    assert world.hub_titles() == ["Third"]


def test_what_is_anothers_is_not_there(hub: HubApp, world: World, browser: FlaskClient) -> None:
    conflicting(world)
    change = last_change(world)
    (conflict,) = world.conflicts()
    key = hub.add_key("tnt_1")
    other = hub.call("POST", "/v1/users", {"external_id": "eve"}, key=key).get_json()["id"]
    foreign = hub.add_key("tnt_2")
    stranger = hub.call("POST", "/v1/users", {"external_id": "mallory"}, key=foreign).get_json()["id"]
    before = world.hub_events()
    for eve in (hub.signed_in(other), hub.signed_in(stranger, foreign)):
        for path in (f"/changes/{change.seq}/undo", f"/runs/{change.run_id}/undo"):
            assert hub.get(eve, path).status_code == 404, path
            assert hub.submit(eve, path).status_code == 404, path
        assert hub.get(eve, f"/events/{change.event_id}/history").status_code == 404
        assert hub.submit(eve, f"/conflicts/{conflict.id}/hub").status_code == 404
        assert "Theirs" not in text_of(hub, eve, "/")
    assert world.hub_events() == before


def test_hostile_text_is_shown_as_text_in_history_undo_and_conflicts(
    hub: HubApp, world: World, browser: FlaskClient
) -> None:
    conflicting(world)
    text = "<script>alert(1)</script>"
    event_id = world.conflicts()[0].event_id
    hub.call("PATCH", f"/v1/events/{event_id}", {"title": text, "description": text})
    for path in ("/", f"/events/{event_id}/history", f"/changes/{last_change(world).seq}/undo"):
        html = hub.get(browser, path).get_data(as_text=True)
        assert "&lt;script&gt;" in html and "<script>alert" not in html, path


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("title", "", "nothing"),
        ("when", {"start": "2026-12-24", "end": "2026-12-25"}, "Thu 24 Dec 2026"),
        ("when", {"start": "2026-12-24", "end": "2026-12-27"}, "Thu 24 Dec 2026 to Sat 26 Dec 2026"),
        (
            "when",
            {"start": "2026-12-24T09:00:00", "end": "2026-12-24T10:00:00", "start_zone": "Europe/Berlin"},
            "Thu 24 Dec 2026, 09:00 to 10:00 (Europe/Berlin)",
        ),
        (
            "when",
            {
                "start": "2026-12-24T23:00:00",
                "end": "2026-12-25T01:00:00",
                "recurrence": ["RRULE:FREQ=DAILY"],
                "exceptions": [{"original_start": "2026-12-25T23:00:00"}],
            },
            "Thu 24 Dec 2026, 23:00 to Fri 25 Dec 2026, 01:00, repeats every day with 1 exception",
        ),
        ("location", {"name": "Room 5", "latitude": 1.0}, "Room 5"),
        ("attendees", [{"email": "b@x.test"}, {"email": "c@x.test", "name": "Cy"}], "b@x.test, Cy"),
        ("reminders", [{"minutes": 10}], "minutes: 10"),
        ("show_as", "out_of_office", "out of office"),
        ("title", "x" * 500, "x" * 159 + "…"),
    ],
)
def test_values_are_told_in_a_few_words(name: str, value: object, said: str) -> None:
    assert words.value(name, value) == said


def test_events_of_the_api_are_undone_on_the_page_and_told_of_in_the_api(
    hub: HubApp, browser: FlaskClient
) -> None:
    made = hub.call("POST", "/v1/events", an_event())
    path = f"/runs/{made.headers['X-Run-Id']}/undo"
    assert hub.submit(browser, path, page=path).status_code == 303
    run = hub.call("GET", f"/v1{path.removesuffix('/undo')}").get_json()
    (by,) = run["undone_by"]
    assert hub.call("GET", f"/v1/runs/{by}").get_json()["author"]["kind"] == "page"
