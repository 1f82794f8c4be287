"""Listings: whole series whatever the wire looked like, and never an end that is none."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest

from hub.plugin.errors import CursorExpiredError, GoneError, RefusedError, RetryLaterError
from hub.plugin.testing import series, timed
from hub.plugin.types import RemoteChange, Scope, SeriesException
from hub_google import changes as module
from hub_google import hooks
from hub_google.testing import ANN, WINDOW, Google

MONDAY = datetime(2027, 1, 4, 9)
MOVED = SeriesException(
    MONDAY + timedelta(weeks=1), start=datetime(2027, 1, 12, 14), end=datetime(2027, 1, 12, 15)
)
GONE = SeriesException(MONDAY + timedelta(weeks=2), cancelled=True)
RULE = "FREQ=WEEKLY;BYDAY=MO;COUNT=6"


def by_id(changes: list[RemoteChange]) -> dict[str, RemoteChange]:
    return {c.remote_id: c for c in changes}


def test_an_instance_changed_alone_brings_the_whole_series(google: Google) -> None:
    event = google.create(series("Weekly", MONDAY, RULE, MOVED))
    _, cursor = google.changes()
    google.api("DELETE", google.events(f"/{event.remote_id}_20270118T080000Z")).raise_for_status()
    changes, _ = google.changes(cursor)
    assert [c.remote_id for c in changes if c.event] == [event.remote_id]
    found = changes[0].event
    assert found and found.content.when.exceptions == (MOVED, GONE)


def test_a_renamed_series_keeps_the_exceptions_that_the_delta_does_not_show(google: Google) -> None:
    event = google.create(series("Weekly", MONDAY, RULE, MOVED, GONE))
    _, cursor = google.changes()
    google.api("PATCH", google.events(f"/{event.remote_id}"), {"summary": "New name"}).raise_for_status()
    changes, _ = google.changes(cursor)
    assert [c.event.content.title for c in changes if c.event] == ["New name"]
    assert changes[0].event and changes[0].event.content.when.exceptions == (MOVED, GONE)


def test_a_small_change_costs_two_calls(google: Google) -> None:
    event = google.create(series("Weekly", MONDAY, RULE, MOVED))
    calendar, (_, cursor) = google.calendar, google.changes()
    google.api("DELETE", google.events(f"/{event.remote_id}_20270118T080000Z"))
    google.control.clear_ledger()
    module.fetch(google.call, calendar, cursor, None, WINDOW)
    assert len(google.control.ledger()["calls"]) == 2


@pytest.mark.parametrize(("page_limit", "held"), [(1, 10**6), (4, 10**6), (1, 0), (1, 5000), (4, 2000)])
def test_series_spread_over_pages_end_whole(
    google: Google, monkeypatch: pytest.MonkeyPatch, page_limit: int, held: int
) -> None:
    monkeypatch.setattr(module, "MOST_HELD", held)
    ids = [
        google.create(series(f"Weekly {n}", MONDAY, RULE, MOVED, GONE), f"{n:032d}").remote_id
        for n in range(5)
    ]
    google.create(timed("Alone", MONDAY), f"{9:032d}")
    google.control.switches(page_limit=page_limit)
    changes, _ = google.changes()
    told = sorted(c.remote_id for c in changes if c.event)
    assert told == sorted([*ids, f"{9:032d}"]), "each is told once"
    for remote_id in ids:
        found = by_id(changes)[remote_id].event
        assert found and found.content.when.exceptions == (MOVED, GONE)


def test_a_series_of_a_long_listing_costs_no_call_of_its_own(google: Google) -> None:
    for n in range(5):
        google.create(series(f"Weekly {n}", MONDAY, RULE, MOVED, GONE), f"{n:032d}")
    google.control.switches(page_limit=4)
    calendar, page = google.calendar, None
    google.control.clear_ledger()
    for _ in range(3):  # Five series and five moved occurrences.
        found = module.fetch(google.call, calendar, None, page, WINDOW)
        page = found.next_page
    assert page is None and len(found.changes) == 5
    assert len(google.control.ledger()["calls"]) == 3


def test_what_is_a_series_on_one_page_and_single_on_the_next_is_single(google: Google) -> None:
    event = google.create(series("Weekly", MONDAY, RULE))
    shown = google.listed()["items"][0]
    single = {name: value for name, value in shown.items() if name != "recurrence"}
    for body in (
        {"items": [shown], "nextPageToken": "2"},
        {"items": [single], "nextPageToken": "3"},
        {"items": [], "nextSyncToken": "s"},
    ):
        google.control.fault("status", status=200, body=json.dumps(body), path="/events$")
    changes, _ = google.changes()
    assert [c.remote_id for c in changes] == [event.remote_id]
    assert changes[0].event and not changes[0].event.content.when.is_series


def test_a_series_that_began_before_the_window_keeps_its_early_exceptions(google: Google) -> None:
    early = datetime(2026, 9, 7, 9)
    off = SeriesException(
        early + timedelta(weeks=1), start=datetime(2026, 9, 15, 9), end=datetime(2026, 9, 15, 10)
    )
    event = google.create(series("Old", early, "FREQ=WEEKLY;BYDAY=MO", off))
    changes, _ = google.changes()
    found = by_id(changes)[event.remote_id].event
    assert found and found.content == event.content and found.version == event.version


def test_many_series_are_read_in_bundles_each_within_its_own_call(google: Google) -> None:
    early = datetime(2026, 9, 7, 9)
    count = module.BUNDLE + 5
    for n in range(count):
        google.create(series(f"Old {n}", early, "FREQ=WEEKLY;BYDAY=MO"), f"{n:032d}")
    first = google.fetch()
    assert first.next_cursor is None and first.next_page
    second = google.fetch(page=first.next_page)
    assert second.next_cursor and len(first.changes) + len(second.changes) == count
    assert google.changes(second.next_cursor)[0] == []


def test_a_deleted_series_is_one_deletion_without_ghosts(google: Google) -> None:
    event = google.create(series("Weekly", MONDAY, RULE, MOVED, GONE))
    _, cursor = google.changes()
    google.control.delete(ANN, ANN, event.remote_id)
    changes, _ = google.changes(cursor)
    assert changes == [RemoteChange(event.remote_id)]


def test_an_invitation_to_one_occurrence_is_a_single_event(google: Google) -> None:
    bob = google.as_person("bob@example.test")
    master = google.insert(
        recurrence=["RRULE:FREQ=WEEKLY;COUNT=3"],
        start={"dateTime": "2027-01-04T09:00:00", "timeZone": "Europe/Berlin"},
    )
    one = f"{master['id']}_20270111T080000Z"
    google.api("PATCH", google.events(f"/{one}"), {"attendees": [{"email": "bob@example.test"}]})
    changes, _ = bob.changes()
    assert [(c.remote_id, bool(c.event)) for c in changes] == [(one, True)]
    assert changes[0].event and not changes[0].event.content.when.is_series
    assert changes[0].event.read_only == "organised by someone else"


def test_an_occurrence_is_no_event_of_its_own_once_its_series_is_there(google: Google) -> None:
    bob = google.as_person("bob@example.test")
    guests = {"attendees": [{"email": "bob@example.test"}]}
    master = google.insert(
        recurrence=["RRULE:FREQ=WEEKLY;COUNT=3"],
        start={"dateTime": "2027-01-04T09:00:00", "timeZone": "Europe/Berlin"},
    )
    one = f"{master['id']}_20270111T080000Z"
    google.api("PATCH", google.events(f"/{one}"), guests)
    _, cursor = bob.changes()
    assert not hooks.get_event(bob.call, bob.calendar, one).content.when.is_series
    google.api("PATCH", google.events(f"/{master['id']}"), guests)
    changes, _ = bob.changes(cursor)
    assert {c.remote_id: bool(c.event) for c in changes} == {master["id"]: True, one: False}
    with pytest.raises(GoneError):
        hooks.get_event(bob.call, bob.calendar, one)


def test_an_item_that_makes_no_sense_costs_itself_alone(google: Google) -> None:
    good = google.create(timed("Fine", MONDAY))
    bad = google.insert(recurrence=["RRULE:FREQ=DAILY;COUNT=9", "EXRULE:FREQ=WEEKLY"])
    found = by_id(google.changes()[0])
    assert found[good.remote_id].event
    assert found[bad["id"]].event is None and "EXRULE" in (found[bad["id"]].fault or "")


def test_an_empty_page_with_a_next_one_is_not_the_end(google: Google) -> None:
    event = google.create(timed("There", MONDAY))
    google.control.switches(empty_pages=1)
    first = google.fetch()
    assert first.changes == () and first.next_page
    assert [c.remote_id for c in google.changes()[0]] == [event.remote_id]


def test_a_listing_in_circles_is_left(google: Google) -> None:
    for n in range(5):
        google.create(timed("There", MONDAY), f"{n:032d}")
    google.control.switches(page_limit=1, repeat_page_token=True)
    with pytest.raises(CursorExpiredError):
        google.changes()


def test_a_token_that_expires_between_pages_starts_over(google: Google) -> None:
    for n in range(4):
        google.create(timed("There", MONDAY), f"{n:032d}")
    _, cursor = google.changes()
    for n in range(4):
        google.control.update(ANN, ANN, f"{n:032d}", title="Changed")
    google.control.switches(page_limit=2)
    page = google.fetch(cursor)
    google.control.expire_cursors(ANN)
    with pytest.raises(CursorExpiredError):
        google.fetch(cursor, page.next_page)


def test_a_page_that_is_garbage_starts_over(google: Google) -> None:
    with pytest.raises(CursorExpiredError):
        google.fetch(page="garbage")


@pytest.mark.parametrize("remembers", [True, False])
def test_a_full_listing_tells_its_span_whether_or_not_the_token_remembers_it(
    google: Google, remembers: bool
) -> None:
    google.control.switches(token_remembers_window=remembers)
    google.create(timed("Long ago", datetime(2020, 1, 1, 9)), "0" * 32)
    new = google.create(timed("New", MONDAY), "1" * 32)
    page = google.fetch()
    assert page.scope is Scope.SNAPSHOT and page.window is not None
    assert [c.remote_id for c in page.changes] == [new.remote_id]
    assert google.changes(page.next_cursor)[0] == []


@pytest.mark.parametrize(("word", "message"), [("invalid", "No."), ("badRequest", "Bad"), ("new", "")])
def test_a_cursor_that_is_refused_in_whatever_words_starts_over(
    google: Google, word: str, message: str
) -> None:
    _, cursor = google.changes()
    entry = {"domain": "global", "reason": word, "message": message}
    body = json.dumps({"error": {"errors": [entry], "code": 400, "message": message}})
    google.control.fault("status", status=400, body=body, query="syncToken")
    with pytest.raises(CursorExpiredError):
        google.fetch(cursor)
    google.control.fault("status", status=400, body=body, query="timeMin")
    with pytest.raises(RefusedError):
        google.fetch()


def test_a_series_that_is_shown_and_not_listed_yet_is_not_taken_for_deleted(google: Google) -> None:
    event = google.create(series("Weekly", MONDAY, RULE, MOVED))
    _, cursor = google.changes()
    google.control.update(ANN, ANN, event.remote_id, title="Renamed")
    google.control.fault("short", keep=0, query="iCalUID", times=3)
    with pytest.raises(RetryLaterError):
        google.fetch(cursor)
    google.control.clear_faults()
    changes, _ = google.changes(cursor)
    assert [c.event.content.title for c in changes if c.event] == ["Renamed"]


@pytest.mark.parametrize("role", ["writerWithoutPrivateAccess", "reader", "freeBusyReader"])
def test_what_is_hidden_from_an_account_is_busy_and_never_written(google: Google, role: str) -> None:
    secret, plain = google.insert(summary="Secret", visibility="private"), google.insert(summary="Open")
    bob = google.as_person("bob@example.test")
    google.role("bob@example.test", role)
    calendar = next(c for c in hooks.list_calendars(bob.call) if c.remote_id == ANN)
    assert calendar.writable == (role == "writerWithoutPrivateAccess")
    page = hooks.fetch_changes(bob.call, calendar, None, None, WINDOW)
    found = {c.remote_id: c.event for c in page.changes if c.event}
    titles = {secret["id"]: "Busy", plain["id"]: "Busy" if role == "freeBusyReader" else "Open"}
    assert {i: e.content.title for i, e in found.items()} == titles
    hidden = {i for i, e in found.items() if e.read_only == "hidden from this account but for its time"}
    assert hidden == {i for i, title in titles.items() if title == "Busy"}
