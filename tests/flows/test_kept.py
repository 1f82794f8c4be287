"""A provider's yes is not the end: what it did not keep is written again, and told."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from hub.inbound.pull import pull_link
from hub.models import LinkState
from hub.outbound.push import push_link
from hub.plugin.testing import timed
from hub.plugin.types import EventContent
from tests.memory_provider import _Fault
from tests.world import World

NINE = datetime(2026, 12, 7, 9)


@pytest.fixture
def world(tmp_path: Path, database_url: str) -> World:
    return World(database_url, tmp_path)


def fault(world: World, kind: str, times: int = 1, hook: str = "push_event", **options: Any) -> None:
    world.services["right"].faults.append(_Fault(kind, times, hook, options))


def one_event(world: World) -> tuple[str, str, EventContent]:
    """Link two calendars that hold one event; return its ids at left and in the hub."""
    world.linked_pair()
    left_id = world.person_creates("left", timed("First", NINE))
    world.settle()
    ((event_id, content),) = world.hub_events().items()
    return left_id, event_id, content


def renamed_before_a_listing(world: World, kind: str, **options: Any) -> tuple[str, str, str]:
    """Have the hub write another title to both, at `right` with a fault, and see no listing of it yet.

    Returns:
        The two links, and the event's id at `left`.
    """
    left, right = world.linked_pair()
    left_id = world.person_creates("left", timed("First", NINE))
    world.settle()
    ((event_id, content),) = world.hub_events().items()
    world.queue.lossy = True
    world.api_updates(event_id, dataclasses.replace(content, title="Second"))
    push_link(world.ports, left)
    fault(world, kind, **options)
    push_link(world.ports, right)
    return left, right, left_id


def title_everywhere(world: World) -> set[str]:
    return {*world.titles("left"), *world.titles("right"), *world.hub_titles()}


def quiet(world: World) -> bool:
    before = world.writes()
    world.wait(steps=3)
    return world.writes() == before


@pytest.mark.parametrize("silent", [True, False], ids=["answered with the new value", "with the old one"])
def test_a_change_that_the_provider_did_not_keep_is_written_again(world: World, silent: bool) -> None:
    _, event_id, content = one_event(world)
    fault(world, "unkept", silent=silent)
    world.api_updates(event_id, dataclasses.replace(content, title="Second"))
    world.settle()
    world.wait(steps=3)
    assert title_everywhere(world) == {"Second"}
    assert world.conflicts() == []
    assert quiet(world)


def test_a_provider_that_never_keeps_a_change_is_not_asked_for_ever(world: World) -> None:
    _, right = world.linked_pair()
    world.person_creates("left", timed("First", NINE))
    world.settle()
    ((event_id, content),) = world.hub_events().items()
    fault(world, "unkept", 1000, silent=False)
    before = world.writes()
    world.api_updates(event_id, dataclasses.replace(content, title="Second"))
    world.settle()
    world.wait(steps=10)
    assert world.writes() - before <= 5, "one at left, four at right"
    assert world.hub_titles() == world.titles("left") == ["Second"], "the old value is no person's edit"
    (copy,) = world.copies(right)
    assert copy.parked_at is not None
    assert "did not keep it (title)" in (copy.problem or "")


def test_a_provider_that_strips_all_that_is_written_stops_the_link_after_a_few_events(world: World) -> None:
    _, right = world.linked_pair()
    fault(world, "stripped", 1000, silent=False)
    for n in range(10):
        world.person_creates("left", timed(f"Event {n}", NINE.replace(day=8 + n)))
    world.settle()
    world.wait(steps=5)
    assert len(world.remote("right")) <= 4
    assert sorted(world.hub_titles()) == sorted(world.titles("left")) == [f"Event {n}" for n in range(10)]
    link = world.get_link(right)
    assert link.state == LinkState.STOPPED
    assert "does not keep it" in (link.problem or "")


def test_a_later_edit_of_a_person_back_to_the_old_value_is_an_edit(world: World) -> None:
    _, event_id, content = one_event(world)
    world.api_updates(event_id, dataclasses.replace(content, title="Second"))
    world.settle()
    world.clock.advance(30)
    ((right_id, shown),) = world.remote("right").items()
    world.person_updates("right", right_id, dataclasses.replace(shown, title="First"))
    world.settle()
    assert title_everywhere(world) == {"First"}
    assert quiet(world)


@pytest.mark.parametrize("policy", ["newest", "provider", "hub"])
def test_our_own_earlier_value_is_no_edit_when_its_answer_was_lost(
    tmp_path: Path, database_url: str, policy: str
) -> None:
    world = World(database_url, tmp_path)
    world.link(world.connect("left"))
    world.link(world.connect("right"), policy=policy)
    world.settle()
    left_id = world.person_creates("left", timed("First", NINE))
    world.settle()
    fault(world, "reset_after")
    content = world.remote("left")[left_id]
    world.person_updates("left", left_id, dataclasses.replace(content, title="Second"))
    world.settle()
    world.clock.advance(1)
    world.person_updates("left", left_id, dataclasses.replace(content, title="Third"))
    world.settle()
    world.wait(steps=2)
    assert title_everywhere(world) == {"Third"}
    assert world.conflicts() == []
    assert quiet(world)


def test_an_edit_taken_back_while_its_write_was_uncertain_is_taken_back_at_the_provider(world: World) -> None:
    _, event_id, content = one_event(world)
    fault(world, "reset_after")
    world.api_updates(event_id, dataclasses.replace(content, title="Second"))
    world.settle()
    world.api_updates(event_id, content)
    world.settle()
    world.wait(steps=2)
    assert title_everywhere(world) == {"First"}
    assert quiet(world)


def test_a_refused_version_is_read_even_if_no_listing_shows_the_change(world: World) -> None:
    _, event_id, content = one_event(world)
    ((right_id, shown),) = world.remote("right").items()
    service = world.services["right"]
    world.queue.lossy = True
    world.person_updates("right", right_id, dataclasses.replace(shown, description="Theirs"))
    service.calendar("ann@example.test", "ann@example.test").events[right_id].seq = 0
    world.queue.lossy = False
    world.api_updates(event_id, dataclasses.replace(content, title="Ours"))
    world.settle()
    world.wait(5, steps=3)
    for place in (world.remote("left"), world.remote("right"), world.hub_events()):
        (merged,) = place.values()
        assert (merged.title, merged.description) == ("Ours", "Theirs")
    assert quiet(world)


def test_a_listing_that_shows_an_older_state_for_a_while_undoes_nothing(world: World) -> None:
    _, event_id, content = one_event(world)
    service = world.services["right"]
    ((right_id, _),) = world.remote("right").items()
    events = service.calendar("ann@example.test", "ann@example.test").events
    old = dataclasses.replace(events[right_id])
    world.clock.advance(60)
    world.api_updates(event_id, dataclasses.replace(content, title="Second"))
    world.settle()
    new = events[right_id]

    def lag() -> None:
        events[right_id] = dataclasses.replace(old, seq=service.count())

    def catch_up() -> None:
        events[right_id] = dataclasses.replace(new, seq=service.count())

    lag()
    service.before_read = catch_up
    service.notify(service.calendar("ann@example.test", "ann@example.test"))
    world.settle()
    world.wait(steps=2)
    assert title_everywhere(world) == {"Second"}
    assert quiet(world)


def test_our_own_write_seen_late_does_not_bring_a_deleted_event_back(world: World) -> None:
    left, right, left_id = renamed_before_a_listing(world, "reset_after")
    world.person_deletes("left", left_id)
    pull_link(world.ports, left)
    world.clock.advance(60)
    pull_link(world.ports, right)
    world.queue.lossy = False
    world.wait(steps=3)
    assert title_everywhere(world) == set()
    assert quiet(world)


@pytest.mark.parametrize(
    ("edit", "title"),
    [({"categories": ("Work",)}, "First"), ({"title": "Third"}, "Third")],
    ids=["another field", "the same field"],
)
def test_a_change_that_was_not_kept_is_in_a_conflict_when_a_person_edits_the_event_before_it_is_listed(
    world: World, edit: dict[str, Any], title: str
) -> None:
    _, right, _ = renamed_before_a_listing(world, "unkept", silent=True)
    world.clock.advance(30)
    ((right_id, shown),) = world.remote("right").items()
    world.person_updates("right", right_id, dataclasses.replace(shown, **edit))
    pull_link(world.ports, right)
    world.queue.lossy = False
    world.wait(steps=3)
    assert title_everywhere(world) == {title}
    ((field, kept, hub_value),) = [(c.field, c.kept, c.hub_value["value"]) for c in world.conflicts()]
    assert (field, kept, hub_value) == ("title", "provider", "Second")
    assert quiet(world)


def test_a_change_that_was_not_kept_does_not_bring_a_deleted_event_back(world: World) -> None:
    left, right, left_id = renamed_before_a_listing(world, "unkept", silent=True)
    world.person_deletes("left", left_id)
    pull_link(world.ports, left)
    pull_link(world.ports, right)
    world.queue.lossy = False
    world.wait(steps=3)
    assert title_everywhere(world) == set()
    assert quiet(world)


def test_a_change_that_was_not_kept_is_seen_in_the_answer_to_the_next_one(world: World) -> None:
    _, right = world.linked_pair()
    world.person_creates("left", timed("First", NINE))
    world.settle()
    ((event_id, content),) = world.hub_events().items()
    fault(world, "unkept", silent=True)
    world.queue.lossy = True
    for changed in ({"title": "Second"}, {"title": "Second", "description": "Third"}):
        world.api_updates(event_id, dataclasses.replace(content, **changed))
        push_link(world.ports, right)
    world.queue.lossy = False
    world.wait(steps=3)
    assert title_everywhere(world) == {"Second"}
    assert {e.description for e in world.remote("right").values()} == {"Third"}
    assert quiet(world)
