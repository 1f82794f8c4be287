"""What Microsoft's pages leave open or differ on, and what a service may do at its worst: both ways."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from hub.plugin.testing import PERSON, Connected, series
from hub.plugin.types import PushDelete, Window
from hub_outlook.testing import DAILY, ENDLESS, IMMUTABLE, TIMES, VIEW, Wire, made


@pytest.fixture
def switch(ann: Connected) -> Callable[..., None]:
    return ann.control.switches


def delta(wire: Wire, link: str = "", **more: Any) -> Any:
    path = link or "me/calendarView/delta"
    return wire("GET", path, **({} if link else VIEW), **more)


# --- batches ---


def batch(wire: Wire, *steps: dict[str, Any]) -> dict[str, Any]:
    answer = wire("POST", "$batch", {"requests": list(steps)})
    assert answer.status_code == 200, answer.text
    return {given["id"]: given for given in answer.json()["responses"]}


def step(number: int, method: str, url: str, body: Any = None, *depends: int) -> dict[str, Any]:
    sent = {"body": body, "headers": {"Content-Type": "application/json"}} if body is not None else {}
    on = {"dependsOn": [str(n) for n in depends]} if depends else {}
    return {"id": str(number), "method": method, "url": url, **sent, **on}


def test_a_batch_answers_each_request_by_itself(ann: Connected, wire: Wire) -> None:
    given = batch(
        wire,
        step(1, "POST", "/me/events", TIMES | {"subject": "One"}),
        step(2, "GET", "/me/events/AAA"),
        step(3, "GET", "/me/calendars", None, 1),
        step(4, "GET", "/me/calendars", None, 2),
        {"id": "5", "method": "POST", "url": "/me/events", "body": TIMES},
    )
    assert [given[str(n)]["status"] for n in range(1, 6)] == [201, 400, 200, 424, 400]
    assert given["1"]["body"]["subject"] == "One" and "request-id" in given["1"]["headers"]
    assert len(ann.control.writes()) == 1, "what a batch writes is in the ledger"


def test_a_request_of_a_batch_may_be_throttled_alone(ann: Connected, wire: Wire) -> None:
    ann.control.fault("status", method="GET", path="/me/calendars$", status=429, headers={"Retry-After": "7"})
    given = batch(wire, step(1, "GET", "/me/calendars"), step(2, "GET", "/me/events"))
    assert (given["1"]["status"], given["1"]["headers"]["Retry-After"]) == (429, "7")
    assert given["2"]["status"] == 200


@pytest.mark.parametrize(
    "steps",
    [
        [],
        [step(n, "GET", "/me/calendars") for n in range(21)],
        [step(1, "GET", "/me/calendars"), step(1, "GET", "/me/calendars")],
        [step(1, "GET", "https://graph.microsoft.com/v1.0/me")],
        [step(1, "POST", "/$batch", {"requests": []})],
        [step(1, "GET", "/me", None, 2), step(2, "GET", "/me", None, 1)],
        [step(1, "GET", "/me", None, 9)],
    ],
)
def test_a_batch_that_makes_no_sense_is_refused_as_a_whole(wire: Wire, steps: list[Any]) -> None:
    assert wire("POST", "$batch", {"requests": steps}).status_code == 400


# --- open extensions ---


def test_open_extensions_are_kept_beside_an_event_and_are_no_change_of_it(wire: Wire) -> None:
    own = {
        "@odata.type": "microsoft.graph.openTypeExtension",
        "extensionName": "com.example.hub",
        "mark": "a",
    }
    event = made(wire, extensions=[own])
    assert "extensions" not in event
    link = delta(wire).json()["@odata.deltaLink"]
    path = f"me/events/{event['id']}/extensions"
    assert wire("PATCH", f"{path}/com.example.hub", {"mark": "b"}).json()["mark"] == "b"
    assert wire("POST", path, {"extensionName": "com.example.other"}).status_code == 201
    assert [e["extensionName"] for e in wire("GET", path).json()["value"]] == [
        "com.example.hub", "com.example.other",
    ]  # fmt: skip
    assert delta(wire, link).json()["value"] == []
    find = {"$filter": "Extensions/any(f:f/id eq 'com.example.hub')"}
    expand = {"$expand": "extensions($filter=id eq 'com.example.hub')"}
    (found,) = wire("GET", "me/events", **find, **expand).json()["value"]
    assert found["extensions"][0]["mark"] == "b" and found["changeKey"] == event["changeKey"]
    assert "extensions" not in wire("GET", f"me/events/{event['id']}", **{"$expand": "extensions"}).json()
    assert wire("DELETE", f"{path}/com.example.hub").status_code == 204
    assert wire("GET", "me/events", **find).json()["value"] == []
    assert wire("GET", f"{path}/com.example.hub").status_code == 404


@pytest.mark.parametrize("shown", [True, False])
def test_a_view_may_show_no_extended_properties(wire: Wire, switch: Any, shown: bool) -> None:
    switch(expand_in_views=shown)
    tag = {"id": "String {00020329-0000-0000-C000-000000000046} Name T", "value": "x"}
    made(wire, singleValueExtendedProperties=[tag])
    expand = f"singleValueExtendedProperties($filter=id eq '{tag['id']}')"
    (event,) = wire("GET", "me/calendarView", **VIEW, **{"$expand": expand}).json()["value"]
    assert ("singleValueExtendedProperties" in event) == shown


# --- events ---


@pytest.mark.parametrize(("seconds", "status"), [(0, 400), (60, 201)])
def test_a_transaction_id_is_remembered_for_a_while(
    ann: Connected, wire: Wire, seconds: int, status: int
) -> None:
    ann.control.switches(transaction_seconds=seconds)
    made(wire, transactionId="t1")
    assert wire("POST", "me/events", TIMES | {"transactionId": "t1"}).status_code == 400
    ann.control.advance(61)
    assert wire("POST", "me/events", TIMES | {"transactionId": "t1"}).status_code == status


@pytest.mark.parametrize(
    ("limit", "too_much"),
    [
        ({"longest_subject": 5}, {"subject": "123456"}),
        ({"most_reminder_minutes": 60}, {"reminderMinutesBeforeStart": 61}),
        ({"most_occurrences": 4}, {"recurrence": DAILY}),
        ({"refused_zones": ["W. Europe Standard Time"]}, {}),
    ],
)
def test_limits_that_the_pages_do_not_name(
    wire: Wire, switch: Any, limit: dict[str, Any], too_much: dict[str, Any]
) -> None:
    event = made(wire, **too_much)
    switch(**limit)
    assert wire("POST", "me/events", TIMES | too_much).status_code == 400
    assert wire("PATCH", f"me/events/{event['id']}", TIMES | too_much).status_code == 400


def test_a_write_may_be_followed_by_another_change_key_with_nothing_changed(
    ann: Connected, wire: Wire
) -> None:
    event = made(wire)
    ann.control.advance(60)
    assert wire("GET", f"me/events/{event['id']}").json()["changeKey"] == event["changeKey"]
    ann.control.switches(drift_seconds=30)
    ann.control.advance(1)
    now = wire("GET", f"me/events/{event['id']}").json()
    assert now["changeKey"] != event["changeKey"] and now["subject"] == event["subject"]
    ann.control.advance(60)
    assert wire("GET", f"me/events/{event['id']}").json()["changeKey"] == now["changeKey"], "once each write"


@pytest.mark.parametrize("restless", [True, False])
def test_html_may_be_rewritten_at_each_read(wire: Wire, switch: Any, restless: bool) -> None:
    event = made(wire, body={"contentType": "text", "content": "Agenda"})
    switch(restless_html=restless)
    first, second = (wire("GET", f"me/events/{event['id']}").json()["body"]["content"] for _ in range(2))
    assert (first != second) == restless and "Agenda" in first


def test_a_list_has_so_many_events_on_a_page(wire: Wire, switch: Any) -> None:
    for _ in range(3):
        made(wire)
    assert len(wire("GET", "me/events", **{"$top": "1000"}).json()["value"]) == 3
    switch(most_on_a_page=2)
    assert len(wire("GET", "me/events", **{"$top": "1000"}).json()["value"]) == 2


@pytest.mark.parametrize("immutable", [True, False])
def test_occurrences_may_have_one_form_of_id_only(wire: Wire, switch: Any, immutable: bool) -> None:
    switch(immutable_occurrences=immutable, immutable_oids=immutable)
    event = made(wire, recurrence=DAILY)
    (plain, *_), (firm, *_) = (
        wire("GET", f"me/events/{event['id']}/instances", headers=headers, **VIEW).json()["value"]
        for headers in ({}, IMMUTABLE)
    )
    assert (plain["id"] != firm["id"]) == immutable
    assert (event["id"] in firm["occurrenceId"]) != immutable


# --- delta ---


@pytest.mark.parametrize("option", ["$select", "$filter", "$orderby", "$search"])
def test_delta_may_pass_over_its_options(wire: Wire, switch: Any, option: str) -> None:
    assert delta(wire, **{option: "x"}).status_code == 400
    switch(delta_ignores_options=True)
    assert delta(wire, **{option: "x"}).status_code == 200


@pytest.mark.parametrize("each", [True, False])
def test_a_deleted_series_may_be_removed_day_by_day(wire: Wire, switch: Any, each: bool) -> None:
    event = made(wire, recurrence=DAILY)
    link = delta(wire).json()["@odata.deltaLink"]
    switch(series_tombstones=each)
    wire("DELETE", f"me/events/{event['id']}")
    gone = delta(wire, link).json()["value"]
    assert len(gone) == (6 if each else 1) and all("@removed" in item for item in gone)


def test_links_of_the_main_calendar_may_not_name_it(wire: Wire, switch: Any) -> None:
    assert "/calendars/" in delta(wire).json()["@odata.deltaLink"]
    switch(delta_by_calendar=False)
    link = delta(wire).json()["@odata.deltaLink"]
    assert "/calendar/calendarView/delta" in link and delta(wire, link).status_code == 200


@pytest.mark.parametrize("kept", [True, False])
def test_a_round_may_go_on_with_the_preferences_that_it_began_with(
    wire: Wire, switch: Any, kept: bool
) -> None:
    switch(links_keep_preferences=kept)
    zoned = {"Prefer": 'outlook.timezone="W. Europe Standard Time"'}
    made(wire)
    link = delta(wire, headers=zoned).json()["@odata.deltaLink"]
    made(wire)
    (event,) = delta(wire, link).json()["value"]
    assert event["start"]["timeZone"] == ("W. Europe Standard Time" if kept else "UTC")


def test_small_pages_and_an_endless_series_may_time_out(wire: Wire, switch: Any) -> None:
    made(wire, recurrence=ENDLESS)
    small = {"Prefer": "odata.maxpagesize=2"}
    assert delta(wire, headers=small).status_code == 200
    switch(tiny_page=10)
    assert delta(wire, headers=small).status_code == 504
    assert delta(wire, headers={"Prefer": "odata.maxpagesize=10"}).status_code == 200


@pytest.mark.parametrize("told", [True, False])
def test_a_round_that_must_begin_anew_may_say_where(ann: Connected, wire: Wire, told: bool) -> None:
    link = delta(wire).json()["@odata.deltaLink"]
    ann.control.switches(resync_location=told)
    ann.control.expire_cursors(PERSON)
    aged = delta(wire, link)
    assert (aged.status_code, aged.json()["error"]["code"]) == (410, "SyncStateNotFound")
    assert ("Location" in aged.headers) == told
    fresh = delta(wire).json()["@odata.deltaLink"]
    ann.control.switches(resync="resyncRequired")
    forced = delta(wire, fresh)
    assert (forced.status_code, forced.json()["error"]["code"]) == (410, "resyncRequired")


# --- limits and mailboxes ---


@pytest.mark.parametrize(("wait", "status"), [("2", 429), ("2.128", 503), ("", 429)])
def test_a_mailbox_takes_so_many_calls_in_ten_minutes(
    ann: Connected, wire: Wire, wait: str, status: int
) -> None:
    ann.control.advance(601)  # Connecting has made calls of its own.
    ann.control.switches(calls_per_ten_minutes=3, retry_after=wait, throttled_status=status)
    answers = [wire("GET", "me/calendars") for _ in range(5)]
    assert [a.status_code for a in answers] == [200, 200, 200, status, status]
    assert answers[-1].headers.get("Retry-After", "") == wait
    ann.control.advance(599)
    assert wire("GET", "me/calendars").status_code == status, "what was refused counts, too"
    ann.control.advance(601)
    assert wire("GET", "me/calendars").status_code == 200


def test_a_personal_mailbox_has_other_ids_and_no_address_or_teams(
    ann: Connected, hooks: Any, connect: Any
) -> None:
    requests.post(
        f"{ann.control.base_url}/_control/people",
        json={"email": "zoe@home.test", "mailbox": "personal"},
        timeout=10,
    )
    grant = connect(ann.control, ann.settings, "zoe@home.test")
    assert grant.account.email == "zoe@home.test"
    wire = Wire(ann)
    wire.token = grant.tokens.access_token
    assert wire("GET", "me").json()["mail"] is None
    event = made(wire, isOnlineMeeting=True)
    assert event["id"].startswith("AQMk") and event["onlineMeeting"] is None
    assert wire("GET", f"me/events/{event['id']}").status_code == 200
    (calendar, *_) = wire("GET", "me/calendars").json()["value"]
    assert calendar["allowedOnlineMeetingProviders"] == []


def test_the_strict_mode_complains_of_what_graph_lets_pass(ann: Connected, wire: Wire) -> None:
    naive = {"start": {"dateTime": "2027-01-04T09:00:00", "timeZone": "UTC"}, "end": TIMES["end"]}
    ann.control.switches(strict=True)
    made(wire, **naive)
    wire(
        "GET",
        "me/calendarView",
        headers=IMMUTABLE,
        startDateTime="2027-01-01T00:00:00",
        endDateTime=VIEW["endDateTime"],
    )
    wire("GET", "me/calendarView", headers=IMMUTABLE, **VIEW)
    answer = requests.get(f"{ann.control.base_url}/_control/complaints", timeout=10).json()["complaints"]
    assert answer == [
        "POST /v1.0/me/events asks for no immutable ids",
        "GET /v1.0/me/calendarView startDateTime has no offset",
    ]


def test_the_plugin_gives_the_strict_mode_nothing_to_complain_of(ann: Connected) -> None:
    ann.control.switches(strict=True)
    calendar = ann.calendar
    event = ann.create(calendar, series("Weekly", datetime(2027, 1, 4, 9), "FREQ=WEEKLY;COUNT=4"))
    event = ann.update(calendar, event, replace(event.content, title="Renamed"))
    window = Window(datetime(2026, 12, 1, tzinfo=UTC), datetime(2027, 12, 1, tzinfo=UTC))
    page = ann.hooks.fetch_changes(call=ann.call, calendar=calendar, cursor=None, page=None, window=window)
    assert [change.event.content.title for change in page.changes] == ["Renamed"]
    ann.hooks.push_event(call=ann.call, calendar=calendar, push=PushDelete(event.remote_id, event.version))
    assert requests.get(f"{ann.control.base_url}/_control/complaints", timeout=10).json()["complaints"] == []
