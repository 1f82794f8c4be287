"""REC-36, the other way: a series that Outlook cannot hold goes over as single events in the window."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from hub.accounts.links import change_link
from hub.models import Actor, Conflict, Link
from hub.outbound import conflicts, linking
from hub.outbound.edit import Author
from hub.plugin.testing import series, timed
from hub.plugin.types import EventContent, SeriesException
from tests.planning import apply, make_plan, told
from tests.provider_world import ProviderWorld, Side
from tests.scenarios.play import agenda, clear, instances, lose_answer, occurrence, writes

FIRST = datetime(2026, 12, 1, 9)
TWICE = series("Twice a month", FIRST, "FREQ=MONTHLY;BYMONTHDAY=1,15;COUNT=6")
SHOWN = ["01-01 09:00", "01-15 09:00", "02-01 09:00", "02-15 09:00", "12-01 09:00", "12-15 09:00"]


@pytest.fixture
def world(unlinked: ProviderWorld) -> Iterator[ProviderWorld]:
    unlinked.link_primary("google")
    unlinked.link_primary("outlook", unholdable="singles")
    unlinked.settle()
    yield unlinked


def only_series(world: ProviderWorld) -> tuple[str, EventContent]:
    """Return the one event of the hub's calendar: the single events are not among them."""
    ((event_id, content),) = world.hub_events("cal_1").items()
    return event_id, content


def assert_same_days(world: ProviderWorld, title: str | None = None) -> list[str]:
    at_google = agenda(world, world.google, title)
    assert at_google == agenda(world, world.outlook, title)
    return at_google


def assert_still(world: ProviderWorld) -> None:
    """Nothing is written any more, whatever is listed again."""
    clear(world)
    for _ in range(2):
        world.advance(2000)
        world.wait(0)
        world.relist()
    assert world.writes() == []
    assert world.parked() == {} and world.conflicts() == []


@pytest.mark.parametrize("where", ["google", "api"])
def test_rec_36_each_occurrence_is_there_once_and_nothing_is_parked(world: ProviderWorld, where: str) -> None:
    if where == "api":
        world.api_creates(TWICE)
    else:
        world.google.create(TWICE)
    world.sync()
    assert assert_same_days(world) == SHOWN
    assert not any(content.when.is_series for content in world.outlook.events().values())
    assert len(world.google.events()) == 1
    assert only_series(world)[1].when.recurrence == TWICE.when.recurrence
    assert world.mails() == []
    assert_still(world)


def test_rec_36_later_changes_of_the_series_change_the_right_single_events(world: ProviderWorld) -> None:
    remote_id = world.google.create(TWICE)
    world.sync()
    before = world.outlook.events().keys()
    world.google.update(remote_id, title="Renamed")
    world.sync()
    assert assert_same_days(world, "Renamed") == SHOWN
    assert world.outlook.events().keys() == before
    moved = SeriesException(
        datetime(2026, 12, 15, 9), start=datetime(2026, 12, 16, 14), end=datetime(2026, 12, 16, 15)
    )
    gone = SeriesException(datetime(2027, 1, 1, 9), cancelled=True)
    clear(world)
    when = world.google.events()[remote_id].when
    world.google.update(remote_id, when=dataclasses.replace(when, exceptions=(moved, gone)))
    world.sync()
    assert assert_same_days(world) == [*SHOWN[1:5], "12-16 14:00"]
    assert [call["method"] for call in writes(world.outlook)] in (["PATCH", "DELETE"], ["DELETE", "PATCH"])
    world.google.update(remote_id, when=series("", FIRST, "FREQ=MONTHLY;BYMONTHDAY=1,20;COUNT=4").when)
    world.sync()
    assert assert_same_days(world) == ["01-01 09:00", "01-20 09:00", "12-01 09:00", "12-20 09:00"]
    world.google.delete(remote_id)
    world.sync()
    assert world.outlook.events() == world.hub_events() == {}
    assert_still(world)


def test_rec_36_what_a_person_does_to_a_single_event_becomes_an_exception_of_the_series(
    world: ProviderWorld,
) -> None:
    world.google.create(TWICE)
    world.sync()
    event_id, _ = only_series(world)
    outlook = world.outlook
    moved = timed("Moved", datetime(2026, 12, 16, 14))
    outlook.update(occurrence(world, outlook, "12-15"), title="Moved", when=moved.when)
    outlook.delete(occurrence(world, outlook, "01-01"))
    clear(world)
    world.sync()
    assert assert_same_days(world) == [*SHOWN[1:5], "12-16 14:00"]
    assert assert_same_days(world, "Moved") == ["12-16 14:00"]
    known, content = only_series(world)
    assert known == event_id
    assert [(e.original_start, e.cancelled, e.title) for e in content.when.exceptions] == [
        (datetime(2026, 12, 15, 9), False, "Moved"),
        (datetime(2027, 1, 1, 9), True, None),
    ]
    assert writes(outlook) == []
    world.google.update(world.google.find("Twice a month"), description="Agenda")
    world.sync()
    assert {c.description for c in outlook.events().values()} == {"Agenda"}
    assert assert_same_days(world, "Moved") == ["12-16 14:00"]
    assert_still(world)


