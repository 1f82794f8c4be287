"""The sandbox keeps and shows events as Google documents: what is accepted, cut, refused, and left out."""

from __future__ import annotations

from typing import Any

import pytest

from hub_google.testing import ANN, Google, ids, reason

BOB = "bob@example.test"
START = {"dateTime": "2027-01-04T09:00:00", "timeZone": "Europe/Berlin"}
POINT = {"start": START, "end": START}
RESTRICTED = (400, "eventTypeRestriction")


def posted(google: Google, **body: Any) -> Any:
    return google.api("POST", google.events(), POINT | body, supportsAttachments="true")


def team(google: Google) -> str:
    found = google.control.people()[0]["calendars"]
    return next(str(c["remote_id"]) for c in found if c["name"] == "Team")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"id": "abcd"}, 400), ({"id": "abcde"}, 200), ({"id": "wxyz0"}, 400), ({"id": "a" * 1024}, 200),
        ({"id": "a" * 1025}, 400), ({"id": "ABCDE"}, 400), ({"id": "a-b-c"}, 400),
        ({"start": {"date": "2027-01-04", **START}}, 400),
        ({"start": {"date": "2027-01-04"}, "end": {"date": "2027-01-04"}}, 400),
        ({"start": {"date": "2027-01-04"}, "end": {"date": "2027-01-05"}}, 200),
        ({"recurrence": ["RRULE:FREQ=DAILY"]}, 200), ({"recurrence": ["RULE:FREQ=DAILY"]}, 400),
        ({"recurrence": ["RRULE:FREQ=NEVER"]}, 400), ({"recurrence": ["DTEND:20270104"]}, 400),
        ({"reminders": {"useDefault": False, "overrides": [{"method": "popup", "minutes": 40320}] * 5}}, 200),
        ({"reminders": {"useDefault": False, "overrides": [{"method": "popup", "minutes": 1}] * 6}}, 400),
        ({"reminders": {"useDefault": False, "overrides": [{"method": "popup", "minutes": 40321}]}}, 400),
        ({"reminders": {"useDefault": False, "overrides": [{"method": "sms", "minutes": 1}]}}, 400),
        ({"attachments": [{"fileUrl": "https://example.test/"}] * 25}, 200),
        ({"attachments": [{"fileUrl": "https://example.test/"}] * 26}, 400),
        ({"extendedProperties": {"private": {f"k{n}": "x" for n in range(300)}}}, 200),
        ({"extendedProperties": {"private": {f"k{n}": "x" for n in range(301)}}}, 400),
        ({"extendedProperties": {"shared": {f"k{n}": "x" * 1024 for n in range(33)}}}, 400),
    ],
)  # fmt: skip
def test_what_google_takes_and_what_it_refuses(google: Google, body: dict[str, Any], status: int) -> None:
    assert posted(google, **body).status_code == status


def test_what_is_left_to_google_is_made_as_it_makes_it(google: Google) -> None:
    event = posted(google).json()
    assert len(event["id"]) == 26 and set(event["id"]) <= set("0123456789abcdefghijklmnopqrstuv")
    assert event["iCalUID"] == f"{event['id']}@google.com"
    assert (event["status"], event["eventType"], event["sequence"]) == ("confirmed", "default", 0)
    assert event["reminders"] == {"useDefault": True}


@pytest.mark.parametrize("shown", [False, True])
def test_what_is_at_its_default_is_left_out_or_shown(google: Google, shown: bool) -> None:
    google.control.switches(shows_defaults=shown)
    at_default = {"transparency": "opaque", "visibility": "default", "guestsCanModify": False}
    event = posted(google, **at_default).json()
    assert (at_default.items() <= event.items()) == shown
    assert (not shown and not at_default.keys() & event.keys()) or shown
    assert google.changes()[0][0].event == google.fetch().changes[0].event


def test_attachments_need_their_switch(google: Google) -> None:
    body = POINT | {"attachments": [{"fileUrl": "https://example.test/"}]}
    assert "attachments" not in google.api("POST", google.events(), body).json()
    assert "attachments" in posted(google, **body).json()


