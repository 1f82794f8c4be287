"""REC: series that are split, begun, ended or turned into single events at a provider."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta

import pytest

from hub.plugin.testing import series, timed
from hub.plugin.types import SeriesException
from tests.provider_world import ProviderWorld, Side
from tests.scenarios.play import both_show, clear, pull, writes

MONDAY = datetime(2026, 12, 7, 9)
WEEK = timedelta(weeks=1)
TEST = series("Test", datetime(2026, 12, 2, 20), "FREQ=WEEKLY;COUNT=8")


def end_before(side: Side, remote_id: str, split: datetime) -> None:
    """Let the old half of a split series end as Google's page does: one second before the new half."""
    when = side.events()[remote_id].when
    head = ";".join(p for p in when.recurrence[0].split(";") if not p.startswith(("COUNT=", "UNTIL=")))
    until = split - timedelta(hours=1, seconds=1)  # Berlin in winter
    kept = tuple(e for e in when.exceptions if e.original_start < split)
    rule = f"{head};UNTIL={until:%Y%m%dT%H%M%SZ}"
    side.update(remote_id, when=dataclasses.replace(when, recurrence=(rule,), exceptions=kept))


@pytest.mark.parametrize("where", ["google", "outlook"])
def test_rec_14_this_and_following_shows_the_day_of_the_split_once(world: ProviderWorld, where: str) -> None:
    side = world.sides[where]
    old = side.create(series("Weekly", datetime(2026, 11, 2, 9), "FREQ=WEEKLY;BYDAY=MO;COUNT=10"))
    world.sync()
    end_before(side, old, MONDAY)
    side.create(series("Weekly", MONDAY + timedelta(hours=1), "FREQ=WEEKLY;BYDAY=MO;COUNT=5"))
    world.sync()
    assert both_show(world) == [
        "01-04 10:00",
        *(f"11-{n:02d} 09:00" for n in (2, 9, 16, 23, 30)),
        *(f"12-{n:02d} 10:00" for n in (7, 14, 21, 28)),
    ]
    assert len(world.hub_events()) == 2
    world.assert_quiet()


def test_rec_15_a_split_series_lives_through_many_rounds(world: ProviderWorld) -> None:
    old = world.google.create(TEST)
    world.sync()
    split = TEST.when.start + 2 * WEEK  # type: ignore[operator]
    end_before(world.google, old, split)
    world.google.create(series("Test", split + timedelta(minutes=30), "FREQ=WEEKLY;COUNT=6"))
    for _ in range(4):
        world.sync()
        assert both_show(world) == [
            *(f"01-{n:02d} 20:30" for n in (6, 13, 20)),
            *(f"12-{n:02d} 20:00" for n in (2, 9)),
            *(f"12-{n:02d} 20:30" for n in (16, 23, 30)),
        ]
    assert world.google.control.mails() == world.outlook.control.mails() == []


@pytest.mark.parametrize("mirrored", [False, True])
def test_rec_16_a_half_that_ended_before_the_window_is_not_made_again(
    unlinked: ProviderWorld, mirrored: bool
) -> None:
    world = unlinked
    for name in world.sides:
        world.connect(name)
    first = datetime(2026, 7, 6, 9)
    split = datetime(2026, 8, 24, 9)
    rule = "FREQ=WEEKLY;BYDAY=MO"
    ended = series("Old half", first, f"{rule};UNTIL={split - timedelta(seconds=1):%Y%m%dT%H%M%SZ}")
    old = world.google.create(series("Old half", first, rule) if mirrored else ended)
    if mirrored:
        world.link_both()
        world.google.update(old, when=ended.when)
    world.google.create(series("New half", split, rule))
    if not mirrored:
        world.link_both()
    world.sync()
    clear(world)
    for _ in range(5):
        world.advance(2000)
        world.wait(0)
        world.relist()
        assert writes(world.outlook) == writes(world.google) == []
    titles = sorted(content.title for content in world.outlook.events().values())
    assert titles == (["New half", "Old half"] if mirrored else ["New half"])


