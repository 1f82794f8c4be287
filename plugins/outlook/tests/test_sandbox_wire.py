"""The sandbox's wire answers as Graph's pages say: paths, ids, versions, times, rounds, the ledger."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
import requests

from hub.plugin.control import SandboxControl, serving
from hub.plugin.testing import PERSON, Connected, free_port, timed
from hub.plugin.types import SandboxOptions
from hub_outlook.testing import DAILY, IMMUTABLE, TIMES, VIEW, Wire, made

ZONED = {"Prefer": 'outlook.timezone="Tokyo Standard Time"'}
DELTA = "me/calendarView/delta"


def test_each_answer_says_what_it_is_and_which_request_it_was(wire: Wire) -> None:
    event = made(wire)
    for path in ("me", "me/calendars", f"me/events/{event['id']}", "me/events", "subscriptions"):
        answer = wire("GET", path, headers={"client-request-id": "mine"})
        assert answer.headers["client-request-id"] == "mine" and answer.headers["request-id"]
        assert "odata.metadata=minimal" in answer.headers["Content-Type"]
        assert f"/v1.0/$metadata#{path}" in answer.json()["@odata.context"]
    page = wire("GET", DELTA, **VIEW)
    assert page.json()["@odata.context"].endswith("$metadata#Collection(event)")
    assert page.headers["Preference-Applied"] == "odata.track-changes"


def test_what_is_sent_is_read_in_any_case_and_shown_in_one(wire: Wire) -> None:
    sent = {
        "@odata.type": "#microsoft.graph.event",
        "@odata.etag": "x",
        "showAs": "OOF",
        "importance": "High",
    }
    event = made(wire, **sent)
    assert (event["showAs"], event["importance"]) == ("oof", "high")
    assert wire.code("PATCH", f"me/events/{event['id']}", {"showAs": "asleep"})[0] == 400
    forward = {"TORECIPIENTS": [{"emailAddress": {"address": "bob@example.test"}}], "comment": "FYI"}
    assert wire("POST", f"me/events/{event['id']}/microsoft.graph.Forward", forward).status_code == 202


def test_a_write_of_another_version_changes_nothing(wire: Wire) -> None:
    event = made(wire, subject="Old")
    path, old = f"me/events/{event['id']}", {"If-Match": event["@odata.etag"]}
    new = wire("PATCH", path, {"subject": "New"}, headers=old).json()
    assert new["changeKey"] != event["changeKey"] and new["@odata.etag"] == f'W/"{new["changeKey"]}"'
    for method, body in (("PATCH", {"subject": "Lost"}), ("DELETE", None)):
        assert wire.code(method, path, body, old) == (412, "ErrorIrresolvableConflict")
    assert wire("GET", path).json() == wire("GET", path).json() | {
        "subject": "New",
        "changeKey": new["changeKey"],
    }
    assert wire("PATCH", path, {"subject": "Newer"}).json()["subject"] == "Newer", "no version, no question"
    assert wire("DELETE", path, headers={"If-Match": "*"}).status_code == 204


def test_a_malformed_id_and_an_unknown_one_are_told_apart(wire: Wire) -> None:
    event_id = made(wire)["id"]
    assert wire.code("GET", f"me/events/{event_id[:-8]}") == (400, "ErrorInvalidIdMalformed")
    assert wire.code("GET", "me/events/not an id") == (400, "ErrorInvalidIdMalformed")
    letter = next(n for n, c in enumerate(event_id) if n > 8 and c.isalpha())
    other = event_id[:letter] + event_id[letter].swapcase() + event_id[letter + 1 :]
    assert wire.code("GET", f"me/events/{other}") == (404, "ErrorItemNotFound"), "a letter's case counts"
    assert wire("GET", f"me/events/{event_id.replace('=', '%3D')}").status_code == 200


def test_a_move_changes_the_regular_id_alone(ann: Connected, wire: Wire) -> None:
    regular = made(wire)["id"]
    firm = wire("GET", f"me/events/{regular}", headers=IMMUTABLE).json()["id"]
    calendars = {c["name"]: c["id"] for c in wire("GET", "me/calendars").json()["value"]}
    assert calendars == {
        c["name"]: c["id"] for c in wire("GET", "me/calendars", headers=IMMUTABLE).json()["value"]
    }
    ann.control.move(PERSON, calendars["Calendar"], firm, calendars["Team"])
    (there,) = wire("GET", f"me/calendars/{calendars['Team']}/events").json()["value"]
    assert there["id"] != regular and wire.code("GET", f"me/events/{regular}")[0] == 404
    assert wire("GET", f"me/events/{firm}").json()["id"] == there["id"]


def test_what_is_deleted_is_not_found_twice(wire: Wire) -> None:
    path = f"me/events/{made(wire)['id']}"
    assert wire("DELETE", path).status_code == 204
    assert wire.code("DELETE", path) == wire.code("GET", path) == (404, "ErrorItemNotFound")


@pytest.mark.parametrize("again", ["t1", "t2"])
def test_a_transaction_id_stands_as_it_was_made_with(wire: Wire, again: str) -> None:
    event = made(wire, transactionId="t1")
    shown = wire("PATCH", f"me/events/{event['id']}", {"transactionId": again}).json()
    assert shown["transactionId"] == "t1"
    assert wire.code("POST", "me/events", TIMES | {"transactionId": "t1"}) == (
        400,
        "ErrorDuplicateTransactionId",
    )


# --- times ---


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("2027-01-04T09:00:00", "2027-01-04T08:00:00.0000000"),
        ("2027-01-04T09:00:00.1234567", "2027-01-04T08:00:00.0000000"),
        ("2027-01-04T09:00:00Z", "2027-01-04T09:00:00.0000000"),
        ("2027-01-04T09:00:00-05:00", "2027-01-04T14:00:00.0000000"),
    ],
)
def test_an_offset_in_a_time_moves_it_into_its_zone(wire: Wire, text: str, shown: str) -> None:
    at = {"dateTime": text, "timeZone": "W. Europe Standard Time"}
    assert made(wire, start=at, end=at)["start"]["dateTime"] == shown


def test_the_midnights_of_a_day_are_labelled_and_not_moved(wire: Wire) -> None:
    ends = {"start": "2027-01-04", "end": "2027-01-05"}
    days = {n: {"dateTime": f"{d}T00:00:00", "timeZone": "W. Europe Standard Time"} for n, d in ends.items()}
    event = made(wire, isAllDay=True, **days)
    shown = wire("GET", f"me/events/{event['id']}", headers=ZONED).json()
    for name, day in ends.items():
        assert event[name] == {"dateTime": f"{day}T00:00:00.0000000", "timeZone": "UTC"}
        assert shown[name] == {"dateTime": f"{day}T00:00:00.0000000", "timeZone": "Tokyo Standard Time"}
    shifted = days | {
        "start": {"dateTime": "2027-01-04T00:00:00-05:00", "timeZone": "W. Europe Standard Time"}
    }
    other = days | {"end": {"dateTime": "2027-01-05T00:00:00", "timeZone": "UTC"}}
    for wrong in (shifted, other):
        assert wire("POST", "me/events", {"isAllDay": True} | wrong).status_code == 400


@pytest.mark.parametrize(
    ("taken", "named"),
    [
        ("all", {"Europe/Madrid", "Europe/Berlin"}),
        ("listed", {"Europe/Berlin"}),
        ("none", set()),
    ],
)
@pytest.mark.parametrize("echo", [False, True])
def test_which_names_of_iana_are_taken_and_shown_is_a_switch(
    ann: Connected, wire: Wire, taken: str, named: set[str], echo: bool
) -> None:
    ann.control.switches(iana_zones=taken, iana_echo=echo, iana_labels=echo)
    twins = {"Europe/Madrid": "Romance Standard Time", "Europe/Berlin": "W. Europe Standard Time"}
    for name, twin in twins.items():
        at = {"dateTime": "2027-01-04T09:00:00", "timeZone": name}
        answer = wire("POST", "me/events", {"start": at, "end": at})
        assert (answer.status_code == 201) == (name in named)
        if name in named:
            assert answer.json()["originalStartTimeZone"] == (name if echo else twin)
        assert wire(
            "POST", "me/events", {"start": at | {"timeZone": twin}, "end": at | {"timeZone": twin}}
        ).ok
    event_id = made(wire)["id"]
    prefer = {"Prefer": 'outlook.timezone="Europe/Berlin"'}
    label = wire("GET", f"me/events/{event_id}", headers=prefer).json()["start"]["timeZone"]
    assert label == ("Europe/Berlin" if echo else twins["Europe/Berlin"])


@pytest.mark.parametrize("zone", [None, "", "tzone://Microsoft/Custom", "Tokyo Standard Time"])
def test_a_mailbox_has_a_zone_or_none(ann: Connected, connect: Any, zone: str | None) -> None:
    people = f"{ann.control.base_url}/_control/people"
    requests.post(people, json={"email": PERSON, "zone": zone}, timeout=10).raise_for_status()
    at = datetime(2027, 1, 4, 9)
    calendar = ann.calendar.remote_id
    remote_id = ann.control.create(PERSON, calendar, timed("Talk", at))
    raw = ann.control.raw(PERSON, calendar, remote_id)
    is_known = zone == "Tokyo Standard Time"
    assert raw["originalStartTimeZone"] == ("W. Europe Standard Time" if is_known else zone)
    assert Wire(ann).code("GET", "me/mailboxSettings") == (403, "ErrorAccessDenied")


# --- values ---


def test_a_place_stands_in_both_properties(wire: Wire) -> None:
    event = made(wire, location={"displayName": "R5"})
    assert event["location"] == event["locations"][0] and len(event["locations"]) == 1
    place = event["location"]
    assert (place["locationType"], place["uniqueId"], place["uniqueIdType"]) == ("default", "R5", "private")
    rooms = {"locations": [{"displayName": "R1"}, {"displayName": "R2"}]}
    shown = wire("PATCH", f"me/events/{event['id']}", rooms).json()
    assert shown["location"]["displayName"] == "R1" and len(shown["locations"]) == 2
    shown = wire("PATCH", f"me/events/{event['id']}", {"location": {"displayName": "R3"}}).json()
    assert [p["displayName"] for p in shown["locations"]] == ["R3"]


# --- rounds ---


def test_a_round_is_sealed_in_its_tokens(ann: Connected, wire: Wire, connect: Any) -> None:
    made(wire)
    link = wire("GET", DELTA, **VIEW).json()["@odata.deltaLink"]
    made(wire)
    twice = [wire("GET", link).json()["value"] for _ in range(2)]
    assert twice[0] == twice[1] and len(twice[0]) == 1, "an old link shows again what it has shown"
    assert wire("GET", f"{link}x").status_code == 400
    assert wire("GET", link, **(VIEW | {"endDateTime": "2028-01-01T00:00:00Z"})).status_code == 400
    assert wire("GET", link, **VIEW).status_code == 200
    ann.control.add_person("bob@example.test", "Bob")
    bob = Wire(ann, connect(ann.control, ann.settings, "bob@example.test").tokens.access_token)
    token = link.partition("?")[2]
    assert bob("GET", f"{bob.base}/{DELTA}?{token}").status_code == 400
    assert bob("GET", link).status_code == 403
    assert (
        wire.code("GET", DELTA) == wire.code("GET", DELTA, startDateTime="") == (400, "ErrorInvalidParameter")
    )
    assert wire.code("GET", "me/events/delta")[0] == 400, "of events alone v1.0 has no rounds"


def test_a_touched_series_comes_whole_and_without_tombstones(wire: Wire) -> None:
    event = made(wire, recurrence=DAILY)
    days = wire("GET", f"me/events/{event['id']}/instances", **VIEW).json()["value"]
    wire("PATCH", f"me/events/{days[1]['id']}", {"subject": "Special"})
    link = wire("GET", DELTA, **VIEW).json()["@odata.deltaLink"]
    wire("DELETE", f"me/events/{days[2]['id']}")
    page = wire("GET", link).json()
    assert [(e["type"], e["id"]) for e in page["value"]] == [
        ("seriesMaster", event["id"]), ("occurrence", days[0]["id"]), ("exception", days[1]["id"]),
        ("occurrence", days[3]["id"]), ("occurrence", days[4]["id"]),
    ]  # fmt: skip
    stub = page["value"][1]
    assert stub.keys() == {"@odata.type", "@odata.etag", "id", "seriesMasterId", "type", "start", "end"}
    assert stub["@odata.etag"] == page["value"][0]["@odata.etag"]
    zone = "W. Europe Standard Time"
    ends = (("start", "11"), ("end", "12"))
    later = {n: {"dateTime": f"2027-01-04T{h}:00:00", "timeZone": zone} for n, h in ends}
    wire("PATCH", f"me/events/{event['id']}", later)
    moved = wire("GET", page["@odata.deltaLink"]).json()["value"]
    assert not [e for e in moved if "@removed" in e]
    assert not {e["id"] for e in moved} & {d["id"] for d in days}, "old ids vanish without a word"


def test_what_comes_into_the_window_is_shown_and_what_leaves_it_is_removed(wire: Wire) -> None:
    far = {n: t | {"dateTime": t["dateTime"].replace("2027", "2035")} for n, t in TIMES.items()}
    event_id = made(wire, **far)["id"]
    first = wire("GET", DELTA, **VIEW).json()
    assert first["value"] == []
    link = first["@odata.deltaLink"]
    for times, is_there in ((far | {"subject": "Far"}, False), (TIMES, True), (far, False)):
        wire("PATCH", f"me/events/{event_id}", times)
        page = wire("GET", link).json()
        link = page["@odata.deltaLink"]
        (item,) = page["value"]
        assert item["id"] == event_id and ("@removed" in item) != is_there
        assert is_there or item.keys() == {"@odata.type", "id", "@removed"}


# --- the sandbox itself ---


def test_the_ledger_keeps_the_headers_that_matter(ann: Connected, wire: Wire) -> None:
    event = made(wire)
    ann.control.clear_ledger()
    sent = {"Prefer": 'IdType="ImmutableId"', "If-Match": "*", "client-request-id": "mine"}
    wire("PATCH", f"me/events/{event['id']}", {"subject": "New"}, headers=sent)
    (call,) = ann.control.ledger()["calls"]
    assert call["headers"] == sent | {"Authorization": f"Bearer {wire.token}"}
    assert (call["method"], call["status"], call["person"]) == ("PATCH", 200, PERSON)


def test_two_sandboxes_of_one_seed_do_the_same(hooks: Any, connect: Any) -> None:
    def orders(seed: int) -> list[list[str]]:
        port = free_port()
        box = hooks.sandbox(options=SandboxOptions(f"http://127.0.0.1:{port}", seed=seed))
        with serving(box, port):
            control = SandboxControl(f"http://127.0.0.1:{port}")
            control.switches(shuffle_delta=True)
            wire = Wire.__new__(Wire)
            wire.base = box.settings["API_URL"]
            wire.token = connect(control, dict(box.settings)).tokens.access_token
            for _ in range(8):
                made(wire)
            pages = [wire("GET", DELTA, headers=IMMUTABLE, **VIEW).json()["value"] for _ in range(2)]
        return [[event["id"] for event in page] for page in pages]

    assert orders(1) == orders(1) != orders(2)


def test_the_strict_mode_complains_of_beta(ann: Connected, wire: Wire) -> None:
    ann.control.switches(strict=True)
    beta = wire.base.replace("/v1.0", "/beta")
    assert wire("GET", f"{beta}/me/events").status_code == 400
    found = requests.get(f"{ann.control.base_url}/_control/complaints", timeout=10).json()["complaints"]
    assert found == ["GET /beta/me/events is no v1.0"]
