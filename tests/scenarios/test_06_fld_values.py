"""FLD, values: what one side cannot say as the other does comes back as it was, and is written once."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from typing import Any

import pytest

from hub.plugin.testing import all_day, series, timed
from hub.plugin.types import EventStatus, Location, Reminder, SeriesException, ShowAs, Visibility
from tests.provider_world import ProviderWorld
from tests.scenarios.meetings import call
from tests.scenarios.play import clear, other, writes
from tests.scenarios.test_06_fld_texts import GOOGLE, OUTLOOK, TIMES, rounds

TEN = datetime(2026, 12, 3, 10)
BERLIN = "Europe/Berlin"


def retitle(world: ProviderWorld, name: str, *titles: str) -> None:
    """Add a word to titles on one side, and let it travel."""
    side = world.sides[name]
    for title in titles:
        side.update(side.find(title), title=f"{title} again")
    world.sync()


# --- what providers hold and the API would not take anew ---

LEGACY = "/O=EXCHANGELABS/OU=GROUP/CN=LEGACY"
ODD = {
    "google": [
        {"summary": "t" * 1024, "location": "p" * 1024},
        {"source": {"title": "t", "url": "https://example.test/a b"}},
        {"attendees": [{"email": "a@b"}, {"email": "bob@example.test", "displayName": "n" * 300}]},
    ],
    "outlook": [
        {"isReminderOn": True, "reminderMinutesBeforeStart": -30, "categories": ["c" * 255]},
        {"isReminderOn": True, "reminderMinutesBeforeStart": 1_000_000, "onlineMeetingUrl": "ftp://x y"},
        {"body": {"contentType": "text", "content": "word " * 25_000}},
        {"location": {"displayName": "There", "coordinates": {"latitude": 91.0, "longitude": 200.0}}},
        {
            "attendees": [
                {"type": "required", "emailAddress": {"address": address, "name": "N"}}
                for address in (LEGACY, "bob@example.test", "BOB@example.test")
            ]
        },
    ],
}
"""Values of events at the providers, none of which is valid for a new event of a consumer."""
SAYABLE = (
    "title", "description", "description_html", "location", "start", "end", "recurrence", "exceptions",
    "status", "show_as", "visibility", "reminders", "attendees", "conference", "attachments", "categories",
    "color", "priority", "url",
)  # fmt: skip


@pytest.mark.parametrize("source", ["google", "outlook"])
def test_whatever_the_hub_shows_can_be_sent_back_to_it(world: ProviderWorld, source: str) -> None:
    for values in ODD[source]:
        world.sides[source].create_raw(**TIMES[source], **values)
    world.sync()
    items = call(world, "GET", "/events?limit=200")["items"]
    assert len(items) == len(ODD[source])
    for item in items:
        answer = call(world, "PATCH", f"/events/{item['id']}", {name: item[name] for name in SAYABLE})
        assert answer["version"] == item["version"], answer
        odd = {name: item[name] for name in SAYABLE if name not in ("start", "end")}
        fresh = {"calendar_id": "cal_1", "start": item["start"], "end": item["end"]} | odd
        assert call(world, "POST", "/events", fresh)["status"] == 422, "anew it is refused as before"


def test_a_guest_with_an_odd_address_keeps_nobody_from_changing_the_guests(world: ProviderWorld) -> None:
    world.outlook.create_raw(**OUTLOOK, subject="Talk", **ODD["outlook"][-1])
    world.sync()
    event_id, _ = world.hub_event("Talk")
    path = f"/events/{event_id}"
    guests = [{"email": LEGACY, "role": "optional"}, {"email": "cat@example.test", "name": "Cat"}]
    shown = call(world, "PATCH", path, {"attendees": guests})["attendees"]
    assert [(g["email"], g["name"], g["role"]) for g in shown] == [
        (LEGACY, "N", "optional"),
        ("cat@example.test", "Cat", "required"),
    ]
    for guest in ({"email": "c@d"}, {"email": "cat@example.test", "name": "n" * 300}):
        problem = call(world, "PATCH", path, {"attendees": [{"email": LEGACY}, guest]})
        (fault,) = problem["errors"]
        assert fault["pointer"].startswith("/attendees/1/")


def test_an_occurrence_with_an_odd_guest_can_be_given_another_one(world: ProviderWorld) -> None:
    weekly = series("Weekly", TEN, "FREQ=WEEKLY;COUNT=4")
    remote_id = world.outlook.create(weekly)
    world.outlook.update_raw(remote_id, **ODD["outlook"][-1])
    world.sync()
    event_id, _ = world.hub_event("Weekly")
    path = f"/events/{event_id}/occurrences/{TEN.isoformat()}"
    guests = [{"email": LEGACY}, {"email": "cat@example.test"}]
    assert len(call(world, "PATCH", path, {"attendees": guests})["attendees"]) == 2
    exceptions = call(world, "GET", f"/events/{event_id}")["exceptions"]
    answer = call(world, "PATCH", f"/events/{event_id}", {"exceptions": exceptions, "title": "New"})
    assert answer["exceptions"] == exceptions


# --- reminders ---


def test_fld_07_no_reminder_stays_none_on_both_sides(world: ProviderWorld) -> None:
    world.outlook.create_raw(**OUTLOOK, subject="Quiet", isReminderOn=False, reminderMinutesBeforeStart=15)
    rounds(world, 3)
    (made,) = writes(world.google)
    assert made["body"]["reminders"] == {"useDefault": False, "overrides": []}
    assert world.google.raw("Quiet")["reminders"] == {"useDefault": False}
    retitle(world, "google", "Quiet")
    assert world.outlook.raw("Quiet again")["isReminderOn"] is False
    world.assert_quiet()


def test_fld_07_googles_default_stays_the_default(world: ProviderWorld) -> None:
    world.google.create_raw(**GOOGLE, summary="Usual", reminders={"useDefault": True})
    rounds(world, 3)
    retitle(world, "outlook", "Usual")
    assert world.google.raw("Usual again")["reminders"] == {"useDefault": True}
    retitle(world, "google", "Usual again")
    assert world.outlook.raw("Usual again again")["isReminderOn"] is True
    world.assert_quiet()


def test_fld_07_an_occurrence_without_a_reminder_stays_so(world: ProviderWorld) -> None:
    without = SeriesException(datetime(2026, 12, 9, 9), reminders=())
    weekly = series("Weekly", datetime(2026, 12, 2, 9), "FREQ=WEEKLY;COUNT=4", without)
    world.outlook.create(dataclasses.replace(weekly, reminders=(Reminder(30),)))
    world.sync()
    retitle(world, "google", "Weekly")
    for side in world.sides.values():
        shown = side.by_title()["Weekly again"]
        assert shown.reminders == (Reminder(30),)
        assert [e.reminders for e in shown.when.exceptions] == [()]
    world.assert_quiet()


SEVERAL = {
    "mail": ([("popup", 10), ("popup", 1440), ("email", 60)], 10),
    "earlier mail": ([("email", 5), ("popup", 30), ("popup", 60)], 30),
    "mails": ([("email", 60), ("email", 120)], 60),
    "at once": ([("popup", 0), ("popup", 15)], 0),
}
"""Reminders at Google, and the one that Outlook keeps of them."""


def test_fld_08_several_reminders_survive_the_side_that_keeps_one(world: ProviderWorld) -> None:
    kept = {
        title: [{"method": method, "minutes": minutes} for method, minutes in overrides]
        for title, (overrides, _) in SEVERAL.items()
    }
    for title, overrides in kept.items():
        world.google.create_raw(
            **GOOGLE, summary=title, reminders={"useDefault": False, "overrides": overrides}
        )
    world.sync()
    for title, (_, nearest) in SEVERAL.items():
        mirror = world.outlook.raw(title)
        assert (mirror["isReminderOn"], mirror["reminderMinutesBeforeStart"]) == (True, nearest)
    retitle(world, "outlook", *SEVERAL)
    for title, overrides in kept.items():
        assert world.google.raw(f"{title} again")["reminders"]["overrides"] == overrides
    world.assert_quiet()


def test_fld_08_a_reminder_that_is_changed_in_outlook_is_the_one_that_counts(world: ProviderWorld) -> None:
    world.google.create(timed("Exam", TEN, reminders=(Reminder(10), Reminder(60, "email"))))
    world.sync()
    world.outlook.update_raw(world.outlook.find("Exam"), reminderMinutesBeforeStart=45)
    world.sync()
    assert world.google.by_title()["Exam"].reminders == (Reminder(45),)
    world.assert_quiet()


def test_fld_08_a_reminder_after_the_start_is_held_where_it_can_be(world: ProviderWorld) -> None:
    """Outlook reminds of a day at nine o'clock of that day: less than nothing before its start."""
    day = {"dateTime": "2026-12-03T00:00:00", "timeZone": "UTC"}
    end = {"dateTime": "2026-12-04T00:00:00", "timeZone": "UTC"}
    world.outlook.create_raw(
        subject="Day", start=day, end=end, isAllDay=True, isReminderOn=True, reminderMinutesBeforeStart=-540
    )
    world.sync()
    assert world.google.raw("Day")["reminders"]["overrides"] == [{"method": "popup", "minutes": 0}]
    retitle(world, "google", "Day")
    assert world.outlook.raw("Day again")["reminderMinutesBeforeStart"] == -540
    world.assert_quiet()


