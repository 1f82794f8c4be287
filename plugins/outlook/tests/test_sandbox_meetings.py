"""Meetings in the sandbox: requests, answers, and the mails that Exchange sends by itself."""

from __future__ import annotations

from typing import Any

import pytest

from hub.plugin.control import SandboxControl
from hub.plugin.testing import PERSON, Connected
from hub_outlook.sandbox.meetings import NOT_ORGANIZER
from hub_outlook.testing import DAILY, TIMES, Wire

BOB, CAT = "bob@example.test", "cat@example.test"


@pytest.fixture
def bob(ann: Connected, connect: Any) -> Wire:
    ann.control.add_person(BOB, "Bob")
    return Wire(ann, connect(ann.control, ann.settings, BOB).tokens.access_token)


def guests(*addresses: str) -> dict[str, Any]:
    rows = [{"type": "required", "emailAddress": {"address": a, "name": a}} for a in addresses]
    return {"subject": "Review", "attendees": rows}


def only(wire: Wire) -> dict[str, Any]:
    (found,) = wire("GET", "me/events").json()["value"]
    event: dict[str, Any] = found
    return event


def told(control: SandboxControl) -> list[tuple[str, str]]:
    return [(mail["kind"], mail["to"]) for mail in control.mails()]


def test_a_request_arrives_with_the_same_uid_and_without_an_answer(wire: Wire, bob: Wire) -> None:
    own = wire("POST", "me/events", TIMES | guests(BOB, CAT)).json()
    copy = only(bob)
    assert (copy["iCalUId"], copy["isOrganizer"], copy["showAs"]) == (own["iCalUId"], False, "tentative")
    assert copy["responseStatus"]["response"] == "notResponded"
    assert copy["organizer"]["emailAddress"]["address"] == PERSON
    assert own["responseStatus"]["response"] == "organizer"


def test_only_who_comes_and_goes_is_mailed_of_a_change_of_the_guests(
    ann: Connected, wire: Wire, bob: Wire
) -> None:
    event_id = wire("POST", "me/events", TIMES | guests(BOB, CAT)).json()["id"]
    wire("PATCH", f"me/events/{event_id}", {"attendees": guests(CAT, "dan@example.test")["attendees"]})
    assert told(ann.control) == [
        ("invitation", BOB), ("invitation", CAT), ("invitation", "dan@example.test"), ("cancellation", BOB),
    ]  # fmt: skip
    assert (only(bob)["isCancelled"], only(bob)["subject"]) == (True, "Canceled: Review")


@pytest.mark.parametrize(
    ("action", "response"),
    [("accept", "accepted"), ("tentativelyAccept", "tentativelyAccepted"), ("decline", "declined")],
)
def test_an_answer_comes_back_to_the_organiser_by_mail(
    ann: Connected, wire: Wire, bob: Wire, action: str, response: str
) -> None:
    event_id = wire("POST", "me/events", TIMES | guests(BOB)).json()["id"]
    before = only(bob)
    ann.control.clear_ledger()
    assert bob("POST", f"me/events/{before['id']}/{action}", {"comment": "Yes"}).status_code == 202
    after = only(bob)
    assert (after["responseStatus"]["response"], after["changeKey"] != before["changeKey"]) == (
        response,
        True,
    )
    assert told(ann.control) == [("reply", PERSON)]
    (row,) = wire("GET", f"me/events/{event_id}").json()["attendees"]
    assert row["status"]["response"] == response
    wire("PATCH", f"me/events/{event_id}", {"attendees": guests(BOB, CAT)["attendees"]})
    rows = wire("GET", f"me/events/{event_id}").json()["attendees"]
    assert [r["status"]["response"] for r in rows] == [response, "none"], "the list says no answers"


def test_an_answer_that_is_not_sent_is_the_guest_s_alone(ann: Connected, wire: Wire, bob: Wire) -> None:
    event_id = wire("POST", "me/events", TIMES | guests(BOB)).json()["id"]
    ann.control.clear_ledger()
    bob("POST", f"me/events/{only(bob)['id']}/accept", {"SendResponse": False})
    assert only(bob)["responseStatus"]["response"] == "accepted"
    assert wire("GET", f"me/events/{event_id}").json()["attendees"][0]["status"]["response"] == "none"
    assert told(ann.control) == []
    proposal = {"SendResponse": False, "ProposedNewTime": TIMES}
    assert bob("POST", f"me/events/{only(bob)['id']}/decline", proposal).status_code == 400


