"""The sandbox shows nothing that Graph's published schema has not: the extract, and who looks at it."""

from __future__ import annotations

import json
from datetime import timedelta
from importlib import resources
from typing import Any

import pytest
import requests

from hub.plugin.control import SandboxControl, serving
from hub.plugin.testing import PERSON, Connected, free_port, series, timed
from hub.plugin.types import RemoteCalendar, SandboxOptions
from hub_outlook.sandbox.contract import BESIDE, Contract, published
from hub_outlook.sandbox.extract import written

TIME = {"dateTime": "2027-01-04T09:00:00.0000000", "timeZone": "UTC"}
EVENT: dict[str, Any] = {"id": "AAk=", "subject": "Talk", "showAs": "busy", "start": TIME, "categories": []}


def faults(method: str, path: str, status: int, value: Any) -> list[str]:
    contract = Contract()
    contract.check(method, f"/v1.0/{path}", status, b"" if value is None else json.dumps(value).encode())
    return contract.faults()


def test_the_extract_is_what_the_sdk_says() -> None:
    kept = (resources.files("hub_outlook.sandbox") / "published.json").read_text("utf-8")
    assert kept == written(), "make it again: python -m hub_outlook.sandbox.extract"


@pytest.mark.parametrize(
    ("part", "told"),
    [
        ({}, None),
        ({"subject": None, "location": None}, None),
        ({"uid": "1", "@odata.etag": 'W/"1"', "calendar@odata.navigationLink": "https://x.test"}, None),
        ({"subjekt": "Talk"}, "event.subjekt is not published"),
        ({"subject": 3}, "event.subject is 3"),
        ({"isAllDay": "no"}, "event.isAllDay is 'no'"),
        ({"showAs": "out"}, "event.showAs is 'out'"),
        ({"reminderMinutesBeforeStart": True}, "event.reminderMinutesBeforeStart is True"),
        ({"createdDateTime": "2027-01-04"}, "event.createdDateTime"),
        ({"start": {"dateTime": "2027-01-04T09:00:00Z", "timeZone": "UTC"}}, "event.start.dateTime"),
        ({"categories": "Work"}, "event.categories is 'Work'"),
        ({"attendees": [{"emailAddress": {"mail": "x"}}]}, "event.attendees[0].emailAddress.mail"),
        ({"body": "words"}, "event.body is 'words'"),
        ({"location": {"address": {"street": 3}}}, "event.location.address.street is 3"),
    ],
)
def test_an_answer_that_is_not_as_published_is_told(part: dict[str, Any], told: str | None) -> None:
    found = faults("GET", "me/events/AAk=", 200, EVENT | part)
    assert [told in fault for fault in found] == [True] if told else found == []


def test_lists_errors_and_empty_answers_are_looked_at() -> None:
    assert faults("GET", "me/calendars/c/calendarView/delta()", 200, {"value": [EVENT]}) == []
    assert "event[0].mood" in faults("GET", "me/events", 200, {"value": [EVENT | {"mood": 1}]})[0]
    assert "lists nothing" in faults("GET", "me/events", 200, EVENT)[0]
    both = {"value": [], "@odata.nextLink": "x", "@odata.deltaLink": "y"}
    assert "a next page and an end" in faults("GET", "me/calendarView/delta", 200, both)[0]
    assert "more beside" in faults("GET", "me/calendars", 200, {"value": [], "more": 1})[0]
    assert faults("DELETE", "me/events/AAk=", 204, None) == []
    assert "has no body" in faults("GET", "me/events/AAk=", 200, None)[0]
    fine = {"error": {"code": "ErrorItemNotFound", "message": "Gone.", "innerError": {}}}
    assert faults("GET", "me/events/AAk=", 404, fine) == faults("GET", "me", 401, None) == []
    assert "no error of Graph's" in faults("GET", "me/events/AAk=", 404, {"error": "gone"})[0]


def test_a_sandbox_that_is_checked_tells_at_its_end(hooks: Any, connect: Any) -> None:
    port = free_port()
    box = hooks.sandbox(options=SandboxOptions(f"http://127.0.0.1:{port}", seed=7, checked=True))
    with pytest.raises(AssertionError, match=r"event\[0\]\.hasAttachments is"), serving(box, port):
        control = SandboxControl(f"http://127.0.0.1:{port}")
        token = connect(control, dict(box.settings)).tokens.access_token
        calendar = next(c["remote_id"] for c in control.people()[0]["calendars"] if c["primary"])
        at = {"dateTime": "2027-01-04T09:00:00", "timeZone": "UTC"}
        control.create_raw(PERSON, calendar, {"start": at, "end": at, "hasAttachments": "some"})
        url = f"{box.settings['API_URL']}/me/events"
        shown = requests.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=10)
        assert shown.status_code == 200


@pytest.fixture
def read(ann: Connected) -> Any:
    def get(path: str, method: str = "GET", body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {ann.call.access_token}"}
        url = f"{ann.settings['API_URL']}/{path}"
        return requests.request(method, url, json=body, headers=headers, timeout=10).json()

    return get


def test_events_have_all_fields_that_are_shown_without_being_asked_for(
    ann: Connected, cal: RemoteCalendar, read: Any
) -> None:
    """That they have no others is looked at beneath every test."""
    start = ann.now.replace(tzinfo=None)
    ann.control.create(PERSON, cal.remote_id, timed("Single", start))
    ann.control.create(PERSON, cal.remote_id, series("Daily", start, "FREQ=DAILY;COUNT=3"))
    span = f"startDateTime={start.isoformat()}&endDateTime={(start + timedelta(days=9)).isoformat()}"
    shown = read("me/events")["value"] + read(f"me/calendarView?{span}")["value"]
    assert {event["type"] for event in shown} == {"singleInstance", "seriesMaster", "occurrence"}
    asked_for = {
        "calendar", "cancelledOccurrences", "exceptionOccurrences", "instances", "originalStart",
        "singleValueExtendedProperties", "extensions", "@odata.type",
    }  # fmt: skip
    assert published()["event"].keys() | BESIDE["event"] <= shown[0].keys() | asked_for