def test_fld_09_a_reminder_that_is_added_ends_the_default(world: ProviderWorld) -> None:
    world.google.create_raw(**GOOGLE, summary="Call", reminders={"useDefault": True})
    world.sync()
    event_id, event = world.hub_event("Call")
    clear(world)
    world.api_updates(event_id, dataclasses.replace(event, reminders=(Reminder(10), Reminder(60))))
    world.sync()
    assert [c["status"] for c in writes(world.google)] == [200]
    shown = world.google.raw("Call")["reminders"]
    assert shown["useDefault"] is False and len(shown["overrides"]) == 2
    event_id, event = world.hub_event("Call")
    world.api_updates(event_id, dataclasses.replace(event, reminders=None))
    world.sync()
    assert world.google.raw("Call")["reminders"] == {"useDefault": True}
    assert {c["status"] for c in writes(world.google)} == {200}
    world.assert_quiet()


def test_fld_10_reminders_that_a_link_leaves_alone_stand_in_no_request(unlinked: ProviderWorld) -> None:
    world = unlinked
    for name in world.sides:
        world.link_primary(name, leave_alone=["reminders"])
    world.settle()
    own = {"useDefault": False, "overrides": [{"method": "email", "minutes": 90}]}
    world.google.create_raw(**GOOGLE, summary="From Google", reminders=own)
    world.outlook.create_raw(**OUTLOOK, subject="From Outlook", reminderMinutesBeforeStart=7)
    world.api_creates(timed("From the hub", TEN, reminders=(Reminder(3),)))
    world.sync()
    retitle(world, "outlook", "From Google", "From the hub")
    retitle(world, "google", "From Outlook")
    weekly = series("Weekly", datetime(2026, 12, 2, 9), "FREQ=WEEKLY;COUNT=4")
    quiet = SeriesException(datetime(2026, 12, 9, 9), title="Other", reminders=())
    when = dataclasses.replace(weekly.when, exceptions=(quiet,))
    world.outlook.create(dataclasses.replace(weekly, when=when))
    world.sync()
    world.google.update(world.google.find("From the hub again"), reminders=(Reminder(12),))
    world.sync()
    event_id, event = world.hub_event("From the hub again")
    assert event.reminders == (Reminder(3),)
    world.api_updates(event_id, dataclasses.replace(event, reminders=(Reminder(99),)))
    world.sync()
    sent = [c["body"] for side in world.sides.values() for c in writes(side)]
    assert len(sent) >= 8
    keys = {"reminders", "isReminderOn", "reminderMinutesBeforeStart"}
    assert not [body for body in sent if body and keys & body.keys()]
    assert world.google.raw("From Google again")["reminders"] == own
    assert world.outlook.raw("From Outlook again")["reminderMinutesBeforeStart"] == 7
    rounds(world, 3)
    assert len([c for side in world.sides.values() for c in writes(side)]) == len(sent)


