"""REC: rules, their ends and the days that they leave out, in every form that providers and people write."""

from __future__ import annotations

import dataclasses
from datetime import date, datetime, timedelta

import pytest

from hub.plugin.testing import series, timed
from hub.plugin.types import EventContent, SeriesException, When
from tests.provider_world import ProviderWorld
from tests.scenarios.meetings import call, patch
from tests.scenarios.play import agenda, both_show, instances, later, raw, refuse

WEDNESDAY = datetime(2026, 12, 2, 9)
BERLIN = "Europe/Berlin"


def with_lines(title: str, start: date | datetime, *lines: str, zone: str | None = BERLIN) -> EventContent:
    """Return an event with raw recurrence lines, as somebody has put them into a calendar."""
    if isinstance(start, datetime):
        return EventContent(When(start, start + timedelta(hours=1), zone, zone, lines), title)
    return EventContent(When(start, start + timedelta(days=1), None, None, lines), title)


def days(*numbers: int, at: str = " 09:00") -> list[str]:
    return [f"12-{n:02d}{at}" for n in numbers]


def test_rec_07_every_form_of_exdate_leaves_out_the_same_occurrence(world: ProviderWorld) -> None:
    lines = (
        "RRULE:FREQ=DAILY;UNTIL=20261213T170000Z",
        "EXDATE:20261207T170000Z,20261208T170000Z",
        "EXDATE;TZID=Europe/Berlin:20261210T180000",
        "EXDATE:20261211T180000",
        "EXDATE;TZID=Europe/Berlin:20261230T180000",
    )
    world.google.create(with_lines("Forms", datetime(2026, 12, 6, 18), *lines))
    world.sync()
    assert both_show(world) == days(6, 9, 12, 13, at=" 18:00")
    world.assert_quiet()


@pytest.mark.parametrize("start", [datetime(2026, 12, 3, 9), date(2026, 12, 3)], ids=["timed", "all-day"])
def test_rec_08_an_exdate_of_the_other_kind_costs_no_calendar(
    world: ProviderWorld, start: date | datetime
) -> None:
    exdate = {True: "EXDATE;VALUE=DATE:20261224", False: "EXDATE:20261223T230000Z"}[
        isinstance(start, datetime)
    ]
    world.google.create(with_lines("Odd", start, "RRULE:FREQ=WEEKLY;COUNT=5", exdate))
    for n in range(6):
        world.google.create(timed(f"Other {n}", WEDNESDAY + timedelta(hours=n)))
    world.sync()
    assert len(world.outlook.events()) == 7 and world.parked() == {}
    tail = " 09:00" if isinstance(start, datetime) else ""
    assert both_show(world, "Odd") == days(3, 10, 17, 31, at=tail)


def test_rec_09_what_the_hub_writes_of_a_series_agrees_in_kind_and_zone(world: ProviderWorld) -> None:
    forms = {
        "Timed": (WEDNESDAY, "20261230T080000Z", "EXDATE;TZID=Europe/Berlin:20261209T090000"),
        "Days": (WEDNESDAY.date(), "20261230", "EXDATE;VALUE=DATE:20261209"),
    }
    for title, (start, until, _) in forms.items():
        content = with_lines(title, start, f"RRULE:FREQ=WEEKLY;UNTIL={until}")
        gone = (SeriesException(start + timedelta(weeks=1), cancelled=True),)
        world.api_creates(
            dataclasses.replace(content, when=dataclasses.replace(content.when, exceptions=gone))
        )
    world.settle()
    listed = raw(world, world.google, "events", singleEvents="false")["items"]
    written = {item["summary"]: item for item in listed if "recurrence" in item}
    for title, (_, until, exdate) in forms.items():
        assert written[title]["recurrence"] == [f"RRULE:FREQ=WEEKLY;UNTIL={until}", exdate]
    assert written["Timed"]["start"]["timeZone"] == BERLIN
    assert both_show(world, "Timed") == days(2, 16, 23, 30)
    assert both_show(world, "Days") == days(2, 16, 23, 30, at="")


