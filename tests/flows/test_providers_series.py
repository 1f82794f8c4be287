"""Series between Google, the hub and Outlook: the same days at the same times everywhere, whoever wrote."""

from __future__ import annotations

import dataclasses
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from hub.plugin.testing import series, timed
from hub.plugin.types import EventContent, Location, SeriesException, When
from tests.provider_world import ProviderWorld, Side

WEDNESDAY = datetime(2026, 12, 2, 9)


def whole_days(
    title: str, first: date, rule: str, *exceptions: SeriesException, days: int = 1
) -> EventContent:
    when = When(first, first + timedelta(days=days), None, None, (f"RRULE:{rule}",), exceptions)
    return EventContent(when, title)


def in_zone(title: str, zone: str, rule: str) -> EventContent:
    return series(title, WEDNESDAY, rule, zone=zone)


RULES = [
    series("daily", WEDNESDAY, "FREQ=DAILY;COUNT=10"),
    series("every third day", WEDNESDAY, "FREQ=DAILY;INTERVAL=3"),
    series("weekly", WEDNESDAY, "FREQ=WEEKLY;BYDAY=MO,WE,FR"),
    series("weekly, plain", WEDNESDAY, "FREQ=WEEKLY"),
    series(
        "biweekly from Sunday", datetime(2026, 12, 1, 9), "FREQ=WEEKLY;INTERVAL=2;WKST=SU;BYDAY=TU,SU;COUNT=9"
    ),
    series("biweekly from Monday", datetime(2026, 12, 1, 9), "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,SU;COUNT=9"),
    series("last day", datetime(2026, 12, 31, 9), "FREQ=MONTHLY;BYMONTHDAY=-1"),
    series("on the 15th", datetime(2026, 12, 15, 9), "FREQ=MONTHLY;BYMONTHDAY=15;INTERVAL=2"),
    series("first Monday", datetime(2026, 12, 7, 9), "FREQ=MONTHLY;BYDAY=1MO"),
    series("last Friday", datetime(2026, 12, 25, 9), "FREQ=MONTHLY;BYDAY=-1FR;COUNT=7"),
    series("yearly", WEDNESDAY, "FREQ=YEARLY;COUNT=3"),
    series("Thanksgiving", datetime(2026, 11, 26, 9), "FREQ=YEARLY;BYMONTH=11;BYDAY=4TH"),
    series("until, over the clock change", WEDNESDAY, "FREQ=WEEKLY;UNTIL=20270407T070000Z"),
    series("until, before that day", WEDNESDAY, "FREQ=WEEKLY;UNTIL=20270407T065959Z"),
    series(
        "in Los Angeles",
        datetime(2026, 12, 2, 20),
        "FREQ=WEEKLY;UNTIL=20270204T040000Z",
        zone="America/Los_Angeles",
    ),
    series("in Auckland", datetime(2026, 12, 2, 8), "FREQ=DAILY;COUNT=200", zone="Pacific/Auckland"),
    series("in the gap", datetime(2027, 3, 21, 2, 30), "FREQ=DAILY;COUNT=14"),
    series("in the fold", datetime(2027, 10, 25, 2, 30), "FREQ=DAILY;COUNT=14"),
    series("ends in the fold", datetime(2027, 10, 25, 1, 30), "FREQ=DAILY;COUNT=14"),
    whole_days("birthday", date(2026, 12, 24), "FREQ=YEARLY"),
    whole_days("all-day until", date(2026, 12, 7), "FREQ=WEEKLY;BYDAY=MO;UNTIL=20270104"),
    whole_days("two days each month", date(2026, 12, 10), "FREQ=MONTHLY;BYMONTHDAY=10;COUNT=6", days=2),
    EventContent(
        When(
            datetime(2026, 12, 2, 22),
            datetime(2026, 12, 3, 2),
            "Europe/Berlin",
            "Europe/Berlin",
            ("RRULE:FREQ=WEEKLY",),
        ),
        "over midnight",
    ),
]