# --- colours and categories ---


def test_fld_11_colours_and_categories_keep_to_their_side(world: ProviderWorld) -> None:
    mine = ["Red category", "Project X", "Purple category"]
    world.outlook.create_raw(**OUTLOOK, subject="Sprint", categories=mine)
    world.google.create_raw(**GOOGLE, summary="Party", colorId="11")
    rounds(world)
    assert [len(writes(side)) for side in world.sides.values()] == [1, 1]
    clear(world)
    world.google.update_raw(world.google.find("Sprint"), colorId="5")
    world.google.update_raw(world.google.find("Party"), colorId="3")
    rounds(world, 3)
    assert writes(world.outlook) == []
    assert world.outlook.raw("Sprint")["categories"] == mine
    assert world.hub_event("Party")[1].color == "#dbadff"
    assert world.hub_event("Sprint")[1].color == "#fbd75b"
    retitle(world, "google", "Sprint")
    assert world.outlook.raw("Sprint again")["categories"] == mine
    world.outlook.update_raw(world.outlook.find("Sprint again"), categories=["Project X"])
    world.sync()
    assert world.google.raw("Sprint again")["colorId"] == "5"
    assert world.hub_event("Sprint again")[1].categories == ("Project X",)
    world.assert_quiet()


def test_fld_11_an_own_colour_is_the_nearest_and_does_not_come_back_as_an_edit(world: ProviderWorld) -> None:
    world.api_creates(timed("Blue", TEN, color="#123456", categories=("Work",)))
    rounds(world, 3)
    retitle(world, "google", "Blue")
    assert world.hub_event("Blue again")[1].color == "#123456"
    assert world.outlook.raw("Blue again")["categories"] == ["Work"]
    world.assert_quiet()


