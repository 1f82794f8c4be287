"""TIM: whole days, events without length, dates at the ends of time and those that stand for none."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest

from hub.accounts.links import move_calendar
from hub.models import Calendar
from hub.plugin.testing import all_day, series, timed
from hub.plugin.types import EventContent, SeriesException, When
from tests.provider_world import ProviderWorld
from tests.scenarios.meetings import call
from tests.scenarios.play import both_show, clear, other, pull, writes
from tests.scenarios.zoned import at, change_times, hub_spans, link_zoned, show, spans, starts

EVE = date(2026, 12, 24)
DAY = timedelta(days=1)


@pytest.mark.parametrize("zone", ["America/Sao_Paulo", "Pacific/Auckland", "America/Los_Angeles"])
def test_tim_07_all_day_events_keep_their_dates_in_every_zone(unlinked: ProviderWorld, zone: str) -> None:
    world = unlinked
    link_zoned(world, zone)
    world.outlook.create(all_day("From outlook", EVE))
    world.google.create(all_day("From google", EVE, 3))
    world.api_creates(all_day("From the hub", EVE, 2))
    world.sync()
    for title, days in (("From outlook", 1), ("From google", 3), ("From the hub", 2)):
        for content in (world.hub_event(title)[1], *(s.by_title()[title] for s in world.sides.values())):
            assert (content.when.start, content.when.end) == (EVE, EVE + days * DAY)
    sent = {call["body"]["summary"]: call["body"] for call in writes(world.google, "POST")}
    assert sent["From outlook"]["start"] == {"date": "2026-12-24"}
    assert sent["From outlook"]["end"] == {"date": "2026-12-25"}
    world.outlook.update(world.outlook.find("From google"), title="Longer")
    world.google.update(world.google.find("From outlook"), when=When(EVE + DAY, EVE + 2 * DAY))
    world.sync()
    assert world.google.by_title()["Longer"].when == When(EVE, EVE + 3 * DAY)
    assert world.outlook.by_title()["From outlook"].when == When(EVE + DAY, EVE + 2 * DAY)
    world.assert_quiet()


@pytest.mark.parametrize("origin", ["google", "outlook"])
def test_tim_07_one_day_of_a_timed_series_is_made_all_day_and_timed_again(
    world: ProviderWorld, origin: str
) -> None:
    side = world.sides[origin]
    side.create(series("Talks", NOON, "FREQ=WEEKLY;COUNT=3"))
    world.sync()
    day, noon = date(2026, 12, 12), datetime(2026, 12, 12, 12)
    change_times(world, side, "12-12", day, day + DAY)
    world.sync()
    assert both_show(world) == ["12-05 12:00", "12-12", "12-19 12:00"]
    assert world.hub_event("Talks")[1].when.exceptions == (SeriesException(noon, start=day, end=day + DAY),)
    world.assert_quiet()
    change_times(world, side, "12-12", noon, noon + timedelta(hours=1))
    world.sync()
    assert both_show(world) == ["12-05 12:00", "12-12 12:00", "12-19 12:00"]
    world.assert_quiet()


@pytest.mark.parametrize("origin", ["google", "outlook"])
def test_tim_09_a_timed_event_of_a_whole_day_stays_timed(world: ProviderWorld, origin: str) -> None:
    side = world.sides[origin]
    midnight = datetime(2026, 12, 5)
    side.create(timed("Berlin", midnight, 24 * 60))
    side.create(timed("UTC", midnight, 24 * 60, zone="UTC"))
    side.create(timed("Two hours", midnight, 120, zone="UTC"))
    world.sync()
    there = other(world, origin)
    assert not any(content.when.all_day for content in there.events().values())
    assert spans(there, "Berlin") == [(at("2026-12-04T23:00"), at("2026-12-05T23:00"))]
    assert spans(there, "UTC") == [(at("2026-12-05T00:00"), at("2026-12-06T00:00"))]
    there.update(there.find("Berlin"), title="Berlin again")
    world.sync()
    assert not side.by_title()["Berlin again"].when.all_day
    world.assert_quiet()


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York"])
@pytest.mark.parametrize("origin", ["google", "outlook"])
def test_tim_09_one_timed_day_of_a_series_of_whole_days_is_in_its_own_zone(
    world: ProviderWorld, origin: str, zone: str
) -> None:
    side, day = world.sides[origin], date(2026, 12, 12)
    whole = all_day("Watch", day - 7 * DAY)
    side.create(replace(whole, when=replace(whole.when, recurrence=("RRULE:FREQ=WEEKLY;COUNT=3",))))
    world.sync()
    nine = datetime(2026, 12, 12, 9)
    change_times(world, side, "12-12", nine, nine + timedelta(hours=1), zone=zone)
    world.sync()
    shown = "12-12 09:00" if zone == "Europe/Berlin" else "12-12 15:00"
    assert both_show(world) == ["12-05", shown, "12-19"]
    event_id, content = world.hub_event("Watch")
    (own,) = content.when.exceptions
    assert (own.start, own.start_zone) == (nine, zone)
    exceptions = call(world, "GET", f"/events/{event_id}")["exceptions"]
    assert call(world, "PATCH", f"/events/{event_id}", {"exceptions": exceptions})["exceptions"] == exceptions
    assert world.hub_event("Watch")[1] == content
    world.assert_quiet()
    change_times(world, side, shown, day, day + DAY)
    world.sync()
    assert both_show(world) == ["12-05", "12-12", "12-19"]
    assert world.hub_event("Watch")[1].when.exceptions == ()
    world.assert_quiet()


NOON = datetime(2026, 12, 5, 12)
NO_LENGTH = {
    "no length": (timed("", NOON, 0).when, timedelta(0)),
    "reversed": (timed("", NOON, -30).when, timedelta(0)),
    "one date": (When(NOON.date(), NOON.date()), DAY),
    "reversed days": (When(NOON.date(), NOON.date() - 2 * DAY), DAY),
}


def test_tim_10_what_has_no_length_is_widened_where_it_is_written_and_written_once(
    world: ProviderWorld,
) -> None:
    for title, (when, _) in NO_LENGTH.items():
        world.api_creates(EventContent(title=title, when=when))
    world.settle()
    for side in world.sides.values():
        for title, (_, length) in NO_LENGTH.items():
            held = side.by_title()[title].when
            assert held.end - held.start == length  # type: ignore[operator]
        assert len(writes(side)) == len(NO_LENGTH)
    clear(world)
    for _ in range(2):
        world.sync()
        world.relist()
    assert world.writes() == [] and world.parked() == {} and world.conflicts() == []
    held = {content.title: content.when for content in world.hub_events().values()}
    assert held == {title: when for title, (when, _) in NO_LENGTH.items()}


@pytest.mark.parametrize("kind", ["reversed", "one date"])
def test_tim_10_what_a_provider_shows_without_length_is_widened_elsewhere(
    world: ProviderWorld, kind: str
) -> None:
    if kind == "reversed":
        remote_id = world.google.create(timed("Odd", NOON))
        show(world.google, remote_id, end={"dateTime": "2026-12-05T11:00:00+01:00"})
    else:
        remote_id = world.google.create(all_day("Odd", NOON.date()))
        show(world.google, remote_id, end={"date": "2026-12-05"})
    pull(world, world.google)
    held = world.outlook.by_title()["Odd"].when
    assert held.end - held.start == NO_LENGTH[kind][1]  # type: ignore[operator]
    clear(world)
    world.outlook.update(world.outlook.find("Odd"), title="Renamed")
    for _ in range(3):
        world.sync()
        world.relist()
    assert [call["body"] for call in writes(world.google)] == [{"summary": "Renamed"}]
    assert writes(world.outlook) == [] and world.parked() == {} and world.conflicts() == []


def test_tim_15_a_time_with_an_offset_is_the_instant_that_it_names(world: ProviderWorld) -> None:
    remote_id = world.google.create(timed("Call", datetime(2026, 12, 10, 9), zone="Etc/GMT-2"))
    show(
        world.google,
        remote_id,
        start={"dateTime": "2026-12-10T10:00:00+02:00", "timeZone": None},
        end={"dateTime": "2026-12-10T11:00:00+02:00", "timeZone": None},
    )
    pull(world, world.google)
    assert spans(world.outlook, "Call") == [(at("2026-12-10T08:00"), at("2026-12-10T09:00"))]
    (sent,) = writes(world.outlook, "POST")
    assert "+" not in sent["body"]["start"]["dateTime"]


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/Denver"])
def test_tim_17_a_floating_time_is_that_of_the_users_calendar(unlinked: ProviderWorld, zone: str) -> None:
    world = unlinked
    link_zoned(world, zone)
    nine = datetime(2026, 12, 10, 9)
    world.api_creates(EventContent(title="Pills", when=When(nine, nine + timedelta(minutes=5))))
    daily = series("Yoga", nine, "FREQ=DAILY;COUNT=3", SeriesException(nine + DAY, cancelled=True)).when
    world.api_creates(EventContent(title="Yoga", when=replace(daily, start_zone=None, end_zone=None)))
    world.settle()
    offset = timedelta(hours=-1 if zone == "Europe/Berlin" else 7)
    for side in world.sides.values():
        assert starts(side, "Pills") == [at("2026-12-10T09:00") + offset]
        assert starts(side, "Yoga") == [at("2026-12-10T09:00") + offset, at("2026-12-12T09:00") + offset]
        side.update(side.find("Pills"), description=f"Seen at {side.name}")
        world.sync()
    assert world.hub_event("Pills")[1].when.start_zone is None, "nobody has moved it"
    world.assert_quiet()
    world.google.update(world.google.find("Pills"), when=timed("", nine + DAY, zone=zone).when)
    world.sync()
    assert world.hub_event("Pills")[1].when.start_zone == zone
    world.assert_quiet()


def test_tim_17_floating_times_move_with_the_zone_of_the_calendar(world: ProviderWorld) -> None:
    nine = datetime(2026, 12, 10, 9)
    world.api_creates(EventContent(title="Pills", when=When(nine, nine + timedelta(minutes=5))))
    world.api_creates(timed("Call", nine))
    world.settle()
    clear(world)
    with world.ports.db.transaction() as session:
        move_calendar(session, world.ports, session.get_one(Calendar, "cal_1"), "America/Denver")
    world.settle()
    for side in world.sides.values():
        assert starts(side, "Pills") == [at("2026-12-10T16:00")]
        assert starts(side, "Call") == [at("2026-12-10T08:00")]
        assert len(writes(side)) == 1


def test_tim_18_events_at_the_ends_of_time_cost_no_other(world: ProviderWorld) -> None:
    google, outlook = world.google, world.outlook
    first = outlook.create(timed("Year one", NOON))
    show(outlook, first, **{n: {"dateTime": "0001-01-01T00:00:00.0000000"} for n in ("start", "end")})
    last = google.create(timed("For ever", NOON))
    show(google, last, end={"dateTime": "9999-12-31T23:59:59-05:00"})
    birthday = replace(all_day("Birthday", date(1604, 2, 29)).when, recurrence=("RRULE:FREQ=YEARLY",))
    google.create(EventContent(title="Birthday", when=birthday))
    far = datetime(9999, 12, 31, 23, 30)
    moved = SeriesException(NOON + DAY, start=far, end=far + timedelta(minutes=15))
    days = series("Days", NOON, "FREQ=DAILY;COUNT=2")
    google.create(replace(days, when=replace(days.when, exceptions=(moved,))))
    google.create(timed("Good at Google", NOON))
    outlook.create(timed("Good in Outlook", NOON))
    world.sync()
    for side in world.sides.values():
        assert {"Good at Google", "Good in Outlook"} <= side.by_title().keys()
        link = world.get_link(side.link_id)
        assert (link.state, link.problem) == ("active", None)
    assert world.hub_event("Days")[1].when.exceptions == (moved,)
    assert world.hub_event("Birthday")[1].when.start == date(1604, 2, 29)
    assert hub_spans(world, "For ever")[0][0] == at("2026-12-05T11:00")


def test_tim_21_a_date_that_stands_for_none_is_read_as_none(world: ProviderWorld) -> None:
    remote_id = world.outlook.create(timed("Talk", NOON))
    never, old = "0001-01-01T00:00:00Z", "1601-01-01T00:00:00Z"
    show(
        world.outlook,
        remote_id,
        createdDateTime=old,
        lastModifiedDateTime=never,
        responseStatus={"response": "none", "time": never},
        isReminderOn=False,
        reminderMinutesBeforeStart=-1,
    )
    pull(world, world.outlook)
    assert world.hub_event("Talk")[1].reminders == ()
    (copy,) = world.copies(world.outlook.link_id)
    assert copy.shown_at is None
    assert starts(world.google, "Talk") == [at("2026-12-05T11:00")]
