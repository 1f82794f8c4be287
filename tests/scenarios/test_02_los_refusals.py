"""LOS: a yes that is not kept, and a no that is final, each end without a fight."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta

import pytest

from hub.plugin.testing import series, timed
from hub.plugin.types import Attendee, EventContent, Person, Reminder, SeriesException
from tests.provider_world import ANN, ProviderWorld, Side
from tests.scenarios.play import EVENTS, clear, later, other, pull, refuse, writes

MONDAY = datetime(2026, 12, 10, 10)
THURSDAY = datetime(2026, 12, 17, 10)
WEEKLY = series("Jour", MONDAY, "FREQ=WEEKLY;COUNT=4")
SIDES = ["google", "outlook"]
BOSS = Person("boss@example.test", "Boss")
MEETING = dataclasses.replace(
    timed("Review", MONDAY), organizer=BOSS, attendees=(Attendee(ANN, "Ann"), Attendee("bob@example.test"))
)


def rename_occurrence(world: ProviderWorld, side: Side, title: str) -> None:
    when = side.by_title()["Jour"].when
    changed = dataclasses.replace(when, exceptions=(SeriesException(THURSDAY, title=title),))
    side.update(side.find("Jour"), when=changed)


@pytest.mark.parametrize(
    ("name", "silent", "times"), [("google", True, 1), ("outlook", True, 1), ("outlook", False, 2)]
)
def test_los_15_an_occurrence_that_is_not_kept_is_written_again(
    world: ProviderWorld, name: str, silent: bool, times: int
) -> None:
    side, source = world.sides[name], other(world, name)
    source.create(WEEKLY)
    world.sync()
    side.control.fault("strip", method="PATCH", path=EVENTS, keys=["*"], silent=silent, times=times)
    rename_occurrence(world, source, "Special")
    for _ in range(4):
        world.sync()
        later(world, times=1)
    for place in world.sides.values():
        assert [e.title for e in place.by_title()["Jour"].when.exceptions] == ["Special"], place.name
    world.assert_quiet()


@pytest.mark.parametrize(("name", "silent"), [("google", True), ("outlook", True), ("google", False)])
def test_los_15_a_single_event_that_is_not_kept_is_written_again_and_undoes_nothing(
    world: ProviderWorld, name: str, silent: bool
) -> None:
    side, source = world.sides[name], other(world, name)
    remote_id = source.create(timed("Lunch", MONDAY))
    world.sync()
    side.control.fault("strip", method="PATCH", path=EVENTS, keys=["*"], silent=silent)
    source.update(remote_id, title="Brunch")
    for _ in range(4):
        world.sync()
        later(world, times=1)
    for place in world.sides.values():
        assert list(place.by_title()) == ["Brunch"], place.name
    world.assert_quiet()


@pytest.mark.parametrize("name", SIDES)
def test_los_15_a_change_that_is_never_kept_is_tried_a_bounded_number_of_times_and_told(
    world: ProviderWorld, name: str
) -> None:
    side, source = world.sides[name], other(world, name)
    source.create(WEEKLY)
    world.sync()
    side.control.fault("strip", method="PATCH", path=EVENTS, keys=["*"], times=1000)
    rename_occurrence(world, source, "Special")
    clear(world)
    for _ in range(10):
        world.sync()
        later(world, times=1)
    assert len(writes(side)) <= 5
    assert writes(source) == [], "the old value is no person's edit"
    assert [e.title for e in source.by_title()["Jour"].when.exceptions] == ["Special"]
    assert "did not keep it (when)" in world.parked()[name, "Jour"]


@pytest.mark.parametrize("change", ["moved", "renamed", "moved with a reminder", "reminder"])
def test_los_19_a_guests_change_stays_where_it_was_made_and_own_fields_go_through(
    world: ProviderWorld, change: str
) -> None:
    world.google.create(MEETING)
    world.sync()
    moved = timed("", MONDAY + timedelta(hours=1)).when
    edits = {
        "moved": {"when": moved},
        "renamed": {"title": "My review"},
        "moved with a reminder": {"when": moved, "reminders": (Reminder(30),)},
        "reminder": {"reminders": (Reminder(30),)},
    }[change]
    clear(world)
    world.outlook.update(world.outlook.find("Review"), **edits)
    for _ in range(5):
        world.sync()
        later(world, times=1)
    (held,) = world.google.events().values()
    assert (held.title, held.when, held.organizer) == ("Review", MEETING.when, BOSS)
    own = [call for call in writes(world.google) if call["method"] == "PATCH"]
    assert [set(call["body"]) for call in own] == ([{"reminders"}] if "reminders" in edits else [])
    if "reminders" in edits:
        assert held.reminders == (Reminder(30),)
    (mirror,) = world.outlook.events().values()
    for name, value in edits.items():
        assert getattr(mirror, name) == value, "the copy keeps it: it is Ann's own"
    assert world.get_link(world.google.link_id).problem is None
    title = mirror.title
    world.assert_quiet(parked=set() if change == "reminder" else {("google", title)})


@pytest.mark.parametrize("then", ["the organiser moves it", "the organiser calls it off"])
def test_los_19_what_the_organiser_does_later_still_arrives(world: ProviderWorld, then: str) -> None:
    remote_id = world.google.create(MEETING)
    world.sync()
    world.outlook.update(world.outlook.find("Review"), title="My review")
    world.sync()
    later(world)
    if then == "the organiser calls it off":
        world.google.delete(remote_id)
        world.sync()
        later(world)
        assert world.google.events() == {}
        return
    moved = timed("", MONDAY + timedelta(hours=2)).when
    world.google.update(remote_id, when=moved)
    world.sync()
    later(world)
    (mirror,) = world.outlook.events().values()
    assert (mirror.title, mirror.when) == ("My review", moved)


@pytest.mark.parametrize("code", ["forbiddenForNonOrganizer", "forbidden"])
def test_los_19_a_refusal_that_nobody_foresaw_is_final_for_that_event_alone(
    world: ProviderWorld, code: str
) -> None:
    for n in range(3):
        world.outlook.create(timed(f"Event {n}", MONDAY + timedelta(days=n)))
    world.sync()
    victim = world.google.find("Event 0")
    refuse(world.google, 403, "PATCH", times=1000, code=code, path=f"/events/{victim}$")
    clear(world)
    for n in range(3):
        world.outlook.update(world.outlook.find(f"Event {n}"), title=f"New {n}")
    for _ in range(5):
        world.sync()
        later(world, times=1)
    assert sorted(world.google.by_title()) == ["Event 0", "New 1", "New 2"]
    tries = [call for call in writes(world.google, "PATCH") if victim in call["path"]]
    assert len(tries) == 1
    assert world.parked().keys() == {("google", "New 0")}
    world.assert_quiet(parked={("google", "New 0")})


def test_los_19_the_whole_of_a_guest_copy_is_left_alone_at_outlook(world: ProviderWorld) -> None:
    content: EventContent = MEETING
    world.outlook.create(content)
    world.sync()
    clear(world)
    world.google.update(world.google.find("Review"), title="My review")
    for _ in range(3):
        world.sync()
    pull(world, world.outlook)
    assert writes(world.outlook) == []
    assert list(world.outlook.by_title()) == ["Review"]
    world.assert_quiet(parked={("outlook", "My review")})
