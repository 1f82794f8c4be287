"""Listings survive what Graph's delta does: stubs, silence, circles, expiry, foreign links."""

from __future__ import annotations

import base64
import json
import zlib
from datetime import UTC, date, datetime, timedelta

import pytest

from hub.plugin.errors import CursorExpiredError
from hub.plugin.paging import START
from hub.plugin.testing import PERSON, Connected, all_day, latest, series, timed
from hub.plugin.types import RemoteCalendar, SeriesException
from hub_outlook.tokens import PageToken, open_page, seal_cursor, seal_page

MONDAY = datetime(2027, 1, 4, 9)


def test_a_cancelled_occurrence_reaches_the_hub_though_delta_is_silent_about_it(
    ann: Connected, cal: RemoteCalendar
) -> None:
    weekly = series("Weekly", MONDAY, "FREQ=WEEKLY;BYDAY=MO;COUNT=4")
    remote_id = ann.control.create(PERSON, cal.remote_id, weekly)
    _, cursor, _ = ann.list_all(cal)
    gone = SeriesException(MONDAY + timedelta(weeks=1), cancelled=True)
    when = ann.control.events(PERSON, cal.remote_id)[remote_id].when
    event = ann.hooks.get_event(call=ann.call, calendar=cal, remote_id=remote_id)
    ann.update(cal, event, series("Weekly", MONDAY, "FREQ=WEEKLY;BYDAY=MO;COUNT=4", gone))
    changes, _, _ = ann.list_all(cal, cursor)
    assert when.exceptions == ()
    found = latest(changes)[remote_id].event
    assert found and found.content.when.exceptions == (gone,) and set(latest(changes)) == {remote_id}


def test_one_touched_series_costs_one_call_beside_the_page(ann: Connected, cal: RemoteCalendar) -> None:
    remote_id = ann.control.create(PERSON, cal.remote_id, series("Daily", MONDAY, "FREQ=DAILY;COUNT=30"))
    _, cursor, _ = ann.list_all(cal)
    ann.control.update(PERSON, cal.remote_id, remote_id, title="Renamed")
    ann.control.clear_ledger()
    ann.list_all(cal, cursor)
    assert len(ann.control.ledger()["calls"]) == 2


def test_many_series_are_spread_over_pages_and_none_is_lost(ann: Connected, cal: RemoteCalendar) -> None:
    ids = {
        ann.control.create(PERSON, cal.remote_id, series(f"Daily {n}", MONDAY, "FREQ=DAILY;COUNT=3"))
        for n in range(45)
    }
    changes, _, pages = ann.list_all(cal)
    assert {c.remote_id for c in changes} == ids and all(c.event for c in changes)
    assert max(len(page.changes) for page in pages) <= 20


def test_duplicates_in_any_order_and_empty_pages_change_nothing(ann: Connected, cal: RemoteCalendar) -> None:
    ann.control.switches(shuffle_delta=True, duplicate_delta=True, empty_delta_pages=1, delta_page_size=3)
    ids = {
        ann.control.create(PERSON, cal.remote_id, timed(f"Event {n}", MONDAY + timedelta(hours=n)))
        for n in range(10)
    }
    ids.add(ann.control.create(PERSON, cal.remote_id, series("Daily", MONDAY, "FREQ=DAILY;COUNT=5")))
    changes, cursor, _ = ann.list_all(cal)
    assert set(latest(changes)) == ids
    changes, _, _ = ann.list_all(cal, cursor)
    assert changes == []


def test_an_event_moved_out_of_the_window_is_only_suspected_gone(ann: Connected, cal: RemoteCalendar) -> None:
    remote_id = ann.control.create(PERSON, cal.remote_id, timed("Trip", MONDAY))
    _, cursor, _ = ann.list_all(cal)
    ann.control.update(PERSON, cal.remote_id, remote_id, when=timed("", MONDAY.replace(year=2035)).when)
    changes, _, _ = ann.list_all(cal, cursor)
    change = latest(changes)[remote_id]
    assert change.event is None and not change.certain
    read = ann.hooks.get_event(call=ann.call, calendar=cal, remote_id=remote_id)
    assert read.content.when.start == MONDAY.replace(year=2035)


def test_an_all_day_event_at_the_edge_of_the_window_is_listed(ann: Connected, cal: RemoteCalendar) -> None:
    edge = ann.window.end.date()
    remote_id = ann.control.create(PERSON, cal.remote_id, all_day("Edge", edge - timedelta(days=1)))
    changes, _, pages = ann.list_all(cal)
    assert remote_id in latest(changes) and pages[-1].window == ann.window


def test_old_generations_of_cursors_expire(ann: Connected, cal: RemoteCalendar) -> None:
    ann.control.switches(delta_generations=2)
    _, cursor, _ = ann.list_all(cal)
    for _ in range(3):
        ann.list_all(cal)
    with pytest.raises(CursorExpiredError):
        ann.list_all(cal, cursor)


def test_a_change_that_lags_is_found_in_a_later_round(ann: Connected, cal: RemoteCalendar) -> None:
    _, cursor, _ = ann.list_all(cal)
    ann.control.switches(delta_lag=60)
    remote_id = ann.control.create(PERSON, cal.remote_id, timed("Late", MONDAY))
    changes, cursor, _ = ann.list_all(cal, cursor)
    assert changes == []
    ann.control.advance(61)
    changes, _, _ = ann.list_all(cal, cursor)
    assert set(latest(changes)) == {remote_id}


@pytest.mark.parametrize("host", ["https://evil.example.test/v1.0/x", "http://127.0.0.1:1/v1.0/x"])
def test_a_cursor_of_another_server_is_never_followed(ann: Connected, cal: RemoteCalendar, host: str) -> None:
    ann.control.clear_ledger()
    with pytest.raises(CursorExpiredError):
        ann.list_all(cal, seal_cursor((host,)))
    assert ann.control.ledger()["calls"] == []


def test_a_page_token_keeps_all_that_a_listing_must_remember() -> None:
    circle = START.after(["a"], "1").after(["b"], "2").after([], "3")
    token = PageToken(("a/b", "http://x"), "y", ("z",), ("p",), ("2027-01-01", "2027-02-01"), circle, False)
    assert open_page(seal_page(token)) == token


@pytest.mark.parametrize("values", [{}, {"link": "x"}, {"window": 7, "pending": []}, []])
def test_a_page_token_that_is_not_ours_asks_for_a_fresh_start(values: object) -> None:
    packed = base64.urlsafe_b64encode(zlib.compress(json.dumps(values).encode())).decode()
    with pytest.raises(CursorExpiredError):
        open_page(f"op1.{packed}")


def test_a_refused_place_in_a_listing_is_an_expired_cursor(ann: Connected, cal: RemoteCalendar) -> None:
    with pytest.raises(CursorExpiredError):
        bad = f"{ann.settings['API_URL']}/me/calendarView/delta?$deltatoken=bad.bad"
        ann.list_all(cal, seal_cursor((bad,)))


def test_the_window_is_told_with_a_snapshot(ann: Connected, cal: RemoteCalendar) -> None:
    page = ann.hooks.fetch_changes(call=ann.call, calendar=cal, cursor=None, page=None, window=ann.window)
    assert page.window == ann.window and ann.window.start.tzinfo is UTC
    assert isinstance(ann.window.start.date(), date)