# --- who may see it, and how it counts ---


def test_fld_12_each_sensitivity_comes_back_as_it_was(world: ProviderWorld) -> None:
    values = ("normal", "personal", "private", "confidential")
    for value in values:
        world.outlook.create_raw(**OUTLOOK, subject=value, sensitivity=value)
    rounds(world, 2)
    shown = {value: world.google.raw(value).get("visibility", "default") for value in values}
    assert shown == dict.fromkeys(values, "private") | {"normal": "default"}
    retitle(world, "google", *values)
    assert [world.outlook.raw(f"{value} again")["sensitivity"] for value in values] == list(values)
    world.assert_quiet()


def test_fld_12_each_visibility_comes_back_as_it_was(world: ProviderWorld) -> None:
    mirrored = {"default": "normal", "public": "normal", "private": "private", "confidential": "private"}
    for value in mirrored:
        world.google.create_raw(**GOOGLE, summary=value, visibility=value)
    rounds(world, 2)
    assert {value: world.outlook.raw(value)["sensitivity"] for value in mirrored} == mirrored
    retitle(world, "outlook", *mirrored)
    for value in mirrored:
        assert world.google.raw(f"{value} again").get("visibility", "default") == value
    world.assert_quiet()


@pytest.mark.parametrize("source", ["google", "outlook"])
def test_fld_12_what_becomes_private_later_becomes_private_everywhere(
    world: ProviderWorld, source: str
) -> None:
    here, there = world.sides[source], other(world, source)
    here.create(timed("Talk", TEN))
    world.sync()
    here.update(here.find("Talk"), visibility=Visibility.PRIVATE)
    world.sync()
    assert there.by_title()["Talk"].visibility is Visibility.PRIVATE
    there.update(there.find("Talk"), visibility=Visibility.DEFAULT)
    world.sync()
    assert here.by_title()["Talk"].visibility is Visibility.DEFAULT
    world.assert_quiet()


