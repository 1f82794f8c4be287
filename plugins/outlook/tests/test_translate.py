"""What is written to Outlook reads back as projected, for any event; saved answers read as they should."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hub.plugin.testing import all_day, series, timed
from hub.plugin.types import (
    Answer,
    Attendee,
    Conference,
    EventContent,
    EventStatus,
    Location,
    Person,
    Reminder,
    SeriesException,
    ShowAs,
    Visibility,
    When,
)
from hub_outlook import zones
from hub_outlook.project import difference, project
from hub_outlook.sandbox import accept, query, show
from hub_outlook.sandbox.clock import Clock
from hub_outlook.sandbox.control import ALL, WHOLE
from hub_outlook.sandbox.model import Model
from hub_outlook.sandbox.show import Preferences
from hub_outlook.translate import UnreadableError, from_remote, to_remote, version_of

SAVED = Path(__file__).parent / "saved"
PREFER = Preferences(immutable=True, text=True)


def saved(name: str) -> Any:
    return json.loads((SAVED / f"{name}.json").read_text())


def shown_after_writing(content: EventContent) -> EventContent:
    """Write an event to an empty mailbox without the wire, and read it."""
    model = Model(Clock(), 1)
    person = model.add_person("ann@example.test", "Ann")
    fields = accept.new_event(to_remote(content, ALL))
    item = model.create(model.default_folder(person), fields)
    event = query.decorated(model, item, show.full(model, item, PREFER), WHOLE, PREFER, True)
    return from_remote(event).content  # type: ignore[arg-type]


@pytest.mark.parametrize("number", ["NaN", "INF", "-INF", float("nan"), float("inf"), "north", [], 10**400])
def test_a_place_whose_position_is_no_number_is_a_place_without_one(number: Any) -> None:
    event = saved("meeting") | {"location": {"displayName": "Room", "coordinates": {"longitude": 13.4}}}
    for latitude, expected in ((number, Location("Room")), (52.5, Location("Room", "", 52.5, 13.4))):
        event["location"]["coordinates"]["latitude"] = latitude
        assert from_remote(event | {"locations": []}).content.location == expected


def test_each_loss_is_named() -> None:
    content = replace(
        timed("Talk", datetime(2027, 1, 7, 12), zone="Europe/Madrid"),
        status=EventStatus.TENTATIVE,
        visibility=Visibility.PUBLIC,
        reminders=(Reminder(30), Reminder(10)),
        attendees=(Attendee("bob@example.test"),),
        conference=Conference("https://meet.example.test/1", "Meet"),
        color="tomato",
        priority=3,
        url="https://example.test/",
    )
    held = project(content)
    assert {loss.field for loss in held.losses} >= {
        "when",
        "status",
        "visibility",
        "reminders",
        "attendees",
        "conference",
        "color",
        "priority",
        "url",
    }
    assert held.content.reminders == (Reminder(10),)
    assert held.content.when.start_zone == "Europe/Paris" and held.content.show_as is ShowAs.TENTATIVE


def test_a_time_that_comes_twice_is_written_in_utc() -> None:
    content = timed("Night shift", datetime(2027, 10, 31, 2, 30))
    held = project(content).content
    assert (held.when.start_zone, held.when.start) == ("UTC", datetime(2027, 10, 31, 0, 30))
    assert shown_after_writing(held) == held


def test_a_series_in_a_zone_without_a_twin_is_refused() -> None:
    content = series("Base", datetime(2027, 1, 4, 9), "FREQ=DAILY;COUNT=3", zone="Antarctica/Troll")
    assert "Antarctica/Troll" in (project(content).refusal or "")


def test_a_series_keeps_its_wall_time_over_a_clock_change() -> None:
    content = series("Daily", datetime(2027, 3, 25, 9), "FREQ=DAILY;COUNT=6")
    held = project(content).content
    shown = shown_after_writing(held)
    assert shown.when == held.when and shown.when.start == datetime(2027, 3, 25, 9)


def test_an_occurrence_that_changes_on_a_night_when_clocks_skip_its_time_is_not_moved() -> None:
    skipped, shown_as = datetime(2027, 3, 28, 2, 30), datetime(2027, 3, 28, 3, 30)
    held = project(series("Nightly", datetime(2027, 3, 26, 2, 30), "FREQ=DAILY;COUNT=4")).content
    when = When(shown_as, shown_as, held.when.start_zone, held.when.end_zone)
    renamed = replace(held, title="Long night", when=when)
    assert difference(held, renamed, skipped) == SeriesException(skipped, title="Long night")


def test_an_exception_that_says_nothing_new_is_dropped() -> None:
    start = datetime(2027, 1, 4, 9)
    same = SeriesException(start + timedelta(days=1), title="Daily")
    other = SeriesException(start + timedelta(days=2), description="Bring cake", location=Location(""))
    held = project(series("Daily", start, "FREQ=DAILY;COUNT=6", same, other)).content
    assert [e.original_start for e in held.when.exceptions] == [other.original_start]
    assert held.when.exceptions[0].description == "Bring cake"


def test_a_single_meeting_of_someone_else_is_read_only_with_its_guests() -> None:
    event = from_remote(saved("meeting"))
    assert event.read_only == "organised by someone else"
    assert event.content.organizer == Person("dana@example.test", "Dana")
    assert event.content.attendees[0].answer is Answer.ACCEPTED
    assert event.content.own_answer is Answer.TENTATIVE
    assert event.content.conference and event.content.conference.provider == "teamsForBusiness"
    assert event.content.description == "Agenda\n\n1. Budget"
    assert (
        event.content.when.start == datetime(2027, 3, 2, 10)
        and event.content.when.start_zone == "Europe/Berlin"
    )
    assert event.created_at == datetime(2027, 1, 2, 8, 30, 15, tzinfo=UTC)


def test_a_series_is_read_whole_with_cancelled_and_moved_occurrences() -> None:
    event = from_remote(saved("series"))
    when = event.content.when
    assert when.recurrence == ("RRULE:FREQ=WEEKLY;BYDAY=MO;COUNT=6",)
    gone, moved = when.exceptions
    assert gone == SeriesException(datetime(2027, 3, 22, 9), cancelled=True)
    # The second is named by originalStart in UTC, after the clocks went forward.
    assert moved.original_start == datetime(2027, 3, 29, 9) and moved.start == datetime(2027, 3, 30, 14)
    assert moved.title is None and moved.show_as is ShowAs.FREE
    assert event.tag == "evt-7" and event.read_only is None


def test_a_series_in_a_custom_zone_is_read_only() -> None:
    data = saved("series")
    data["recurrence"]["range"]["recurrenceTimeZone"] = "tzone://Microsoft/Custom"
    assert from_remote(data).read_only == "a series in a custom time zone"


def test_an_all_day_event_is_read_by_its_dates() -> None:
    event = from_remote(saved("all_day"))
    assert event.content == replace(
        all_day("", date(2027, 5, 1), 2), show_as=ShowAs.FREE, reminders=(), categories=("Blue", "red")
    )


def test_the_version_moves_with_every_exception() -> None:
    data = saved("series")
    before = version_of(data)
    data["exceptionOccurrences"][0]["changeKey"] = "other"
    assert version_of(data) != before and version_of(data).startswith(data["changeKey"] + "~")


@pytest.mark.parametrize("broken", ["start", "recurrence", "id"])
def test_an_event_that_makes_no_sense_is_told_so(broken: str) -> None:
    data = saved("series")
    data[broken] = None if broken == "start" else {"pattern": {"type": "lunar"}, "range": {}}
    if broken == "id":
        del data["id"]
    with pytest.raises(UnreadableError):
        from_remote(data)


@pytest.mark.parametrize("name", ["tzone://Microsoft/Custom", "Customized Time Zone", "", None])
def test_zones_that_nobody_knows_are_none(name: str | None) -> None:
    assert zones.to_iana(name) is None


def test_every_windows_zone_comes_back_as_itself() -> None:
    from tzlocal import windows_tz

    for name in windows_tz.win_tz:
        iana = zones.to_iana(name)
        assert (iana and zones.to_windows(iana) == name) or iana == "UTC"


def test_a_change_of_a_day_that_the_rule_does_not_make_is_left_out_and_said() -> None:
    first = datetime(2026, 12, 2, 9)
    kept = SeriesException(first + timedelta(days=7), title="Kept")
    orphans = (
        SeriesException(first + timedelta(days=1), title="Nowhere"),
        SeriesException(first + timedelta(days=2), cancelled=True),
    )
    held = project(series("Weekly", first, "FREQ=WEEKLY;COUNT=4", *orphans, kept))
    assert held.content.when.exceptions == (kept,)
    assert [loss.reason for loss in held.losses if loss.field == "when"] == [
        "A changed occurrence that the rule does not make is left out."
    ]