def test_a_list_of_guests_is_cut_for_who_asks(google: Google) -> None:
    event = google.insert(attendees=[{"email": BOB}, {"email": ANN}])
    shown = google.api("GET", google.events(f"/{event['id']}"), maxAttendees=1).json()
    assert shown["attendeesOmitted"] and [a["email"] for a in shown["attendees"]] == [ANN]
    (listed,) = google.listed(maxAttendees=1)["items"]
    assert listed["attendees"] == shown["attendees"]
    assert "attendeesOmitted" not in google.listed(maxAttendees=2)["items"][0]


def test_self_is_whose_calendar_it_is(google: Google) -> None:
    rows = [{"email": ANN}, {"email": team(google)}]
    event = google.api("POST", google.events("", team(google)), POINT | {"attendees": rows}).json()
    assert [a["email"] for a in event["attendees"] if a.get("self")] == [team(google)]


@pytest.mark.parametrize("kind", ["birthday", "fromGmail", "focusTime"])
def test_events_of_other_types_keep_to_their_own_rules(google: Google, kind: str) -> None:
    day = {"start": {"date": "2027-01-04"}, "end": {"date": "2027-01-05"}}
    path = google.events("/" + google.control.create_raw(ANN, ANN, day | {"eventType": kind}))
    marked = google.api("PATCH", path, {"extendedProperties": {"private": {"a": "b"}}})
    if kind == "birthday":
        message = "'birthday' event type must not have private extended properties."
        assert marked.json()["error"]["message"] == message
        assert reason(google.api("PATCH", path, {"location": "Here"})) == RESTRICTED
        assert reason(google.api("DELETE", path)) == RESTRICTED
    else:
        assert reason(marked) == RESTRICTED
    assert reason(google.api("PATCH", path, {"eventType": "default"})) == RESTRICTED
    assert google.api("POST", f"{path}/move", destination=team(google)).status_code == 400
    assert google.api("PATCH", path, {"colorId": "3"}).status_code == 200


def test_a_guest_who_replaces_a_meeting_resets_what_is_the_organizer_s(google: Google) -> None:
    bob = google.as_person(BOB)
    event = google.insert(attendees=[{"email": BOB}], guestsCanInviteOthers=False)
    path = bob.events(f"/{event['id']}", BOB)
    whole = {"start": event["start"], "end": event["end"], "attendees": event["attendees"]}
    assert reason(bob.api("PUT", path, whole)) == (403, "forbiddenForNonOrganizer")
    assert bob.api("PATCH", path, {"guestsCanModify": False, "colorId": "2"}).status_code == 200
    assert bob.api("PUT", path, whole | {"guestsCanInviteOthers": False}).status_code == 200


def test_an_import_keeps_its_organizer_and_mails_nobody(google: Google) -> None:
    organizer = {"email": "carl@elsewhere.test", "displayName": "Carl"}
    body = POINT | {"iCalUID": "u1@elsewhere.test", "organizer": organizer, "attendees": [{"email": BOB}]}
    event = google.api("POST", google.events("/import"), body, sendUpdates="all").json()
    assert event["organizer"] == organizer and event["iCalUID"] == "u1@elsewhere.test"
    assert google.control.mails() == []
    refused = google.api("POST", google.events("/import"), body | {"iCalUID": "u2", "eventType": "focusTime"})
    assert reason(refused) == RESTRICTED
    path = google.events(f"/{event['id']}")
    assert google.api("DELETE", path).status_code == 204
    assert reason(google.api("PATCH", path, {"status": "confirmed"})) == (403, "forbidden")


# --- deleted, moved, forgotten -----------------------------------------------------------------------