@pytest.mark.parametrize("where", ["google", "outlook"])
def test_rec_17_a_single_event_that_becomes_a_series_leaves_none_behind(
    world: ProviderWorld, where: str
) -> None:
    side = world.sides[where]
    remote_id = side.create(timed("Talk", MONDAY))
    world.sync()
    (event_id,) = world.hub_events()
    side.update(remote_id, when=series("", MONDAY, "FREQ=WEEKLY;COUNT=3").when)
    world.sync()
    assert both_show(world) == ["12-07 09:00", "12-14 09:00", "12-21 09:00"]
    assert list(world.hub_events()) == [event_id]
    world.assert_quiet()


@pytest.mark.parametrize("where", ["google", "outlook"])
def test_rec_18_a_series_that_becomes_a_single_event_leaves_no_instances_behind(
    world: ProviderWorld, where: str
) -> None:
    moved = SeriesException(
        MONDAY + WEEK, start=MONDAY + WEEK + timedelta(hours=2), end=MONDAY + WEEK + timedelta(hours=3)
    )
    gone = SeriesException(MONDAY + 2 * WEEK, cancelled=True)
    side = world.sides[where]
    remote_id = side.create(series("Talk", MONDAY, "FREQ=WEEKLY;COUNT=5", moved, gone))
    world.sync()
    assert len(both_show(world)) == 4
    side.update(remote_id, when=timed("", MONDAY).when)
    world.sync()
    assert both_show(world) == ["12-07 09:00"]
    (content,) = world.hub_events().values()
    assert content.when == timed("", MONDAY).when
    side.update(remote_id, title="Last talk")
    world.sync()
    assert both_show(world, "Last talk") == ["12-07 09:00"]
    world.assert_quiet()


@pytest.mark.parametrize("person_moves", ["before the hub looks", "while it writes"])
def test_rec_42_a_new_rule_is_never_written_beside_a_start_that_was_moved_meanwhile(
    world: ProviderWorld, person_moves: str
) -> None:
    remote_id = world.outlook.create(series("Jour", MONDAY, "FREQ=WEEKLY;BYDAY=MO;COUNT=6"))
    world.sync()
    clear(world)
    event_id, content = world.hub_event("Jour")
    fortnightly = dataclasses.replace(
        content.when, recurrence=("RRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=MO;COUNT=6",)
    )
    tuesday = MONDAY + timedelta(days=1)
    moved = series("", tuesday, "FREQ=WEEKLY;BYDAY=TU;COUNT=6").when
    if person_moves == "before the hub looks":
        world.outlook.update(remote_id, when=moved)
        world.api_updates(event_id, dataclasses.replace(content, when=fortnightly))
    else:
        world.api_updates(event_id, dataclasses.replace(content, when=fortnightly))
        world.outlook.update(remote_id, when=moved)
    world.sync()
    for call in writes(world.outlook, "PATCH"):
        body = call["body"]
        if "recurrence" in body:
            assert call["if_match"]
            assert body["recurrence"]["range"]["startDate"] == body["start"]["dateTime"][:10]
    assert both_show(world)
    assert len(world.conflicts()) == 1
    world.assert_quiet(conflicts=1)


@pytest.mark.parametrize("order", ["new half first", "old half first", "together"])
def test_rec_45_after_a_split_with_another_day_and_title_only_the_new_half_goes_on(
    world: ProviderWorld, order: str
) -> None:
    rule = "FREQ=WEEKLY;BYDAY={};COUNT={}"
    old = world.google.create(series("Workout v0", MONDAY, rule.format("MO", 6)))
    world.sync()
    before, _ = world.hub_event("Workout v0")
    split = MONDAY + 2 * WEEK
    new = series("Workout v1", split + timedelta(days=4), rule.format("FR", 4))
    steps = [lambda: world.google.create(new), lambda: end_before(world.google, old, split)]
    for step in reversed(steps) if order == "old half first" else steps:
        step()
        if order != "together":
            pull(world, world.google)
    world.sync()
    assert both_show(world, "Workout v0") == ["12-07 09:00", "12-14 09:00"]
    assert both_show(world, "Workout v1") == ["01-01 09:00", "01-08 09:00", "01-15 09:00", "12-25 09:00"]
    assert world.hub_event("Workout v0")[0] == before, "it goes on with its own history"
    world.assert_quiet()