@pytest.mark.parametrize("where", ["outlook", "google"])
def test_rec_11_an_all_day_series_keeps_its_last_day(world: ProviderWorld, where: str) -> None:
    rule = {
        "outlook": "RRULE:FREQ=MONTHLY;COUNT=12;BYDAY=TU;BYSETPOS=-1",
        "google": "RRULE:FREQ=MONTHLY;UNTIL=20271129T230000Z;BYDAY=TU;BYSETPOS=-1",
    }[where]
    world.sides[where].create(with_lines("Last Tuesday", date(2026, 12, 29), rule))
    world.sync()
    span = ("2026-12-01T00:00:00Z", "2028-06-01T00:00:00Z")
    shown = [agenda(world, side, None, span) for side in world.sides.values()]
    assert shown[0] == shown[1] and len(shown[0]) == 12
    assert "11-30" in shown[0]
    (event,) = world.hub_events().values()
    assert "T" not in event.when.recurrence[0].partition("UNTIL=")[2]
    world.assert_quiet()


def test_rec_12_an_until_that_is_the_last_start_keeps_it_across_a_change_of_clocks(
    world: ProviderWorld,
) -> None:
    rule = "FREQ=WEEKLY;UNTIL=20270629T120000Z;INTERVAL=2;BYDAY=TU;WKST=MO"
    world.google.create(series("Fortnightly", datetime(2027, 1, 12, 14), rule))
    world.sync()
    span = ("2026-12-01T00:00:00Z", "2027-12-01T00:00:00Z")
    for side in world.sides.values():
        shown = agenda(world, side, None, span)
        assert len(shown) == 13 and shown[-1] == "06-29 14:00"


def test_rec_13_an_end_on_friday_is_friday_on_both_sides_and_does_not_creep(world: ProviderWorld) -> None:
    weekdays = "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"
    world.outlook.create(
        series("From Outlook", datetime(2026, 12, 7, 9), f"{weekdays};UNTIL=20261218T225959Z")
    )
    new_york = series(
        "From Google", datetime(2026, 12, 7, 9), f"{weekdays};UNTIL=20261219T045959Z", zone="America/New_York"
    )
    world.google.create(new_york)
    world.sync()
    for n in range(2):
        for side, title in ((world.google, "From Outlook"), (world.outlook, "From Google")):
            side.update(side.find(title), description=f"Edit {n}", when=side.by_title()[title].when)
        world.sync()
        assert both_show(world, "From Outlook") == days(7, 8, 9, 10, 11, 14, 15, 16, 17, 18)
        assert both_show(world, "From Google")[-1] == "12-18 15:00"
    world.assert_quiet()


def test_rec_25_a_series_of_dates_alone_stops_nobody_and_is_told(world: ProviderWorld) -> None:
    world.google.create(
        with_lines(
            "Dates", datetime(2026, 12, 3, 10), "RDATE;TZID=Europe/Madrid:20261203T100000,20261217T100000"
        )
    )
    for n in range(5):
        world.google.create(timed(f"Other {n}", WEDNESDAY + timedelta(hours=n)))
    world.sync()
    assert len(world.hub_events()) == 6 and len(world.outlook.events()) == 5
    assert "extra dates" in world.parked()["outlook", "Dates"]
    assert agenda(world, world.google, "Dates") == ["12-03 10:00", "12-17 10:00"]
    (when,) = [e.when for e in world.hub_events().values() if e.title == "Dates"]
    assert when.is_series


def test_rec_25_extra_dates_that_the_rule_makes_anyway_hold_no_series_back(world: ProviderWorld) -> None:
    monday = datetime(2026, 12, 7, 9)
    lines = "RRULE:FREQ=WEEKLY;COUNT=3", "RDATE;TZID=Europe/Berlin:20261207T090000,20261214T090000"
    remote_id = world.google.create(with_lines("Weekly", monday, *lines))
    world.sync()
    assert both_show(world) == days(7, 14, 21)
    world.assert_quiet()
    world.outlook.update(world.outlook.find("Weekly"), title="Renamed")
    world.sync()
    assert world.hub_event("Renamed")[1].when.recurrence == lines, "of its time nothing was changed"
    assert world.google.events()[remote_id].when.recurrence == lines
    world.assert_quiet()


