"""The options of links at both real providers: what their requests hold, and what they show in the end."""

from __future__ import annotations

import dataclasses
import json
from datetime import date, datetime, timedelta

import pytest

from hub.accounts.links import change_link
from hub.models import Link
from hub.plugin.testing import all_day, series, timed
from hub.plugin.types import (
    Attendee,
    Conference,
    EventContent,
    EventStatus,
    Location,
    Reminder,
    SeriesException,
    ShowAs,
)
from tests.provider_world import ProviderWorld, Side

TEN = datetime(2026, 12, 7, 10)
SECRETS = ("Surgery", "Ward", "illness", "knee", "bob@example.test")
SECRET = dataclasses.replace(
    timed("Surgery", TEN, description="illness of the knee"),
    location=Location("Ward 7"),
    attendees=(Attendee("bob@example.test", "Bob"),),
    show_as=ShowAs.TENTATIVE,
)
WEEKLY = dataclasses.replace(
    series(
        "Surgery",
        TEN + timedelta(days=1),
        "FREQ=WEEKLY;BYDAY=TU;COUNT=5",
        SeriesException(TEN + timedelta(days=8), title="Surgery, again", description="the other knee"),
        SeriesException(TEN + timedelta(days=15), cancelled=True),
        SeriesException(TEN + timedelta(days=22), start=TEN + timedelta(days=22, hours=3)),
    ),
    description="illness",
)


def sides(world: ProviderWorld, source: str) -> tuple[Side, Side]:
    """Return where events are made, and the other side."""
    names = [source, *(name for name in world.sides if name != source)]
    return world.sides[names[0]], world.sides[names[1]]


def change(world: ProviderWorld, side: Side, **options: object) -> None:
    with world.ports.db.transaction() as session:
        change_link(session, world.ports, session.get_one(Link, side.link_id), **options)  # type: ignore[arg-type]
    world.sync()


def told(side: Side) -> str:
    """Return all that a provider was sent and all that it shows now."""
    shown = [side.control.raw(*_place(side), remote_id) for remote_id in side.events()]
    return json.dumps([side.control.writes(), shown]) + repr(list(side.events().values()))


def _place(side: Side) -> tuple[str, str]:
    return "ann@example.test", side.calendar


def times(content: EventContent) -> list[tuple[object, ...]]:
    when = content.when
    days = [(e.original_start, e.cancelled, e.start) for e in when.exceptions if e.cancelled or e.start]
    return [(when.start, when.end, when.recurrence), *days]


@pytest.mark.parametrize("source", ["google", "outlook"])
def test_a_busy_only_calendar_is_sent_nothing_but_when_it_is(world: ProviderWorld, source: str) -> None:
    here, there = sides(world, source)
    change(world, there, detail="busy_only", busy_title="{calendar}: {show_as}")
    here.create(SECRET)
    here.create(WEEKLY)
    world.sync()
    here.update(_single(here), description="illness, worse")
    world.sync()
    assert not any(secret in told(there) for secret in SECRETS)
    shown = {bool(c.when.is_series): c for c in there.events().values()}
    assert shown[True].title == "Hub: busy" and times(shown[True]) == times(WEEKLY)
    assert shown[False].title.startswith("Hub: ") and shown[False].when == SECRET.when
    world.assert_quiet()


def _single(side: Side) -> str:
    return next(i for i, content in side.events().items() if not content.when.is_series)


@pytest.mark.parametrize("source", ["google", "outlook"])
def test_a_copy_loses_its_text_and_gets_it_back(world: ProviderWorld, source: str) -> None:
    here, there = sides(world, source)
    here.create(SECRET)
    here.create(WEEKLY)
    there.create(timed("My own", TEN + timedelta(hours=5), description="mine"))
    world.sync()
    full = {c.title + str(c.when.is_series): c for c in there.events().values()}
    hub = world.hub_events()
    change(world, there, detail="busy_only")
    assert sorted(c.title for c in there.events().values()) == ["Busy", "Busy", "My own"]
    shown = repr([c for c in there.events().values() if c.title == "Busy"])
    assert not any(secret in shown for secret in SECRETS)
    assert there.by_title()["My own"].description == "mine"
    world.assert_quiet()
    change(world, there, detail="full")
    assert {c.title + str(c.when.is_series): c for c in there.events().values()} == full
    assert world.hub_events() == hub and world.mails() == []
    world.assert_quiet()


