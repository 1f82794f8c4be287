"""A person says in the form of an event whether its guests are told, and only where they can be."""

from __future__ import annotations

import dataclasses
import re
from datetime import datetime, timedelta
from html import unescape

from flask.testing import FlaskClient
from sqlalchemy import select

from hub.models import Calendar, EventCopy, Link, RemoteCalendar
from hub.plugin.testing import series, timed
from hub.plugin.types import Answer, Attendee, EventContent, Person
from tests.unit.api.hub_app import HubApp

TEN = datetime(2026, 12, 2, 10)
GUESTS = (Attendee("bob@example.test", "Bob"), Attendee("cat@example.test"))
REVIEW = dataclasses.replace(timed("Review", TEN), attendees=GUESTS)
DAILY = dataclasses.replace(series("Daily", TEN, "FREQ=DAILY;COUNT=4"), attendees=GUESTS)
BOB, CAT = ("left", "bob@example.test"), ("left", "cat@example.test")


def came(hub: HubApp, content: EventContent) -> str:
    """Have a person make an event at `left`; return its id in the hub."""
    hub.world.person_creates("left", content)
    hub.world.settle()
    (event_id,) = hub.world.hub_events()
    return event_id


def offered(hub: HubApp, ann: FlaskClient, page: str) -> dict[str, str]:
    """Return from where the form lets its guests be told: links, and their calendars in words."""
    html = unescape(hub.get(ann, page).get_data(as_text=True))
    form = html[: html.index(">Save<")]
    field = re.search(r'<select name="tell">(.*?)</select>', form, re.DOTALL)
    return dict(re.findall(r'value="(\w*)"[^>]*>([^<]*)<', field[1])) if field else {}


def save(hub: HubApp, ann: FlaskClient, page: str, **changes: str) -> int:
    """Send the form of an event as it is shown, with changes."""
    shown = hub.get(ann, page).get_data(as_text=True)
    form = shown[: shown.index(">Save<")]
    values = dict(re.findall(r'<input[^>]*name="(?!all_day|csrf)(\w+)" value="([^"]*)"', form))
    answer = hub.submit(ann, page.partition("?")[0], page=page, **values | {"description": ""} | changes)
    hub.world.settle()
    hub.world.wait()
    return answer.status_code


def mails(hub: HubApp) -> list[tuple[str, str, str]]:
    return sorted(
        (m["kind"], name, m["to"]) for name in hub.world.services for m in hub.world.services[name].mails
    )


def test_guests_are_told_only_if_the_form_says_so(hub: HubApp, ann: FlaskClient) -> None:
    page = f"/events/{came(hub, REVIEW)}"
    link_id = list(offered(hub, ann, page))[1]
    assert list(offered(hub, ann, page).values()) == [
        "nobody is told",
        "all of them, from Main of ann@example.test (Memory)",
    ]
    assert save(hub, ann, page, title="Retro") == 303
    assert mails(hub) == []
    assert save(hub, ann, page, title="Review", tell=link_id) == 303
    assert mails(hub) == [("update", *BOB), ("update", *CAT)]
    assert hub.world.titles("right") == ["Review"]


def test_a_calendar_that_is_called_by_its_address_is_not_named_twice(hub: HubApp, ann: FlaskClient) -> None:
    page = f"/events/{came(hub, REVIEW)}"
    with hub.world.ports.db.transaction() as session:
        for calendar in session.scalars(select(RemoteCalendar)):
            calendar.name = "ann@example.test"
    assert list(offered(hub, ann, page).values())[1] == "all of them, from ann@example.test (Memory)"


def test_a_person_chooses_where_guests_of_a_new_event_are_invited_from(hub: HubApp, ann: FlaskClient) -> None:
    hub.world.api_creates(REVIEW)
    hub.world.settle()
    (event_id,) = hub.world.hub_events()
    page = f"/events/{event_id}"
    with hub.world.ports.db.reading() as session:
        links = {link.account_id: link.id for link in session.scalars(select(Link))}
    assert offered(hub, ann, page).keys() == {"", *links.values()}
    assert save(hub, ann, page, tell=links["acc_right_ann"]) == 303
    assert {(kind, name) for kind, name, _ in mails(hub)} == {("invitation", "right")}
    assert list(offered(hub, ann, page)) == ["", links["acc_right_ann"]], "now they are told from there alone"