def test_rec_26_rules_that_break_the_standard_are_repaired_where_they_are_clear(world: ProviderWorld) -> None:
    monday = datetime(2026, 12, 7, 9)
    world.google.create(with_lines("Date", monday, "RRULE:FREQ=WEEKLY;WKST=MO;UNTIL=20261221;BYDAY=MO"))
    world.google.create(with_lines("Local", monday, "RRULE:FREQ=WEEKLY;UNTIL=20261221T090000;BYDAY=MO"))
    world.google.create(timed("Empty", monday))
    world.google.control.fault(
        "odd", path=r"/events$", ids=[world.google.find("Empty")], values={"recurrence": []}, times=4
    )
    world.sync()
    for title in ("Date", "Local"):
        assert both_show(world, title) == days(7, 14, 21)
    assert both_show(world, "Empty") == days(7)
    assert world.parked() == {}


@pytest.mark.parametrize(
    "rule", ["FREQ=WEEKLY;BYDAY=XX", "FREQ=DAILY;RSCALE=HEBREW", "FREQ=DAILY;BYSETPOS=9"]
)
def test_rec_26_a_rule_that_is_not_clear_sets_its_event_aside_and_the_rest_goes_on(
    world: ProviderWorld, rule: str
) -> None:
    bad = world.google.create(series("Bad", WEDNESDAY, "FREQ=DAILY"))
    world.google.create(timed("Good", WEDNESDAY))
    world.google.control.fault(
        "odd", path=r"/events", ids=[bad], values={"recurrence": [f"RRULE:{rule}"]}, times=8
    )
    world.sync()
    assert world.hub_titles() == ["Good"] and both_show(world, "Good") == days(2)
    assert (
        rule.partition(";")[0] in world.parked()["google", bad] or "RSCALE" in world.parked()["google", bad]
    )


@pytest.mark.parametrize("where", ["google", "api"])
def test_rec_27_a_day_of_the_month_each_year_is_once_a_year_everywhere(
    world: ProviderWorld, where: str
) -> None:
    content = with_lines("Day", datetime(2010, 3, 30, 9), "RRULE:FREQ=YEARLY;BYMONTHDAY=30")
    if where == "google":
        world.google.create(content)
    else:
        world.api_creates(content)
    world.sync()
    span = ("2026-12-01T00:00:00Z", "2028-12-01T00:00:00Z")
    for side in world.sides.values():
        assert agenda(world, side, None, span) == ["03-30 09:00", "03-30 09:00"]
    world.assert_quiet()


def test_rec_28_endless_series_are_bound_by_the_window_and_a_timeout_is_tried_again(
    unlinked: ProviderWorld,
) -> None:
    world = unlinked
    for name in world.sides:
        world.connect(name)
    for n in range(5):
        world.outlook.create(series(f"Daily {n}", datetime(2019, 1, 1, 9 + n), "FREQ=DAILY"))
    refuse(world.outlook, 504, "GET", path="calendarView/delta")
    world.link_both()
    later(world)
    assert len(world.hub_events()) == len(world.google.events()) == 5
    assert sum(len(world.copies(side.link_id)) for side in world.linked) == 10
    assert len(both_show(world, "Daily 0")) == 120
    assert [world.get_link(side.link_id).problem for side in world.linked] == [None, None]


@pytest.mark.parametrize("where", ["google", "outlook"])
def test_rec_29_a_series_that_began_long_before_the_window_is_mirrored(
    unlinked: ProviderWorld, where: str
) -> None:
    world = unlinked
    for name in world.sides:
        world.connect(name)
    world.sides[where].create(series("Since 2019", datetime(2019, 3, 4, 9), "FREQ=WEEKLY"))
    world.link_both()
    shown = both_show(world)
    assert shown[-4:] == days(7, 14, 21, 28) and len(instances(world, world.google)) == 17


EXACT = {
    "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=3": datetime(2026, 12, 3, 9),
    "FREQ=MONTHLY;BYDAY=SA,SU;BYSETPOS=-1": datetime(2026, 12, 27, 9),
}
HELD = {
    "FREQ=MONTHLY;BYMONTHDAY=1,15": datetime(2026, 12, 1, 9),
    "FREQ=HOURLY;INTERVAL=4": WEDNESDAY,
    "FREQ=WEEKLY;BYDAY=MO,WE,FR;BYSETPOS=1": datetime(2026, 12, 7, 9),
    "FREQ=YEARLY;BYWEEKNO=20": datetime(2027, 5, 17, 9),
    "FREQ=YEARLY;BYYEARDAY=100": datetime(2027, 4, 10, 9),
    "FREQ=DAILY;BYHOUR=9,15": WEDNESDAY,
    "FREQ=MONTHLY;BYMONTHDAY=31": datetime(2026, 12, 31, 9),
    "FREQ=MONTHLY;BYMONTHDAY=-2": datetime(2026, 12, 30, 9),
    "FREQ=DAILY;BYMONTH=1,2": datetime(2027, 1, 1, 9),
    "FREQ=WEEKLY;BYDAY=MO": WEDNESDAY,
}


