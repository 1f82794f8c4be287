"""In a burst of changes the hub lists a calendar once for many of them, and no change waits for long."""

from __future__ import annotations

import dataclasses
import gc
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from hub.domain.drafts import Draft, Writes
from hub.inbound.webhook import accept
from hub.plugin.errors import RetryLaterError
from hub.plugin.testing import timed
from hub.plugin.types import Notification
from tests.memory_provider import MemoryPlugin, _Fault
from tests.world import World

NINE = datetime(2026, 12, 7, 9)
MANY = 30


@pytest.fixture
def world(tmp_path: Path, database_url: str) -> World:
    """Two linked calendars whose providers notify the hub's webhook."""
    made = World(database_url, tmp_path)
    for service in made.services.values():
        service.deliver = lambda _url, headers: _notify(made, headers)
    made.linked_pair()
    made.wait()
    for service in made.services.values():
        service.calls.clear()
    return made


def _notify(world: World, headers: dict[str, str]) -> None:
    assert accept(world.ports, [Notification(headers["X-Channel"], headers["X-Secret"])]) == 1


class HandPulse:
    """Beats when the test says so."""

    def __init__(self) -> None:
        self.beats: list[Callable[[], bool]] = []

    @contextmanager
    def beating(self, beat: Callable[[], bool]) -> Iterator[None]:
        self.beats.append(beat)
        yield
        self.beats.remove(beat)


def calls(world: World) -> Counter[tuple[str, str]]:
    return Counter((name, call["method"]) for name, box in world.services.items() for call in box.calls)


def play_burst(world: World, seconds: float = 0.0) -> None:
    """Let a person make the next event at `left` whenever the hub has written one at `right`."""
    left = list(range(MANY - 1))

    def written(_url: str, headers: dict[str, str]) -> None:
        world.clock.advance(seconds)
        _notify(world, headers)
        if left:
            world.person_creates("left", timed(f"Event {left.pop()}", NINE))

    world.services["right"].deliver = written
    world.person_creates("left", timed(f"Event {MANY - 1}", NINE))
    world.settle()


def test_an_isolated_change_is_listed_and_its_echo_is_read_at_once(world: World) -> None:
    world.person_creates("left", timed("Lunch", NINE))
    world.settle()

    assert calls(world) == {
        ("left", "fetch_changes"): 1,
        ("right", "push_event"): 1,
        ("right", "fetch_changes"): 1,
    }


def test_echoes_wait_while_there_is_more_to_write(world: World) -> None:
    play_burst(world)

    assert world.titles("right") == sorted(f"Event {n}" for n in range(MANY))
    assert calls(world)["right", "push_event"] == MANY
    assert calls(world)["right", "fetch_changes"] == 1


def test_a_person_s_change_in_the_midst_of_a_burst_waits_for_a_second(world: World) -> None:
    play_burst(world, seconds=0.2)

    seconds = MANY * 0.2
    assert seconds / 2 <= calls(world)["right", "fetch_changes"] <= seconds + 1


def test_a_calendar_that_changes_while_it_is_listed_is_listed_again_when_others_are_written(
    world: World,
) -> None:
    numbers = list(range(MANY))
    left = world.services["left"]

    def create(count: int) -> None:
        for number in [numbers.pop() for _ in range(min(count, len(numbers)))]:
            world.person_creates("left", timed(f"Event {number}", NINE))

    def listed() -> None:
        left.before_listing = listed if numbers else None
        create(1)

    def written(_url: str, headers: dict[str, str]) -> None:
        _notify(world, headers)
        create(3)

    left.before_listing = listed
    world.services["right"].deliver = written
    create(1)
    world.settle()

    assert world.titles("right") == sorted(f"Event {n}" for n in range(MANY))
    assert calls(world)["left", "fetch_changes"] <= 6


def test_a_long_row_of_writes_keeps_no_change_waiting_for_longer_than_a_second(world: World) -> None:
    for number in range(MANY):
        world.person_creates("left", timed(f"Event {number}", NINE))
    pull_left = world.queue.hints[0]
    is_hinted = []

    def written(_url: str, _headers: dict[str, str]) -> None:
        world.clock.advance(0.1)
        is_hinted.append(pull_left in world.queue.hints)
        if len(is_hinted) == 1:
            world.person_creates("left", timed("One more", NINE))

    world.services["right"].deliver = written
    world.settle()

    assert is_hinted.index(True) == pytest.approx(10, abs=2)