UNHOLDABLE = [
    series("on the 31st", datetime(2026, 12, 31, 9), "FREQ=MONTHLY;BYMONTHDAY=31"),
    series("hourly", WEDNESDAY, "FREQ=HOURLY;COUNT=5"),
    series("two days a month", datetime(2026, 12, 1, 9), "FREQ=MONTHLY;BYMONTHDAY=1,15"),
    series("set position", datetime(2026, 12, 1, 9), "FREQ=MONTHLY;BYDAY=MO,TU;BYSETPOS=-1;COUNT=4"),
    series("in Troll", WEDNESDAY, "FREQ=WEEKLY", zone="Antarctica/Troll"),
    EventContent(
        When(
            WEDNESDAY,
            WEDNESDAY + timedelta(hours=1),
            "Europe/Berlin",
            "Europe/Berlin",
            ("RDATE;TZID=Europe/Berlin:20261209T090000,20261218T090000",),
        ),
        "dates alone",
    ),
]


@pytest.mark.parametrize("source", ["google", "outlook", "api"])
def test_rec_every_rule_that_both_can_hold_makes_the_same_days_everywhere(
    world: ProviderWorld, source: str
) -> None:
    for content in RULES:
        create(world, source, content)
    world.assert_quiet()
    for side in world.sides.values():
        assert sorted(side.by_title()) == sorted(content.title for content in RULES)


def test_rec_25_36_a_rule_that_outlook_cannot_hold_is_parked_there_and_the_rest_goes_on(
    world: ProviderWorld,
) -> None:
    stuck = [named(c, f"{c.title} {source}") for c in UNHOLDABLE for source in ("google", "api")]
    for content in [*stuck, timed("the rest api", WEDNESDAY)]:
        create(world, content.title.split()[-1], content)
    world.assert_quiet(parked={("outlook", content.title) for content in stuck})
    assert list(world.outlook.by_title()) == ["the rest api"]
    assert all(world.parked().values())


def test_rec_36_a_parked_series_is_written_as_soon_as_its_rule_can_be_held(world: ProviderWorld) -> None:
    remote_id = world.google.create(UNHOLDABLE[0])
    world.sync()
    assert world.parked().keys() == {("outlook", "on the 31st")}
    world.google.update(remote_id, when=series("", datetime(2026, 12, 30, 9), "FREQ=WEEKLY").when)
    world.assert_quiet()


def test_rec_36_a_series_that_becomes_unholdable_keeps_its_old_rule_at_outlook_and_says_so(
    world: ProviderWorld,
) -> None:
    remote_id = world.google.create(series("Standup", WEDNESDAY, "FREQ=WEEKLY"))
    world.sync()
    world.google.update(remote_id, when=UNHOLDABLE[1].when)
    world.sync()
    assert world.outlook.by_title()["Standup"].when.recurrence == ("RRULE:FREQ=WEEKLY;BYDAY=WE",)
    world.assert_quiet(parked={("outlook", "Standup")})
    world.google.update(remote_id, when=series("", WEDNESDAY, "FREQ=DAILY;COUNT=3").when)
    world.assert_quiet()


CHANGES = (
    SeriesException(WEDNESDAY + timedelta(days=7), cancelled=True),
    SeriesException(WEDNESDAY + timedelta(days=8), cancelled=True),
    SeriesException(
        WEDNESDAY + timedelta(days=9),
        start=WEDNESDAY + timedelta(days=9, hours=3),
        end=WEDNESDAY + timedelta(days=9, hours=5),
    ),
    SeriesException(WEDNESDAY + timedelta(days=11), title="Special", location=Location("Elsewhere")),
    SeriesException(WEDNESDAY + timedelta(days=12), description="Bring cake"),
    SeriesException(
        WEDNESDAY + timedelta(days=14),
        start=WEDNESDAY + timedelta(days=14, hours=-1),
        end=WEDNESDAY + timedelta(days=14, hours=1),
        title="Early",
    ),
)
EDITORS = ("google", "outlook", "api")
STANDUP = series("Standup", WEDNESDAY, "FREQ=DAILY;COUNT=30")
CHANGED = dataclasses.replace(STANDUP, when=dataclasses.replace(STANDUP.when, exceptions=CHANGES))


def named(content: EventContent, title: str) -> EventContent:
    return dataclasses.replace(content, title=title)


