"""TIM: clocks that change, wall times that are missing or come twice, and zones that a provider drops."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest

from hub.domain.recurrence import instant
from hub.plugin.testing import series, timed
from hub.plugin.types import Location
from tests.provider_world import ProviderWorld, Side
from tests.scenarios.meetings import call
from tests.scenarios.play import clear, instances, later, other, pull, writes
from tests.scenarios.zoned import at, hub_spans, hub_starts, show, spans, starts

WEEK = timedelta(weeks=1)
ORIGINS = ["google", "outlook", "hub"]
NEW_YORK = "America/New_York"


def make(world: ProviderWorld, origin: str, *contents: object) -> None:
    """Make events on one side, or in the hub, and let them be carried to the others."""
    for content in contents:
        if origin == "hub":
            world.api_creates(content)  # type: ignore[arg-type]
        else:
            world.sides[origin].create(content)  # type: ignore[arg-type]
    world.sync()


@pytest.mark.parametrize("origin", ORIGINS)
def test_tim_05_an_event_beyond_the_clock_change_has_its_own_offset(
    world: ProviderWorld, origin: str
) -> None:
    summer = timed("Summer", datetime(2027, 7, 20, 20), 150, zone="Europe/Zurich")
    winter = timed("Winter", datetime(2027, 1, 20, 20), 150, zone="Europe/Zurich")
    make(world, origin, summer, winter)
    for side in world.sides.values():
        assert spans(side, "Summer") == [(at("2027-07-20T18:00"), at("2027-07-20T20:30"))]
        assert spans(side, "Winter") == [(at("2027-01-20T19:00"), at("2027-01-20T21:30"))]
        assert side.by_title()["Winter"].when.start == datetime(2027, 1, 20, 20)
    world.assert_quiet()


@pytest.mark.parametrize("origin", ORIGINS)
def test_tim_11_a_time_that_the_clocks_skip_has_the_offset_of_before(
    world: ProviderWorld, origin: str
) -> None:
    single = timed("Once", datetime(2027, 3, 14, 2, 30), zone=NEW_YORK)
    nightly = series("Nightly", datetime(2027, 3, 26, 2, 30), "FREQ=DAILY;COUNT=4")
    make(world, origin, single, nightly)
    nights = [at("2027-03-26T01:30"), at("2027-03-27T01:30"), at("2027-03-28T01:30"), at("2027-03-29T00:30")]
    for side in world.sides.values():
        assert starts(side, "Once") == [at("2027-03-14T07:30")]
        assert starts(side, "Nightly") == nights
        assert side.by_title()["Nightly"].when.start == datetime(2027, 3, 26, 2, 30)
    assert hub_starts(world, "Nightly") == nights
    world.assert_quiet()


SKIPPED = datetime(2027, 3, 28, 2, 30)
"""What no clock in Berlin shows: the next one after 01:59 is 03:00."""


@pytest.mark.parametrize("start", [SKIPPED, SKIPPED - timedelta(hours=1)], ids=["start", "end"])
def test_tim_11_a_day_that_is_moved_to_a_skipped_time_is_in_step_with_what_is_shown_of_it(
    world: ProviderWorld, start: datetime
) -> None:
    morning = SKIPPED.replace(hour=9)
    world.google.create(series("Daily", morning - timedelta(days=3), "FREQ=DAILY;COUNT=10"))
    world.sync()
    event_id = world.hub_event("Daily")[0]
    span = {
        name: {"date_time": wall.isoformat(), "time_zone": "Europe/Berlin"}
        for name, wall in (("start", start), ("end", start + timedelta(hours=1)))
    }
    call(world, "PATCH", f"/events/{event_id}/occurrences/{morning.isoformat()}", span)
    world.sync()
    for side in world.sides.values():
        assert at("2027-03-28T01:30") in spans(side, "Daily")[3]
    world.assert_quiet()


@pytest.mark.parametrize("unholdable", ["hold", "singles"])
def test_tim_11_a_series_that_begins_at_a_skipped_time_is_never_repeated_at_another(
    unlinked: ProviderWorld, unholdable: str
) -> None:
    world = unlinked
    for name in world.sides:
        world.link_primary(name, unholdable=unholdable)
    world.api_creates(series("Nightly", SKIPPED, "FREQ=DAILY;COUNT=3"))
    world.settle()
    nights = [at("2027-03-28T01:30"), at("2027-03-29T00:30"), at("2027-03-30T00:30")]
    for side in world.sides.values():
        shown = [content.when for content in side.events().values()]
        assert sorted(instant(when.start, when.start_zone, "UTC") for when in shown) == (
            nights if unholdable == "singles" else []
        )
    held_back = {(name, "Nightly") for name in world.sides} if unholdable == "hold" else set()
    assert world.parked().keys() == held_back
    assert all("clocks skip" in reason for reason in world.parked().values())


@pytest.mark.parametrize("first", ["2027-03-20T22:00", "2027-03-27T22:00", "2027-03-28T02:30"])
@pytest.mark.parametrize("origin", ORIGINS)
def test_tim_11_each_night_ends_by_the_clock_wherever_it_is_looked_at(
    world: ProviderWorld, origin: str, first: str
) -> None:
    begin = datetime.fromisoformat(first)
    nights = series("Night", begin, "FREQ=WEEKLY;COUNT=3")
    when = dataclasses.replace(nights.when, end=begin + timedelta(hours=8))
    if first.endswith("02:30"):  # A start that the clocks skip, in the middle of a series.
        when = dataclasses.replace(nights.when, start=begin - WEEK, end=begin - WEEK + timedelta(minutes=30))
    make(world, origin, dataclasses.replace(nights, when=when))
    span = ("2027-03-01T00:00:00Z", "2027-05-01T00:00:00Z")

    def ends(side: Side) -> list[datetime]:
        found = (datetime.fromisoformat(item["end"]["dateTime"]) for item in instances(world, side, span))
        return sorted(end.astimezone(UTC) if end.tzinfo else end.replace(tzinfo=UTC) for end in found)

    by_clock = [end for _, end in hub_spans(world, "Night")]
    assert len(by_clock) == 3 and ends(world.google) == by_clock
    if not first.endswith("02:30"):
        assert ends(world.outlook) == by_clock
    world.google.update(world.google.find("Night"), location=Location("Ward 7"))
    world.sync()
    assert all(
        not shown.when.exceptions
        for shown in (*world.google.events().values(), *world.outlook.events().values())
    )
    world.assert_quiet()


@pytest.mark.parametrize("origin", ORIGINS)
def test_tim_12_of_a_time_that_comes_twice_the_first_is_meant(world: ProviderWorld, origin: str) -> None:
    across = timed("Across", datetime(2027, 11, 7, 1, 30), zone=NEW_YORK)
    nightly = series("Nightly", datetime(2027, 10, 30, 2, 30), "FREQ=DAILY;COUNT=3")
    make(world, origin, across, nightly)
    for side in world.sides.values():
        assert spans(side, "Across") == [(at("2027-11-07T05:30"), at("2027-11-07T07:30"))]
        assert starts(side, "Nightly") == [
            at("2027-10-30T00:30"),
            at("2027-10-31T00:30"),
            at("2027-11-01T01:30"),
        ]
    assert hub_spans(world, "Across") == spans(world.google, "Across")
    world.assert_quiet()


def test_tim_12_the_second_of_two_equal_times_is_told_apart_by_its_instant(world: ProviderWorld) -> None:
    remote_id = world.google.create(timed("Second", datetime(2027, 11, 7, 1, 30), 45, zone=NEW_YORK))
    times = {"start": "2027-11-07T01:30:00-05:00", "end": "2027-11-07T02:15:00-05:00"}
    show(world.google, remote_id, **{end: {"dateTime": stamp} for end, stamp in times.items()})
    pull(world, world.google)
    meant = [(at("2027-11-07T06:30"), at("2027-11-07T07:15"))]
    assert hub_spans(world, "Second") == spans(world.outlook, "Second") == meant
    clear(world)
    world.sync()
    assert world.writes() == []


@pytest.mark.parametrize("origin", ["google", "outlook"])
def test_tim_14_a_zone_whose_clocks_follow_the_moon_is_computed_day_by_day(
    world: ProviderWorld, origin: str
) -> None:
    weekly = series("Souk", datetime(2027, 1, 25, 9), "FREQ=WEEKLY;COUNT=9", zone="Africa/Casablanca")
    make(world, origin, weekly)
    hours = [f"{start:%m-%d %H}" for start in starts(other(world, origin), "Souk")]
    # Ramadan of 2027: the clocks go back on 7 February and forward on 14 March.
    assert hours == [
        *("01-25 08", "02-01 08", "02-08 09", "02-15 09", "02-22 09", "03-01 09", "03-08 09"),
        *("03-15 08", "03-22 08"),
    ]
    world.assert_quiet()


@pytest.mark.parametrize("origin", ["google", "outlook"])
def test_tim_16_a_series_keeps_its_zone_in_the_weeks_when_clocks_differ(
    world: ProviderWorld, origin: str
) -> None:
    # New York changes its clocks on 14 March, Berlin on 28 March.
    weekly = series("Standup", datetime(2027, 3, 8, 9), "FREQ=WEEKLY;COUNT=4", zone=NEW_YORK)
    make(world, origin, weekly)
    for side in world.sides.values():
        assert [f"{start:%d %H}" for start in starts(side, "Standup")] == ["08 14", "15 13", "22 13", "29 13"]
        assert side.by_title()["Standup"].when.start_zone == NEW_YORK
    there = other(world, origin)
    there.update(there.find("Standup"), title="Daily standup")
    world.sync()
    assert [f"{start:%d %H}" for start in hub_starts(world, "Daily standup")][1:3] == ["15 13", "22 13"]
    world.assert_quiet()


@pytest.mark.parametrize("kind", ["single", "series"])
def test_tim_22_digits_that_graph_stores_in_another_zone_are_corrected_once(
    world: ProviderWorld, kind: str
) -> None:
    night = datetime(2027, 3, 3, 3)
    content = timed("Backup", night, zone="America/Los_Angeles")
    if kind == "series":
        content = series("Backup", night, "FREQ=DAILY;COUNT=3", zone="America/Los_Angeles")
    wrong = {end: {"timeZone": "UTC"} for end in ("start", "end")}
    if kind == "series":
        wrong |= {"recurrence": {"range": {"recurrenceTimeZone": "UTC"}}}
    world.outlook.control.fault("alter", method="POST", path="/events$", values=wrong)
    world.google.create(content)
    pull(world, world.google)
    assert starts(world.outlook, "Backup")[0] == at("2027-03-03T03:00"), "it was stored as it should not"
    later(world)
    right = [at("2027-03-03T11:00") + timedelta(days=n) for n in range(3 if kind == "series" else 1)]
    assert starts(world.outlook, "Backup") == starts(world.google, "Backup") == right
    assert len(writes(world.outlook)) == 2
    assert writes(world.google) == []
    assert world.conflicts() == []
    world.assert_quiet()
