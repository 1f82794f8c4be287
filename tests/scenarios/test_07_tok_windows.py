"""TOK-12, 16, 17, 18: windows that move on, and what lies at their edges."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest

from hub.accounts.links import change_link
from hub.models import Link
from hub.outbound import linking
from hub.plugin.testing import all_day, series, timed
from hub.plugin.types import EventContent
from tests.provider_world import ProviderWorld
from tests.scenarios.play import clear, later, other
from tests.scenarios.quiet import look
from tests.world import START

DAY = timedelta(days=1)
NOW = START.replace(tzinfo=None)
BOTH = pytest.mark.parametrize("name", ["google", "outlook"])


def at_edges(*edges: datetime) -> list[EventContent]:
    """Return events of every kind that end, begin or straddle at some instants."""
    found: list[EventContent] = []
    for n, edge in enumerate(edges):
        for hours in (-30, -1, 0, 1, 30):
            found.append(timed(f"Edge {n} {hours:+}", edge + timedelta(hours=hours)))
        for days in (-2, -1, 0, 1):
            found.append(all_day(f"Edge {n} day {days:+}", (edge + days * DAY).date()))
        found.append(series(f"Edge {n} ends", edge - 3 * DAY, "FREQ=DAILY;COUNT=3"))
        found.append(series(f"Edge {n} straddles", edge - 3 * DAY, "FREQ=DAILY;COUNT=9"))
    return found


@pytest.mark.parametrize("was", ["running", "paused"])
def test_tok_12_the_window_moves_on_and_nothing_is_lost_or_doubled_at_the_seam(
    world: ProviderWorld, was: str
) -> None:
    for content in (
        timed("Next autumn", NOW + 350 * DAY),
        timed("Beyond the end", NOW + 420 * DAY),
        series("For ever", NOW, "FREQ=WEEKLY"),
        series("Straddles", NOW + 380 * DAY, "FREQ=WEEKLY;COUNT=12"),
        timed("Soon", NOW + DAY),
    ):
        world.outlook.create(content)
    world.sync()
    begun = world.get_link(world.outlook.link_id).window_end
    with world.ports.db.transaction() as session:
        if was == "paused":
            linking.pause(session.get_one(Link, world.outlook.link_id))
    later(world, 33 * 86400, 12)
    with world.ports.db.transaction() as session:
        if was == "paused":
            linking.resume(session, world.ports, session.get_one(Link, world.outlook.link_id))
    clear(world)
    in_december = (NOW + 396 * DAY + 18 * DAY).date()
    world.outlook.create(all_day("Made in December", in_december))
    later(world, 600, 3)
    assert "Made in December" in world.google.by_title()
    assert len(world.google.by_title()) == len(world.outlook.by_title()) == 6
    assert [call["method"] for call in world.google.control.writes()].count("DELETE") == 0
    moved = world.get_link(world.outlook.link_id).window_end
    assert begun and moved and moved > begun + 300 * DAY
    world.assert_quiet()


@BOTH
def test_tok_16_in_ten_rounds_at_the_edges_of_the_window_nothing_comes_and_goes(
    unlinked: ProviderWorld, name: str
) -> None:
    world = unlinked
    for side in world.sides:
        world.link_primary(side, past_days=30)
    world.settle()
    side = world.sides[name]
    contents = at_edges(NOW - 30 * DAY, NOW - 90 * DAY, NOW + 400 * DAY)
    for content in contents:
        side.create(content)
    world.sync()
    there = other(world, name)
    count, events = len(there.events()), world.hub_events()
    assert count > len(contents) // 3
    clear(world)
    for _ in range(10):
        world.advance(4.8 * 3600)
        world.wait(0)
        world.relist()
    entered = len(there.events()) - count
    assert [call.split()[1] for call in world.writes()] == ["POST"] * entered, "what the far edge reached"
    assert entered <= 2
    assert len(side.events()) == len(contents)
    assert set(world.hub_events()) >= set(events), "what leaves the past edge is kept"


@BOTH
def test_tok_17_an_old_event_that_is_dragged_to_today_is_moved_and_not_deleted(
    unlinked: ProviderWorld, name: str
) -> None:
    world = unlinked
    for side_name in world.sides:
        world.link_primary(side_name, past_days=1)
    world.settle()
    side, there = world.sides[name], other(world, name)
    mirrored = side.create(all_day("Task", NOW.date() + DAY))
    world.sync()
    never = side.create(all_day("Never mirrored", NOW.date() - 60 * DAY))
    later(world, 10 * 86400, 10)
    today = NOW.date() + 100 * DAY
    clear(world)
    for remote_id in (mirrored, never):
        side.update(remote_id, when=all_day("", today).when)
    look(world, side.link_id)
    assert {c.when.start for c in there.events().values()} == {today}
    assert sorted(there.by_title()) == ["Never mirrored", "Task"]
    assert sorted(c["method"] for c in there.control.writes()) == ["PATCH", "POST"]
    world.assert_quiet()


@BOTH
def test_tok_17_an_event_that_is_dragged_out_of_the_window_stays_and_comes_back(
    unlinked: ProviderWorld, name: str
) -> None:
    world = unlinked
    for side_name in world.sides:
        world.link_primary(side_name, past_days=1)
    world.settle()
    side, there = world.sides[name], other(world, name)
    remote_id = side.create(timed("Trip", NOW + DAY))
    world.sync()
    for when in (NOW - 200 * DAY, NOW + 900 * DAY, NOW + DAY):
        side.update(remote_id, when=timed("", when).when)
        look(world, side.link_id)
        assert [c.when.start for c in there.events().values()] == [when]
        world.relist()
    world.assert_quiet()


@BOTH
def test_tok_18_what_a_calendar_shows_no_more_because_of_its_age_stays_at_the_other(
    unlinked: ProviderWorld, name: str
) -> None:
    world = unlinked
    for side_name in world.sides:
        world.link_primary(side_name, past_days=30)
    world.settle()
    for n in range(6):
        world.sides[name].create(timed(f"Event {n}", NOW + n * DAY))
    world.sides[name].create(series("Course", NOW, "FREQ=DAILY;COUNT=5"))
    world.sync()
    later(world, 60 * 86400, 7)
    clear(world)
    for _ in range(2):
        world.relist()
    assert world.writes() == []
    assert len(world.hub_events()) == len(world.google.events()) == len(world.outlook.events()) == 7
    world.assert_quiet()


@pytest.mark.parametrize("order", [("google", "outlook"), ("outlook", "google")])
def test_a_wider_window_adopts_what_both_sides_hold_already(
    unlinked: ProviderWorld, order: tuple[str, str]
) -> None:
    world = unlinked
    old = [timed(f"Old {n}", NOW - (40 + 3 * n) * DAY) for n in range(8)]
    old += [
        all_day("Old day", date(2026, 10, 20)),
        series("Old course", NOW - 60 * DAY, "FREQ=DAILY;COUNT=5"),
    ]
    for side in world.sides.values():
        world.connect(side.name)
        for content in [*old, timed("Lunch", NOW + DAY)]:
            side.create(replace(content, reminders=side.project(content).content.reminders))
    for name in order:
        world.link_primary(name, past_days=30)
    world.settle()
    world.sync()
    assert [c.title for c in world.hub_events().values()] == ["Lunch"]
    clear(world)
    for name in order:
        with world.ports.db.transaction() as session:
            change_link(session, world.ports, session.get_one(Link, world.sides[name].link_id), past_days=80)
        world.settle()
        world.sync()
    assert len(world.hub_events()) == len(old) + 1
    assert not [call for call in world.writes() if " POST " in call and "/events " in call]
    world.assert_quiet()