def test_fld_20_each_way_to_show_time_comes_back_as_it_was(world: ProviderWorld) -> None:
    values = ("free", "tentative", "busy", "oof", "workingElsewhere", "unknown")
    for value in values:
        world.outlook.create_raw(**OUTLOOK, subject=value, showAs=value)
    rounds(world, 2)
    shown = {value: world.google.raw(value).get("transparency", "opaque") for value in values}
    assert shown == dict.fromkeys(values, "opaque") | {"free": "transparent"}
    assert world.hub_event("unknown")[1].show_as is ShowAs.BUSY
    retitle(world, "google", *values)
    assert [world.outlook.raw(f"{value} again")["showAs"] for value in values] == list(values)
    for value in values:
        now = "opaque" if shown[value] == "transparent" else "transparent"
        world.google.update_raw(world.google.find(f"{value} again"), transparency=now)
    world.sync()
    turned = [world.outlook.raw(f"{value} again")["showAs"] for value in values]
    assert turned == ["busy", *["free"] * 5]
    world.assert_quiet()


def test_fld_20_importance_survives_the_side_without(world: ProviderWorld) -> None:
    priorities = {"high": 1, "low": 9, "normal": 0}
    for value in priorities:
        world.outlook.create_raw(**OUTLOOK, subject=value, importance=value)
    world.sync()
    assert {value: world.hub_event(value)[1].priority for value in priorities} == priorities
    retitle(world, "google", *priorities)
    for value in priorities:
        assert world.outlook.raw(f"{value} again")["importance"] == value
    world.assert_quiet()


def test_fld_20_a_tentative_event_of_google_comes_back_tentative(world: ProviderWorld) -> None:
    world.google.create_raw(**GOOGLE, summary="Maybe", status="tentative")
    world.sync()
    assert world.outlook.raw("Maybe")["showAs"] == "tentative"
    retitle(world, "outlook", "Maybe")
    assert world.google.raw("Maybe again")["status"] == "tentative"
    assert world.google.raw("Maybe again").get("transparency", "opaque") == "opaque"
    world.assert_quiet()


# --- places ---

HALL: dict[str, Any] = {
    "displayName": "Town Hall",
    "address": {"street": "Platz 1", "city": "Berlin", "postalCode": "10178"},
    "coordinates": {"latitude": 52.5, "longitude": 13.4},
}
ROOM = {"displayName": "Room 7"}


def test_fld_21_a_place_is_one_readable_line_at_google_and_keeps_its_parts(world: ProviderWorld) -> None:
    world.outlook.create_raw(**OUTLOOK, subject="Vote", location=HALL, locations=[HALL, ROOM])
    rounds(world, 4)
    assert world.google.raw("Vote")["location"] == "Town Hall; Room 7, Platz 1, Berlin, 10178"
    assert len(writes(world.google)) == 1 and writes(world.outlook) == []
    retitle(world, "google", "Vote")
    kept = world.outlook.raw("Vote again")
    assert [place["displayName"] for place in kept["locations"]] == ["Town Hall", "Room 7"]
    assert kept["location"]["address"] == HALL["address"]
    assert kept["location"]["coordinates"] == HALL["coordinates"]
    world.google.update_raw(world.google.find("Vote again"), location="School, Weg 3, Berlin")
    rounds(world, 4)
    corrected = world.outlook.raw("Vote again")
    assert corrected["location"]["displayName"] == "School, Weg 3, Berlin"
    assert [place["displayName"] for place in corrected["locations"]] == ["School, Weg 3, Berlin"]
    assert len([c for c in writes(world.outlook) if "location" in c["body"]]) == 1
    assert world.hub_event("Vote again")[1].location == Location("School, Weg 3, Berlin")
    world.assert_quiet()


