"""DUP: what both sides hold already is linked and not copied; one calendar is one, however it is reached."""

from __future__ import annotations

import dataclasses
from collections import Counter
from datetime import date, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

import pytest
from sqlalchemy import select

from hub.accounts import connect
from hub.models import Link, RemoteCalendar, User
from hub.outbound import linking
from hub.outbound.linking import LinkingError
from hub.plugin.testing import all_day, series, timed
from hub.plugin.types import Attendee, EventContent, Person, SeriesException
from tests.provider_world import ANN, ProviderWorld, Side
from tests.scenarios.play import clear, link_more, other, pull, writes
from tests.world import World

TEN = datetime(2026, 12, 7, 10)
UID = "7kukuqrfedlm2f9t0vb5hd8e4g@boss.example.test"
BOSS = Person("boss@example.test", "Boss")
GUESTS = (Attendee(ANN, "Ann"), Attendee("bob@example.test", "Bob"))
CHANGED = SeriesException(TEN + timedelta(days=1), start=TEN + timedelta(days=1, hours=3))
MEETING = dataclasses.replace(timed("Review", TEN), organizer=BOSS, attendees=GUESTS)
MEETINGS = {
    "single": MEETING,
    "all-day": dataclasses.replace(all_day("Review", TEN.date()), organizer=BOSS, attendees=GUESTS),
    "series": dataclasses.replace(
        series("Review", TEN, "FREQ=DAILY;COUNT=4", CHANGED), organizer=BOSS, attendees=GUESTS
    ),
}


def invite(side: Side, content: EventContent = MEETING) -> str:
    """Have the boss's meeting arrive in Ann's calendar of one side."""
    return side.control.create(ANN, side.calendar, content, uid=UID)


def assert_one_meeting(world: ProviderWorld) -> None:
    for side in world.sides.values():
        assert list(Counter(c.title for c in side.events().values()).items()) == [("Review", 1)], side.name
    assert len(world.hub_events()) == 1
    calls = [call for side in world.sides.values() for call in writes(side)]
    assert [set(call["body"]) - {"id"} for call in calls if not call["path"].endswith("watch")] in (
        [],
        [{"reminders"}],
    ), "the other mailbox's reminder is Ann's own; nothing else is written"
    assert world.mails() == []


@pytest.mark.parametrize(
    ("first", "kind"), [("google", "single"), ("outlook", "series"), ("outlook", "all-day")]
)
def test_dup_12_a_meeting_that_both_addresses_were_invited_to_is_linked(
    unlinked: ProviderWorld, first: str, kind: str
) -> None:
    world = unlinked
    for name in world.sides:
        world.connect(name)
        invite(world.sides[name], MEETINGS[kind])
    for name in (first, other(world, first).name):
        world.link_primary(name)
        world.settle()
    world.sync()
    assert_one_meeting(world)
    world.assert_quiet()


@pytest.mark.parametrize(
    ("seen_first", "kind"), [("google", "single"), ("outlook", "series"), ("outlook", "all-day")]
)
def test_dup_12_an_invitation_that_comes_to_both_linked_calendars_is_one_event(
    world: ProviderWorld, seen_first: str, kind: str
) -> None:
    for side in world.sides.values():
        invite(side, MEETINGS[kind])
    pull(world, world.sides[seen_first])
    world.sync()
    assert_one_meeting(world)
    world.assert_quiet()


@pytest.mark.parametrize("late", ["google", "outlook"])
def test_dup_12_an_invitation_that_comes_to_one_calendar_after_it_was_copied_there_is_one_event(
    world: ProviderWorld, late: str
) -> None:
    invite(other(world, late))
    world.sync()
    assert list(world.sides[late].by_title()) == ["Review"]
    invite(world.sides[late])
    world.sync()
    for side in world.sides.values():
        assert [c.title for c in side.events().values()] == ["Review"], side.name
    assert list(world.sides[late].by_title()["Review"].attendees) != [], "the copy went, the meeting stays"
    assert len(world.hub_events()) == 1
    assert world.mails() == []
    world.assert_quiet()


def test_dup_12_a_meeting_that_ends_for_one_address_ends_for_the_other_as_one(world: ProviderWorld) -> None:
    ids = {side.name: invite(side) for side in world.sides.values()}
    world.sync()
    for side in world.sides.values():
        side.delete(ids[side.name])
    world.sync()
    assert world.hub_events() == world.google.events() == world.outlook.events() == {}
    world.assert_quiet()


