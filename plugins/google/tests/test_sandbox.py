"""The sandbox keeps what Google documents: bodies, statuses, tokens, etags, and the rest of the sheet."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import requests

from hub.plugin.errors import RetryLaterError
from hub.plugin.testing import timed
from hub_google.sandbox.wire import ROUTES
from hub_google.testing import ANN, Google, connect, ids, reason

BOB = "bob@example.test"
START = {"dateTime": "2027-01-04T09:00:00", "timeZone": "Europe/Berlin"}


@pytest.fixture(scope="module")
def document() -> Any:
    path = resources.files("googleapiclient") / "discovery_cache" / "documents" / "calendar.v3.json"
    return json.loads(path.read_text("utf-8"))


# --- the published contract --------------------------------------------------------------------------


def fits(value: Any, schema: Any, schemas: Any, where: str = "") -> None:
    """Fail where a value is not what the discovery document says."""
    if "$ref" in schema:
        schema = schemas[schema["$ref"]]
    kind = schema.get("type")
    if kind == "object" and "properties" in schema:
        assert isinstance(value, dict), where
        for key, item in value.items():
            assert key in schema["properties"], f"{where}.{key} is not published"
            fits(item, schema["properties"][key], schemas, f"{where}.{key}")
    elif kind == "array":
        for n, item in enumerate(value):
            fits(item, schema["items"], schemas, f"{where}[{n}]")
    elif kind in ("string", "integer", "boolean"):
        expected = {"string": str, "integer": int, "boolean": bool}[kind]
        assert isinstance(value, expected), f"{where} is {value!r}"


def test_every_route_is_a_published_method(document: Any) -> None:
    for method, path, method_id, _ in ROUTES:
        resource, _, name = method_id.partition(".")
        published = document["resources"][resource]["methods"][name]
        flat = published["path"].replace("{", "<").replace("}", ">")
        assert method == published["httpMethod"]
        ours = path.strip("/").replace("calendar_id", "calendarId").replace("event_id", "eventId")
        assert ours == flat.replace("+", "")


def test_answers_have_the_published_shape(google: Google, document: Any) -> None:
    google.control.add_person(BOB)
    event = google.insert(
        summary="All there is", description="x", location="y", colorId="3", visibility="private",
        transparency="transparent", attendees=[{"email": BOB}], recurrence=["RRULE:FREQ=DAILY;COUNT=4"],
        reminders={"useDefault": False, "overrides": [{"method": "popup", "minutes": 5}]},
        source={"title": "t", "url": "https://example.test/"}, extendedProperties={"private": {"a": "b"}},
    )  # fmt: skip
    google.api("PATCH", google.events(f"/{event['id']}_20270105T080000Z"), {"summary": "Other"})
    google.api("DELETE", google.events(f"/{event['id']}_20270106T080000Z"))
    schemas = document["schemas"]
    fits(google.listed(), schemas["Events"], schemas)
    fits(google.api("GET", "users/me/calendarList").json(), schemas["CalendarList"], schemas)
    fits(google.api("GET", "colors").json(), schemas["Colors"], schemas)
    google.grant = connect(google.control, google.settings, extra_scope="calendar.readonly")
    fits(google.api("GET", f"calendars/{ANN}").json(), schemas["Calendar"], schemas)


NO_END = {"start": START}
BACKWARDS = {"start": START, "end": {"dateTime": "2027-01-04T08:00:00+01:00"}}
POINT = {"start": START, "end": START}


@pytest.mark.parametrize(
    ("method", "tail", "body", "query", "expected"),
    [
        ("GET", "/nosuch", None, {}, (404, "notFound")),
        ("POST", "", NO_END, {}, (400, "required")),
        ("POST", "", BACKWARDS, {}, (400, "timeRangeEmpty")),
        ("POST", "", {"start": START, "end": {"date": "2027-01-05"}}, {}, (400, "invalid")),
        ("POST", "", {"id": "NOT-OK", "start": START, "end": START}, {}, (400, "invalid")),
        ("POST", "", POINT | {"recurrence": ["DTSTART:20270104"]}, {}, (400, "invalid")),
        ("POST", "", POINT | {"eventType": "fromGmail"}, {}, (400, "eventTypeRestriction")),
        ("POST", "/import", {"start": START, "end": START}, {}, (400, "required")),
        ("GET", "", None, {"timeMin": "2027-01-04T09:00:00"}, (400, "badRequest")),
        ("GET", "", None, {"orderBy": "startTime"}, (400, "invalid")),
        ("GET", "", None, {"syncToken": "garbage"}, (400, "invalid")),
        ("GET", "", None, {"updatedMin": "2020-01-01T00:00:00Z"}, (410, "updatedMinTooLongAgo")),
        (
            "GET", "", None, {"timeMin": "2027-01-04T09:00:00Z", "timeMax": "2027-01-04T09:00:00Z"},
            (400, "timeRangeEmpty"),
        ),
    ],
)  # fmt: skip
def test_refusals_carry_google_s_reasons(
    google: Google, method: str, tail: str, body: Any, query: dict[str, str], expected: tuple[int, str]
) -> None:
    assert reason(google.api(method, google.events(tail), body, **query)) == expected


def test_a_timed_series_without_a_zone_is_refused(google: Google) -> None:
    bare = {"dateTime": "2027-01-04T09:00:00Z"}
    body = {"start": bare, "end": bare, "recurrence": ["RRULE:FREQ=DAILY"]}
    assert reason(google.api("POST", google.events(), body)) == (400, "required")


# --- writing -----------------------------------------------------------------------------------------


def test_an_id_is_taken_once_and_for_ever(google: Google) -> None:
    google.insert(id="abcde")
    body = {"id": "abcde", "start": START, "end": START}
    assert reason(google.api("POST", google.events(), body)) == (409, "duplicate")
    assert google.api("DELETE", google.events("/abcde")).status_code == 204
    assert reason(google.api("POST", google.events(), body)) == (409, "duplicate")
    assert reason(google.api("DELETE", google.events("/abcde"))) == (410, "deleted")
    assert google.api("GET", google.events("/abcde")).json()["status"] == "cancelled"
    assert reason(google.api("PATCH", google.events("/abcde"), {"summary": "x"})) == (403, "forbidden")
    assert google.api("PATCH", google.events("/abcde"), {"status": "confirmed"}).status_code == 200


def test_of_two_inserts_at_once_exactly_one_wins(google: Google) -> None:
    answers: list[int] = []
    body = {"id": "abcde", "start": START, "end": START}
    threads = [
        threading.Thread(target=lambda: answers.append(google.api("POST", google.events(), body).status_code))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200, 409, 409, 409, 409, 409]


def test_put_replaces_and_patch_merges(google: Google) -> None:
    event = google.insert(summary="A", location="B", extendedProperties={"private": {"a": "1", "b": "2"}})
    path = google.events(f"/{event['id']}")
    patched = google.api(
        "PATCH", path, {"summary": None, "extendedProperties": {"private": {"a": None}}}
    ).json()
    assert "summary" not in patched and patched["location"] == "B"
    assert patched["extendedProperties"] == {"private": {"b": "2"}}
    put = google.api("PUT", path, {"summary": "C", "start": START, "end": START}).json()
    assert put["summary"] == "C" and "location" not in put and "extendedProperties" not in put


def test_all_day_needs_the_other_key_nulled(google: Google) -> None:
    event = google.insert()
    path = google.events(f"/{event['id']}")
    day = {"start": {"date": "2027-01-04"}, "end": {"date": "2027-01-05"}}
    refused = google.api("PATCH", path, day)
    assert reason(refused) == (400, "invalid") and refused.json()["error"]["message"] == "Invalid start time."
    nulled = {k: v | {"dateTime": None, "timeZone": None} for k, v in day.items()}
    assert google.api("PATCH", path, nulled).json()["start"] == {"date": "2027-01-04"}


def test_etags_guard_every_kind_of_write(google: Google) -> None:
    event = google.insert()
    path, stale = google.events(f"/{event['id']}"), {"If-Match": '"1"'}
    assert google.api("GET", path, headers={"If-None-Match": event["etag"]}).status_code == 304
    for method, body in (
        ("PATCH", {"summary": "x"}),
        ("PUT", {"start": START, "end": START}),
        ("DELETE", None),
    ):
        assert reason(google.api(method, path, body, headers=stale)) == (412, "conditionNotMet")
    fresh = google.api("PATCH", path, {"summary": "x"}, headers={"If-Match": event["etag"]}).json()
    assert fresh["etag"] != event["etag"]
    assert google.api("PATCH", path, {"summary": "y"}, headers={"If-Match": "*"}).status_code == 200


def test_a_patch_that_changes_nothing_keeps_the_etag_unless_switched(google: Google) -> None:
    event = google.insert(summary="A")
    path = google.events(f"/{event['id']}")
    assert google.api("PATCH", path, {"summary": "A"}).json()["etag"] == event["etag"]
    google.control.switches(noop_patch_moves_etag=True)
    assert google.api("PATCH", path, {"summary": "A"}).json()["etag"] != event["etag"]


def test_reminders_alone_move_the_etag_but_not_updated(google: Google) -> None:
    event = google.insert()
    patch = {"reminders": {"useDefault": False, "overrides": [{"method": "popup", "minutes": 1}]}}
    after = google.api("PATCH", google.events(f"/{event['id']}"), patch).json()
    assert after["updated"] == event["updated"] and after["etag"] != event["etag"]


def test_a_sequence_may_only_rise(google: Google) -> None:
    event = google.insert()
    path = google.events(f"/{event['id']}")
    later = {"start": START | {"dateTime": "2027-01-04T09:30:00"}}
    assert google.api("PATCH", path, later).json()["sequence"] == 1
    assert reason(google.api("PATCH", path, {"sequence": 0})) == (400, "invalid")


def test_extended_properties_are_cut_in_silence(google: Google) -> None:
    event = google.insert(extendedProperties={"private": {"k" * 45: "x", "ok": "v" * 2000}})
    assert event["extendedProperties"] == {"private": {"ok": "v" * 1024}}


def test_a_conference_needs_its_switch(google: Google) -> None:
    wish = {"createRequest": {"requestId": "r1", "conferenceSolutionKey": {"type": "hangoutsMeet"}}}
    assert "conferenceData" not in google.insert(conferenceData=wish)
    body = {"start": START, "end": START, "conferenceData": wish}
    made = google.api("POST", google.events(), body, conferenceDataVersion=1).json()
    assert made["conferenceData"]["entryPoints"][0]["entryPointType"] == "video"


def test_a_moved_event_leaves_a_stub_and_keeps_its_id(google: Google) -> None:
    event = google.insert(summary="Moving")
    team = next(c["remote_id"] for c in google.control.people()[0]["calendars"] if c["name"] == "Team")
    answer = google.api("POST", google.events(f"/{event['id']}/move"), destination=team).json()
    assert answer["status"] == "cancelled"
    there = google.api("GET", google.events(f"/{event['id']}", team)).json()
    assert there["status"] == "confirmed" and there["organizer"]["email"] == team


# --- calendars, people, limits -----------------------------------------------------------------------


def test_the_calendar_list_has_its_own_token_and_pages(google: Google) -> None:
    google.grant = connect(google.control, google.settings, extra_scope="calendar")
    whole = google.api("GET", "users/me/calendarList").json()
    first = google.api("GET", "users/me/calendarList", maxResults=1).json()
    assert len(first["items"]) == 1 and "nextSyncToken" not in first
    token = whole["nextSyncToken"]
    team = next(e["id"] for e in whole["items"] if e["summary"] == "Team")
    google.api("PATCH", f"users/me/calendarList/{team}", {"hidden": True}).raise_for_status()
    assert team not in ids(google.api("GET", "users/me/calendarList").json())
    assert team in ids(google.api("GET", "users/me/calendarList", showHidden="true").json())
    assert ids(google.api("GET", "users/me/calendarList", syncToken=token).json()) == {team}
    refused = google.api("GET", "users/me/calendarList", syncToken=token, minAccessRole="owner")
    assert refused.status_code == 400
    assert google.api("DELETE", f"users/me/calendarList/{team}").status_code == 403


def test_a_guest_at_google_gets_a_copy_that_follows_and_mails_are_recorded(google: Google) -> None:
    google.control.add_person(BOB)
    guests = [{"email": BOB}, {"email": "carl@elsewhere.test"}]
    event = google.insert(summary="Meeting", attendees=guests)
    assert google.control.mails() == []
    google.api("PATCH", google.events(f"/{event['id']}"), {"summary": "Moved"}, sendUpdates="externalOnly")
    assert [m["to"] for m in google.control.mails()] == ["carl@elsewhere.test"]
    assert google.control.events(BOB, BOB)[event["id"]].title == "Moved"
    google.api("DELETE", google.events(f"/{event['id']}"), sendUpdates="none")
    assert event["id"] in google.control.events(BOB, BOB)


def test_a_guest_may_not_change_what_is_shared(google: Google) -> None:
    google.control.add_person(BOB)
    event = google.insert(attendees=[{"email": BOB}])
    bob = google.as_person(BOB)
    path = bob.events(f"/{event['id']}", BOB)
    assert bob.api("GET", path).json()["organizer"] == {"email": ANN}
    assert reason(bob.api("PATCH", path, {"guestsCanModify": True})) == (403, "forbiddenForNonOrganizer")


def test_a_guest_s_answer_reaches_the_organizer_and_changes_nobody_else_s_row(google: Google) -> None:
    google.control.add_person(BOB)
    event = google.insert(attendees=[{"email": BOB}, {"email": "carl@elsewhere.test"}])
    bob = google.as_person(BOB)
    path = bob.events(f"/{event['id']}", BOB)
    yes = {"email": BOB, "responseStatus": "accepted", "comment": "Gladly"}
    others = {"email": "carl@elsewhere.test", "responseStatus": "declined"}
    bob.api("PATCH", path, {"attendees": [yes, others]}, sendUpdates="all")
    rows = {a["email"]: a for a in google.api("GET", google.events(f"/{event['id']}")).json()["attendees"]}
    assert (rows[BOB]["responseStatus"], rows[BOB]["comment"]) == ("accepted", "Gladly")
    assert rows["carl@elsewhere.test"]["responseStatus"] == "needsAction"
    assert [(m["kind"], m["to"]) for m in google.control.mails()] == [("reply", ANN)]
    no = {"attendeesOmitted": True, "attendees": [yes | {"responseStatus": "declined"}]}
    bob.api("PATCH", path, no, sendUpdates="none")
    shown = google.api("GET", google.events(f"/{event['id']}")).json()["attendees"]
    assert {a["email"]: a["responseStatus"] for a in shown} == {
        BOB: "declined", "carl@elsewhere.test": "needsAction",
    }  # fmt: skip
    assert len(google.control.mails()) == 1


def test_who_is_taken_off_the_list_is_told_and_loses_the_copy(google: Google) -> None:
    google.control.add_person(BOB)
    event = google.insert(attendees=[{"email": BOB}, {"email": "carl@elsewhere.test"}])
    path = google.events(f"/{event['id']}")
    google.api("PATCH", path, {"attendees": [{"email": "carl@elsewhere.test"}]}, sendUpdates="all")
    assert [(m["kind"], m["to"]) for m in google.control.mails()] == [("cancellation", BOB)]
    assert google.control.events(BOB, BOB) == {}


def test_a_long_list_of_guests_is_shown_in_part(google: Google) -> None:
    google.control.switches(most_attendees_shown=1)
    event = google.insert(attendees=[{"email": BOB}, {"email": ANN}])
    shown = google.api("GET", google.events(f"/{event['id']}")).json()
    assert (shown["attendeesOmitted"], [a["email"] for a in shown["attendees"]]) == (True, [ANN])


def test_a_reader_sees_private_events_as_busy_and_writes_nothing(google: Google) -> None:
    google.control.add_person(BOB)
    secret = google.insert(summary="Secret", visibility="private")
    google.role(BOB, "reader")
    bob = google.as_person(BOB)
    shown = bob.api("GET", bob.events(f"/{secret['id']}")).json()
    assert "summary" not in shown and shown["start"]
    assert reason(bob.api("PATCH", bob.events(f"/{secret['id']}"), {"summary": "x"})) == (
        403,
        "requiredAccessLevel",
    )


def test_quotas_count_when_they_are_switched_on_and_a_patch_counts_three(google: Google) -> None:
    event = google.insert()
    google.control.switches(quota_per_account=4)
    assert google.api("PATCH", google.events(f"/{event['id']}"), {"summary": "x"}).status_code == 200
    assert google.api("GET", google.events(f"/{event['id']}")).status_code == 200
    refusals = [reason(google.api("GET", google.events())) for _ in range(4)]
    assert refusals == [(403, "userRateLimitExceeded"), (429, "rateLimitExceeded")] * 2
    google.control.advance(61)
    assert google.api("GET", google.events()).status_code == 200


def test_an_account_made_read_only_still_reads(google: Google) -> None:
    google.control.switches(read_only_people=[ANN])
    assert google.changes()[0] == []
    with pytest.raises(RetryLaterError) as caught:
        google.create(timed("Lunch", google.now.replace(tzinfo=None, microsecond=0)))
    assert (caught.value.after, caught.value.scope) == (3600.0, "writes")


def test_switches_that_do_not_exist_are_refused(google: Google) -> None:
    with pytest.raises(requests.HTTPError):
        google.control.switches(no_such_switch=True)


# --- restarts and repetition -------------------------------------------------------------------------


def test_a_restart_finds_tokens_events_and_cursors_again(
    start: Callable[..., Google], tmp_path: Path
) -> None:
    from hub.plugin.types import SandboxOptions
    from hub_google.sandbox import build

    path = str(tmp_path / "state.json")
    first = build(SandboxOptions("http://127.0.0.1:1", state_path=path))
    client = first.app.test_client()  # type: ignore[attr-defined]
    event = {
        "person": ANN,
        "calendar": ANN,
        "content": {"when": {"start": "2027-01-04", "end": "2027-01-05"}},
    }
    made = client.post("/_control/events", json=event).get_json()
    first.close()
    google = start(state_path=path)
    assert made["remote_id"] in google.control.events(ANN, ANN)
    assert {c.remote_id for c in google.changes()[0]} == {made["remote_id"]}


def test_equal_seeds_make_equal_ids(start: Callable[..., Google]) -> None:
    one, two, other = start(seed=1), start(seed=1), start(seed=2)
    first = one.insert()["id"]
    assert first == two.insert()["id"]
    assert first != other.insert()["id"]
