"""The sandbox answers as Graph's pages say; each test names what it plays."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from hub.plugin.control import SandboxControl, serving
from hub.plugin.testing import PERSON, Connected, free_port
from hub.plugin.types import Reception, RemoteCalendar, SandboxOptions
from hub_outlook.sandbox.clock import Clock
from hub_outlook.sandbox.grants import Grants
from hub_outlook.sandbox.model import Model
from hub_outlook.sandbox.state import State
from hub_outlook.sandbox.subscriptions import Subscriptions
from hub_outlook.testing import DAILY, TIMES, VIEW, Wire


def test_a_new_event_has_all_default_properties_and_nulls(wire: Wire) -> None:
    answer = wire("POST", "me/events", TIMES)
    event = answer.json()
    assert answer.status_code == 201 and event["type"] == "singleInstance" and event["subject"] is None
    assert (event["isReminderOn"], event["reminderMinutesBeforeStart"], event["showAs"]) == (True, 15, "busy")
    assert event["start"] == {"dateTime": "2027-01-04T08:00:00.0000000", "timeZone": "UTC"}
    assert event["@odata.etag"] == f'W/"{event["changeKey"]}"' and "=" in event["id"]
    assert event["seriesMasterId"] is None and "transactionId" in event


def test_errors_have_graph_s_shape_and_echo_our_request_id(wire: Wire) -> None:
    answer = wire("GET", "me/events/AAA", headers={"client-request-id": "mine"})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (400, "ErrorInvalidIdMalformed")
    assert answer.headers["client-request-id"] == "mine" == error["innerError"]["client-request-id"]


def test_paths_are_read_in_any_case_and_ids_are_not(wire: Wire) -> None:
    event_id = wire("POST", "ME/Events", TIMES).json()["id"]
    assert wire("GET", f"users/{PERSON}/EVENTS/{event_id}").status_code == 200
    assert wire.code("GET", f"me/events/{event_id.swapcase()}")[0] in (400, 404)


def test_an_event_has_two_ids_and_both_are_understood(wire: Wire) -> None:
    regular = wire("POST", "me/events", TIMES).json()["id"]
    prefer = {"Prefer": 'IdType="ImmutableId"'}
    immutable = wire("GET", f"me/events/{regular}", headers=prefer).json()["id"]
    assert immutable != regular
    assert wire("GET", f"me/events/{immutable}").json()["id"] == regular


@pytest.mark.parametrize("form", ["delta", "delta()", "microsoft.graph.delta()"])
def test_delta_has_three_spellings(wire: Wire, form: str) -> None:
    assert "@odata.deltaLink" in wire("GET", f"me/calendarView/{form}", **VIEW).json()


def test_times_come_in_the_zone_that_was_preferred(wire: Wire) -> None:
    event_id = wire("POST", "me/events", TIMES).json()["id"]
    answer = wire(
        "GET", f"me/events/{event_id}", headers={"Prefer": 'outlook.timezone="Tokyo Standard Time"'}
    )
    assert answer.json()["start"] == {
        "dateTime": "2027-01-04T17:00:00.0000000",
        "timeZone": "Tokyo Standard Time",
    }
    assert answer.headers["Preference-Applied"] == 'outlook.timezone="Tokyo Standard Time"'


def test_an_unknown_zone_is_refused(wire: Wire) -> None:
    body = TIMES | {"start": {"dateTime": "2027-01-04T09:00:00", "timeZone": "Middle Earth"}}
    assert wire.code("POST", "me/events", body) == (400, "TimeZoneNotSupportedException")


def test_an_all_day_event_must_run_from_midnight_to_midnight(wire: Wire) -> None:
    answer = wire("POST", "me/events", TIMES | {"isAllDay": True})
    assert answer.status_code == 400
    assert answer.json()["error"]["message"].startswith("The Event.Start property for an all-day event")


def test_an_end_before_the_start_is_refused_and_an_empty_span_is_not(wire: Wire) -> None:
    early = {"dateTime": "2027-01-04T08:00:00", "timeZone": "W. Europe Standard Time"}
    assert wire("POST", "me/events", TIMES | {"end": early}).status_code == 400
    assert wire("POST", "me/events", TIMES | {"end": TIMES["start"]}).status_code == 201


def test_text_becomes_html_unless_text_is_preferred(wire: Wire) -> None:
    body = TIMES | {"body": {"contentType": "text", "content": "1 < 2\nand more"}}
    event_id = wire("POST", "me/events", body).json()["id"]
    shown = wire("GET", f"me/events/{event_id}").json()["body"]
    assert shown["contentType"] == "html" and "1 &lt; 2<br>" in shown["content"]
    prefer = {"Prefer": 'outlook.body-content-type="text"'}
    assert (
        wire("GET", f"me/events/{event_id}", headers=prefer).json()["body"]["content"]
        == "1 < 2\r\nand more\r\n"
    )


def test_guests_are_mailed_at_every_write(ann: Connected, wire: Wire) -> None:
    guests = [{"emailAddress": {"address": "bob@example.test"}}]
    event_id = wire("POST", "me/events", TIMES | {"attendees": guests}).json()["id"]
    wire("PATCH", f"me/events/{event_id}", {"subject": "New"})
    wire("DELETE", f"me/events/{event_id}")
    assert [mail["subject"].split(":")[0] for mail in ann.control.mails()] == [
        "invitation",
        "update",
        "cancellation",
    ]


def test_an_extended_property_shows_only_with_expand_and_filter(wire: Wire) -> None:
    name = "String {5c1f6c7e-3a0b-4f0e-9d53-6f2f0e6d7b11} Name Mine"
    body = TIMES | {"singleValueExtendedProperties": [{"id": name, "value": "it's"}]}
    made = wire("POST", "me/events", body).json()
    wire("POST", "me/events", TIMES)
    assert "singleValueExtendedProperties" not in made
    expand = {"$expand": f"singleValueExtendedProperties($filter=id eq '{name}')"}
    shown = wire("GET", f"me/events/{made['id']}", **expand).json()
    assert shown["singleValueExtendedProperties"] == [{"id": name, "value": "it's"}]
    found = f"singleValueExtendedProperties/any(ep: ep/id eq '{name}' and ep/value eq 'IT''S')"
    assert [e["id"] for e in wire("GET", "me/events", **{"$filter": found}).json()["value"]] == [made["id"]]


def test_lists_are_paged_by_ten_and_can_be_filtered_and_ordered(wire: Wire) -> None:
    for n in range(12):
        hour = {"dateTime": f"2027-01-{n + 1:02d}T09:00:00", "timeZone": "UTC"}
        wire("POST", "me/events", {"subject": f"E{n:02d}", "start": hour, "end": hour})
    first = wire("GET", "me/events", **{"$orderby": "start/dateTime desc", "$select": "subject"}).json()
    assert len(first["value"]) == 10 and first["value"][0]["subject"] == "E11"
    assert [e["subject"] for e in wire("GET", first["@odata.nextLink"]).json()["value"]] == ["E01", "E00"]
    later = {"$filter": "start/dateTime ge '2027-01-10T00:00:00' and subject eq 'e10'"}
    assert [e["subject"] for e in wire("GET", "me/events", **later).json()["value"]] == ["E10"]
    assert wire.code("GET", "me/events", **{"$filter": "startswith(subject,'E')"})[0] == 400


def test_a_series_shows_masters_in_lists_and_occurrences_in_views(wire: Wire) -> None:
    master = wire("POST", "me/events", TIMES | {"recurrence": DAILY}).json()
    assert [e["type"] for e in wire("GET", "me/events").json()["value"]] == ["seriesMaster"]
    view = wire("GET", "me/calendarView", **VIEW).json()["value"]
    assert {e["type"] for e in view} == {"occurrence"} and len(view) == 5
    assert {e["seriesMasterId"] for e in view} == {master["id"]}
    assert {e["@odata.etag"] for e in view} == {master["@odata.etag"]}
    assert len({e["iCalUId"] for e in view} | {master["iCalUId"]}) == 6 and len({e["uid"] for e in view}) == 1


def test_changed_and_cancelled_occurrences_show_on_the_master_alone(wire: Wire) -> None:
    master = wire("POST", "me/events", TIMES | {"recurrence": DAILY}).json()
    days = wire("GET", f"me/events/{master['id']}/instances", **VIEW).json()["value"]
    assert wire("PATCH", f"me/events/{days[1]['id']}", {"subject": "Special"}).json()["type"] == "exception"
    assert wire("DELETE", f"me/events/{days[2]['id']}").status_code == 204
    assert wire.code("GET", f"me/events/{days[2]['id']}") == (404, "ErrorItemNotFound")
    asked = {
        "$select": "subject,occurrenceId,exceptionOccurrences,cancelledOccurrences",
        "$expand": "exceptionOccurrences",
    }
    shown = wire("GET", f"me/events/{master['id']}", **asked).json()
    assert [c[-10:] for c in shown["cancelledOccurrences"]] == ["2027-01-06"]
    assert [e["occurrenceId"][-10:] for e in shown["exceptionOccurrences"]] == ["2027-01-05"]
    first = wire("GET", f"me/events/{master['id']}/instances", **VIEW).json()["value"][0]
    assert first["subject"] == "Special"


def test_a_new_time_of_a_series_drops_exceptions_and_renews_ids(wire: Wire) -> None:
    master = wire("POST", "me/events", TIMES | {"recurrence": DAILY}).json()["id"]
    days = wire("GET", f"me/events/{master}/instances", **VIEW).json()["value"]
    wire("DELETE", f"me/events/{days[2]['id']}")
    wire("PATCH", f"me/events/{master}", {"subject": "Only a name"})
    assert len(wire("GET", f"me/events/{master}/instances", **VIEW).json()["value"]) == 4
    wire("PATCH", f"me/events/{master}", TIMES | {"recurrence": DAILY})
    again = wire("GET", f"me/events/{master}/instances", **VIEW).json()["value"]
    assert len(again) == 5 and not {e["id"] for e in again} & {e["id"] for e in days}


@pytest.mark.parametrize(
    "change",
    [
        {"pattern": {"type": "weekly", "interval": 1}},
        {"pattern": {"type": "daily", "interval": 0}},
        {"pattern": {"type": "daily", "interval": 1, "index": "sixth"}},
        {"range": {"type": "noEnd", "startDate": "2027-01-05"}},
        {"range": {"type": "endDate", "startDate": "2027-01-04", "endDate": "2027-01-01"}},
        {"range": {"type": "numbered", "startDate": "2027-01-04", "numberOfOccurrences": 0}},
    ],
)
def test_a_recurrence_is_checked_even_where_it_does_not_matter(wire: Wire, change: dict[str, Any]) -> None:
    assert wire("POST", "me/events", TIMES | {"recurrence": DAILY | change}).status_code == 400


def test_instances_need_both_bounds(wire: Wire) -> None:
    master = wire("POST", "me/events", TIMES | {"recurrence": DAILY}).json()["id"]
    assert wire.code("GET", f"me/events/{master}/instances") == (400, "ErrorInvalidParameter")


def test_a_series_is_one_page_of_delta_with_stubs(wire: Wire) -> None:
    wire("POST", "me/events", TIMES | {"recurrence": DAILY})
    page = wire("GET", "me/calendarView/delta", headers={"Prefer": "odata.maxpagesize=1"}, **VIEW).json()
    assert [e["type"] for e in page["value"]] == ["seriesMaster"] + ["occurrence"] * 5
    assert "subject" not in page["value"][1] and "recurrence" in page["value"][0]


@pytest.mark.parametrize(
    ("option", "answer"),
    [("$select", (400, "ErrorInvalidUrlQuery")), ("$expand", (500, "InternalServerError"))],
)
def test_delta_takes_no_query_options(wire: Wire, option: str, answer: tuple[int, str]) -> None:
    assert wire.code("GET", "me/calendarView/delta", **VIEW, **{option: "subject"}) == answer


def test_a_mailbox_takes_so_many_calls_at_once_and_no_more(ann: Connected, wire: Wire) -> None:
    ann.control.switches(concurrency=1, retry_after="2.128")
    held, go = threading.Event(), threading.Event()

    class SlowHandshake:
        def receive(self, **_: Any) -> Reception:
            held.set()
            go.wait(9)
            return Reception()

    ann.callback.hooks = SlowHandshake()
    body = {
        "changeType": "created",
        "notificationUrl": ann.callback.url,
        "resource": "me/events",
        "expirationDateTime": (ann.now + timedelta(days=1)).isoformat(),
    }
    first = threading.Thread(target=wire, args=("POST", "subscriptions", body))
    first.start()
    assert held.wait(9)
    refused = wire("GET", "me/calendars")
    go.set()
    first.join()
    assert refused.status_code == 429 and refused.headers["Retry-After"] == "2.128"
    assert refused.json()["error"]["code"] == "ApplicationThrottled"
    assert wire("GET", "me/calendars").status_code == 200


def test_an_expired_token_and_a_narrow_one_are_told_apart(ann: Connected, wire: Wire) -> None:
    ann.control.advance(3600)
    answer = wire("GET", "me")
    assert answer.status_code == 401 and "WWW-Authenticate" in answer.headers
    assert answer.json()["error"]["code"] == "InvalidAuthenticationToken"


def test_a_switch_that_does_not_exist_is_refused(ann: Connected) -> None:
    with pytest.raises(requests.HTTPError):
        ann.control.switches(no_such_switch=1)


def test_unknown_people_and_events_are_404_at_the_control_api(ann: Connected, cal: RemoteCalendar) -> None:
    with pytest.raises(requests.HTTPError, match="404"):
        ann.control.events("nobody@example.test", cal.remote_id)
    with pytest.raises(requests.HTTPError, match="404"):
        ann.control.delete(PERSON, cal.remote_id, "no-such-event")


def test_a_restarted_sandbox_finds_its_people_events_and_grants_again(
    hooks: Any, connect: Any, tmp_path: Path
) -> None:
    path = str(tmp_path / "state.json")
    port = free_port()
    options = SandboxOptions(f"http://127.0.0.1:{port}", 3, path)
    control = SandboxControl(options.base_url)
    box = hooks.sandbox(options=options)
    with serving(box, port):
        grant = connect(control, dict(box.settings))
        headers = {"Authorization": f"Bearer {grant.tokens.access_token}"}
        url = f"{box.settings['API_URL']}/me/events"
        requests.post(url, json=TIMES | {"recurrence": DAILY}, headers=headers, timeout=10)
        before = requests.get(url, headers=headers, timeout=10).json()
        link = requests.get(
            f"{box.settings['API_URL']}/me/calendarView/delta", VIEW, headers=headers, timeout=10
        )
    box = hooks.sandbox(options=options)
    with serving(box, port):
        assert requests.get(url, headers=headers, timeout=10).json() == before
        after = requests.get(link.json()["@odata.deltaLink"], headers=headers, timeout=10)
        assert after.status_code == 200 and after.json()["value"] == []


def test_a_round_costs_what_changed_and_not_what_there_is() -> None:
    model = Model(Clock(), 1)
    folder = model.default_folder(model.add_person(PERSON, "Ann"))
    at = datetime(2027, 1, 4, 9)
    values = {"subject": "x", "isAllDay": False}
    fields = {"values": values, "start": at, "end": at + timedelta(hours=1), "zone": "UTC"}
    for _ in range(10_000):
        model.create(folder, {**fields, "values": dict(values)})
    before = model.seq
    model.touch(model.items[5000], "updated")

    class Counting(dict[int, Any]):
        reads = 0

        def __getitem__(self, key: int) -> Any:
            Counting.reads += 1
            return super().__getitem__(key)

    model.items = Counting(model.items)
    assert [item.serial for item in model.changed_since(folder, before)] == [5000]
    assert Counting.reads == 1


def test_a_state_is_not_written_twice_if_nothing_happened(tmp_path: Path) -> None:
    model = Model(Clock(), 1)
    state = State(tmp_path / "s.json", model, Grants(model), Subscriptions(model))
    model.add_person(PERSON, "Ann")
    state.save()
    first = (tmp_path / "s.json").stat().st_mtime_ns
    state.save()
    assert (tmp_path / "s.json").stat().st_mtime_ns == first
    assert model.clock.now().tzinfo is UTC