def test_a_wish_that_waits_for_a_writer_that_died_is_found_by_the_sweep(world: World) -> None:
    world.person_creates("left", timed("Lunch", NINE))
    world.queue.hints.clear()
    world.person_creates("right", timed("Dinner", NINE))
    world.queue.hints.clear()

    world.wait(5)

    assert world.titles("right") == world.titles("left") == ["Dinner", "Lunch"]


def test_a_change_that_waits_for_another_calendar_waits_no_longer_than_for_a_beat_of_its_slow_run(
    world: World,
) -> None:
    pulse = HandPulse()
    world.ports = dataclasses.replace(world.ports, pulse=pulse)
    known: list[list[str]] = []

    def slow() -> None:
        world.services["left"].before_listing = None
        world.person_creates("right", timed("Dinner", NINE))
        world.settle()
        known.append(world.hub_titles())
        world.clock.advance(2)
        assert pulse.beats[0]()
        world.settle()
        known.append(world.hub_titles())

    world.services["left"].before_listing = slow
    world.person_creates("left", timed("Lunch", NINE))
    world.settle()

    assert known == [[], ["Dinner"]]
    assert world.titles("right") == world.titles("left") == ["Dinner", "Lunch"]


@pytest.fixture
def star(tmp_path: Path, database_url: str) -> tuple[World, str]:
    """Three linked calendars, and the third one's link, which is written to first."""
    world = World(database_url, tmp_path, *(MemoryPlugin(name) for name in ("left", "right", "third")))
    links = {}
    for name in ("third", "left", "right"):
        world.services[name].deliver = lambda _url, headers: _notify(world, headers)
        links[name] = world.link(world.connect(name))
        world.clock.advance(1)  # So that they are written to in this order.
    world.wait()
    return world, links["third"]


def test_a_change_does_not_wait_for_a_calendar_whose_next_try_is_for_the_sweep_to_find(
    star: tuple[World, str],
) -> None:
    world, third = star
    busy = _Fault("raise", 1000, "push_event", {"error": RetryLaterError("503")})
    world.services["third"].faults.append(busy)
    world.api_creates(timed("Breakfast", NINE))
    world.settle()
    (copy,) = world.copies(third)
    assert copy.due_at is not None
    world.clock.at = copy.due_at - timedelta(seconds=0.3)

    def written(_url: str, headers: dict[str, str]) -> None:
        world.services["left"].deliver = lambda _url, headers: _notify(world, headers)
        world.clock.advance(0.5)
        _notify(world, headers)
        world.person_creates("right", timed("Supper", NINE))

    def listed() -> None:
        right = world.services["right"]
        right.notify(right.calendar("ann@example.test", "ann@example.test"))

    world.services["left"].deliver = written
    world.services["right"].before_listing = listed
    world.person_creates("right", timed("Lunch", NINE))
    world.settle()

    assert world.titles("left") == world.titles("right") == ["Breakfast", "Lunch", "Supper"]
    assert world.titles("third") == []


def test_a_change_does_not_wait_for_a_calendar_that_has_failed_and_is_for_the_sweep_to_try_again(
    star: tuple[World, str],
) -> None:
    world, third = star
    world.services["third"].faults.append(_Fault("raise", 1000, "", {"error": RetryLaterError("503")}))
    world.person_creates("third", timed("Unread", NINE))
    world.settle()
    next_try = world.get_link(third).due_at
    assert next_try is not None
    world.clock.at = next_try - timedelta(seconds=0.3)
    world.person_creates("right", timed("Lunch", NINE))
    world.settle()
    world.clock.advance(0.5)
    world.person_creates("right", timed("Supper", NINE))
    world.settle()

    assert world.titles("left") == world.titles("right") == ["Lunch", "Supper"]


def test_what_a_page_held_is_gone_with_it_and_waits_for_no_search_for_garbage(world: World) -> None:
    gc.collect()
    gc.disable()
    try:
        for number in range(MANY):
            world.person_creates("left", timed(f"Review {number}", NINE))
        world.wait()
        held = [thing for thing in gc.get_objects() if isinstance(thing, (Writes, Draft))]
    finally:
        gc.enable()
    assert len(world.hub_titles()) >= MANY
    assert held == []