def test_rec_36_a_single_event_is_moved_while_its_series_is_renamed_and_both_are_kept(
    world: ProviderWorld,
) -> None:
    remote_id = world.google.create(TWICE)
    world.sync()
    moved = timed("", datetime(2026, 12, 16, 14))
    world.outlook.update(occurrence(world, world.outlook, "12-15"), when=moved.when)
    world.google.update(remote_id, title="Renamed")
    world.sync()
    assert assert_same_days(world, "Renamed") == [*SHOWN[:5], "12-16 14:00"]
    assert_still(world)


def test_rec_36_a_single_event_that_is_edited_while_its_series_is_deleted_lives_on(
    world: ProviderWorld,
) -> None:
    remote_id = world.google.create(TWICE)
    world.sync()
    world.outlook.update(occurrence(world, world.outlook, "12-15"), title="Still on")
    world.google.delete(remote_id)
    world.sync()
    assert assert_same_days(world) == assert_same_days(world, "Still on") == ["12-15 09:00"]
    assert only_series(world)[1].title == "Still on"


def test_rec_36_an_occurrence_that_is_moved_past_its_neighbour_makes_single_events(
    world: ProviderWorld,
) -> None:
    weekly = series("Weekly", FIRST, "FREQ=WEEKLY;COUNT=4")
    remote_id = world.google.create(weekly)
    world.sync()
    assert [content.when.is_series for content in world.outlook.events().values()] == [True]
    over = FIRST + timedelta(weeks=1, days=8)
    moved = SeriesException(FIRST + timedelta(weeks=1), start=over, end=over + timedelta(hours=1))
    world.google.update(remote_id, when=dataclasses.replace(weekly.when, exceptions=(moved,)))
    world.sync()
    assert assert_same_days(world) == ["12-01 09:00", "12-15 09:00", "12-16 09:00", "12-22 09:00"]
    assert only_series(world)[1].when.exceptions == (moved,)
    assert_still(world)
    world.google.update(remote_id, when=weekly.when)
    world.sync()
    assert [content.when.is_series for content in world.outlook.events().values()] == [True]
    assert_still(world)


def test_rec_36_a_series_that_crosses_says_which_day_and_what_to_do(world: ProviderWorld) -> None:
    choose(world, "hold")
    weekly = series("Weekly", FIRST, "FREQ=WEEKLY;COUNT=4")
    over = FIRST + timedelta(weeks=1, days=8)
    moved = SeriesException(FIRST + timedelta(weeks=1), start=over, end=over + timedelta(hours=1))
    world.google.create(
        dataclasses.replace(weekly, when=dataclasses.replace(weekly.when, exceptions=(moved,)))
    )
    world.sync()
    reason = world.parked()["outlook", "Weekly"]
    assert "the occurrence of 2026-12-08 of “Weekly” to 2026-12-16" in reason
    assert "as single events" in reason


def test_rec_36_a_rule_that_can_be_held_again_is_a_series_again_and_back(world: ProviderWorld) -> None:
    remote_id = world.google.create(TWICE)
    world.sync()
    weekly = series("", FIRST, "FREQ=WEEKLY;BYDAY=TU;COUNT=4")
    world.google.update(remote_id, when=weekly.when)
    world.sync()
    assert assert_same_days(world) == [f"12-{n:02d} 09:00" for n in (1, 8, 15, 22)]
    (content,) = world.outlook.events().values()
    assert content.when.is_series
    world.google.update(remote_id, when=TWICE.when)
    world.sync()
    assert assert_same_days(world) == SHOWN and len(world.outlook.events()) == 6
    assert_still(world)


def test_rec_36_new_single_events_come_as_the_window_moves_on_and_old_ones_stay(world: ProviderWorld) -> None:
    world.google.create(series("Endless", FIRST, "FREQ=MONTHLY;BYMONTHDAY=1,15"))
    world.sync()
    before = set(world.outlook.events())
    assert len(before) == 27
    for _ in range(2):
        world.advance(60 * 86400)
        world.wait(0)
        world.sync()
    after = set(world.outlook.events())
    assert before < after and len(after) == 35
    assert len(world.hub_events("cal_1")) == 1