def create(world: ProviderWorld, creator: str, content: EventContent) -> None:
    if creator == "api":
        world.api_creates(content)
    else:
        world.sides[creator].create(content)


def create_for_each_editor(world: ProviderWorld, content: EventContent) -> None:
    """Make one event per editor, titled like its editor."""
    for editor, creator in zip(EDITORS, ("outlook", "google", "google"), strict=True):
        create(world, creator, named(content, editor))
    world.sync()


def edit(world: ProviderWorld, editor: str, **changes: Any) -> None:
    """Change the event of that editor, as that editor."""
    if editor == "api":
        event_id, content = world.hub_event(editor)
        world.api_updates(event_id, dataclasses.replace(content, **changes))
    else:
        side = world.sides[editor]
        side.update(side.find(editor), **changes)


def changes_of(side: Side, title: str) -> tuple[SeriesException, ...]:
    return side.by_title()[title].when.exceptions


def agree_on_changes(world: ProviderWorld, title: str) -> tuple[SeriesException, ...]:
    ours = world.hub_event(title)[1].when.exceptions
    assert changes_of(world.google, title) == changes_of(world.outlook, title) == ours
    return ours


def test_rec_22_occurrences_changed_before_the_first_sync_arrive_with_their_series(
    world: ProviderWorld,
) -> None:
    for creator in EDITORS:
        create(world, creator, named(CHANGED, creator))
    world.assert_quiet()
    for creator in EDITORS:
        assert agree_on_changes(world, creator) == CHANGES


def test_rec_occurrences_changed_one_by_one_after_the_first_sync_arrive(world: ProviderWorld) -> None:
    create_for_each_editor(world, STANDUP)
    for count in range(1, len(CHANGES) + 1):
        when = dataclasses.replace(STANDUP.when, exceptions=CHANGES[:count])
        for editor in EDITORS:
            edit(world, editor, when=when)
        world.sync()
        for editor in EDITORS:
            assert agree_on_changes(world, editor) == CHANGES[:count]
    world.assert_quiet()


def test_rec_a_series_gets_other_texts_and_its_changed_occurrences_stay(world: ProviderWorld) -> None:
    create_for_each_editor(world, CHANGED)
    for editor in EDITORS:
        edit(world, editor, description="New text", location=Location("Room 2"))
    world.assert_quiet()
    for editor in EDITORS:
        assert world.google.by_title()[editor].description == "New text"
        kept = agree_on_changes(world, editor)
        assert {e.original_start for e in CHANGES} == {e.original_start for e in kept}


def test_rec_41_a_series_is_moved_and_what_becomes_of_its_changes_is_the_same_everywhere(
    world: ProviderWorld,
) -> None:
    create_for_each_editor(world, CHANGED)
    for editor in EDITORS:
        edit(world, editor, when=series("", WEDNESDAY + timedelta(hours=2), "FREQ=DAILY;COUNT=30").when)
    world.assert_quiet()
    for editor in EDITORS:
        agree_on_changes(world, editor)
        assert world.outlook.by_title()[editor].when.start == WEDNESDAY + timedelta(hours=2)


def test_rec_19_a_series_gets_another_rule_and_keeps_the_changes_that_still_have_a_day(
    world: ProviderWorld,
) -> None:
    create_for_each_editor(world, CHANGED)
    rule = ("RRULE:FREQ=WEEKLY;BYDAY=WE,FR,SU;COUNT=12",)
    for editor in EDITORS:
        when = dataclasses.replace(STANDUP.when, recurrence=rule, exceptions=CHANGES[2:4])
        edit(world, editor, when=when)
    world.assert_quiet()
    for editor in EDITORS:
        assert agree_on_changes(world, editor) == CHANGES[2:4]


def test_rec_changes_that_a_new_rule_has_no_day_for_are_left_out_and_hold_nothing_up(
    world: ProviderWorld,
) -> None:
    create(world, "google", named(CHANGED, "api"))
    world.sync()
    weekly = ("RRULE:FREQ=WEEKLY;BYDAY=WE;COUNT=12",)
    edit(world, "api", when=dataclasses.replace(STANDUP.when, recurrence=weekly, exceptions=CHANGES))
    world.sync()
    assert world.parked() == {}
    assert changes_of(world.google, "api") == changes_of(world.outlook, "api") == (CHANGES[0], CHANGES[-1])


