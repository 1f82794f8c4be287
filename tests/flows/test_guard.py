"""A few deletions are believed; a suspicious mass of them waits for a person, who may say either."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from hub.accounts.health import health_of
from hub.models import Link
from hub.plugin.testing import timed
from tests.unit.api.hub_app import PUBLIC_URL, HubApp
from tests.world import START, World

MANY = 40


@pytest.fixture
def hub(database_url: str, tmp_path: Path) -> HubApp:
    return HubApp(database_url, tmp_path)


@pytest.fixture
def world(hub: HubApp) -> World:
    return hub.world


def fill(world: World, count: int = MANY) -> tuple[str, str]:
    """Link two calendars that hold the same events; return the links."""
    links = world.linked_pair()
    for n in range(count):
        at = (START + timedelta(days=7, hours=n)).replace(tzinfo=None)
        world.person_creates("left", timed(f"Event {n:02}", at))
    world.settle()
    assert len(world.remote("right")) == count
    return links


def empty(world: World, count: int = MANY) -> None:
    for remote_id in list(world.remote("left"))[:count]:
        world.person_deletes("left", remote_id)


def state(world: World, link_id: str) -> str:
    with world.ports.db.reading() as session:
        return health_of(session, world.ports, [session.get_one(Link, link_id)])[link_id].state


def test_a_few_deletions_travel_at_once(world: World) -> None:
    fill(world)
    empty(world, 5)
    world.settle()
    assert len(world.hub_events()) == len(world.remote("right")) == MANY - 5


def test_a_link_is_not_told_in_sync_while_the_provider_is_asked_about_what_a_listing_did_not_show(
    world: World, hub: HubApp
) -> None:
    left, _ = fill(world, 3)
    assert state(world, left) == "in_sync"
    world.queue.lossy = True
    empty(world, 1)
    world.queue.lossy = False
    told: list[str] = []

    def asked(hook: str) -> None:
        if hook == "get_event":
            told.append(state(world, left))

    world.services["left"].fault = asked  # type: ignore[assignment]
    hub.call("POST", f"/v1/links/{left}/sync", json={"full": True})
    world.settle()

    assert told == ["syncing"]
    assert state(world, left) == "in_sync"


@pytest.mark.parametrize("way", ["told", "found missing by a full listing"])
def test_an_emptied_calendar_empties_no_other_and_says_so(world: World, hub: HubApp, way: str) -> None:
    left, _ = fill(world)
    world.queue.lossy = True
    empty(world)
    world.queue.lossy = False
    if way != "told":
        hub.call("POST", f"/v1/links/{left}/sync", json={"full": True})
    world.wait(steps=3)
    assert len(world.hub_events()) == len(world.remote("right")) == MANY
    assert state(world, left) == "held"
    listed = hub.call("GET", f"/v1/links/{left}/held-deletions?limit=200").get_json()["items"]
    assert sorted(item["title"] for item in listed) == [f"Event {n:02}" for n in range(MANY)]


def test_deletions_that_come_one_by_one_are_counted_together(world: World) -> None:
    left, _ = fill(world)
    for _ in range(20):
        empty(world, 1)
        world.settle()
        world.clock.advance(5)
    assert state(world, left) == "held"
    kept = len(world.hub_events())
    assert kept > MANY // 2
    assert len(world.remote("right")) == kept


def test_applied_deletions_travel_and_then_there_is_quiet(world: World, hub: HubApp) -> None:
    left, _ = fill(world)
    empty(world)
    world.settle()
    assert hub.call("POST", f"/v1/links/{left}/held-deletions/apply").status_code == 202
    world.settle()
    assert world.hub_events() == world.remote("right") == {}
    assert state(world, left) == "in_sync"
    answer = hub.call("POST", f"/v1/links/{left}/held-deletions/reject")
    assert (answer.status_code, answer.get_json()["type"]) == (409, "urn:coordinoter:problem:nothing_held")


def test_rejected_deletions_are_put_back_where_they_were_missing(world: World, hub: HubApp) -> None:
    left, _ = fill(world)
    empty(world)
    world.settle()
    assert hub.call("POST", f"/v1/links/{left}/held-deletions/reject").status_code == 202
    world.settle()
    assert sorted(e.title for e in world.remote("left").values()) == world.titles("right")
    assert len(world.remote("left")) == MANY
    before = world.writes()
    world.wait(steps=3)
    assert world.writes() == before
    assert state(world, left) == "in_sync"


def test_other_changes_go_on_while_deletions_are_held(world: World) -> None:
    left, _ = fill(world)
    empty(world)
    world.settle()
    world.person_creates("left", timed("New", START.replace(tzinfo=None)))
    world.settle()
    assert "New" in world.titles("right")
    event_id, content = next((i, c) for i, c in world.hub_events().items() if c.title == "Event 03")
    world.api_updates(event_id, timed("Edited", content.when.start))
    world.settle()
    assert "Edited" in world.titles("left"), "an edit wins over a deletion, held or not"
    assert state(world, left) == "held"


def test_what_shows_up_again_by_itself_is_no_longer_held(world: World) -> None:
    left, _ = fill(world)
    service = world.services["left"]
    calendar = service.calendar("ann@example.test", "ann@example.test")
    kept = dict(world.remote("left"))
    empty(world)
    world.settle()
    assert state(world, left) == "held"
    for remote_id, content in kept.items():
        service.write(calendar, remote_id, content)
    world.settle()
    assert state(world, left) == "in_sync"
    assert len(world.hub_events()) == len(world.remote("right")) == MANY


def test_the_page_shows_held_deletions_and_decides_about_them(database_url: str, tmp_path: Path) -> None:
    hub = HubApp(database_url, tmp_path, page_access="signed")
    world = hub.world
    left, _ = fill(world)
    empty(world)
    world.settle()
    browser = hub.browser()
    link = hub.call("POST", "/v1/users/usr_1/sign_in").get_json()["url"].removeprefix(PUBLIC_URL)
    hub.submit(browser, "/sign-in", page=link, ticket=link.split("ticket=")[1])
    page = hub.get(browser, "/").get_data(as_text=True)
    assert "Deletions held" in page
    assert f"{MANY} events of the hub are missing" in page
    assert hub.submit(browser, f"/links/{left}/held-deletions/reject").status_code == 303
    world.settle()
    assert len(world.remote("left")) == MANY
    assert "Deletions held" not in hub.get(browser, "/").get_data(as_text=True)