def test_rec_36_a_rule_is_written_exactly_or_held_back_with_its_reason(world: ProviderWorld) -> None:
    for rule, start in (EXACT | HELD).items():
        world.google.create(series(rule, start, rule))
    world.sync()
    assert world.outlook.by_title().keys() == EXACT.keys()
    for rule in EXACT:
        assert len(both_show(world, rule)) == 3
    assert {title for _, title in world.parked()} == HELD.keys()
    assert all("Outlook" in reason or "series" in reason for reason in world.parked().values())


OFTEN = {
    "FREQ=HOURLY;INTERVAL=8": 20,
    "FREQ=MINUTELY;COUNT=100000": 1000,
    "FREQ=SECONDLY": 1000,
    "FREQ=SECONDLY;INTERVAL=43200;UNTIL=20270101T000000Z": 14,
}
"""Rules, and how many of their occurrences in a week are told at once."""


def test_rec_36_a_rule_that_repeats_within_the_day_comes_in_whole_and_stops_nothing(
    world: ProviderWorld,
) -> None:
    for rule in OFTEN:
        world.google.create(series(rule, WEDNESDAY, rule))
    world.google.create(timed("Lunch", WEDNESDAY))
    world.sync()
    assert {event.title for event in world.hub_events().values()} == {*OFTEN, "Lunch"}
    assert list(world.outlook.by_title()) == ["Lunch"]
    for rule, count in OFTEN.items():
        event_id, event = world.hub_event(rule)
        assert event.when.recurrence == (f"RRULE:{rule}",)
        span = "from=2026-12-02T00:00:00Z&to=2026-12-09T00:00:00Z&limit=200"
        page = call(world, "GET", f"/events/{event_id}/occurrences?{span}")
        assert len(page["items"]) == min(count, 200), page
        assert patch(world, event_id, title=f"{rule} renamed")["version"] == 2
        assert world.google.by_title()[f"{rule} renamed"].when == event.when
    listed = call(world, "GET", "/events?start=2026-12-02T00:00:00Z&end=2026-12-09T00:00:00Z")
    assert len(listed["items"]) == len(OFTEN) + 1
    refused = call(world, "GET", "/events?start=2026-12-02T00:00:00Z&end=2026-12-09T00:00:00Z&expand=true")
    assert refused["status"] == 422 and "ask for a shorter time" in str(refused["errors"])


def test_rec_38_a_rule_line_with_parameters_is_a_rule(world: ProviderWorld) -> None:
    line = "RRULE;X-EVOLUTION-ENDDATE=20231111T090000Z:FREQ=DAILY;COUNT=10;INTERVAL=4"
    world.google.create(with_lines("Every fourth", WEDNESDAY, line))
    world.sync()
    assert both_show(world) == ["01-03 09:00", "01-07 09:00", *days(2, 6, 10, 14, 18, 22, 26, 30)]
    world.assert_quiet()


def test_rec_44_an_end_date_is_the_same_until_whenever_it_is_read(world: ProviderWorld) -> None:
    start = datetime(2026, 12, 1, 15)
    world.outlook.create(
        series("Tuesdays", start, "FREQ=WEEKLY;UNTIL=20270519T035959Z", zone="America/New_York")
    )
    world.sync()
    (before,) = world.hub_events().values()
    world.relist()
    world.outlook.update(world.outlook.find("Tuesdays"), title="Every Tuesday")
    world.sync()
    (event,) = world.hub_events().values()
    assert event.when == before.when
    span = ("2026-11-01T00:00:00Z", "2027-12-01T00:00:00Z")
    for side in world.sides.values():
        shown = agenda(world, side, None, span)
        assert len(shown) == 25 and shown[-2:] == ["12-22 21:00", "12-29 21:00"] and "05-18 21:00" in shown