def test_rec_17_18_a_single_event_becomes_a_series_and_a_single_one_again(world: ProviderWorld) -> None:
    create_for_each_editor(world, timed("", WEDNESDAY))
    for editor in EDITORS:
        edit(world, editor, when=series("", WEDNESDAY, "FREQ=WEEKLY;COUNT=5").when)
    world.sync()
    assert all(c.when.is_series for side in world.sides.values() for c in side.events().values())
    for editor in EDITORS:
        edit(world, editor, when=timed("", WEDNESDAY + timedelta(days=1)).when)
    world.assert_quiet()
    assert not any(c.when.is_series for side in world.sides.values() for c in side.events().values())


def test_tim_a_timed_event_becomes_all_day_and_timed_again(world: ProviderWorld) -> None:
    create_for_each_editor(world, timed("", WEDNESDAY))
    for editor in EDITORS:
        edit(world, editor, when=When(date(2026, 12, 2), date(2026, 12, 4)))
    world.sync()
    assert all(c.when.all_day for side in world.sides.values() for c in side.events().values())
    for editor in EDITORS:
        edit(world, editor, when=timed("", WEDNESDAY).when)
    world.assert_quiet()
    assert not any(c.when.all_day for side in world.sides.values() for c in side.events().values())


def test_rec_14_15_45_this_and_following_at_google_splits_the_series_everywhere(world: ProviderWorld) -> None:
    remote_id = world.google.create(CHANGED)
    world.sync()
    split = WEDNESDAY + timedelta(days=10)
    kept = tuple(e for e in CHANGES if e.original_start < split)
    old = series("", WEDNESDAY, "FREQ=DAILY;UNTIL=20261212T075959Z", *kept)
    world.google.update(remote_id, when=old.when)
    world.google.create(series("Later", split + timedelta(hours=1), "FREQ=DAILY;COUNT=20"))
    world.assert_quiet()
    assert agree_on_changes(world, "Standup") == kept
    for side in world.sides.values():
        assert sorted(side.by_title()) == ["Later", "Standup"]


def test_rec_21_every_occurrence_of_a_series_is_deleted_one_by_one(world: ProviderWorld) -> None:
    short = series("", WEDNESDAY, "FREQ=DAILY;COUNT=3")
    create_for_each_editor(world, short)
    for count in range(1, 4):
        gone = tuple(SeriesException(WEDNESDAY + timedelta(days=n), cancelled=True) for n in range(count))
        for editor in EDITORS:
            edit(world, editor, when=dataclasses.replace(short.when, exceptions=gone))
        world.sync()
    world.assert_quiet()


def test_rec_19_an_occurrence_that_the_api_brings_back_is_back_at_both_providers(
    world: ProviderWorld,
) -> None:
    create(world, "google", named(CHANGED, "api"))
    world.sync()
    edit(world, "api", when=dataclasses.replace(STANDUP.when, exceptions=CHANGES[1:]))
    world.assert_quiet()
    assert agree_on_changes(world, "api") == CHANGES[1:]


@pytest.mark.parametrize("method", ["DELETE", "PATCH"])
def test_a_series_whose_changed_days_were_cut_off_while_it_was_written_gets_them_after_all(
    world: ProviderWorld, method: str
) -> None:
    day = WEDNESDAY + timedelta(days=7)
    off, moved = SeriesException(day, cancelled=True), SeriesException(day + timedelta(days=7), title="Other")
    content = series("Weekly", WEDNESDAY, "FREQ=WEEKLY;COUNT=6")
    content = dataclasses.replace(content, when=dataclasses.replace(content.when, exceptions=(off, moved)))
    world.outlook.control.fault("reset_before", method=method)
    world.api_creates(content)
    world.settle()
    world.advance(30)
    world.wait(0)
    assert agree_on_changes(world, "Weekly") == (off, moved)
    assert world.conflicts() == []
    world.assert_quiet()
