"""DUP: listings that lie, notifications that come twice, providers that keep less than they say."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta
from threading import Barrier, Thread

import pytest

from hub.inbound.pull import pull_link
from hub.models import LinkState
from hub.plugin.testing import series, timed
from hub.plugin.types import Location
from tests.provider_world import ProviderWorld
from tests.scenarios.play import EVENTS, FULL, clear, later, link_more, other, refuse, writes
from tests.world import World

TEN = datetime(2026, 12, 7, 10)
MANY = [timed(f"Event {n:02}", TEN + timedelta(hours=n)) for n in range(30)]


@pytest.mark.parametrize(("name", "keep"), [("google", 0), ("outlook", 0), ("google", 7)])
def test_dup_03_a_listing_that_is_wrongly_empty_or_short_creates_and_deletes_nothing(
    unlinked: ProviderWorld, name: str, keep: int
) -> None:
    world = unlinked
    filled(world)
    world.link_both()
    assert world.writes() == [] or set(world.writes()) <= set(subscriptions(world))
    clear(world)
    world.sides[name].control.fault("short", path=FULL[name], keep=keep)
    world.relist()
    world.sync()
    assert [call for call in world.writes() if "/events" in call] == []
    assert [len(side.events()) for side in world.sides.values()] == [30, 30]
    assert len(world.hub_events()) == 30
    world.assert_quiet()


@pytest.mark.parametrize("name", ["google", "outlook"])
def test_dup_03_a_first_listing_that_is_wrongly_empty_doubles_nothing(
    unlinked: ProviderWorld, name: str
) -> None:
    world = unlinked
    filled(world)
    world.link_primary(other(world, name).name)
    world.settle()
    world.sides[name].control.fault("short", path=FULL[name], keep=0)
    world.link_primary(name)
    world.settle()
    world.sync()
    assert [len(side.events()) for side in world.sides.values()] == [30, 30]
    assert len(world.hub_events()) == 30
    world.assert_quiet()


def filled(world: ProviderWorld) -> None:
    for name, side in world.sides.items():
        world.connect(name)
        for content in MANY:
            side.create(dataclasses.replace(content, reminders=side.project(content).content.reminders))


def subscriptions(world: ProviderWorld) -> list[str]:
    return [call for call in world.writes() if "watch" in call]


def test_dup_17_two_runs_for_one_change_make_one_event(memory: World) -> None:
    left, _ = memory.linked_pair()
    memory.services["left"].before_listing = lambda: pull_link(memory.ports, left)
    memory.person_creates("left", timed("Lunch", TEN))
    memory.settle()
    assert memory.titles("left") == memory.titles("right") == memory.hub_titles() == ["Lunch"]
    assert memory.writes() == 1


def test_dup_17_two_workers_that_wake_at_once_make_one_event(memory: World) -> None:
    left, right = memory.linked_pair()
    for number in range(5):
        memory.queue.lossy = True
        memory.person_creates("left", timed(f"Event {number}", TEN))
        memory.queue.lossy = False
        barrier = Barrier(2)

        def work() -> None:
            barrier.wait()  # noqa: B023
            pull_link(memory.ports, left)

        workers = [Thread(target=work) for _ in range(2)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    memory.settle()
    memory.wait(steps=2)
    assert memory.titles("right") == memory.hub_titles() == [f"Event {n}" for n in range(5)]
    assert memory.writes() == 5
    assert [len(memory.copies(link)) for link in (left, right)] == [5, 5]


@pytest.mark.parametrize("name", ["google", "outlook"])
def test_dup_18_items_without_a_version_or_that_cannot_be_read_are_taken_once(
    world: ProviderWorld, name: str
) -> None:
    side = world.sides[name]
    ids = [side.create(content) for content in MANY[:17]]
    bad = [side.create(series(f"Series {n}", TEN, "FREQ=DAILY;COUNT=3")) for n in range(3)]
    keys = ["etag", "@odata.etag", "changeKey"]
    refuse(side, 404, "GET", times=1000, code="ErrorItemNotFound", path=f"/events/({'|'.join(bad)})$")
    side.control.fault("thin", method="GET", keys=keys, ids=ids[:5], times=1000)
    for _ in range(4):
        world.sync()
        world.relist()
    missing = {("outlook", remote_id) for remote_id in bad} if name == "outlook" else set()
    assert world.parked().keys() == missing, "what cannot be read is left out with a note"
    assert len(world.hub_events()) == 20 - len(missing)
    assert len(other(world, name).events()) == 20 - len(missing)
    world.assert_quiet(parked=missing)
    side.control.clear_faults()
    world.relist()
    assert len(world.hub_events()) == len(other(world, name).events()) == 20
    world.assert_quiet()


STRIPPED = ["summary", "description", "extendedProperties"]


@pytest.mark.parametrize("silent", [True, False], ids=["unseen", "seen in the answer"])
def test_dup_19_a_provider_that_strips_what_is_written_stops_its_link_and_spoils_no_other(
    world: ProviderWorld, silent: bool
) -> None:
    team = link_more(world, "google")
    titles = [content.title for content in MANY[:10]]
    world.google.control.fault(
        "strip", method="POST", path=f"{team.calendar}/events$", keys=STRIPPED, silent=silent, times=1000
    )
    for content in MANY[:10]:
        world.outlook.create(dataclasses.replace(content, description="Soup"))
    world.sync()
    for _ in range(5):
        later(world)
        world.sync()
    assert sorted(world.outlook.by_title()) == sorted(world.google.by_title()) == world.hub_titles() == titles
    assert {c.description for c in world.outlook.events().values()} == {"Soup"}
    assert len(world.outlook.events()) == len(world.google.events()) == 10
    assert len(team.events()) <= (10 if silent else 4)
    link = world.get_link(team.link_id)
    assert link.state == LinkState.STOPPED
    assert "does not keep it" in (link.problem or "")


@pytest.mark.parametrize(
    ("name", "keys", "silent"),
    [
        ("google", ["summary"], True),
        ("google", ["description"], False),
        ("google", ["location"], True),
        ("outlook", ["subject"], True),
    ],
)
def test_dup_19_a_field_that_one_create_loses_is_written_again_and_erased_nowhere(
    world: ProviderWorld, name: str, keys: list[str], silent: bool
) -> None:
    side, source = world.sides[name], other(world, name)
    side.control.fault("strip", method="POST", path=EVENTS, keys=keys, silent=silent)
    source.create(timed("Lunch", TEN, description="Soup", location=Location("Canteen")))
    world.sync()
    later(world)
    for place in world.sides.values():
        (held,) = place.events().values()
        assert (held.title, held.description, held.location) == ("Lunch", "Soup", Location("Canteen"))
    assert len(writes(side, "POST")) == 1
    world.assert_quiet()
