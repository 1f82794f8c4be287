"""A push of a series takes several calls, and a person may edit it between two of them: both edits live."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hub.plugin.testing import series
from hub.plugin.types import EventContent, Location, SeriesException
from tests.provider_world import Interrupted, ProviderWorld, Side, interrupted_world

START = datetime(2026, 12, 2, 9)
DAYS = [START + timedelta(days=n) for n in range(8)]
MOST_CALLS = 40
Edit = Callable[[EventContent], dict[str, Any]]


@pytest.fixture
def interrupted(tmp_path: Path, sqlite_url: str) -> Iterator[tuple[ProviderWorld, dict[str, Interrupted]]]:
    with interrupted_world(sqlite_url, tmp_path) as made:
        yield made


def daily(title: str) -> EventContent:
    """A series with a day that is called otherwise, one at another time and one that is off."""
    return series(
        title,
        START,
        "FREQ=DAILY;COUNT=8",
        SeriesException(DAYS[1], title="A day of its own"),
        SeriesException(DAYS[2], start=DAYS[2] + timedelta(hours=2), end=DAYS[2] + timedelta(hours=4)),
        SeriesException(DAYS[3], cancelled=True),
    )


def with_days(content: EventContent, *exceptions: SeriesException) -> EventContent:
    changed = {e.original_start for e in exceptions}
    kept = [e for e in content.when.exceptions if e.original_start not in changed]
    ordered = tuple(sorted([*kept, *exceptions], key=lambda e: e.original_start))
    return dataclasses.replace(content, when=dataclasses.replace(content.when, exceptions=ordered))


PUSHES: dict[str, Callable[[EventContent], EventContent]] = {
    "made": lambda content: content,
    "retitled": lambda content: dataclasses.replace(content, title=f"{content.title} of the hub"),
    "a day changed": lambda content: with_days(content, SeriesException(DAYS[4], title="Day of the hub")),
    "retitled, days changed": lambda content: with_days(
        dataclasses.replace(content, title=f"{content.title} of the hub"),
        SeriesException(DAYS[1], title="Day of the hub"),
        SeriesException(DAYS[4], start=DAYS[4] + timedelta(hours=1), end=DAYS[4] + timedelta(hours=2)),
        SeriesException(DAYS[5], cancelled=True),
    ),
    "at another time": lambda content: dataclasses.replace(
        content,
        when=dataclasses.replace(
            content.when, end=content.when.end + timedelta(hours=1), exceptions=content.when.exceptions[1:]
        ),
    ),
}
"""What the hub's user does: of each, every gap between two calls is tried."""

EDITS: dict[str, Edit] = {
    "the whole series": lambda shown: {
        "title": f"{shown.title} by Ann",
        "location": Location(f"Place of Ann for {shown.title}"),
    },
    "another day": lambda shown: {
        "when": with_days(shown, SeriesException(DAYS[6], title=f"Day of Ann for {shown.title}")).when
    },
}
"""What the person at the provider does meanwhile."""


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("push", PUSHES)
@pytest.mark.parametrize("provider", ["google", "outlook"])
def test_what_a_person_edits_between_two_calls_of_a_push_is_kept_beside_what_the_hub_writes(
    interrupted: tuple[ProviderWorld, dict[str, Interrupted]], provider: str, push: str, edit: str
) -> None:
    world, fronts = interrupted
    world.link_primary(provider)
    world.settle()
    side = world.sides[provider]
    edited = 0
    for calls_before in range(MOST_CALLS):
        content = daily(f"Stand-up {calls_before}")
        event_id = None
        if push != "made":
            event_id = world.api_creates(content)
            world.settle()
        person = Person(side, content.title, EDITS[edit])
        fronts[provider].arm(person.edit, calls_before)
        if event_id is None:
            event_id = world.api_creates(content)
        else:
            world.api_updates(event_id, PUSHES[push](content))
        world.settle()
        is_over = fronts[provider].disarm()
        world.sync()
        if is_over:
            break
        if person.wrote:
            edited += 1
            assert_lives(world, event_id, person.wrote, f"{edit} before call {calls_before}")
        assert_lives(world, event_id, marks_of(PUSHES[push](content)), f"hub, call {calls_before}")
    assert edited >= 2
    world.assert_quiet(conflicts=len(world.conflicts()))


@pytest.mark.parametrize("edit", [*EDITS, "nothing"])
@pytest.mark.parametrize("provider", ["google", "outlook"])
def test_a_series_whose_making_is_cut_off_between_two_calls_becomes_whole_beside_what_a_person_edits(
    interrupted: tuple[ProviderWorld, dict[str, Interrupted]], provider: str, edit: str
) -> None:
    world, fronts = interrupted
    world.link_primary(provider)
    world.settle()
    side, front = world.sides[provider], fronts[provider]
    edited = 0
    for calls_before in range(MOST_CALLS):
        content = daily(f"Stand-up {calls_before}")
        person = Person(side, content.title, EDITS.get(edit, lambda _: {}))

        def cut_off(person: Person = person) -> None:
            person.edit()
            front.is_away = True

        front.arm(cut_off, calls_before)
        event_id = world.api_creates(content)
        world.settle()
        if front.disarm():
            break
        front.is_away = False
        world.wait()
        world.sync()
        edited += bool(person.saw)
        assert_lives(
            world, event_id, [*person.wrote, *marks_of(content)], f"{edit} before call {calls_before}"
        )
        assert sum(shown.title.startswith(content.title) for shown in side.events().values()) == 1
    assert edited >= 2
    world.assert_quiet(conflicts=len(world.conflicts()))


class Person:
    """Ann, who edits the event of a title as soon as she sees it."""

    def __init__(self, side: Side, title: str, change: Edit) -> None:
        self.side, self.title, self.change = side, title, change
        self.saw = False
        self.wrote: list[str] = []

    def edit(self) -> None:
        for remote_id, shown in self.side.events().items():
            if shown.title.startswith(self.title):
                self.saw = True
                changes = self.change(shown)
                self.side.update(remote_id, **changes)
                self.wrote = [
                    text for text in ("by Ann", "Place of Ann", "Day of Ann") if text in str(changes)
                ]


def marks_of(content: EventContent) -> list[str]:
    return [text for text in ("of the hub", "Day of the hub", "A day of its own") if text in str(content)]


def assert_lives(world: ProviderWorld, event_id: str, marks: list[str], what: str) -> None:
    """What somebody wrote stands in the event, or is kept with a conflict of it."""
    told = [(c.hub_value, c.provider_value) for c in world.conflicts() if c.event_id == event_id]
    known = f"{world.hub_events().get(event_id)} {told}"
    missing = [mark for mark in marks if mark not in known]
    assert not missing, f"{what}: {missing} is lost"
