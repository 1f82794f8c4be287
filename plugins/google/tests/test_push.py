"""Pushes: one event, as few calls as can be, nobody mailed, nothing doubled."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import date, datetime, timedelta

import pytest

from hub.plugin.errors import (
    CalendarLostError,
    GoneError,
    RefusedError,
    RetryLaterError,
    VersionMovedError,
)
from hub.plugin.testing import all_day, series, timed
from hub.plugin.types import (
    Attendee,
    Location,
    PushCreate,
    PushDelete,
    PushUpdate,
    Reminder,
    SeriesException,
    SubscribeRequest,
    When,
)
from hub_google import hooks
from hub_google.testing import ANN, WINDOW, Google

MONDAY = datetime(2027, 1, 4, 9)
RULE = "FREQ=WEEKLY;BYDAY=MO;COUNT=6"


def week(n: int) -> datetime:
    return MONDAY + timedelta(weeks=n)


def moved(n: int) -> SeriesException:
    return SeriesException(week(n), start=week(n) + timedelta(hours=5), end=week(n) + timedelta(hours=6))


def off(n: int) -> SeriesException:
    return SeriesException(week(n), cancelled=True)


def writes(google: Google) -> int:
    return len(google.control.writes())


def test_a_created_event_carries_the_mark_and_its_own_id(google: Google) -> None:
    event = google.create(timed("Lunch", MONDAY), "0123456789abcdefghijklmnopqrstuv", "mark-7")
    assert (event.remote_id, event.tag) == ("0123456789abcdefghijklmnopqrstuv", "mark-7")
    assert event.uid == f"{event.remote_id}@google.com" and event.read_only is None


def test_guests_are_never_invited(google: Google) -> None:
    content = timed("Lunch", MONDAY, attendees=(Attendee("bob@example.test"),))
    event = google.create(content)
    google.update(event, dataclasses.replace(content, title="Late lunch"))
    assert google.control.mails() == []
    assert "attendees" not in google.api("GET", google.events(f"/{event.remote_id}")).json()
    queries = [c["query"] for c in google.control.writes()]
    assert queries and all("sendUpdates=none" in q for q in queries)


def test_a_create_that_was_made_and_deleted_since_does_not_come_back(google: Google) -> None:
    event = google.create(timed("Lunch", MONDAY))
    hooks.push_event(google.call, google.calendar, PushDelete(event.remote_id, event.version))
    with pytest.raises(GoneError):
        google.create(timed("Lunch again", MONDAY))
    assert google.control.events(ANN, ANN) == {}


def test_another_s_event_with_our_id_is_left_alone(google: Google) -> None:
    google.insert(id="a" * 32, summary="Not the hub's")
    with pytest.raises(RefusedError):
        google.create(timed("Lunch", MONDAY), "a" * 32)
    assert google.control.events(ANN, ANN)["a" * 32].title == "Not the hub's"


def test_single_occurrences_are_edited_without_touching_the_series(google: Google) -> None:
    event = google.create(series("Weekly", MONDAY, RULE))
    google.control.clear_ledger()
    wanted = series("Weekly", MONDAY, RULE, moved(1), off(3))
    event = google.update(event, wanted)
    assert event.content.when == wanted.when
    assert sorted(c["method"] for c in google.control.writes()) == ["DELETE", "PATCH"]


@pytest.mark.parametrize("was", [(off(2),), (moved(2),), (off(1), moved(2), off(3))])
def test_occurrences_come_back_as_the_series_has_them(
    google: Google, was: tuple[SeriesException, ...]
) -> None:
    event = google.create(series("Weekly", MONDAY, RULE))
    event = google.update(event, series("Weekly", MONDAY, RULE, *was))
    event = google.update(event, series("Weekly", MONDAY, RULE))
    assert event.content.when.exceptions == ()


def test_an_occurrence_left_out_at_creation_comes_back(google: Google) -> None:
    event = google.create(series("Weekly", MONDAY, RULE, off(1), off(2)))
    event = google.update(event, series("Weekly", MONDAY, RULE, off(2)))
    assert event.content.when.exceptions == (off(2),)


@pytest.mark.parametrize("how", ["drop_missing", "keep", "drop_all"])
def test_a_moved_series_keeps_the_exceptions_that_were_asked_for(google: Google, how: str) -> None:
    google.control.switches(exceptions_on_master_change=how)
    event = google.create(series("Weekly", MONDAY, RULE, moved(1), off(2)))
    later = timedelta(hours=2)
    exceptions = [dataclasses.replace(e, original_start=e.original_start + later) for e in (moved(1), off(2))]
    wanted = series("Weekly", MONDAY + later, RULE, *exceptions)
    event = google.update(event, wanted)
    kept = [e for e in event.content.when.exceptions if e.original_start.hour == 11]  # type: ignore[union-attr]
    assert kept == exceptions
    assert event.content.when.start == MONDAY + later


def test_a_series_becomes_single_and_back(google: Google) -> None:
    event = google.create(series("Weekly", MONDAY, RULE, moved(1)))
    event = google.update(event, timed("Weekly", MONDAY))
    assert not event.content.when.is_series and event.content.when.exceptions == ()
    event = google.update(event, series("Weekly", MONDAY, RULE, off(1)))
    assert event.content.when.exceptions == (off(1),)


def test_an_all_day_series_with_exceptions_reads_back(google: Google) -> None:
    first = date(2027, 1, 4)
    change = SeriesException(date(2027, 1, 11), title="Other", start=date(2027, 1, 12), end=date(2027, 1, 14))
    when = When(
        first, first + timedelta(days=1), recurrence=("RRULE:FREQ=WEEKLY;COUNT=4",), exceptions=(change,)
    )
    event = google.create(dataclasses.replace(all_day("Day", first), when=when))
    assert event.content.when == when


def test_a_series_with_a_newer_exception_of_a_person_is_not_overwritten(google: Google) -> None:
    event = google.create(series("Weekly", MONDAY, RULE))
    google.api("DELETE", google.events(f"/{event.remote_id}_20270118T080000Z")).raise_for_status()
    with pytest.raises(VersionMovedError):
        google.update(event, series("Weekly", MONDAY, RULE, moved(1)))
    with pytest.raises(VersionMovedError):
        hooks.push_event(google.call, google.calendar, PushDelete(event.remote_id, event.version))
    assert google.control.events(ANN, ANN)[event.remote_id].when.exceptions == (off(2),)


def test_an_update_without_difference_writes_nothing(google: Google) -> None:
    event = google.create(timed("Lunch", MONDAY))
    google.control.clear_ledger()
    google.update(event, dataclasses.replace(event.content, priority=5))
    assert writes(google) == 0


def test_fields_are_cleared_and_not_only_replaced(google: Google) -> None:
    full = timed(
        "Lunch", MONDAY, description="x", location=Location("Here"), color="#dc2127",
        reminders=(Reminder(5),), url="https://example.test/",
    )  # fmt: skip
    event = google.create(full)
    event = google.update(event, timed("Lunch", MONDAY))
    assert event.content == timed("Lunch", MONDAY)


def test_no_reminders_differ_from_the_calendar_s_own(google: Google) -> None:
    event = google.create(timed("Lunch", MONDAY, reminders=()))
    assert event.content.reminders == ()
    assert google.update(event, timed("Lunch", MONDAY)).content.reminders is None


def test_a_lost_calendar_is_never_told_as_a_deleted_event(google: Google) -> None:
    event = google.create(timed("Lunch", MONDAY))
    lost = dataclasses.replace(google.calendar, remote_id="lost@group.calendar.google.com")
    with pytest.raises(CalendarLostError):
        hooks.get_event(google.call, lost, event.remote_id)
    with pytest.raises(CalendarLostError):
        hooks.push_event(google.call, lost, PushDelete(event.remote_id, event.version))
    with pytest.raises(CalendarLostError):
        hooks.push_event(google.call, lost, PushCreate("b" * 32, "t", timed("Lunch", MONDAY)))


def test_an_event_never_seen_is_gone(google: Google) -> None:
    with pytest.raises(GoneError):
        hooks.get_event(google.call, google.calendar, "nosuchevent")


def test_a_calendar_shared_for_reading_refuses_writes_as_a_whole(google: Google) -> None:
    holidays = next(c for c in hooks.list_calendars(google.call) if not c.writable)
    with pytest.raises(RefusedError) as caught:
        hooks.push_event(google.call, holidays, PushCreate("b" * 32, "t", timed("Lunch", MONDAY)))
    assert caught.value.scope == "calendar"


def test_an_isolated_series_edit_costs_at_most_three_calls(google: Google) -> None:
    event = google.create(series("Weekly", MONDAY, RULE, off(1)))
    calendar = google.calendar
    for wanted in (
        series("Renamed", MONDAY, RULE, off(1)),
        series("Renamed", MONDAY, "FREQ=WEEKLY;COUNT=3", off(1)),
    ):
        google.control.clear_ledger()
        fields = frozenset({"title", "when"})
        push = PushUpdate(event.remote_id, event.version, wanted, event.content, fields)
        found = hooks.push_event(google.call, calendar, push)
        assert found is not None
        event = found
        assert len(google.control.ledger()["calls"]) <= 3


def test_a_create_that_google_has_and_does_not_show_yet_is_not_taken_for_deleted(google: Google) -> None:
    google.control.switches(read_lag=30)
    google.control.fault("reset_after", method="POST")
    for _ in range(2):
        with pytest.raises(RetryLaterError):
            google.create(timed("Lunch", MONDAY))
    google.control.advance(31)
    push = PushCreate("a" * 32, "tag-1", timed("Lunch", MONDAY), attempt=1)
    found = hooks.push_event(google.call, google.calendar, push)
    assert found is not None and found.content.title == "Lunch"
    assert len(google.control.events(ANN, ANN)) == 1


@pytest.mark.parametrize("body", ["", "{}", "[]", '""', "null", "<html>"])
@pytest.mark.parametrize("status", [200, 204])
def test_an_answer_that_says_nothing_is_no_answer(google: Google, body: str, status: int) -> None:
    event = google.create(timed("Lunch", MONDAY))
    calendar, (_, cursor) = google.calendar, google.changes()
    later = timed("Lunch", MONDAY + timedelta(hours=1))
    asked = SubscribeRequest("c" * 20, "s", "http://127.0.0.1:9/", google.now + timedelta(days=1))
    hooks_called: list[Callable[[], object]] = [
        lambda: hooks.list_calendars(google.call),
        lambda: hooks.fetch_changes(google.call, calendar, None, None, WINDOW),
        lambda: hooks.fetch_changes(google.call, calendar, cursor, None, WINDOW),
        lambda: hooks.get_event(google.call, calendar, event.remote_id),
        lambda: hooks.push_event(google.call, calendar, PushCreate("b" * 32, "t", later)),
        lambda: google.update(event, later),
        lambda: hooks.subscribe(google.call, calendar, asked),
    ]
    for call in hooks_called:
        google.control.fault("status", status=status, body=body)
        with pytest.raises(RetryLaterError):
            call()
        google.control.clear_faults()


@pytest.mark.parametrize("status", [404, 410])
@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_an_event_that_is_said_to_be_gone_and_is_shown_is_not_gone(
    google: Google, status: int, method: str
) -> None:
    event = google.create(timed("Lunch", MONDAY))
    google.control.fault("status", status=status, method=method)
    with pytest.raises(RetryLaterError):
        if method == "PATCH":
            google.update(event, timed("Brunch", MONDAY))
        else:
            hooks.push_event(google.call, google.calendar, PushDelete(event.remote_id, event.version))
    assert [c.title for c in google.control.events(ANN, ANN).values()] == ["Lunch"]