def test_the_organiser_answers_nothing_and_a_guest_cancels_nothing(wire: Wire, bob: Wire) -> None:
    event_id = wire("POST", "me/events", TIMES | guests(BOB)).json()["id"]
    assert wire("POST", f"me/events/{event_id}/accept", {}).status_code == 400
    refused = bob("POST", f"me/events/{only(bob)['id']}/cancel", {})
    assert (refused.status_code, refused.json()["error"]["message"]) == (400, NOT_ORGANIZER)


@pytest.mark.parametrize("how", ["cancel", "delete"])
def test_a_meeting_that_is_called_off_stays_cancelled_with_its_guests(
    ann: Connected, wire: Wire, bob: Wire, how: str
) -> None:
    event_id = wire("POST", "me/events", TIMES | guests(BOB)).json()["id"]
    if how == "cancel":
        assert wire("POST", f"me/events/{event_id}/cancel", {"Comment": "Ill"}).status_code == 202
    else:
        wire("DELETE", f"me/events/{event_id}")
    assert wire("GET", f"me/events/{event_id}").status_code == 404
    assert only(bob)["isCancelled"]
    assert told(ann.control) == [("invitation", BOB), ("cancellation", BOB)]


def test_an_occurrence_is_answered_and_called_off_alone(wire: Wire, bob: Wire) -> None:
    series = wire("POST", "me/events", TIMES | guests(BOB) | {"recurrence": DAILY}).json()
    window = {"startDateTime": "2027-01-05T00:00:00Z", "endDateTime": "2027-01-06T00:00:00Z"}
    (day,) = bob("GET", f"me/events/{only(bob)['id']}/instances", **window).json()["value"]
    bob("POST", f"me/events/{day['id']}/decline", {})
    assert only(bob)["responseStatus"]["response"] == "notResponded"
    (day,) = bob("GET", f"me/events/{only(bob)['id']}/instances", **window).json()["value"]
    assert day["responseStatus"]["response"] == "declined"
    (own,) = wire("GET", f"me/events/{series['id']}/instances", **window).json()["value"]
    assert own["attendees"][0]["status"]["response"] == "declined"
    wire("POST", f"me/events/{own['id']}/cancel", {})
    assert bob("GET", f"me/events/{only(bob)['id']}/instances", **window).json()["value"] == []


def test_what_is_declined_may_leave_the_calendar_at_once(ann: Connected, wire: Wire, bob: Wire) -> None:
    ann.control.switches(declined_stays=False)
    wire("POST", "me/events", TIMES | guests(BOB))
    bob("POST", f"me/events/{only(bob)['id']}/decline", {})
    assert bob("GET", "me/events").json()["value"] == []


def test_a_forwarded_meeting_comes_to_more_people(ann: Connected, wire: Wire, bob: Wire) -> None:
    event_id = wire("POST", "me/events", TIMES | guests(CAT)).json()["id"]
    to = {"ToRecipients": [{"emailAddress": {"address": BOB}}]}
    assert wire("POST", f"me/events/{event_id}/forward", to).status_code == 202
    assert only(bob)["subject"] == "Review"
    assert told(ann.control)[-1] == ("forward", BOB)


def test_a_list_of_guests_may_be_hidden_from_them(wire: Wire, bob: Wire) -> None:
    wire("POST", "me/events", TIMES | guests(BOB, CAT) | {"hideAttendees": True})
    assert (only(bob)["attendees"], len(only(wire)["attendees"])) == ([], 2)


def test_a_body_without_how_to_join_ends_the_online_meeting(wire: Wire) -> None:
    body = {"contentType": "html", "content": "<p>Agenda</p>"}
    event = wire("POST", "me/events", TIMES | {"isOnlineMeeting": True, "body": body}).json()
    address, whole = f"me/events/{event['id']}", event["body"]["content"]
    assert event["onlineMeeting"]["joinUrl"] in whole
    kept = whole.replace("Agenda", "Longer agenda")
    shown = wire("PATCH", address, {"body": {"contentType": "html", "content": kept}}).json()
    assert shown["onlineMeeting"] == event["onlineMeeting"]
    assert shown["body"]["content"].count("Microsoft Teams meeting") == 1
    shown = wire("PATCH", address, {"body": body}).json()
    assert (shown["isOnlineMeeting"], shown["onlineMeeting"]) == (False, None)