def test_dup_13_two_calendars_that_another_tool_kept_equal_are_linked_event_by_event(memory: World) -> None:
    same = [timed(f"Event {n}", TEN + timedelta(hours=n)) for n in range(170)]
    same += [all_day(f"Day {n}", date(2026, 12, 7) + timedelta(days=n)) for n in range(20)]
    same += [series(f"Series {n}", TEN + timedelta(days=n), "FREQ=DAILY;COUNT=5") for n in range(10)]
    left, right = memory.connect("left"), memory.connect("right")
    for provider in ("left", "right"):
        for content in same:
            memory.person_creates(provider, content)
    links = [memory.link(left), memory.link(right)]
    memory.settle()
    assert memory.writes() == 0
    assert len(memory.hub_events()) == 200
    assert [len(memory.copies(link)) for link in links] == [200, 200]
    memory.wait(steps=3)
    assert memory.writes() == 0


def test_dup_13_events_that_only_look_the_same_are_linked_one_to_one(memory: World) -> None:
    left, right = memory.connect("left"), memory.connect("right")
    for provider, copies in (("left", 3), ("right", 2)):
        for _ in range(copies):
            memory.person_creates(provider, timed("Standup", TEN))
    memory.link(left)
    memory.link(right)
    memory.settle()
    memory.wait(steps=3)
    assert len(memory.hub_events()) == len(memory.remote("left")) == len(memory.remote("right")) == 3
    assert memory.writes() == 1


@pytest.mark.parametrize(("name", "direction"), [("google", "export"), ("outlook", "two_way")])
def test_dup_15_one_event_in_two_calendars_of_one_account_is_two_copies_that_do_not_clash(
    world: ProviderWorld, name: str, direction: str
) -> None:
    side = world.sides[name]
    family = link_more(world, name, direction=direction)
    event_id = world.api_creates(timed("Trip", TEN))
    world.sync()
    assert list(family.by_title()) == list(side.by_title()) == ["Trip"]
    assert set(family.events()) & set(side.events()) == set()
    family.delete(family.find("Trip"))
    world.sync()
    kept = [] if direction == "two_way" else ["Trip"]
    assert (list(family.by_title()), list(side.by_title())) == ([], kept)
    assert (event_id in world.hub_events()) == bool(kept)
    del world.sides[f"{name} Team"]
    world.assert_quiet()


def test_dup_20_a_calendar_reached_through_two_accounts_is_one_calendar(world: ProviderWorld) -> None:
    control = world.google.control
    control.add_person("ann@home.test")
    control._call("POST", "roles", {"person": "ann@home.test", "calendar": ANN, "role": "writer"})
    with world.ports.db.transaction() as session:
        begun = connect.begin(session, world.ports, session.get_one(User, "usr_1"), "google")
    back = control.consent(begun.authorization_url, "ann@home.test")
    query = dict(parse_qsl(urlsplit(back).query))
    second = connect.complete(world.ports, "google", query, None).account_id
    with pytest.raises(
        LinkingError, match=rf"already linked .* through {ANN}.*: a remote calendar is linked once"
    ):
        link_shared(world, second)
    world.google.create(timed("Lunch", TEN))
    world.sync()
    assert len(world.google.events()) == len(world.outlook.events()) == len(world.hub_events()) == 1
    with world.ports.db.transaction() as session:
        linking.delete_link(session, world.ports, session.get_one(Link, world.google.link_id))
    world.google.link_id = link_shared(world, second)
    world.settle()
    clear(world)
    world.outlook.update(world.outlook.find("Lunch"), title="Brunch")
    world.sync()
    assert {call["person"] for call in writes(world.google)} == {"ann@home.test"}
    assert list(world.google.by_title()) == ["Brunch"]
    assert len(world.google.events()) == len(world.outlook.events()) == len(world.hub_events()) == 1
    world.assert_quiet()


def link_shared(world: ProviderWorld, account_id: str) -> str:
    with world.ports.db.reading() as session:
        query = select(RemoteCalendar.name).where(
            RemoteCalendar.account_id == account_id, RemoteCalendar.remote_id == ANN
        )
        name = session.scalars(query).one()
    return world.link(account_id, name)
