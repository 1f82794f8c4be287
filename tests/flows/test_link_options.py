"""What a link copies and shows, and what a change of that does: never at the cost of what people made."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hub.accounts.links import change_link, rename_calendar
from hub.keeping import sweep
from hub.models import Calendar, Link
from hub.outbound.linking import delete_link
from hub.outbound.push import push_link
from hub.plugin.testing import timed
from hub.plugin.types import (
    Answer,
    Attendee,
    Conference,
    EventContent,
    Location,
    Person,
    PushCreate,
    PushUpdate,
    Reminder,
    SeriesException,
    ShowAs,
    When,
)
from tests.memory_provider import MemoryPlugin
from tests.planning import actions, apply, contents, foretold, happened, make_plan, same_events, told
from tests.world import World

NOON = datetime(2026, 12, 3, 12)
SECRETS = ("Surgery", "Ward", "illness", "meet.test", "dr@example.test", "health")
SECRET = dataclasses.replace(
    timed("Surgery", NOON, description="illness"),
    location=Location("Ward 7"),
    attendees=(Attendee("dr@example.test"),),
    conference=Conference("https://meet.test/x"),
    categories=("health",),
)


def made(url: str, home: Path, *plugins: MemoryPlugin) -> World:
    """`left` shows everything; its calendar is linked already, that of `right` is for the test to link."""
    world = World(url, home, *plugins)
    world.connect("left")
    world.connect("right")
    world.link("acc_left_ann")
    world.settle()
    return world


@pytest.fixture
def world(tmp_path: Path, sqlite_url: str) -> World:
    return made(sqlite_url, tmp_path)


@pytest.fixture
def on_each_database(tmp_path: Path, database_url: str) -> World:
    return made(database_url, tmp_path)


def linked(world: World, **options: Any) -> str:
    link_id = world.link("acc_right_ann", **options)
    world.settle()
    return link_id


def change(world: World, link_id: str, **options: Any) -> None:
    """Change a link as its plan says: first look, then do exactly that."""
    plan_id = make_plan(world, (link_id, options))
    before = contents(world)
    apply(world, plan_id)
    after = contents(world)
    assert happened(world, before, after) == foretold(world, plan_id, same_events(world, before))
    assert_quiet(world)


def assert_quiet(world: World) -> None:
    before = contents(world)
    world.wait(steps=2)
    assert contents(world) == before


def only(events: dict[str, Any]) -> tuple[str, Any]:
    (found,) = events.items()
    return found


def alike(events: dict[str, EventContent]) -> list[str]:
    """Return events to be compared, without their guests: no copy carries them."""
    return sorted(repr(dataclasses.replace(content, attendees=())) for content in events.values())


def daily(*exceptions: SeriesException, **values: Any) -> EventContent:
    when = dataclasses.replace(
        timed("", NOON).when, recurrence=("RRULE:FREQ=DAILY;COUNT=5",), exceptions=exceptions
    )
    return dataclasses.replace(timed("Stand-up", NOON), when=when, **values)


def day(n: int, **values: Any) -> SeriesException:
    return SeriesException(NOON + timedelta(days=n), **values)


def pushes(world: World) -> list[Any]:
    """Return whatever is handed to `right` for writing from now on."""
    written = world.services["right"].pushed
    written.clear()
    return written


# --- busy only ---


@pytest.mark.parametrize("content", [SECRET, daily(day(1, title="Surgery"), day(2, cancelled=True))])
def test_nothing_of_an_event_but_when_it_is_reaches_a_busy_only_calendar(
    world: World, content: EventContent
) -> None:
    written = pushes(world)
    linked(world, detail="busy_only", busy_title="{calendar} ({show_as})")
    left_id = world.person_creates("left", content)
    world.settle()
    world.person_updates("left", left_id, dataclasses.replace(content, title="Surgery II", priority=1))
    world.settle()
    assert world.titles("right") == ["Hub (busy)"]
    assert len(written) == 1, "the new title is nothing that is seen there"
    assert not any(secret in repr(written) for secret in SECRETS)
    assert_quiet(world)


def test_more_or_less_detail_rewrites_the_copies_and_no_event(on_each_database: World) -> None:
    world = on_each_database
    link_id = linked(world)
    world.person_creates("left", SECRET)
    theirs = world.person_creates("right", timed("Their own", NOON, description="theirs"))
    series = world.api_creates(
        daily(day(1, title="Surgery"), day(2, start=NOON + timedelta(days=2, hours=1)))
    )
    world.settle()
    before = world.hub_events()
    change(world, link_id, detail="busy_only", busy_title="Taken")
    assert world.titles("right") == ["Taken", "Taken", "Their own"]
    assert world.remote("right")[theirs].description == "theirs"
    hidden = [c for i, c in world.remote("right").items() if i != theirs]
    assert not any(secret in repr(hidden) for secret in SECRETS)
    assert world.hub_events() == before
    change(world, link_id, busy_title="Away")
    assert world.titles("right") == ["Away", "Away", "Their own"]
    change(world, link_id, detail="full")
    assert alike(world.remote("right")) == alike(before)
    assert world.hub_events() == before and world.conflicts() == []
    assert before[series].when.exceptions


def test_what_people_make_of_a_busy_copy_is_no_edit_of_the_event_but_for_its_time(world: World) -> None:
    link_id = linked(world, detail="busy_only")
    event_id = world.api_creates(SECRET)
    world.settle()
    right_id, busy = only(world.remote("right"))
    later = dataclasses.replace(busy.when, end=NOON + timedelta(hours=3))
    world.person_updates("right", right_id, dataclasses.replace(busy, when=later, title="Dentist?"))
    world.settle()
    assert world.hub_events()[event_id] == dataclasses.replace(SECRET, when=later)
    assert world.remote("right")[right_id].title == "Dentist?"
    assert_quiet(world)
    change(world, link_id, detail="full")
    assert alike(world.remote("right")) == alike(world.hub_events())
    (told,) = world.conflicts()
    assert (told.field, told.hub_value["value"], told.provider_value["value"]) == (
        "title", "Surgery", "Dentist?",
    )  # fmt: skip


def test_what_people_write_into_a_day_of_a_busy_series_is_kept_once_the_copy_is_written_anew(
    world: World,
) -> None:
    link_id = linked(world, detail="busy_only")
    world.api_creates(daily(day(1, title="Surgery"), day(2, cancelled=True), title="Ward"))
    world.settle()
    right_id, busy = only(world.remote("right"))
    when = dataclasses.replace(busy.when, exceptions=(*busy.when.exceptions, day(3, title="Dentist?")))
    world.person_updates("right", right_id, dataclasses.replace(busy, when=when))
    world.settle()
    change(world, link_id, detail="full")
    assert alike(world.remote("right")) == alike(world.hub_events())
    (told,) = world.conflicts()
    days = [
        [(d.get("title"), d.get("cancelled")) for d in side["value"]["exceptions"]]
        for side in (told.hub_value, told.provider_value)
    ]
    ours = [("Surgery", None), (None, True)]
    assert (told.field, days) == ("when", [ours, [*ours, ("Dentist?", None)]])


def test_what_people_make_in_a_busy_only_calendar_is_an_event_like_any_other(world: World) -> None:
    written = pushes(world)
    link_id = linked(world, detail="busy_only")
    right_id = world.person_creates("right", daily(day(1, title="Mine"), title="Gym", description="mine"))
    world.settle()
    event_id, event = only(world.hub_events())
    assert event.title == "Gym" and world.titles("left") == ["Gym"]
    world.person_updates("right", right_id, dataclasses.replace(event, title="Gym with Bo"))
    world.settle()
    assert world.hub_titles() == world.titles("left") == ["Gym with Bo"] and written == []
    when = dataclasses.replace(event.when, exceptions=(day(1, title="Surgery"), day(3, cancelled=True)))
    world.api_updates(event_id, dataclasses.replace(event, title="Surgery", description="illness", when=when))
    world.settle()
    shown = world.remote("right")[right_id]
    assert (shown.title, shown.description) == ("Gym with Bo", "mine")
    assert shown.when.exceptions == (day(1, title="Mine"), day(3, cancelled=True))
    assert not any(secret in repr(written) for secret in SECRETS)
    assert_quiet(world)
    change(world, link_id, detail="full")
    assert world.titles("right") == ["Surgery"]


def test_an_edit_that_nobody_has_seen_yet_is_kept_when_its_copy_is_masked(world: World) -> None:
    link_id = linked(world)
    world.api_creates(SECRET)
    world.settle()
    right_id, content = only(world.remote("right"))
    world.queue.lossy = True
    world.clock.advance(60)
    world.person_updates("right", right_id, dataclasses.replace(content, title="Written there"))
    world.queue.lossy = False
    with world.ports.db.transaction() as session:
        change_link(session, world.ports, session.get_one(Link, link_id), detail="busy_only")
    world.settle()
    world.wait()
    assert world.titles("right") == ["Busy"] and world.hub_titles() == ["Surgery"]
    (told,) = world.conflicts()
    assert told.provider_value["value"] == "Written there"


def test_a_new_name_of_the_calendar_reaches_the_titles_that_name_it(world: World) -> None:
    linked(world, detail="busy_only", busy_title="{calendar}")
    world.api_creates(SECRET)
    world.settle()
    with world.ports.db.transaction() as session:
        rename_calendar(session, world.ports, session.get_one(Calendar, "cal_1"), "Ann")
    world.settle()
    assert world.titles("right") == ["Ann"] and world.titles("left") == ["Surgery"]


def test_a_calendar_that_was_linked_busy_only_before_is_known_again(world: World) -> None:
    link_id = linked(world, detail="busy_only")
    world.api_creates(SECRET)
    world.settle()
    with world.ports.db.transaction() as session:
        delete_link(session, world.ports, session.get_one(Link, link_id))
    linked(world)
    assert world.titles("right") == world.hub_titles() == world.titles("left") == ["Surgery"]


# --- filters ---

FREE = dataclasses.replace(timed("Free", NOON), show_as=ShowAs.FREE)
BUSY = timed("Busy time", NOON)
ALL_DAY = EventContent(When(NOON.date(), NOON.date() + timedelta(days=1)), title="Fair")
WORK = dataclasses.replace(timed("Report", NOON), categories=("Work",))
HOME = dataclasses.replace(timed("Party", NOON), categories=("home", "Fun"))
DECLINED = dataclasses.replace(
    timed("Declined", NOON), organizer=Person("bo@example.test"), own_answer=Answer.DECLINED
)


@pytest.mark.parametrize(
    ("filters", "passes", "fails"),
    [
        ({}, BUSY, DECLINED),
        ({"free": False}, BUSY, FREE),
        ({"all_day": False}, BUSY, ALL_DAY),
        ({"only_categories": ["work"]}, WORK, HOME),
        ({"without_categories": ["Home"]}, WORK, HOME),
        ({"past": False}, BUSY, timed("Over", NOON - timedelta(days=30))),
    ],
)
@pytest.mark.parametrize("direction", ["two_way", "export"])
def test_an_event_is_there_as_long_as_it_passes(
    world: World, filters: dict[str, Any], passes: EventContent, fails: EventContent, direction: str
) -> None:
    linked(world, filters=filters, direction=direction)
    left_id = world.person_creates("left", fails)
    world.settle()
    assert world.titles("right") == [] and world.hub_titles() == [fails.title]
    assert_quiet(world)
    for content in (passes, fails, passes):
        world.clock.advance(10)
        world.person_updates("left", left_id, content)
        world.settle()
        world.wait()
        assert world.titles("right") == ([content.title] if content is passes else [])
        assert world.hub_titles() == world.titles("left") == [content.title]
    assert_quiet(world)
    world.person_deletes("left", left_id)
    world.settle()
    assert world.titles("right") == world.hub_titles() == []


def test_what_a_person_made_there_stays_whatever_becomes_of_it(world: World) -> None:
    linked(world, filters={"free": False})
    right_id = world.person_creates("right", FREE)
    world.settle()
    event_id, _ = only(world.hub_events())
    world.api_updates(event_id, dataclasses.replace(FREE, title="Still free"))
    world.settle()
    assert world.remote("right")[right_id].title == "Still free"
    world.api_deletes(event_id)
    world.settle()
    assert world.titles("right") == []


def test_a_day_that_was_declined_is_absent_and_comes_back(world: World) -> None:
    linked(world)
    meeting = daily(day(1, own_answer=Answer.DECLINED, title="Late"), own_answer=Answer.ACCEPTED)
    left_id = world.person_creates("left", meeting)
    world.settle()
    right_id, shown = only(world.remote("right"))
    assert shown.when.exceptions == (day(1, cancelled=True),)
    assert only(world.hub_events())[1].when.exceptions == meeting.when.exceptions
    assert_quiet(world)
    longer = dataclasses.replace(shown.when, end=NOON + timedelta(hours=2))
    world.clock.advance(10)
    world.person_updates("right", right_id, dataclasses.replace(shown, when=longer))
    world.settle()
    assert only(world.hub_events())[1].when == dataclasses.replace(meeting.when, end=longer.end)
    accepted = dataclasses.replace(meeting.when, end=longer.end, exceptions=(day(1, title="Late"),))
    world.clock.advance(10)
    world.person_updates("left", left_id, dataclasses.replace(meeting, when=accepted))
    world.settle()
    assert world.remote("right")[right_id].when == accepted
    assert_quiet(world)


def test_an_event_that_is_over_is_taken_away_where_only_coming_ones_are_copied(
    on_each_database: World,
) -> None:
    world = on_each_database
    linked(world, filters={"past": False})
    theirs = world.person_creates("right", timed("Theirs", NOON))
    world.api_creates(timed("Ours", NOON))
    world.api_creates(dataclasses.replace(daily(), title="Goes on"))
    world.settle()
    assert world.titles("right") == ["Goes on", "Ours", "Theirs"]
    world.clock.advance(3 * 86400)
    sweep.sweep(world.ports)
    world.settle()
    assert world.titles("right") == ["Goes on", "Theirs"] and theirs in world.remote("right")
    assert world.titles("left") == world.hub_titles() == ["Goes on", "Ours", "Theirs"]
    assert_quiet(world)


def test_another_filter_takes_away_only_what_the_hub_made_and_brings_it_back(
    on_each_database: World,
) -> None:
    world = on_each_database
    link_id = linked(world)
    theirs = world.person_creates("right", dataclasses.replace(FREE, title="Theirs"))
    world.api_creates(FREE)
    world.api_creates(BUSY)
    world.settle()
    plan_id = make_plan(world, (link_id, {"filters": {"free": False}}))
    assert told(world, plan_id) == ["remote delete Free"]
    assert [a.reason for a in actions(world, plan_id)] == [
        "The link copies no events whose time counts as free."
    ]
    change(world, link_id, filters={"free": False})
    assert world.titles("right") == ["Busy time", "Theirs"] and theirs in world.remote("right")
    assert world.hub_titles() == world.titles("left") == ["Busy time", "Free", "Theirs"]
    assert told(world, make_plan(world, (link_id, {}))) == ["hub stay Free"]
    change(world, link_id, filters={"free": True})
    assert world.titles("right") == world.hub_titles()
    assert world.get_link(link_id).filters["declined"] is False


def test_what_the_hub_took_away_and_a_person_removed_are_two_things(world: World) -> None:
    link_id = linked(world, direction="export", filters={"free": False})
    removed = world.api_creates(BUSY)
    world.api_creates(FREE)
    world.settle()
    world.person_deletes("right", only(world.remote("right"))[0])
    world.settle()
    change(world, link_id, filters={"free": True})
    assert world.titles("right") == ["Free"]
    world.api_updates(removed, dataclasses.replace(BUSY, title="Still away"))
    world.settle()
    assert world.titles("right") == ["Free"]


def test_an_edit_on_the_way_is_taken_over_before_its_copy_is_taken_away(world: World) -> None:
    link_id = linked(world)
    event_id = world.api_creates(FREE)
    world.settle()
    right_id, _ = only(world.remote("right"))
    world.queue.lossy = True
    world.clock.advance(10)
    world.person_updates("right", right_id, dataclasses.replace(FREE, title="Edited there"))
    world.queue.lossy = False
    with world.ports.db.transaction() as session:
        change_link(session, world.ports, session.get_one(Link, link_id), filters={"free": False})
    world.settle()
    world.wait()
    assert world.hub_events()[event_id].title == "Edited there" and world.titles("right") == []
    assert_quiet(world)


def test_a_person_who_deletes_what_the_hub_is_about_to_take_away_has_deleted_the_event(world: World) -> None:
    link_id = linked(world)
    world.person_creates("left", SECRET)
    world.settle()
    world.queue.lossy = True
    with world.ports.db.transaction() as session:
        change_link(
            session, world.ports, session.get_one(Link, link_id), filters={"without_categories": ["health"]}
        )
    world.person_deletes("right", only(world.remote("right"))[0])
    world.queue.lossy = False
    push_link(world.ports, link_id)
    world.settle()

    assert world.hub_titles() == world.titles("left") == world.titles("right") == []
    assert_quiet(world)


def test_an_edit_that_keeps_an_event_from_a_calendar_wins_over_its_deletion_there_and_that_is_told(
    world: World,
) -> None:
    link_id = linked(world, filters={"without_categories": ["health"]})
    event_id = world.api_creates(timed("Run", NOON))
    world.settle()
    world.queue.lossy = True
    world.api_updates(event_id, timed("Run", NOON, categories=("health",)))
    world.person_deletes("right", only(world.remote("right"))[0])
    world.queue.lossy = False
    push_link(world.ports, link_id)
    world.settle()
    world.wait()

    assert world.hub_titles() == world.titles("left") == ["Run"]
    assert world.titles("right") == []
    assert [(c.field, c.kept) for c in world.conflicts()] == [("deleted", "hub")]
    assert_quiet(world)


def test_a_new_link_tells_what_it_leaves_out(world: World) -> None:
    world.api_creates(FREE)
    world.api_creates(BUSY)
    world.settle()
    plan_id = make_plan(world, ("acc_right_ann", {"filters": {"free": False}}))
    assert told(world, plan_id) == ["remote create Busy time", "hub stay Free"]
    apply(world, plan_id)
    assert world.titles("right") == ["Busy time"]


# --- fields that are left alone ---


def test_a_field_that_is_left_alone_is_in_no_request_in_either_direction(world: World) -> None:
    written = pushes(world)
    linked(world, leave_alone=["reminders"])
    reminded = dataclasses.replace(daily(day(1, reminders=(Reminder(5),))), reminders=(Reminder(10),))
    left_id = world.person_creates("left", reminded)
    world.settle()
    right_id, shown = only(world.remote("right"))
    assert shown.reminders is None and shown.when.exceptions == ()
    own = dataclasses.replace(shown, reminders=(Reminder(99),), title="Renamed there")
    world.person_updates("right", right_id, own)
    world.settle()
    assert only(world.hub_events())[1] == dataclasses.replace(reminded, title="Renamed there")
    world.person_updates(
        "left", left_id, dataclasses.replace(reminded, reminders=(Reminder(1),), title="Renamed here")
    )
    world.settle()
    assert world.remote("right")[right_id] == dataclasses.replace(own, title="Renamed here")
    theirs = world.person_creates("right", timed("Theirs", NOON, reminders=(Reminder(3),)))
    world.settle()
    (event,) = (c for c in world.hub_events().values() if c.title == "Theirs")
    assert event.reminders is None and world.remote("right")[theirs].reminders == (Reminder(3),)
    for push in written:
        assert isinstance(push, PushCreate | PushUpdate) and "reminders" not in push.fields
    assert len(written) == 2
    assert_quiet(world)


def test_a_field_that_is_left_alone_no_longer_is_compared_as_at_a_first_meeting(world: World) -> None:
    link_id = linked(world, leave_alone=["location", "description"])
    ids = [world.api_creates(timed(title, NOON)) for title in ("Here", "There", "Both")]
    world.settle()
    places = {content.title: (i, content) for i, content in world.remote("right").items()}
    for title in ("There", "Both"):
        right_id, content = places[title]
        world.person_updates("right", right_id, dataclasses.replace(content, location=Location("Rome")))
    for event_id, title in ((ids[0], "Here"), (ids[2], "Both")):
        world.api_updates(event_id, dataclasses.replace(timed(title, NOON), location=Location("Oslo")))
    world.settle()
    change(world, link_id, leave_alone=["description"], policy="hub")
    held = {c.title: c.location and c.location.name for c in world.hub_events().values()}
    assert held == {"Here": "Oslo", "There": "Rome", "Both": "Oslo"}
    assert {c.title: c.location and c.location.name for c in world.remote("right").values()} == held
    (told_of,) = world.conflicts()
    assert (told_of.field, told_of.provider_value["value"]) == ("location", {"name": "Rome"})


def test_a_run_of_before_does_not_undo_what_was_changed_while_it_worked(world: World) -> None:
    link_id = linked(world)
    world.api_creates(SECRET)

    def mask() -> None:
        with world.ports.db.transaction() as session:
            change_link(session, world.ports, session.get_one(Link, link_id), detail="busy_only")

    world.services["right"].after_write = mask
    world.settle()
    world.wait(steps=2)
    assert world.titles("right") == ["Busy"] and world.hub_titles() == ["Surgery"]
    assert_quiet(world)


def test_options_hold_where_a_provider_keeps_less(tmp_path: Path, sqlite_url: str) -> None:
    lossy = MemoryPlugin("right", lossy=("location", "show_as", "attendees"))
    world = made(sqlite_url, tmp_path, MemoryPlugin("left"), lossy)
    link_id = linked(world, detail="busy_only", filters={"free": False})
    left_id = world.person_creates("left", SECRET)
    world.settle()
    change(world, link_id, detail="full")
    world.clock.advance(10)
    world.person_updates("left", left_id, dataclasses.replace(SECRET, show_as=ShowAs.FREE))
    world.settle()
    assert world.titles("right") == [] and world.conflicts() == []
    assert_quiet(world)