def test_a_deleted_event_keeps_its_details_for_who_asks_for_it(google: Google) -> None:
    event = google.insert(summary="Talk", location="Here")
    token = google.listed()["nextSyncToken"]
    google.api("DELETE", google.events(f"/{event['id']}"))
    bare = {"kind", "etag", "id", "status"}
    assert [set(i) for i in google.listed(syncToken=token)["items"]] == [bare]
    for query in ({"syncToken": token, "showDeleted": "true"}, {"showDeleted": "true"}):
        (shown,) = google.listed(**query)["items"]
        assert (shown["status"], shown["summary"], shown["location"]) == ("cancelled", "Talk", "Here")


@pytest.mark.parametrize("whole", [False, True])
def test_a_cancelled_occurrence_is_shown_bare_or_whole(google: Google, whole: bool) -> None:
    google.control.switches(whole_cancelled_instances=whole)
    event = google.insert(summary="Daily", recurrence=["RRULE:FREQ=DAILY;COUNT=3"])
    google.api("DELETE", google.events(f"/{event['id']}_20270105T080000Z"))
    (shown,) = [i for i in google.listed()["items"] if i["status"] == "cancelled"]
    assert ("summary" in shown, "start" in shown) == (whole, whole)
    assert shown["originalStartTime"]["dateTime"].startswith("2027-01-05T09:00")
    (change,) = google.changes()[0]
    assert change.event and [e.cancelled for e in change.event.content.when.exceptions] == [True]


def test_which_deleted_events_a_listing_shows(google: Google) -> None:
    single = google.insert()
    series = google.insert(recurrence=["RRULE:FREQ=DAILY;COUNT=3"])
    dead = google.insert(recurrence=["RRULE:FREQ=DAILY;COUNT=3"])
    off, dead_off = (f"{i['id']}_20270105T080000Z" for i in (series, dead))
    for event_id in (single["id"], off, dead_off, dead["id"]):
        google.api("DELETE", google.events(f"/{event_id}")).raise_for_status()
    plain = {f"{series['id']}_2027010{n}T080000Z" for n in (4, 6)}
    assert ids(google.listed()) == {series["id"], off}
    assert ids(google.listed(showDeleted="true")) >= {series["id"], off, single["id"], dead["id"]}
    assert ids(google.listed(singleEvents="true")) == plain
    expanded = ids(google.listed(singleEvents="true", showDeleted="true"))
    assert expanded >= plain | {off, single["id"]} and series["id"] not in expanded


@pytest.mark.parametrize("days", [0, 10])
def test_what_was_deleted_long_ago_may_be_forgotten_but_for_its_id(google: Google, days: int) -> None:
    google.control.switches(tombstone_days=days)
    event = google.insert(id="abcde")
    path = google.events(f"/{event['id']}")
    google.api("DELETE", path)
    assert google.api("GET", path).json()["status"] == "cancelled"
    google.control.advance(11 * 86400)
    google = google.as_person()
    assert google.api("GET", path).status_code == (404 if days else 200)
    assert google.api("DELETE", path).status_code == (404 if days else 410)
    assert reason(posted(google, id="abcde")) == (409, "duplicate")


def test_a_move_is_guarded_and_leaves_a_stub(google: Google) -> None:
    event = google.insert(summary="Moving")
    path, there = google.events(f"/{event['id']}"), team(google)
    stale = google.api("POST", f"{path}/move", destination=there, headers={"If-Match": '"1"'})
    assert reason(stale) == (412, "conditionNotMet")
    token = google.api("GET", google.events("", there)).json()["nextSyncToken"]
    moved = google.api("POST", f"{path}/move", destination=there, headers={"If-Match": event["etag"]})
    assert moved.json()["status"] == "cancelled"
    assert set(google.api("GET", path).json()) == {"kind", "etag", "id", "status"}
    assert reason(google.api("PATCH", path, {"status": "confirmed"})) == (403, "forbidden")
    (arrived,) = google.api("GET", google.events("", there), syncToken=token).json()["items"]
    assert (arrived["id"], arrived["summary"]) == (event["id"], "Moving")
    instance = google.insert(recurrence=["RRULE:FREQ=DAILY;COUNT=3"])["id"] + "_20270105T080000Z"
    google.api("PATCH", google.events(f"/{instance}"), {"summary": "Other"})
    assert google.api("POST", google.events(f"/{instance}/move"), destination=there).status_code == 400