def test_a_series_that_is_split_tells_of_both_halves(hub: HubApp, ann: FlaskClient) -> None:
    page = f"/events/{came(hub, DAILY)}?occurrence=2026-12-04T10:00:00"
    link_id = list(offered(hub, ann, page))[1]
    assert save(hub, ann, page, scope="this_and_following", title="Later", tell=link_id) == 303
    assert hub.world.titles("left") == ["Daily", "Later"]
    kinds = [kind for kind, name, _ in mails(hub) if name == "left"]
    assert kinds == ["invitation", "invitation", "update", "update"]


def test_a_deletion_tells_the_guests_if_the_form_says_so(hub: HubApp, ann: FlaskClient) -> None:
    page = f"/events/{came(hub, REVIEW)}"
    link_id = list(offered(hub, ann, page))[1]
    gone = hub.submit(ann, f"{page}/delete", page=page, scope="all", version="1", tell=link_id)
    assert gone.status_code == 303
    hub.world.settle()
    hub.world.wait()
    assert mails(hub) == [("cancellation", *BOB), ("cancellation", *CAT)]
    assert hub.world.titles("left") == hub.world.titles("right") == []


def test_nothing_is_asked_where_nobody_can_be_told(hub: HubApp, ann: FlaskClient) -> None:
    lunch = hub.world.api_creates(timed("Lunch", TEN))
    asked = dataclasses.replace(
        REVIEW, organizer=Person("boss@example.test", "Boss"), own_answer=Answer.NEEDS_ACTION
    )
    hub.world.person_creates("left", asked)
    hub.world.settle()
    invitation = next(i for i, content in hub.world.hub_events().items() if content.title == "Review")
    for event_id in (lunch, invitation):
        assert offered(hub, ann, f"/events/{event_id}") == {}
    assert 'name="tell"' not in hub.get(ann, "/events/new").get_data(as_text=True)


def test_an_event_that_waits_for_its_person_makes_no_link_late(hub: HubApp, ann: FlaskClient) -> None:
    came(hub, REVIEW)
    with hub.world.ports.db.transaction() as session:
        copy = session.scalars(select(EventCopy)).first()
        assert copy
        copy.parked_at, copy.problem = hub.world.clock.now() - timedelta(days=3), "It has no words for this."
    home = hub.get(ann, "/").get_data(as_text=True)
    assert "It has no words for this." in home and "Behind</span>" in home and "days" not in home


def test_nothing_of_a_form_is_done_that_tells_from_elsewhere(hub: HubApp, ann: FlaskClient) -> None:
    event_id = came(hub, REVIEW)
    page = f"/events/{event_id}"
    form = {"version": "1", "start_date": "2026-12-02", "start_time": "12:00", "end_date": "2026-12-02"}
    form |= {"end_time": "13:00", "title": "Kept words", "tell": "lnk_elsewhere"}
    refused = hub.submit(ann, page, page=page, **form)
    text = refused.get_data(as_text=True)
    assert refused.status_code == 422
    assert "The guests of this event are told from" in text and "Kept words" in text
    assert hub.world.hub_events()[event_id].title == "Review"
    refused = hub.submit(ann, f"{page}/delete", page=page, scope="all", version="1", tell="lnk_elsewhere")
    assert refused.status_code == 422
    assert 'name="title" value="Review"' in refused.get_data(as_text=True), "that form has no title to keep"
    assert event_id in hub.world.hub_events()


def test_a_refused_form_keeps_what_was_chosen_in_it(hub: HubApp, ann: FlaskClient) -> None:
    page = f"/events/{came(hub, DAILY)}?occurrence=2026-12-04T10:00:00"
    form = {"version": "1", "occurrence": "2026-12-04T10:00:00", "scope": "all", "title": "Daily"}
    form |= {"start_date": "", "end_date": "2026-12-04", "tell": list(offered(hub, ann, page))[1]}
    refused = hub.submit(ann, page.partition("?")[0], page=page, **form)
    text = refused.get_data(as_text=True)
    assert refused.status_code == 422 and 'value="all" checked' in text and 'value="this" checked' not in text
    change, deletion = re.findall(r'<select name="tell">(.*?)</select>', text, re.DOTALL)
    assert "selected" in change and "selected" not in deletion
    with hub.world.ports.db.reading() as session:
        calendar = session.scalars(select(Calendar.id)).one()
    new = {"calendar": calendar, "start_date": "", "end_date": "2026-12-04", "repeat": "weekly"}
    text = hub.submit(ann, "/events", page="/events/new", **new).get_data(as_text=True)
    assert '<option value="weekly" selected>' in text
