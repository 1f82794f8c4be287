"""What another stand-in for Graph may answer, within Microsoft's pages, and what the plugin makes of it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from hub.plugin.errors import (
    CursorExpiredError,
    GoneError,
    GrantLostError,
    PollOnlyError,
    ProviderError,
    RefusedError,
    RetryLaterError,
    TokenExpiredError,
    TooHeavyError,
    VersionMovedError,
)
from hub.plugin.testing import PERSON, Connected, latest, series, timed
from hub.plugin.types import PushDelete, RemoteCalendar, SeriesException, SubscribeRequest
from hub_outlook.client import Graph

MONDAY = datetime(2027, 1, 4, 9)
TEXT = "1 < 2\nand more"


def answer(ann: Connected, body: Any, path: str, status: int = 200, **more: Any) -> None:
    """Have the next call of a path answered with a body."""
    ann.control.fault("status", status=status, body=json.dumps(body), path=path, **more)


def shown(ann: Connected, cal: RemoteCalendar, remote_id: str) -> dict[str, Any]:
    return ann.control.raw(PERSON, cal.remote_id, remote_id)


def delta_page(ann: Connected, items: list[dict[str, Any]], **more: Any) -> None:
    """Have the next page of a round hold these items."""
    link = f"{ann.settings['API_URL']}/me/calendarView/delta?$deltatoken=x"
    answer(ann, {"value": items, "@odata.deltaLink": link} | more, "calendarView/delta")


# --- delta ---


def test_a_text_that_comes_as_html_is_read_as_text(ann: Connected, cal: RemoteCalendar) -> None:
    remote_id = ann.control.create(PERSON, cal.remote_id, timed("Talk", MONDAY, description=TEXT))
    for as_text in (True, False):
        ann.control.switches(delta_text=as_text)
        event = latest(ann.list_all(cal)[0])[remote_id].event
        assert event and event.content.description == TEXT


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ('Please <a href="https://x.test/j?a=1&amp;b=2">join <b>here</b></a>.',
         "Please join here<https://x.test/j?a=1&b=2>."),
        ("<p>Ask <A class=x HREF='mailto:bob@x.test'>Bob</A></p>", "Ask Bob<mailto:bob@x.test>"),
        ('<a href=https://x.test/1><img src="cid:logo"></a>', "[picture]<https://x.test/1>"),
        ('<a href="https://x.test/1">https://x.test/1</a>', "https://x.test/1"),
        ('<a href="mailto:bob@x.test">bob@x.test</a>', "bob@x.test"),
        ('<a href="#top">up</a>, <a name="y">there</a>, <a href="javascript:x()">run</a>', "up, there, run"),
        ('<a href="https://x.test/1">one</a> <a href="https://x.test/2">two</a>',
         "one<https://x.test/1> two<https://x.test/2>"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("as_text", [True, False])
def test_a_link_keeps_its_address_in_the_text(
    ann: Connected, cal: RemoteCalendar, markup: str, text: str, as_text: bool
) -> None:
    body = {"contentType": "html", "content": f"<html><body>{markup}</body></html>"}
    remote_id = ann.control.create(PERSON, cal.remote_id, timed("Talk", MONDAY))
    ann.control.update_raw(PERSON, cal.remote_id, remote_id, {"body": body})
    ann.control.switches(delta_text=as_text)
    event = latest(ann.list_all(cal)[0])[remote_id].event
    assert event and event.content.description == text


@pytest.mark.parametrize("how", ["with", "later", "missing"])
def test_a_series_is_found_wherever_its_master_stands(ann: Connected, cal: RemoteCalendar, how: str) -> None:
    ann.control.switches(delta_masters=how, page_limit=2, shuffle_delta=True)
    moved = SeriesException(MONDAY + timedelta(days=1), title="Special")
    ids = {
        ann.control.create(PERSON, cal.remote_id, series(f"S{n}", MONDAY, "FREQ=DAILY;COUNT=4", moved))
        for n in range(5)
    }
    changes, cursor, _ = ann.list_all(cal)
    events = [change.event for change in latest(changes).values()]
    assert set(latest(changes)) == ids and all(e and len(e.content.when.exceptions) == 1 for e in events)
    ann.control.update(PERSON, cal.remote_id, min(ids), title="Renamed")
    assert set(latest(ann.list_all(cal, cursor)[0])) == {min(ids)}


@pytest.mark.parametrize("reason", ["deleted", "changed"])
@pytest.mark.parametrize("swapped", [False, True])
def test_a_tombstone_is_one_whatever_its_reason_and_a_link_is_followed_whatever_is_in_it(
    ann: Connected, cal: RemoteCalendar, reason: str, swapped: bool
) -> None:
    ann.control.switches(removed_reason=reason, swap_tokens=swapped, page_limit=1)
    ids = [ann.control.create(PERSON, cal.remote_id, timed(f"E{n}", MONDAY)) for n in range(3)]
    _, cursor, _ = ann.list_all(cal)
    ann.control.delete(PERSON, cal.remote_id, ids[0])
    (gone,), _, _ = ann.list_all(cal, cursor)
    assert (gone.remote_id, gone.event, gone.certain) == (ids[0], None, False)


def test_an_item_whose_tombstone_is_null_is_there(ann: Connected, cal: RemoteCalendar) -> None:
    remote_id = ann.control.create(PERSON, cal.remote_id, timed("Talk", MONDAY))
    delta_page(ann, [shown(ann, cal, remote_id) | {"@removed": None}])
    assert latest(ann.list_all(cal)[0])[remote_id].event


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_versions_on_a_page_the_later_one_counts(
    ann: Connected, cal: RemoteCalendar, order: int
) -> None:
    remote_id = ann.control.create(PERSON, cal.remote_id, timed("Old", MONDAY))
    old = shown(ann, cal, remote_id)
    ann.control.advance(5)
    ann.control.update(PERSON, cal.remote_id, remote_id, title="New")
    delta_page(ann, [old, shown(ann, cal, remote_id)][::order])
    event = latest(ann.list_all(cal)[0])[remote_id].event
    assert event and event.content.title == "New"


@pytest.mark.parametrize("order", [1, -1])
def test_a_deleted_series_is_gone_also_if_its_days_are_still_listed(
    ann: Connected, cal: RemoteCalendar, order: int
) -> None:
    remote_id = ann.control.create(PERSON, cal.remote_id, series("Daily", MONDAY, "FREQ=DAILY;COUNT=3"))
    stub = {"id": "AAMk-day", "seriesMasterId": remote_id, "type": "occurrence"}
    ann.control.delete(PERSON, cal.remote_id, remote_id)
    delta_page(ann, [{"id": remote_id, "@removed": {"reason": "deleted"}}, stub][::order])
    change = latest(ann.list_all(cal)[0])[remote_id]
    assert (change.event, change.fault) == (None, None)


def test_a_window_that_is_too_heavy_is_read_in_parts(ann: Connected, cal: RemoteCalendar) -> None:
    endless = series("Daily", MONDAY, "FREQ=DAILY")
    ids = {ann.control.create(PERSON, cal.remote_id, endless)}
    ids |= {
        ann.control.create(PERSON, cal.remote_id, timed(f"E{n}", MONDAY + n * timedelta(days=20)))
        for n in range(10)
    }
    ann.control.switches(heavy_window_days=150)
    changes, cursor, _ = ann.list_all(cal)
    assert set(latest(changes)) == ids
    ann.control.update(PERSON, cal.remote_id, min(ids), title="Renamed")
    assert set(latest(ann.list_all(cal, cursor)[0])) == {min(ids)}


def test_a_window_that_is_too_heavy_in_any_part_is_tried_later(ann: Connected, cal: RemoteCalendar) -> None:
    ann.control.create(PERSON, cal.remote_id, series("Daily", MONDAY, "FREQ=DAILY"))
    ann.control.switches(heavy_window_days=1)
    with pytest.raises(RetryLaterError):
        ann.list_all(cal)


@pytest.mark.parametrize("body", [{"value": None}, {}, {"value": {}}, {"value": [None, 7, "x", {}]}])
def test_a_page_without_a_place_to_go_on_from_is_no_end(
    ann: Connected, cal: RemoteCalendar, body: Any
) -> None:
    answer(ann, body, "calendarView/delta")
    with pytest.raises(RetryLaterError):
        ann.list_all(cal)


@pytest.mark.parametrize("status", [500, 502, 503, 429, 423, 409, 412, 408, 509])
def test_a_page_in_the_middle_that_fails_is_asked_for_again(
    ann: Connected, cal: RemoteCalendar, status: int
) -> None:
    ids = {ann.control.create(PERSON, cal.remote_id, timed(f"E{n}", MONDAY)) for n in range(5)}
    ann.control.switches(page_limit=2)
    first = ann.hooks.fetch_changes(call=ann.call, calendar=cal, cursor=None, page=None, window=ann.window)
    ann.control.fault("status", status=status, path="calendarView/delta", query="skiptoken")
    ask = {"call": ann.call, "calendar": cal, "cursor": None, "window": ann.window}
    with pytest.raises(RetryLaterError):
        ann.hooks.fetch_changes(page=first.next_page, **ask)
    second = ann.hooks.fetch_changes(page=first.next_page, **ask)
    third = ann.hooks.fetch_changes(page=second.next_page, **ask)
    found = {c.remote_id for page in (first, second, third) for c in page.changes}
    assert found == ids and third.next_cursor


def test_a_page_in_the_middle_that_takes_outlook_too_long_each_time_is_read_in_smaller_parts(
    ann: Connected, cal: RemoteCalendar
) -> None:
    ids = {ann.control.create(PERSON, cal.remote_id, timed(f"E{n}", MONDAY)) for n in range(5)}
    ann.control.switches(page_limit=2)
    ann.control.fault("status", status=504, path="calendarView/delta", query="skiptoken", times=2)
    changes, cursor, _ = ann.list_all(cal)
    assert set(latest(changes)) == ids and cursor
    ann.control.fault("status", status=504, path="calendarView/delta", query="token", times=100)
    with pytest.raises(TooHeavyError):
        ann.list_all(cal, cursor)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "<html>busy</html>",
        '{"error": "busy"}',
        '{"error": null}',
        "[]",
        '{"error": {"code": 7, "message": null, "innerError": "x"}}',
    ],
)
@pytest.mark.parametrize("status", [410, 429, 500, 503])
def test_a_refusal_of_any_shape_says_what_to_do(
    ann: Connected, cal: RemoteCalendar, status: int, body: str
) -> None:
    _, cursor, _ = ann.list_all(cal)
    ann.control.fault("status", status=status, body=body, path="delta")
    with pytest.raises(CursorExpiredError if status == 410 else RetryLaterError):
        ann.list_all(cal, cursor)


@pytest.mark.parametrize(
    "wait", ["inf", "nan", "-5", "1e400", "99999999999999", "0", "", "soon", "Thu, 31 Dec 9999 23:59:59 GMT"]
)
def test_a_wait_that_makes_no_sense_is_no_wait_for_ever(
    ann: Connected, cal: RemoteCalendar, wait: str
) -> None:
    ann.control.fault("status", status=429, path="delta", headers={"Retry-After": wait})
    with pytest.raises(RetryLaterError) as caught:
        ann.list_all(cal)
    assert caught.value.after is None or 0 <= caught.value.after <= 7 * 86_400


# --- writes ---


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (412, "ErrorIrresolvableConflict", VersionMovedError),
        (409, "ErrorIrresolvableConflict", VersionMovedError),
        (412, "PreconditionFailed", VersionMovedError),
        (412, "", VersionMovedError),
        (409, "Conflict", RetryLaterError),
        (409, "", RetryLaterError),
        (423, "Locked", RetryLaterError),
        (404, "ErrorItemNotFound", RetryLaterError),  # A read still shows it.
        (410, "Gone", RetryLaterError),
        (400, "ErrorPropertyValidationFailure", RefusedError),
        (413, "", RefusedError),
        (507, "quotaLimitReached", RetryLaterError),
    ],
)
@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_a_write_that_is_refused_says_what_to_do(
    ann: Connected, cal: RemoteCalendar, status: int, code: str, kind: type[ProviderError], method: str
) -> None:
    event = ann.create(cal, timed("Talk", MONDAY))
    body = json.dumps({"error": {"code": code, "message": "no", "innerError": {}}}) if code else ""
    ann.control.fault("status", method=method, status=status, body=body)
    with pytest.raises(ProviderError) as caught:
        if method == "PATCH":
            ann.update(cal, event, replace(event.content, title="Renamed"))
        else:
            push = PushDelete(event.remote_id, event.version)
            ann.hooks.push_event(call=ann.call, calendar=cal, push=push)
    assert isinstance(caught.value, kind)


@pytest.mark.parametrize(
    "zones", [{"iana_zones": "none"}, {"iana_zones": "listed"}, {"iana_echo": True}, {"iana_labels": False}]
)
@pytest.mark.parametrize("zone", ["Europe/Madrid", "Europe/Berlin", "Asia/Kolkata"])
def test_zones_are_written_and_read_by_any_names_that_are_taken(
    ann: Connected, cal: RemoteCalendar, zones: dict[str, Any], zone: str
) -> None:
    ann.control.switches(**zones)
    weekly = series("Weekly", MONDAY, "FREQ=WEEKLY;COUNT=3")
    when = replace(weekly.when, start_zone=zone, end_zone=zone)
    event = ann.create(cal, replace(weekly, when=when))
    assert ann.hooks.project(content=replace(weekly, when=when)).content.when == event.content.when
    at = {"dateTime": "2027-01-04T09:00:00", "timeZone": zone}
    span = {"type": "noEnd", "startDate": "2027-01-04", "recurrenceTimeZone": zone}
    rule = {"pattern": {"type": "daily", "interval": 1}, "range": span}
    remote_id = ann.control.create_raw(PERSON, cal.remote_id, {"start": at, "end": at, "recurrence": rule})
    read = ann.hooks.get_event(call=ann.call, calendar=cal, remote_id=remote_id)
    assert read.read_only is None and read.content.when.start == MONDAY


@pytest.mark.parametrize("echo", [False, True])
def test_the_answer_to_a_write_may_show_the_text_as_it_was_sent(
    ann: Connected, cal: RemoteCalendar, echo: bool
) -> None:
    ann.control.switches(text_echo=echo)
    event = ann.create(cal, timed("Talk", MONDAY, description=TEXT))
    assert event.content.description == TEXT
    event = ann.update(cal, event, replace(event.content, description="Other"))
    assert event.content.description == "Other"


@pytest.mark.parametrize("dropping", [[], ["recurrence", "start", "end"], ["*"]])
def test_what_the_hub_wants_of_days_stands_whatever_a_write_of_the_master_undoes(
    ann: Connected, cal: RemoteCalendar, dropping: list[str]
) -> None:
    ann.control.switches(drop_exceptions=dropping)
    changes = (
        SeriesException(MONDAY + timedelta(days=1), title="Special"),
        SeriesException(MONDAY + timedelta(days=2), cancelled=True),
    )
    event = ann.create(cal, series("Daily", MONDAY, "FREQ=DAILY;COUNT=6", *changes))
    event = ann.update(cal, event, replace(event.content, title="Renamed"))
    assert event.content.when.exceptions == changes
    later = replace(event.content.when, end=event.content.when.end + timedelta(minutes=30))
    event = ann.update(cal, event, replace(event.content, when=later))
    assert event.content.when == later


def make_unanswered(ann: Connected, cal: RemoteCalendar) -> str:
    """Make an event by a call whose answer is lost; return its id."""
    ann.control.fault("reset_after", method="POST", path="/events$")
    with pytest.raises(RetryLaterError):
        ann.create(cal, timed("Talk", MONDAY))
    (remote_id,) = ann.control.events(PERSON, cal.remote_id)
    return remote_id


@pytest.mark.parametrize("span", [0, 60])
@pytest.mark.parametrize("status", [400, 409])
@pytest.mark.parametrize("named", [False, True])
def test_a_create_that_was_not_answered_makes_one_event_however_long_its_id_is_remembered(
    ann: Connected, cal: RemoteCalendar, span: int, status: int, named: bool
) -> None:
    ann.control.switches(
        transaction_seconds=span, duplicate_transaction_status=status, existing_event_id=named
    )
    make_unanswered(ann, cal)
    ann.control.advance(61)
    ann.create(cal, timed("Talk", MONDAY), attempt=1)
    assert [e.title for e in ann.control.events(PERSON, cal.remote_id).values()] == ["Talk"]


LATE = timed("Talk", MONDAY + timedelta(hours=2))


@pytest.mark.parametrize(
    ("named", "changes"),
    [
        (True, {"title": "Renamed"}),
        (True, {"title": "Renamed", "when": LATE.when}),
        (False, {"title": "Renamed"}),
        (False, {"when": LATE.when}),
    ],
)
def test_a_create_that_was_not_answered_is_found_without_its_mark_as_a_person_has_changed_it(
    ann: Connected, cal: RemoteCalendar, named: bool, changes: dict[str, Any]
) -> None:
    ann.control.switches(existing_event_id=named)
    remote_id = make_unanswered(ann, cal)
    ann.control.update(PERSON, cal.remote_id, remote_id, **changes)
    ann.control.fault("short", keep=0, query="filter=singleValueExtendedProperties", times=10)
    found = ann.create(cal, timed("Talk", MONDAY), attempt=1)
    wanted = replace(timed("Talk", MONDAY), **changes)
    assert (found.content.title, found.content.when) == (wanted.title, wanted.when)
    assert len(ann.control.events(PERSON, cal.remote_id)) == 1


def test_what_a_create_has_made_unanswered_and_a_person_has_deleted_is_gone(
    ann: Connected, cal: RemoteCalendar
) -> None:
    ann.control.switches(existing_event_id=True)
    remote_id = make_unanswered(ann, cal)
    ann.control.delete(PERSON, cal.remote_id, remote_id)
    with pytest.raises(RetryLaterError, match="does not show it yet"):
        ann.create(cal, timed("Talk", MONDAY), attempt=1)
    with pytest.raises(GoneError):
        ann.create(cal, timed("Talk", MONDAY), attempt=3)


def test_an_event_that_is_named_in_the_way_and_is_another_is_not_taken_for_the_hub_s(
    ann: Connected, cal: RemoteCalendar
) -> None:
    other = ann.control.create(PERSON, cal.remote_id, timed("Other", MONDAY))
    error = {"code": "ErrorDuplicateTransactionId", "message": "", "@event.existingEventId": other}
    ann.control.fault("status", status=400, body=json.dumps({"error": error}), method="POST", path="/events$")
    with pytest.raises(RetryLaterError, match="does not show it"):
        ann.create(cal, timed("Talk", MONDAY), attempt=1)


# --- calendars and accounts ---


@pytest.mark.parametrize(
    "odd",
    [
        {"owner": None}, {"owner": {"name": None, "address": None}}, {"name": None}, {"hexColor": None},
        {"canEdit": None}, {"isDefaultCalendar": None}, {"hexColor": "auto"}, {"name": 7},
        {"color": "newColor", "defaultOnlineMeetingProvider": "newProvider"}, {"hexColor": "#12345"},
    ],
)  # fmt: skip
def test_a_calendar_with_nulls_and_news_is_listed(ann: Connected, odd: dict[str, Any]) -> None:
    known = {c.remote_id for c in ann.hooks.list_calendars(call=ann.call)}
    ann.control.fault("odd", path="/calendars$", values=odd, times=10)
    assert {c.remote_id for c in ann.hooks.list_calendars(call=ann.call)} == known


@pytest.mark.parametrize("odd", [{"id": None}, {"id": 7}, {"id": ""}])
def test_a_calendar_without_an_id_costs_only_itself(ann: Connected, odd: dict[str, Any]) -> None:
    ann.control.add_person(PERSON, calendars=[{"name": "Odd"}])
    before = {c.remote_id for c in ann.hooks.list_calendars(call=ann.call)}
    (ids,) = [[c["remote_id"] for c in p["calendars"] if c["name"] == "Odd"] for p in ann.control.people()]
    ann.control.fault("odd", path="/calendars$", values=odd, ids=ids, times=10)
    assert {c.remote_id for c in ann.hooks.list_calendars(call=ann.call)} == before - set(ids)


# --- subscriptions ---


def wanted(ann: Connected, days: float = 6) -> SubscribeRequest:
    return SubscribeRequest("c" * 32, "s", ann.callback.url, ann.now + timedelta(days=days))


@pytest.mark.parametrize("named", [True, False])
def test_a_subscription_that_stands_in_the_way_is_found_and_replaced(
    ann: Connected, cal: RemoteCalendar, named: bool
) -> None:
    ann.control.switches(conflict_names_id=named)
    first = ann.hooks.subscribe(call=ann.call, calendar=cal, request=wanted(ann))
    second = ann.hooks.subscribe(call=ann.call, calendar=cal, request=wanted(ann))
    assert first.remote_id != second.remote_id
    with pytest.raises(GoneError):
        ann.hooks.unsubscribe(call=ann.call, calendar=cal, subscription=first)


def test_the_same_changes_may_be_watched_twice(ann: Connected, cal: RemoteCalendar) -> None:
    ann.control.switches(refuse_second=False)
    first, second = (ann.hooks.subscribe(call=ann.call, calendar=cal, request=wanted(ann)) for _ in range(2))
    for made in (first, second):
        ann.hooks.unsubscribe(call=ann.call, calendar=cal, subscription=made)


@pytest.mark.parametrize("minutes", [0, 60])
def test_a_subscription_lives_as_long_as_the_answer_says(
    ann: Connected, cal: RemoteCalendar, minutes: int
) -> None:
    ann.control.switches(shorter_subscriptions=minutes)
    made = ann.hooks.subscribe(call=ann.call, calendar=cal, request=wanted(ann))
    assert (made.expires_at - ann.now) / timedelta(minutes=1) == pytest.approx(minutes or 6 * 1440, abs=1)


@pytest.mark.parametrize("form", ["{}T{}Z", "{}T{}.0000000Z", "{}T{}+00:00", "later"])
def test_the_end_of_a_subscription_is_read_with_its_offset(
    ann: Connected, cal: RemoteCalendar, form: str
) -> None:
    end = ann.now + timedelta(hours=9)
    east = (end + timedelta(hours=5, minutes=30)).replace(tzinfo=None).isoformat()
    text = f"{east}+05:30" if form == "later" else form.format(end.date(), end.time())
    ann.control.fault("odd", method="POST", path="/subscriptions$", values={"expirationDateTime": text})
    made = ann.hooks.subscribe(call=ann.call, calendar=cal, request=wanted(ann))
    assert made.expires_at == end


@pytest.mark.parametrize("text", [None, "", "soon", "0001-01-01T00:00:00Z", 7])
def test_an_end_that_makes_no_sense_is_the_one_that_was_asked_for(
    ann: Connected, cal: RemoteCalendar, text: Any
) -> None:
    ann.control.fault("odd", method="POST", path="/subscriptions$", values={"expirationDateTime": text})
    made = ann.hooks.subscribe(call=ann.call, calendar=cal, request=wanted(ann))
    assert made.expires_at == ann.now + timedelta(days=6)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("ValidationError", "Subscription validation request {}."),
        ("InvalidRequest", "Subscription validation request {}. Response must match validationToken."),
        ("BadRequest", "Notification endpoint must respond with 200 OK to validation request ({})."),
        ("ExtensionError", "Operation: Create; Exception: [Status Code: BadRequest; Reason: {}]"),
    ],
)
def test_a_handshake_that_failed_may_go_well_another_time(
    ann: Connected, cal: RemoteCalendar, code: str, message: str
) -> None:
    ann.control.switches(validation_code=code, handshake_failure=message)
    dead = replace(wanted(ann), callback_url="http://127.0.0.1:9/nobody")
    with pytest.raises(ProviderError) as caught:
        ann.hooks.subscribe(call=ann.call, calendar=cal, request=dead)
    assert not isinstance(caught.value, PollOnlyError)
    assert ann.hooks.subscribe(call=ann.call, calendar=cal, request=wanted(ann)).remote_id


@pytest.mark.parametrize(
    "token",
    [
        "Validation: Testing client application reachability for subscription Request-Id: {}",
        "a+b/c=={}", "100%25 {} %2B", "Grüße 漢字 {}", "{}&validationToken=other", "  {}  ", "a;b,c\"d'e {}",
        "line\nbreak {}", "x" * 2000 + "{}",
    ],
)  # fmt: skip
def test_a_token_of_a_handshake_comes_back_as_it_was(ann: Connected, cal: RemoteCalendar, token: str) -> None:
    ann.control.switches(handshake_token=token)
    assert ann.hooks.subscribe(call=ann.call, calendar=cal, request=wanted(ann)).remote_id


@pytest.mark.parametrize(
    ("challenge", "body", "kind"),
    [
        ('Bearer realm="", error="invalid_token"', "", TokenExpiredError),
        ("Bearer", '{"error": {"code": "InvalidAuthenticationToken"}}', TokenExpiredError),
        ("Bearer", "", GrantLostError),
        ('Bearer error="insufficient_claims", claims="e30="', "", GrantLostError),
        ('Bearer claims="e30="', '{"error": {"code": "InvalidAuthenticationToken"}}', GrantLostError),
    ],
)
def test_a_refused_token_says_who_must_act(
    ann: Connected, cal: RemoteCalendar, challenge: str, body: str, kind: type[ProviderError]
) -> None:
    headers = {"WWW-Authenticate": challenge}
    ann.control.fault("status", status=401, body=body, path="delta", headers=headers, times=2)
    with pytest.raises(kind):
        ann.list_all(cal)
    ann.control.clear_faults()
    for is_asked in (True, False):
        ann.control.switches(claims_challenge=is_asked)
        if is_asked:
            with pytest.raises(GrantLostError, match="sign in again"):
                ann.list_all(cal)
    assert ann.list_all(cal)[1]


def test_an_event_without_a_change_key_has_that_of_its_etag(ann: Connected, cal: RemoteCalendar) -> None:
    event = ann.create(cal, timed("Talk", MONDAY))
    ann.control.fault("thin", keys=["changeKey"], times=10, path="events|delta")
    assert (
        ann.hooks.get_event(call=ann.call, calendar=cal, remote_id=event.remote_id).version == event.version
    )


def test_a_text_is_written_around_its_picture_also_without_a_change_key(
    ann: Connected, cal: RemoteCalendar
) -> None:
    body = {"contentType": "html", "content": '<html><body>Logo: <img src="cid:logo"></body></html>'}
    event = ann.create(cal, timed("Fair", MONDAY))
    ann.control.update_raw(PERSON, cal.remote_id, event.remote_id, {"body": body})
    ann.control.fault("thin", keys=["changeKey"], times=10, path="events|delta")
    before = ann.hooks.get_event(call=ann.call, calendar=cal, remote_id=event.remote_id)
    after = ann.update(cal, before, replace(before.content, description="Here: [picture]"))
    assert after.content.description == "Here: [picture]"
    assert '<img src="cid:logo">' in shown(ann, cal, event.remote_id)["body"]["content"]


@pytest.mark.parametrize(
    ("link", "is_own"),
    [
        ("https://graph.microsoft.com/v1.0/x", True),
        ("https://GRAPH.microsoft.com:443/v1.0/x", True),
        ("http://graph.microsoft.com/v1.0/x", False),
        ("https://graph.microsoft.com:444/v1.0/x", False),
        ("https://graph.microsoft.com.evil.test/v1.0/x", False),
        ("https://graph.microsoft.com:port/", False),
        ("/v1.0/x", False),
    ],
)
def test_only_links_to_the_same_server_are_followed(ann: Connected, link: str, is_own: bool) -> None:
    graph = Graph.of(replace(ann.call, settings={}))
    assert graph.is_own(link) == is_own
