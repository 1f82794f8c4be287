"""The sandbox's odd pages, ids and lags, and what the plugin makes of them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from hub.plugin.errors import CursorExpiredError, GoneError, RetryLaterError, TooHeavyError
from hub.plugin.testing import series, timed
from hub.plugin.types import Attachment, Attendee, Conference, Person, RemoteChange
from hub_google import hooks
from hub_google.testing import ANN, WINDOW, Google

MONDAY = datetime(2027, 1, 4, 9)


def fill(google: Google, count: int) -> set[str]:
    return {
        google.create(timed(f"Event {n}", MONDAY + timedelta(hours=n)), f"{n:032d}").remote_id
        for n in range(count)
    }


def test_pages_that_repeat_under_new_tokens_are_asked_for_in_another_size(google: Google) -> None:
    ids = fill(google, 7)
    google.control.switches(page_limit=2, endless_pages="sized")
    changes, cursor = google.changes()
    assert {c.remote_id for c in changes} == ids
    assert google.changes(cursor) == ([], google.changes(cursor)[1])


def sizes(google: Google) -> list[bool]:
    """Return of each listing that was asked for whether a size of its pages was named."""
    calls = google.control.ledger()["calls"]
    return [
        "maxResults" in c["query"] for c in calls if c["path"].endswith("/events") and c["method"] == "GET"
    ]


@pytest.mark.parametrize("fault", [{"kind": "status", "status": 504}, {"kind": "hang", "seconds": 3}])
@pytest.mark.parametrize("page", ["first", "later"])
def test_a_full_listing_that_takes_google_too_long_is_asked_for_in_smaller_pages(
    google: Google, fault: dict[str, Any], page: str
) -> None:
    ids = fill(google, 7)
    google.control.switches(page_limit=3)
    google.control.fault(**fault, query="maxResults=2500" if page == "first" else "pageToken", times=1)
    google.control.clear_ledger()
    call, calendar = replace(google.call, deadline=1.0), google.calendar
    found: list[RemoteChange] = []
    answer = hooks.fetch_changes(call, calendar, None, None, WINDOW)
    while answer.next_cursor is None:
        found += answer.changes
        answer = hooks.fetch_changes(call, calendar, None, answer.next_page, WINDOW)
    assert {c.remote_id for c in [*found, *answer.changes]} == ids
    asked = sizes(google)  # A call that hangs is written down at its end.
    assert asked == sorted(asked, reverse=True) and asked[-3:] == [False] * 3
    google.control.fault("status", status=504, query="syncToken", times=100)
    with pytest.raises(TooHeavyError):
        google.changes(answer.next_cursor)
    google.control.clear_faults()
    google.control.fault("status", status=504, query="timeMin", times=100)
    with pytest.raises(TooHeavyError):
        google.changes()


@pytest.mark.parametrize("listing", ["full", "of changes"])
def test_pages_that_repeat_in_any_size_are_given_up_after_a_few(google: Google, listing: str) -> None:
    ids = fill(google, 7)
    _, cursor = google.changes()
    for remote_id in ids:
        google.control.update(ANN, ANN, remote_id, title="Changed")
    google.control.switches(page_limit=2, endless_pages="always")
    google.control.clear_ledger()
    with pytest.raises(CursorExpiredError, match="again and again"):
        google.changes(cursor if listing == "of changes" else None)
    assert len(google.control.ledger()["calls"]) < 30


def test_a_family_or_a_calendar_list_without_end_is_never_taken_for_whole(google: Google) -> None:
    for n in range(1, 6):
        google.control.add_person(ANN, calendars=[{"name": f"C{n}"}])
    event = google.create(series("Daily", MONDAY, "FREQ=DAILY;COUNT=9"))
    for n in (5, 6, 7, 8, 9):
        google.api("PATCH", google.events(f"/{event.remote_id}_202701{n:02}T080000Z"), {"summary": "Once"})
    calendar = google.calendar
    google.control.switches(page_limit=2, endless_pages="always")
    with pytest.raises(RetryLaterError):
        hooks.get_event(google.call, calendar, event.remote_id)
    body = {"items": [{"id": "x"}], "nextPageToken": "same"}
    google.control.fault("status", status=200, body=json.dumps(body), path="/calendarList$", times=100)
    with pytest.raises(RetryLaterError):
        hooks.list_calendars(google.call)


def test_the_last_item_of_a_page_may_be_the_first_of_the_next(google: Google) -> None:
    ids = fill(google, 7)
    google.control.switches(page_limit=3, overlap_pages=True)
    changes, _ = google.changes()
    assert {c.remote_id for c in changes} == ids
    assert len(changes) > len(ids)


def test_of_one_id_twice_on_a_page_the_later_counts(google: Google) -> None:
    event = google.create(series("Weekly", MONDAY, "FREQ=WEEKLY;COUNT=3"))
    shown = google.listed()["items"][0]
    body = {"items": [shown, {"id": event.remote_id, "status": "cancelled"}], "nextSyncToken": "s"}
    google.control.fault("status", status=200, body=json.dumps(body), path="/events$")
    assert [(c.remote_id, c.event) for c in google.fetch().changes] == [(event.remote_id, None)]
    body["items"].reverse()  # type: ignore[attr-defined]
    google.control.fault("status", status=200, body=json.dumps(body), path="/events$")
    assert [bool(c.event) for c in google.fetch().changes] == [True]


def test_reads_that_lag_show_the_state_of_before_and_no_change_is_lost(google: Google) -> None:
    event = google.create(timed("Before", MONDAY))
    calendar, (_, cursor) = google.calendar, google.changes()
    google.control.switches(read_lag=30)
    google.control.update(ANN, ANN, event.remote_id, title="After")
    new = google.create(timed("New", MONDAY), "b" * 32)
    assert hooks.get_event(google.call, calendar, event.remote_id) == event
    with pytest.raises(GoneError):
        hooks.get_event(google.call, calendar, new.remote_id)
    changes, cursor = google.changes(cursor)
    assert changes == []
    google.control.advance(31)
    changes, _ = google.changes(cursor)
    assert {c.event.content.title for c in changes if c.event} == {"After", "New"}


def test_ids_may_differ_in_case_alone(google: Google) -> None:
    twins = ["_r3ug_AAA", "_r3ug_aAA"]
    for remote_id in twins:
        google.control.create(ANN, ANN, timed(remote_id, MONDAY), remote_id=remote_id)
    calendar, (changes, cursor) = google.calendar, google.changes()
    assert {c.remote_id: c.event.content.title for c in changes if c.event} == {i: i for i in twins}
    google.control.delete(ANN, ANN, twins[1])
    assert [(c.remote_id, c.event) for c in google.changes(cursor)[0]] == [(twins[1], None)]
    assert hooks.get_event(google.call, calendar, twins[0]).content.title == twins[0]


def test_a_calendar_without_a_name_is_shown_by_its_id(google: Google) -> None:
    google.control.add_person(ANN, calendars=[{"name": ""}])
    names = {c.name: c.remote_id for c in hooks.list_calendars(google.call)}
    assert [name for name, remote_id in names.items() if name == remote_id and name != ANN]
    google.control.fault("thin", keys=["items"], path="/calendarList$")
    assert hooks.list_calendars(google.call) == ()


@pytest.mark.parametrize("what", ["deleted", "changed"])
def test_an_item_of_which_only_the_id_is_shown_is_read_by_itself(google: Google, what: str) -> None:
    event = google.create(timed("Lunch", MONDAY))
    _, cursor = google.changes()
    if what == "deleted":
        google.control.delete(ANN, ANN, event.remote_id)
    else:
        google.control.update(ANN, ANN, event.remote_id, title="Brunch")
    shown = google.api("GET", google.events(f"/{event.remote_id}")).json()
    others = [key for key in shown if key != "id"]
    google.control.fault("thin", keys=others, ids=[event.remote_id], path="/events$")
    (change,) = google.changes(cursor)[0]
    assert change.remote_id == event.remote_id and change.fault is None
    assert (change.event and change.event.content.title) == (None if what == "deleted" else "Brunch")


def test_null_is_nothing(google: Google) -> None:
    event = google.create(timed("Lunch", MONDAY))
    keys = (
        "summary", "description", "location", "attendees", "extendedProperties", "attachments", "source",
        "recurrence", "conferenceData", "organizer", "reminders", "colorId", "etag", "iCalUID",
    )  # fmt: skip
    google.control.fault("odd", values=dict.fromkeys(keys), ids=[event.remote_id], path="/events$")
    (change,) = google.changes()[0]
    assert change.event and change.event.content.when == event.content.when
    assert change.event.content.title == ""


def test_null_is_nothing_within_a_value_either(google: Google) -> None:
    event = google.create(timed("Lunch", MONDAY))
    link = "https://meet.example.test/a"
    odd = {
        "organizer": {"email": "boss@example.test", "displayName": None},
        "attendees": [{"email": "bob@example.test", "displayName": None, "responseStatus": None}],
        "extendedProperties": {"private": None},
        "reminders": {"useDefault": False, "overrides": None},
        "attachments": [{"fileUrl": "https://files.example.test/a", "title": None, "mimeType": None}],
        "conferenceData": {"entryPoints": None, "conferenceSolution": None},
        "hangoutLink": link,
    }
    google.control.fault("odd", values=odd, ids=[event.remote_id], path="/events$")
    (change,) = google.changes()[0]
    assert change.event and change.event.tag is None
    content = change.event.content
    assert content.organizer == Person("boss@example.test") and content.reminders == ()
    assert content.attendees == (Attendee("bob@example.test"),)
    assert content.attachments == (Attachment("https://files.example.test/a"),)
    assert content.conference == Conference(link, "Google Meet")


def test_an_item_whose_start_is_null_is_read_by_itself(google: Google) -> None:
    event = google.create(timed("Lunch", MONDAY))
    google.control.fault("odd", values={"start": None, "end": None}, ids=[event.remote_id], path="/events$")
    (change,) = google.changes()[0]
    assert change.event and change.event.content == event.content