# --- listings ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query",
    [
        {"timeMax": "2027-01-01T00:00:00Z"},
        {"updatedMin": "2026-11-01T00:00:00Z"},
        {"privateExtendedProperty": "a=b"},
        {"sharedExtendedProperty": "a=b"},
        {"eventTypes": "default"},
        {"timeZone": "Asia/Tokyo"},
        {"maxAttendees": "3"},
    ],
)
def test_what_else_may_not_stand_beside_a_sync_token(google: Google, query: dict[str, str]) -> None:
    token = google.listed()["nextSyncToken"]
    assert reason(google.api("GET", google.events(), syncToken=token, **query)) == (400, "invalid")


def test_a_sync_token_ends_with_age(google: Google) -> None:
    google.control.switches(sync_token_days=7)
    token = google.listed()["nextSyncToken"]
    google.control.advance(6 * 86400)
    google = google.as_person()
    assert google.listed(syncToken=token)["items"] == []
    google.control.advance(2 * 86400)
    google = google.as_person()
    answer = google.api("GET", google.events(), syncToken=token)
    where = {"locationType": "parameter", "location": "syncToken"}
    message = "Sync token is no longer valid, a full sync is required."
    entry = {"domain": "calendar", "reason": "fullSyncRequired", "message": message}
    assert answer.status_code == 410
    assert answer.json() == {"error": {"errors": [entry | where], "code": 410, "message": message}}


@pytest.mark.parametrize("days", [20, 40])
def test_a_listing_by_updated_min_reaches_back_so_far(google: Google, days: int) -> None:
    google.control.switches(updated_min_days=30)
    since = google.listed()["updated"]
    google.control.advance(days * 86400)
    google = google.as_person()
    answer = google.api("GET", google.events(), updatedMin=since)
    assert answer.status_code == 200 if days < 30 else reason(answer) == (410, "updatedMinTooLongAgo")


def test_exceptions_may_come_before_their_series(google: Google) -> None:
    order = []
    for _ in range(12):
        event = google.insert(recurrence=["RRULE:FREQ=DAILY;COUNT=3"])
        google.api("PATCH", google.events(f"/{event['id']}_20270105T080000Z"), {"summary": "Other"})
    for item in google.listed()["items"]:
        order.append("recurringEventId" in item)
    assert order != sorted(order) and order != sorted(order, reverse=True)


def test_a_page_tells_of_its_calendar_and_q_looks_into_all_texts(google: Google) -> None:
    event = google.insert(attendees=[{"email": BOB, "displayName": "Robert"}], location="Canteen")
    page = google.listed(q="robert", timeZone="Asia/Tokyo")
    assert (page["summary"], page["timeZone"], page["accessRole"]) == (ANN, "Asia/Tokyo", "owner")
    assert page["defaultReminders"] == [{"method": "popup", "minutes": 10}]
    for words in ("canteen", BOB, ANN, "zzz"):
        assert ids(google.listed(q=words)) == ({event["id"]} if words != "zzz" else set())
    google.insert(extendedProperties={"shared": {"a": "1"}})
    assert len(google.listed(sharedExtendedProperty="a=1")["items"]) == 1
    assert len(google.listed(orderBy="updated")["items"]) == 2


def test_a_leap_day_comes_every_four_years(google: Google) -> None:
    leap = {"start": {"date": "2028-02-29"}, "end": {"date": "2028-03-01"}}
    event = google.insert(**leap, recurrence=["RRULE:FREQ=YEARLY;COUNT=3"])
    found = google.api("GET", google.events(f"/{event['id']}/instances")).json()["items"]
    assert [i["start"]["date"] for i in found] == ["2028-02-29", "2032-02-29", "2036-02-29"]