def test_rec_36_a_series_that_repeats_too_often_is_held_back_with_its_reason(world: ProviderWorld) -> None:
    world.google.create(series("Every four hours", FIRST, "FREQ=HOURLY;INTERVAL=4"))
    world.google.create(TWICE)
    world.sync()
    assert set(world.outlook.by_title()) == {"Twice a month"}
    assert world.parked().keys() == {("outlook", "Every four hours")}


def test_rec_36_the_choice_can_be_changed_and_deletes_nothing_of_anybody_else(world: ProviderWorld) -> None:
    world.google.create(TWICE)
    world.outlook.create(timed("Own", FIRST + timedelta(days=3)))
    world.sync()
    choose(world, "hold")
    assert set(world.outlook.by_title()) == {"Own"}
    assert world.parked().keys() == {("outlook", "Twice a month")}
    assert agenda(world, world.google, "Twice a month") == SHOWN, "the days are still there"
    choose(world, "singles")
    assert assert_same_days(world, "Twice a month") == SHOWN
    assert world.parked() == {}
    assert_still(world)


def choose(world: ProviderWorld, unholdable: str) -> None:
    with world.ports.db.transaction() as session:
        link = session.get_one(Link, world.outlook.link_id)
        change_link(session, world.ports, link, unholdable=unholdable)
    world.settle()
    world.sync()


def test_rec_36_both_sides_name_one_occurrence_and_the_conflict_can_be_turned_round(
    world: ProviderWorld,
) -> None:
    remote_id = world.google.create(TWICE)
    world.sync()
    second = datetime(2026, 12, 15, 9)
    world.outlook.update(occurrence(world, world.outlook, "12-15"), title="Outlook")
    named = SeriesException(second, title="Google")
    world.google.update(remote_id, when=dataclasses.replace(TWICE.when, exceptions=(named,)))
    world.sync()
    (stands,) = {agenda_title(world, side) for side in world.sides.values()}
    (conflict,) = world.conflicts()
    with world.ports.db.transaction() as session:
        held = session.get_one(Conflict, conflict.id)
        loser = "provider" if held.stands == "hub" else "hub"
        conflicts.resolve(session, world.ports, held, loser, Author(Actor.HUB))
    world.settle()
    world.sync()
    assert {agenda_title(world, side) for side in world.sides.values()} == {"Google", "Outlook"} - {stands}
    assert len(world.outlook.events()) == 6 and len(world.hub_events("cal_1")) == 1


def agenda_title(world: ProviderWorld, side: Side) -> str:
    """Return what the occurrence of 15 December is called at a provider."""
    (found,) = [
        item.get("summary", item.get("subject"))
        for item in instances(world, side)
        if item["start"].get("dateTime", "").startswith("2026-12-15")
    ]
    return str(found)


def test_rec_36_a_plan_tells_of_each_single_event_before_it_is_made_or_taken_away(
    world: ProviderWorld,
) -> None:
    choose(world, "hold")
    world.google.create(TWICE)
    world.sync()
    for choice, kind in (("singles", "create"), ("hold", "delete")):
        clear(world)
        plan_id = make_plan(world, (world.outlook.link_id, {"unholdable": choice}))
        lines = [f"remote {kind} Twice a month"] * 6
        assert [line for line in told(world, plan_id) if f" {kind} " in line] == lines
        assert world.writes() == []
        apply(world, plan_id)
        world.sync()
        assert len(writes(world.outlook)) == 6
    assert world.outlook.events() == {}


@pytest.mark.parametrize("how", ["cut", "500"])
def test_rec_36_a_create_whose_answer_was_lost_makes_no_second_single_event(
    world: ProviderWorld, how: str
) -> None:
    lose_answer(world.outlook, how, "POST", times=2)
    world.google.create(TWICE)
    world.sync()
    for _ in range(3):
        world.advance(300)
        world.wait(0)
    world.sync()
    assert assert_same_days(world) == SHOWN
    assert_still(world)


def test_rec_36_a_link_made_again_knows_its_single_events(world: ProviderWorld) -> None:
    world.google.create(TWICE)
    world.sync()
    before = world.outlook.events().keys()
    with world.ports.db.transaction() as session:
        linking.delete_link(session, world.ports, session.get_one(Link, world.outlook.link_id))
    world.settle()
    world.outlook.link_id = world.link(world.outlook.account_id, "Calendar", unholdable="singles")
    world.settle()
    world.sync()
    assert world.outlook.events().keys() == before
    assert assert_same_days(world) == SHOWN
    assert len(world.hub_events("cal_1")) == 1
    assert_still(world)
