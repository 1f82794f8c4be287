"""What Google shows is read as it is meant, and what is written reads back."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hub.plugin.codec import content_from_json
from hub.plugin.types import (
    Answer,
    Attendee,
    Conference,
    EventContent,
    Location,
    Person,
    Reminder,
    SeriesException,
    ShowAs,
    Visibility,
    When,
)
from hub_google.projection import project
from hub_google.translate import from_remote, version_of

SAVED = sorted((Path(__file__).parent / "saved").glob("*.json"))


@pytest.mark.parametrize("path", SAVED, ids=lambda p: p.stem)
def test_saved_answers_are_read_as_they_are_meant(path: Path) -> None:
    sample: dict[str, Any] = json.loads(path.read_text("utf-8"))
    event = from_remote(sample["item"], sample["instances"], sample["zone"])
    assert event.content == content_from_json(sample["content"])
    assert event.read_only == sample.get("read_only")


def test_every_field_that_is_lost_is_told() -> None:
    when = When(datetime(2027, 1, 4, 9), datetime(2027, 1, 4, 10), "Europe/Berlin", "Europe/Berlin")
    rich = EventContent(
        when=when,
        title="x" * 2000,
        description="y" * 9000,
        location=Location("Here", "Main Street", 1.0, 2.0),
        show_as=ShowAs.OUT_OF_OFFICE,
        visibility=Visibility.CONFIDENTIAL,
        reminders=tuple(Reminder(n) for n in range(9)),
        organizer=Person("eve@example.test"),
        attendees=(Attendee("bob@example.test"),),
        own_answer=Answer.DECLINED,
        conference=Conference("https://meet.example.test/a", "Teams"),
        categories=("red",),
        color="#123456",
        priority=1,
        url="mailto:x@example.test",
    )
    told = {loss.field for loss in project(rich).losses}
    assert told == {
        "title", "description", "location", "show_as", "visibility", "reminders", "organizer", "attendees",
        "own_answer", "conference", "categories", "color", "priority", "url",
    }  # fmt: skip
    assert project(EventContent(when=when, title="Plain")).losses == ()


def test_a_time_without_zone_or_in_an_unknown_one_is_refused() -> None:
    start, end = datetime(2027, 1, 4, 9), datetime(2027, 1, 4, 10)
    assert project(EventContent(When(start, end))).refusal
    assert project(EventContent(When(start, end, "Mars/Olympus"))).refusal


@pytest.mark.parametrize("hour", [1, 2])
def test_a_series_whose_first_day_begins_or_ends_at_a_skipped_time_is_refused(hour: int) -> None:
    def series(day: int, *lines: str) -> EventContent:
        start = datetime(2027, 3, day, hour, 30)
        zones = ("Europe/Berlin", "Europe/Berlin")
        return EventContent(When(start, start + timedelta(hours=1), *zones, lines))

    assert "clocks skip" in (project(series(28, "RRULE:FREQ=DAILY")).refusal or "")
    assert project(series(27, "RRULE:FREQ=DAILY")).refusal is None, "a later day is skipped as the clocks do"
    assert project(series(28)).refusal is None


def test_a_recurrence_that_google_cannot_hold_is_refused_and_not_guessed() -> None:
    start, end = datetime(2027, 1, 4, 9), datetime(2027, 1, 4, 10)
    when = When(start, end, "Europe/Berlin", "Europe/Berlin", ("RRULE:FREQ=DAILY;RSCALE=HEBREW",))
    assert "RSCALE" in (project(EventContent(when)).refusal or "")


def test_an_instance_in_the_hour_that_the_clocks_skip_keeps_its_place_in_the_rule() -> None:
    begin = datetime(2027, 3, 26, 2, 30)
    when = When(
        begin,
        begin + timedelta(hours=1),
        "Europe/Berlin",
        "Europe/Berlin",
        ("RRULE:FREQ=DAILY;COUNT=5",),
        (SeriesException(datetime(2027, 3, 28, 2, 30), title="Early"),),
    )
    assert project(EventContent(when, "Night")).content.when == when


def test_the_version_of_a_series_moves_with_any_of_its_instances() -> None:
    master: Any = {"id": "m", "etag": '"1"', "recurrence": ["RRULE:FREQ=DAILY"]}
    before = version_of(master, [{"id": "m_1", "etag": '"2"'}])
    assert version_of(master, [{"id": "m_1", "etag": '"3"'}]) != before
    assert version_of(master, []) != before
    assert version_of({"id": "s", "etag": '"1"'}, []) == '"1"'


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ({"eventType": "somethingNew"}, "special event"),
        ({"eventType": "fromGmail"}, "Gmail"),
        ({"locked": True}, "locked"),
        ({"organizer": {"email": "eve@example.test"}}, "someone else"),
        ({"organizer": {"email": "eve@example.test"}, "guestsCanModify": True}, None),
        ({"organizer": {"email": "ann@example.test", "self": True}}, None),
    ],
)
def test_events_that_are_not_ours_to_change_say_why(item: dict[str, Any], reason: str | None) -> None:
    times = {"start": {"date": "2027-01-04"}, "end": {"date": "2027-01-05"}}
    found = from_remote({"id": "x", **times, **item}, [], "UTC").read_only  # type: ignore[typeddict-item]
    assert (reason in found) if reason and found else found == reason