@pytest.mark.parametrize("source", ["google", "outlook"])
def test_events_come_and_go_as_they_pass_a_filter(world: ProviderWorld, source: str) -> None:
    here, there = sides(world, source)
    there.create(dataclasses.replace(all_day("My fair", date(2026, 12, 9)), show_as=ShowAs.FREE))
    change(world, there, filters={"free": False, "all_day": False})
    walk = here.create(dataclasses.replace(timed("Walk", TEN), show_as=ShowAs.FREE))
    fair = here.create(dataclasses.replace(all_day("Fair", date(2026, 12, 8)), show_as=ShowAs.BUSY))
    world.sync()
    assert sorted(there.by_title()) == ["My fair"]
    world.assert_quiet()
    here.update(walk, show_as=ShowAs.BUSY)
    here.update(fair, when=timed("", TEN + timedelta(days=1)).when)
    world.sync()
    assert sorted(there.by_title()) == ["Fair", "My fair", "Walk"]
    here.update(walk, show_as=ShowAs.FREE)
    world.sync()
    assert sorted(there.by_title()) == ["Fair", "My fair"]
    assert sorted(here.by_title()) == ["Fair", "My fair", "Walk"]
    world.assert_quiet()


@pytest.mark.parametrize("name", ["google", "outlook"])
@pytest.mark.parametrize("alone", ["description", "conference", "show_as", "status"])
def test_a_field_that_is_left_alone_keeps_no_other_from_being_written(
    world: ProviderWorld, name: str, alone: str
) -> None:
    side = world.sides[name]
    change(world, side, leave_alone=[alone])
    for number in range(4):
        world.api_creates(
            dataclasses.replace(
                timed(f"Call {number}", TEN + timedelta(hours=number), description=f"text {number}"),
                conference=Conference("https://zoom.us/j/1", "zoom"),
                location=Location("Room 1"),
                status=EventStatus.TENTATIVE,
            )
        )
    world.sync()
    link = world.get_link(side.link_id)
    assert (link.state, link.problem) == ("active", None)
    assert not [copy.problem for copy in world.copies(side.link_id) if copy.problem or copy.unkept]
    for number in range(4):
        shown = side.by_title()[f"Call {number}"]
        assert shown.location == Location("Room 1")
        assert alone == "description" or shown.description.startswith(f"text {number}")


def test_what_a_provider_gives_to_each_event_is_nobody_s_value(world: ProviderWorld) -> None:
    change(world, world.outlook, leave_alone=["reminders"], policy="provider")
    world.google.create(timed("Early", TEN, reminders=(Reminder(5),)))
    world.google.create(timed("Never", TEN, reminders=()))
    world.sync()
    change(world, world.outlook, leave_alone=[])
    for side in world.sides.values():
        assert [side.by_title()[title].reminders for title in ("Early", "Never")] == [(Reminder(5),), ()]
    world.assert_quiet()


@pytest.mark.parametrize("name", ["google", "outlook"])
def test_what_was_written_into_a_busy_copy_gives_way_to_what_the_event_does_not_say(
    world: ProviderWorld, name: str
) -> None:
    side = world.sides[name]
    change(world, side, detail="busy_only")
    world.api_creates(timed("Surgery", TEN))
    world.sync()
    side.update(side.find("Busy"), location=Location("Here"), description="my note")
    world.sync()
    change(world, side, detail="full")
    shown = side.by_title()["Surgery"]
    assert (shown.location, shown.description) == (None, "")
    kept = {conflict.field: conflict.provider_value["value"] for conflict in world.conflicts()}
    assert kept == {"location": {"name": "Here"}, "description": "my note"}
    world.assert_quiet(conflicts=2)
