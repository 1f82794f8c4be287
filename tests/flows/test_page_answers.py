"""An invitation is answered on the page, and told to its organiser alone."""

from __future__ import annotations

import dataclasses
from datetime import datetime

from flask.testing import FlaskClient

from hub.plugin.testing import series, timed
from hub.plugin.types import Answer, Attendee, EventContent, Person
from tests.unit.api.hub_app import HubApp

TEN = datetime(2026, 12, 2, 10)
ASKED = {
    "organizer": Person("boss@example.test", "Boss"),
    "attendees": (Attendee("ann@example.test"),),
    "own_answer": Answer.NEEDS_ACTION,
}
REVIEW = timed("Review", TEN, **ASKED)
DAILY = dataclasses.replace(series("Daily", TEN, "FREQ=DAILY;COUNT=3"), **ASKED)


def invited(hub: HubApp, content: EventContent) -> str:
    hub.world.person_creates("left", content)
    hub.world.settle()
    (event_id,) = hub.world.hub_events()
    return event_id


def answer(hub: HubApp, ann: FlaskClient, event_id: str, said: str, occurrence: str = "") -> int:
    page = f"/events/{event_id}" + (f"?occurrence={occurrence}" if occurrence else "")
    assert 'id="answer"' in hub.get(ann, page).get_data(as_text=True)
    form = {"version": str(hub.call("GET", f"/v1/events/{event_id}").get_json()["version"])}
    form |= {"occurrence": occurrence} if occurrence else {}
    status = hub.submit(ann, f"/events/{event_id}/answer", page=page, answer=said, **form).status_code
    hub.world.settle()
    hub.world.wait()
    return status


def test_an_invitation_is_answered_on_the_page(hub: HubApp, ann: FlaskClient) -> None:
    event_id = invited(hub, REVIEW)
    assert answer(hub, ann, event_id, "accepted") == 303
    assert hub.world.hub_events()[event_id].own_answer is Answer.ACCEPTED
    (there,) = hub.world.remote("left").values()
    assert there.own_answer is Answer.ACCEPTED
    mails = hub.world.services["left"].mails
    assert [(mail["kind"], mail["to"]) for mail in mails] == [("reply", "boss@example.test")]
    assert answer(hub, ann, event_id, "needs_action") == 422


def test_one_occurrence_is_answered_where_it_is_open(hub: HubApp, ann: FlaskClient) -> None:
    event_id = invited(hub, DAILY)
    assert answer(hub, ann, event_id, "declined", "2026-12-03T10:00:00") == 303
    event = hub.world.hub_events()[event_id]
    assert event.own_answer is Answer.NEEDS_ACTION
    assert [(e.original_start.day, e.own_answer) for e in event.when.exceptions] == [(3, Answer.DECLINED)]


def test_what_is_no_invitation_has_nothing_to_answer(hub: HubApp, ann: FlaskClient) -> None:
    event_id = invited(hub, timed("Lunch", TEN))
    page = f"/events/{event_id}"
    assert 'id="answer"' not in hub.get(ann, page).get_data(as_text=True)
    refused = hub.submit(ann, f"{page}/answer", page=page, answer="accepted", version="1")
    assert refused.status_code == 422
    assert "nothing to answer" in refused.get_data(as_text=True)