def test_fld_21_a_place_that_is_corrected_in_outlook_arrives(world: ProviderWorld) -> None:
    world.outlook.create_raw(**OUTLOOK, subject="Vote", location=HALL)
    world.sync()
    moved = HALL | {"address": HALL["address"] | {"street": "Platz 2"}}
    world.outlook.update_raw(world.outlook.find("Vote"), location=moved)
    world.sync()
    assert world.google.raw("Vote")["location"] == "Town Hall, Platz 2, Berlin, 10178"
    world.outlook.update_raw(world.outlook.find("Vote"), location=None)
    world.sync()
    assert "location" not in world.google.raw("Vote")
    world.assert_quiet()


LINES = {
    "both": (Location("Room 1", "Main St 1"), "Room 1, Main St 1"),
    "address": (Location("", "Main St 1"), "Main St 1"),
    "longer name": (Location("Main St 1, Bonn", "Main St 1"), "Main St 1, Bonn"),
    "longer address": (Location("Main St 1", "Main St 1, Bonn"), "Main St 1, Bonn"),
}


def test_fld_21_a_consumers_place_is_said_once(world: ProviderWorld) -> None:
    for title, (place, _) in LINES.items():
        world.api_creates(timed(title, TEN, location=place))
    rounds(world, 2)
    for title, (_, line) in LINES.items():
        assert world.google.raw(title)["location"] == line
    retitle(world, "google", *LINES)
    for title, (place, _) in LINES.items():
        assert world.hub_event(f"{title} again")[1].location == place
    world.assert_quiet()


def test_fld_21_the_page_of_an_event_survives_the_side_without(world: ProviderWorld) -> None:
    source = {"title": "The plan", "url": "https://example.test/plan"}
    world.google.create_raw(**GOOGLE, summary="Plan", source=source)
    world.sync()
    assert world.hub_event("Plan")[1].url == source["url"]
    retitle(world, "outlook", "Plan")
    assert world.google.raw("Plan again")["source"] == source
    world.assert_quiet()


def test_fld_21_an_all_day_event_keeps_its_values_too(world: ProviderWorld) -> None:
    content = all_day("Fair", TEN.date(), 2, show_as=ShowAs.OUT_OF_OFFICE, location=Location("Hall", "Weg 3"))
    world.outlook.create(content)
    world.sync()
    retitle(world, "google", "Fair")
    shown = world.outlook.by_title()["Fair again"]
    assert (shown.show_as, shown.location) == (content.show_as, content.location)
    world.assert_quiet()


@pytest.mark.parametrize("shown", [ShowAs.BUSY, ShowAs.FREE])
def test_who_says_in_outlook_that_a_tentative_event_takes_place_says_so_everywhere(
    world: ProviderWorld, shown: ShowAs
) -> None:
    world.google.create(timed("Lunch", TEN, status=EventStatus.TENTATIVE))
    world.sync()
    assert world.outlook.by_title()["Lunch"].show_as is ShowAs.TENTATIVE
    world.outlook.update(world.outlook.find("Lunch"), show_as=shown)
    world.sync()
    at_google = world.google.by_title()["Lunch"]
    assert (at_google.status, at_google.show_as) == (
        (EventStatus.CONFIRMED, ShowAs.BUSY) if shown is ShowAs.BUSY else (EventStatus.TENTATIVE, ShowAs.FREE)
    )
    world.outlook.update(world.outlook.find("Lunch"), show_as=ShowAs.BUSY)
    world.sync()
    assert world.google.by_title()["Lunch"].show_as is ShowAs.BUSY
    assert world.outlook.by_title()["Lunch"].show_as is ShowAs.BUSY
    world.assert_quiet()
