"""FLD, kinds of events, online meetings, the hub's mark: what a provider keeps for itself is left to it."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta
from typing import Any

import pytest

from hub.outbound import edit
from hub.outbound import series as outbound_series
from hub.plugin.testing import timed
from hub.plugin.types import Conference, SeriesException, ShowAs
from tests.provider_world import ProviderWorld
from tests.scenarios.play import clear, lose_answer, other, refuse, writes
from tests.scenarios.test_06_fld_texts import GOOGLE, OUTLOOK, rounds
from tests.world import TESTER

TEN = datetime(2026, 12, 3, 10)
DAY = {"start": {"date": "2026-12-05"}, "end": {"date": "2026-12-06"}}
BIRTHDAY: dict[str, Any] = {
    **DAY,
    "summary": "Eve's birthday",
    "eventType": "birthday",
    "recurrence": ["RRULE:FREQ=YEARLY"],
    "transparency": "transparent",
    "visibility": "private",
    "birthdayProperties": {"type": "birthday"},
}
FLIGHT = {**GOOGLE, "summary": "Flight to Oslo", "eventType": "fromGmail", "location": "BER"}
ROOM = "https://meet.google.com/abc-defg-hij"
MEET = {
    "conferenceData": {
        "conferenceId": "abc-defg-hij",
        "conferenceSolution": {"key": {"type": "hangoutsMeet"}, "name": "Google Meet"},
        "entryPoints": [
            {"entryPointType": "phone", "uri": "tel:+49-30-1"},
            {"entryPointType": "video", "uri": ROOM, "label": "meet.google.com/abc-defg-hij"},
        ],
    },
    "hangoutLink": ROOM,
}
LINE = f"Join the meeting: {ROOM}"


# --- kinds of events ---


def test_fld_13_a_birthday_is_mirrored_and_never_written(world: ProviderWorld) -> None:
    world.google.create_raw(**BIRTHDAY)
    rounds(world, 2)
    assert world.outlook.by_title()["Eve's birthday"].when.recurrence
    assert writes(world.google) == []
    world.outlook.update(world.outlook.find("Eve's birthday"), title="Eve is 30")
    rounds(world, 2)
    assert writes(world.google) == []
    shown = world.google.raw("Eve's birthday")
    assert shown["eventType"] == "birthday" and "extendedProperties" not in shown
    assert "birthday from the contacts" in world.parked()["google", "Eve is 30"]
    world.assert_quiet(parked=[("google", "Eve is 30")])


def test_fld_13_a_birthday_that_is_deleted_on_the_mirror_is_not_deleted_at_google(
    world: ProviderWorld,
) -> None:
    world.google.create_raw(**BIRTHDAY)
    world.sync()
    world.outlook.delete(world.outlook.find("Eve's birthday"))
    rounds(world, 2)
    assert writes(world.google) == []
    assert world.google.raw("Eve's birthday")["status"] == "confirmed"


@pytest.mark.parametrize("listing", ["first", "later"])
def test_fld_14_kinds_that_are_no_events_to_people_are_left_out(
    unlinked: ProviderWorld, listing: str
) -> None:
    world = unlinked
    world.connect("google")
    if listing == "later":
        world.link_both()
    home = {"type": "homeOffice", "homeOffice": {}}
    weekly = {"recurrence": ["RRULE:FREQ=WEEKLY;COUNT=5"]}
    for kind, series_id in (("workingLocation", "a" * 9), ("someNewType", "b" * 9)):
        world.google.create_raw(**DAY, summary=kind, eventType=kind, workingLocationProperties=home)
        world.google.create_raw(**DAY, summary="weekly", eventType=kind, **weekly, id=series_id)
    world.google.create(timed("Lunch", TEN))
    if listing == "first":
        world.link_both()
    world.sync()
    world.google.update_raw("a" * 9, summary="changed")
    world.google.delete("b" * 9)
    world.sync()
    assert [c.title for c in world.outlook.events().values()] == ["Lunch"]
    assert world.hub_titles() == ["Lunch"]
    assert world.parked() == {}
    world.outlook.update(world.outlook.find("Lunch"), title="Dinner")
    world.sync()
    assert "Dinner" in world.google.by_title()
    assert [c["method"] for c in writes(world.google)] == ["PATCH"]
    rounds(world, 2)
    assert len(writes(world.google)) == 1


def test_fld_14_times_that_google_keeps_free_are_mirrored_as_what_they_are(world: ProviderWorld) -> None:
    world.google.create_raw(**GOOGLE, summary="Away", eventType="outOfOffice", outOfOfficeProperties={})
    world.google.create_raw(**GOOGLE, summary="Focus", eventType="focusTime", focusTimeProperties={})
    world.sync()
    assert world.outlook.raw("Away")["showAs"] == "oof"
    assert world.outlook.raw("Focus")["showAs"] == "busy"
    assert world.hub_event("Away")[1].show_as is ShowAs.OUT_OF_OFFICE
    assert writes(world.google) == []
    world.assert_quiet()


def test_fld_15_what_gmail_has_made_is_never_written_and_says_so(world: ProviderWorld) -> None:
    world.google.create_raw(**FLIGHT)
    world.sync()
    world.outlook.update(world.outlook.find("Flight to Oslo"), title="Flight, seat 12A")
    rounds(world, 4)
    assert writes(world.google) == []
    assert "made by Gmail" in world.parked()["google", "Flight, seat 12A"]
    assert world.outlook.by_title().keys() == {"Flight, seat 12A"}
    world.google.update_raw(world.google.find("Flight to Oslo"), location="OSL")
    world.sync()
    assert world.outlook.by_title()["Flight, seat 12A"].location.name == "OSL"  # type: ignore[union-attr]
    world.assert_quiet(parked=[("google", "Flight, seat 12A")])


# --- online meetings ---


def test_fld_16_a_meeting_that_is_wished_for_is_made_and_told_to_the_mirror(world: ProviderWorld) -> None:
    world.api_creates(timed("Sync", TEN, conference=Conference("", "Google Meet")))
    rounds(world, 2)
    (made,) = [c for c in writes(world.google) if c["method"] == "POST"]
    assert "conferenceDataVersion=1" in made["query"]
    url = world.google.raw("Sync")["conferenceData"]["entryPoints"][0]["uri"]
    assert world.hub_event("Sync")[1].conference == Conference(
        url, "Google Meet", url.removeprefix("https://")
    )
    assert world.outlook.by_title()["Sync"].conference == Conference(url)
    assert "Join the meeting" not in world.google.raw("Sync").get("description", "")
    world.assert_quiet()


def test_fld_16_a_wish_for_teams_is_granted_by_outlook(world: ProviderWorld) -> None:
    world.api_creates(timed("Sync", TEN, description="Hi", conference=Conference("", "teamsForBusiness")))
    rounds(world, 2)
    url = world.outlook.raw("Sync")["onlineMeeting"]["joinUrl"]
    assert world.google.raw("Sync")["description"] == f"Hi\n\nJoin the meeting: {url}"
    assert world.hub_event("Sync")[1].conference == Conference(url, "teamsForBusiness")
    assert world.hub_event("Sync")[1].description == "Hi"
    world.assert_quiet()


@pytest.mark.parametrize("name", ["google", "outlook"])
def test_fld_16_an_event_is_written_though_its_meeting_is_refused(world: ProviderWorld, name: str) -> None:
    provider = {"google": "Google Meet", "outlook": "teamsForBusiness"}[name]
    refuse(world.sides[name], 400, "POST", code="invalid" if name == "google" else "ErrorInvalidRequest")
    world.api_creates(timed("Sync", TEN, conference=Conference("", provider)))
    rounds(world, 2)
    for side in world.sides.values():
        assert side.by_title()["Sync"].conference is None
    event = world.hub_event("Sync")[1]
    assert event.conference == Conference("", provider), "the wish is still there, without an address"
    assert "conference" in {loss.field for loss in world.sides[name].project(event).losses}
    world.assert_quiet()


def test_fld_16_a_meeting_is_made_and_ended_for_an_event_that_is_there(world: ProviderWorld) -> None:
    world.google.create(timed("Sync", TEN, description="Notes"))
    world.sync()
    event_id, event = world.hub_event("Sync")
    world.api_updates(event_id, dataclasses.replace(event, conference=Conference("", "Google Meet")))
    rounds(world, 2)
    url = world.google.raw("Sync")["conferenceData"]["entryPoints"][0]["uri"]
    assert world.outlook.by_title()["Sync"].conference == Conference(url)
    event_id, event = world.hub_event("Sync")
    world.api_updates(event_id, dataclasses.replace(event, conference=None))
    rounds(world, 2)
    assert "conferenceData" not in world.google.raw("Sync")
    assert {s.by_title()["Sync"].conference for s in world.sides.values()} == {None}
    assert {s.by_title()["Sync"].description for s in world.sides.values()} == {"Notes"}
    world.assert_quiet()


def test_fld_16_the_second_half_of_a_split_series_has_a_room_of_its_own(world: ProviderWorld) -> None:
    weekly = {"recurrence": ["RRULE:FREQ=WEEKLY;COUNT=6"]}
    world.google.create_raw(**GOOGLE, summary="Weekly", **weekly, **MEET)
    world.sync()
    with world.ports.db.transaction() as session:
        event = edit.get_event(session, world.hub_event("Weekly")[0], lock=True)
        assert event is not None
        halves = outbound_series.cut(session, event, TEN + timedelta(weeks=3))
        following = dataclasses.replace(halves.after, title="Later")
        outbound_series.split_event(session, world.ports, event, halves, following, TESTER, extra={})
    rounds(world, 2)
    assert world.google.raw("Weekly")["conferenceData"]["conferenceId"] == "abc-defg-hij"
    own = world.google.raw("Later")["conferenceData"]["entryPoints"][0]["uri"]
    assert own != ROOM
    assert world.outlook.by_title()["Weekly"].conference == Conference(ROOM)
    assert world.outlook.by_title()["Later"].conference == Conference(own)
    world.assert_quiet()


def test_fld_17_the_mirror_of_a_meet_event_tells_once_how_to_join(world: ProviderWorld) -> None:
    world.google.create_raw(**GOOGLE, summary="Sync", description="Agenda", **MEET)
    rounds(world, 3)
    content = world.outlook.raw("Sync")["body"]["content"]
    assert content.count(ROOM) == 1
    assert world.outlook.by_title()["Sync"].description == "Agenda"
    assert [c["method"] for c in writes(world.outlook)] == ["POST"] and writes(world.google) == []
    clear(world)
    world.outlook.update_raw(
        world.outlook.find("Sync"),
        subject="Sync!",
        body={"contentType": "text", "content": f"Agenda, longer\r\n\r\n{LINE}"},
    )
    rounds(world, 2)
    shown = world.google.raw("Sync!")
    assert shown["description"] == "Agenda, longer", "the hub's line is not the person's text"
    assert shown["conferenceData"]["conferenceId"] == "abc-defg-hij"
    assert all("conferenceData" not in c["body"] for c in writes(world.google))
    world.assert_quiet()


def test_fld_17_a_teams_meeting_is_told_at_google_and_keeps_its_text(world: ProviderWorld) -> None:
    world.outlook.create_raw(
        **OUTLOOK, subject="Standup", isOnlineMeeting=True, body={"contentType": "text", "content": "Agenda"}
    )
    rounds(world, 3)
    url = world.outlook.raw("Standup")["onlineMeeting"]["joinUrl"]
    assert world.google.raw("Standup")["description"] == f"Agenda\n\nJoin the meeting: {url}"
    clear(world)
    world.google.update(world.google.find("Standup"), title="Daily")
    world.sync()
    (written,) = writes(world.outlook)
    assert written["body"].keys() == {"subject"}
    world.assert_quiet()


TEAMS = {"isOnlineMeeting": True, "body": {"contentType": "text", "content": "Agenda"}}


@pytest.mark.parametrize("agenda", ["Agenda\n\n1. <Cake>\n  2. Tea", ""])
def test_fld_17_an_edit_of_the_text_of_a_teams_meeting_keeps_the_meeting(
    world: ProviderWorld, agenda: str
) -> None:
    world.outlook.create_raw(**OUTLOOK, subject="Standup", **TEAMS)
    world.sync()
    meeting = world.outlook.raw("Standup")["onlineMeeting"]
    line = f"Join the meeting: {meeting['joinUrl']}"
    for number in range(2):
        text = f"{agenda} {number}".strip() if agenda else "2" * number
        world.google.update(world.google.find("Standup"), description=f"{text}\n\n{line}".strip())
        world.sync()
        shown = world.outlook.raw("Standup")
        assert shown["onlineMeeting"] == meeting, "taking out how to join would have ended it"
        assert shown["body"]["content"].count("Microsoft Teams meeting") == 1
        assert "Join the meeting" not in shown["body"]["content"]
        event = world.hub_event("Standup")[1]
        assert event.description == world.outlook.by_title()["Standup"].description == text
        assert event.conference == Conference(meeting["joinUrl"], "teamsForBusiness")
        world.assert_quiet()


def test_fld_17_a_teams_meeting_may_name_another_and_is_ended_in_outlook_alone(world: ProviderWorld) -> None:
    world.outlook.create_raw(**OUTLOOK, subject="Standup", **TEAMS)
    world.sync()
    event_id, event = world.hub_event("Standup")
    world.api_updates(event_id, dataclasses.replace(event, conference=Conference(ROOM)))
    rounds(world, 2)
    shown = world.outlook.raw("Standup")
    assert shown["onlineMeeting"] and f"Join the meeting: {ROOM}" in shown["body"]["content"]
    assert {side.by_title()["Standup"].conference for side in world.sides.values()} == {Conference(ROOM)}
    world.assert_quiet()
    world.outlook.create_raw(**OUTLOOK, subject="Daily", **TEAMS)
    world.sync()
    event_id, event = world.hub_event("Daily")
    world.api_updates(event_id, dataclasses.replace(event, conference=None, description="Tea"))
    rounds(world, 2)
    shown = world.outlook.raw("Daily")
    assert shown["onlineMeeting"] and world.outlook.by_title()["Daily"].description == "Tea"
    assert "end it in Outlook" in world.parked()["outlook", "Daily"]


ZOOM = "https://us02web.zoom.us/j/123?pwd=a"


def test_fld_17_another_services_meeting_that_outlook_shows_is_told_at_google(world: ProviderWorld) -> None:
    body = {"contentType": "text", "content": "Agenda"}
    world.outlook.create_raw(**OUTLOOK, subject="Sync", onlineMeetingUrl=ZOOM, body=body)
    rounds(world, 2)
    assert world.hub_event("Sync")[1].conference == Conference(ZOOM, "us02web.zoom.us")
    assert world.google.raw("Sync")["description"] == f"Agenda\n\nJoin the meeting: {ZOOM}"
    longer = f"Agenda, longer\n\nJoin the meeting: {ZOOM}"
    world.google.update_raw(world.google.find("Sync"), description=longer)
    rounds(world, 2)
    shown = world.outlook.raw("Sync")
    assert shown["onlineMeetingUrl"] == ZOOM and "Agenda, longer" in shown["body"]["content"]
    assert "Join the meeting" not in shown["body"]["content"], "it is told there already"
    assert world.hub_event("Sync")[1].conference == Conference(ZOOM, "us02web.zoom.us")
    world.assert_quiet()


def test_fld_17_a_meeting_of_an_add_on_of_google_is_told_in_outlook_and_kept(world: ProviderWorld) -> None:
    data = {
        "conferenceId": "123",
        "conferenceSolution": {"key": {"type": "addOn"}, "name": "Zoom Meeting"},
        "entryPoints": [
            {"entryPointType": "phone", "uri": "tel:+49-30-1", "pin": "9"},
            {"entryPointType": "video", "uri": ZOOM, "label": "us02web.zoom.us/j/123"},
            {"entryPointType": "more", "uri": "https://zoom.us/u/1"},
        ],
        "notes": "Host key: none",
    }
    world.google.create_raw(**GOOGLE, summary="Sync", description="Agenda", conferenceData=data)
    rounds(world, 2)
    held = Conference(ZOOM, "Zoom Meeting", "us02web.zoom.us/j/123")
    assert world.hub_event("Sync")[1].conference == held
    assert world.outlook.by_title()["Sync"].conference == Conference(ZOOM)
    world.outlook.update(world.outlook.find("Sync"), title="Sync!")
    rounds(world, 2)
    kept = world.google.raw("Sync!")["conferenceData"]
    assert {name: kept[name] for name in data} == data
    assert world.hub_event("Sync!")[1].conference == held
    world.assert_quiet()


def test_fld_17_a_day_of_a_teams_series_keeps_how_to_join(world: ProviderWorld) -> None:
    rule = {
        "pattern": {"type": "daily", "interval": 1},
        "range": {"type": "numbered", "startDate": "2026-12-03", "numberOfOccurrences": 4},
    }
    world.outlook.create_raw(**OUTLOOK, subject="Daily", isOnlineMeeting=True, recurrence=rule)
    world.sync()
    mirror = world.google.by_title()["Daily"]
    day = SeriesException(TEN + timedelta(days=1), title="Special", description="Bring cake")
    when = dataclasses.replace(mirror.when, exceptions=(day,))
    clear(world)
    world.google.update(world.google.find("Daily"), when=when)
    rounds(world, 2)
    assert [sorted(c["body"]) for c in writes(world.outlook)] == [["body", "subject"]]
    shown = world.outlook.by_title()["Daily"].when.exceptions
    assert [(e.title, e.description, e.conference) for e in shown] == [("Special", "Bring cake", None)]
    assert world.hub_event("Daily")[1].when.exceptions == (day,)
    world.assert_quiet()


def test_fld_17_another_address_is_followed_and_no_address_is_said_twice(world: ProviderWorld) -> None:
    world.google.create_raw(**GOOGLE, summary="Own", description=f"Come to {ROOM}", **MEET)
    world.google.create_raw(**GOOGLE, summary="Sync", **MEET)
    world.sync()
    assert world.outlook.raw("Own")["body"]["content"].count(ROOM) == 1
    assert "Join the meeting" not in world.outlook.raw("Own")["body"]["content"]
    new = "https://meet.google.com/new-room-now"
    entry = {"entryPointType": "video", "uri": new, "label": new.removeprefix("https://")}
    world.google.update_raw(
        world.google.find("Sync"),
        conferenceData=MEET["conferenceData"] | {"entryPoints": [entry]},  # type: ignore[operator]
    )
    rounds(world, 2)
    content = world.outlook.raw("Sync")["body"]["content"]
    assert new in content and ROOM not in content
    world.assert_quiet()


def test_fld_17_a_person_who_takes_the_line_away_takes_nothing_from_the_meeting(world: ProviderWorld) -> None:
    for n in range(4):
        world.google.create_raw(**GOOGLE, summary=f"Sync {n}", description="Agenda", **MEET)
    world.sync()
    clear(world)
    for n in range(4):
        world.outlook.update_raw(
            world.outlook.find(f"Sync {n}"), body={"contentType": "text", "content": "Agenda"}
        )
    rounds(world, 2)
    assert writes(world.google) == writes(world.outlook) == []
    for n in range(4):
        assert world.google.raw(f"Sync {n}")["conferenceData"]
        assert world.hub_event(f"Sync {n}")[1].conference is not None
    assert world.parked() == {}
    assert world.get_link(world.google.link_id).state == "active"


@pytest.mark.parametrize("name", ["google", "outlook"])
def test_fld_17_a_room_of_a_third_service_is_on_both_mirrors(world: ProviderWorld, name: str) -> None:
    zoom = "https://zoom.us/j/123?pwd=a&b=c"
    world.api_creates(timed("Call", TEN, description="a < b & c", conference=Conference(zoom, "Zoom")))
    rounds(world, 2)
    for side in world.sides.values():
        assert side.by_title()["Call"].conference == Conference(zoom)
        assert side.by_title()["Call"].description == "a < b & c"
    side = world.sides[name]
    side.update(side.find("Call"), title="Conf call")
    rounds(world, 2)
    assert world.hub_event("Conf call")[1].conference == Conference(zoom, "Zoom")
    assert other(world, name).by_title()["Conf call"].conference == Conference(zoom)
    world.assert_quiet()


# --- the hub's mark ---


@pytest.mark.parametrize("name", ["google", "outlook"])
def test_fld_19_a_mark_that_is_dropped_makes_no_second_event(world: ProviderWorld, name: str) -> None:
    side = world.sides[name]
    keys = {"google": ["extendedProperties"], "outlook": ["singleValueExtendedProperties"]}[name]
    side.control.fault("strip", method="POST", path=r"/events$", keys=keys, silent=True)
    world.api_creates(timed("Once", TEN))
    rounds(world, 3)
    assert [c.title for c in side.events().values()] == ["Once"]
    world.assert_quiet()


@pytest.mark.parametrize("name", ["google", "outlook"])
def test_fld_19_a_mark_that_is_dropped_while_the_answer_is_lost_makes_none_either(
    world: ProviderWorld, name: str
) -> None:
    side = world.sides[name]
    keys = {"google": ["extendedProperties"], "outlook": ["singleValueExtendedProperties"]}[name]
    side.control.fault("strip", method="POST", path=r"/events$", keys=keys, status=503, body="", silent=True)
    world.api_creates(timed("Once", TEN))
    for _ in range(4):
        world.advance(200)
        world.wait(0)
    rounds(world, 2)
    assert [c.title for c in side.events().values()] == ["Once"]
    world.assert_quiet()


def test_fld_19_the_mark_fits_what_google_keeps(world: ProviderWorld) -> None:
    world.api_creates(timed("Once", TEN))
    lose_answer(world.google, "cut", "POST")
    world.sync()
    for _ in range(3):
        world.advance(200)
        world.wait(0)
    marks = world.google.raw("Once")["extendedProperties"]["private"]
    (copy,) = world.copies(world.google.link_id)
    assert list(marks.values()) == [copy.id]
    assert all(len(key) <= 44 and len(value) <= 1024 for key, value in marks.items())
    assert len(world.google.events()) == 1


def test_fld_19_other_programs_marks_and_garbage_are_left_alone(world: ProviderWorld) -> None:
    theirs = {"private": {"coordinoterHub": '{"cut": "js', "other": "x" * 1024}, "shared": {"a": "b"}}
    world.google.create_raw(**GOOGLE, summary="Marked", extendedProperties=theirs)
    world.sync()
    world.outlook.update(world.outlook.find("Marked"), title="Still marked")
    world.sync()
    assert world.google.raw("Still marked")["extendedProperties"] == theirs
    world.assert_quiet()
