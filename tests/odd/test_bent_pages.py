"""A page of which most events are odd, each in its own way, through the whole hub: the others arrive."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

pytest.register_assert_rewrite("tests.provider_world")

from hub.plugin.testing import all_day, series, timed  # noqa: E402
from hub.plugin.types import Attendee, EventContent, Location, SeriesException  # noqa: E402
from tests.odd.answers import Bending, any_bend  # noqa: E402
from tests.provider_world import PLUGINS, ProviderWorld, provider_world  # noqa: E402
from tests.scenarios.play import mute  # noqa: E402

MONDAY = datetime(2026, 12, 7, 9)
ODD = 24
SOUND = {"Fine single", "Fine day", "Fine series"}


def contents() -> Iterator[EventContent]:
    """Yield the events of the page: a few that stay sound, and four kinds of those that are bent."""
    yield timed("Fine single", MONDAY)
    yield all_day("Fine day", MONDAY.date())
    yield series("Fine series", MONDAY, "FREQ=WEEKLY;COUNT=4")
    for n in range(ODD):
        at = MONDAY + timedelta(days=n)
        moved = SeriesException(
            at + timedelta(days=7), start=at + timedelta(days=8), end=at + timedelta(days=9)
        )
        yield (
            timed(f"Odd {n}", at, description="Text", location=Location("R5")),
            all_day(f"Odd {n}", at.date()),
            series(f"Odd {n}", at, "FREQ=WEEKLY;COUNT=3", moved),
            timed(f"Odd {n}", at, attendees=(Attendee("bob@example.test", "Bob"),)),
        )[n % 4]


@pytest.fixture
def bent(database_url: str, tmp_path: Path) -> Iterator[tuple[ProviderWorld, dict[str, Bending]]]:
    """Both providers behind what bends their answers, with nobody linked yet."""
    fronts: dict[str, Bending] = {}

    def front(name: str, app: Any) -> Any:
        return fronts.setdefault(name, Bending(app))

    with provider_world(database_url, tmp_path, front) as world:
        mute(world)
        yield world, fronts


@pytest.mark.parametrize("name", PLUGINS)
def test_of_a_page_of_odd_events_the_sound_ones_arrive_and_the_others_when_they_are_mended(
    bent: tuple[ProviderWorld, dict[str, Bending]], name: str
) -> None:
    world, fronts = bent
    world.connect(name)
    side = world.sides[name]
    odd = {side.create(content): content.title for content in contents()}
    odd = {remote_id: title for remote_id, title in odd.items() if title not in SOUND}

    def bend(item: dict[str, Any]) -> None:
        if item["id"] in odd:
            made = any_bend(item, random.Random(f"{odd[item['id']]}"))
            item.clear()
            item.update(made)

    fronts[name].bend = bend
    world.link_primary(name, direction="import")
    world.settle()
    assert {c.title for c in world.hub_events().values()} >= SOUND
    link = world.get_link(side.link_id)
    assert (link.state, link.problem, link.failures) == ("active", None, 0) and link.imported_at
    fronts[name].bend = None
    for remote_id, title in odd.items():
        side.update(remote_id, title=f"Mended {title}")
    world.relist()
    world.advance(1000)
    world.wait(0)
    world.relist()
    assert world.parked() == {}
    assert sorted(c.title for c in world.hub_events().values()) == sorted(side.by_title())
    assert world.disagreements() == []
