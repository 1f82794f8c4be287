"""LOS: edits on both sides, edits under way, and writes that know which version they were made from."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta
from typing import Any

import pytest

from hub.plugin.testing import all_day, series, timed
from hub.plugin.types import EventContent, Location, SeriesException, ShowAs
from tests.provider_world import ProviderWorld, Side
from tests.scenarios.play import clear, later, lose_answer, other, pull, writes
from tests.world import World

TEN = datetime(2026, 12, 7, 10)
LUNCH = timed("Lunch", TEN, description="Soup", location=Location("Canteen"))
WEEKLY = series("Jour", TEN, "FREQ=WEEKLY;COUNT=4")
KINDS = {"single": LUNCH, "all-day": all_day("Off", TEN.date()), "series": WEEKLY}
SIDES = ["google", "outlook"]


def both(world: ProviderWorld, content: EventContent = LUNCH, origin: str = "google") -> tuple[str, str]:
    """Put an event into both calendars; return its ids at Google and at Outlook."""
    world.sides[origin].create(content)
    world.sync()
    clear(world)
    return world.google.find(content.title), world.outlook.find(content.title)


@pytest.mark.parametrize(
    ("deleted_in", "kind", "order"),
    [
        ("google", "single", "deleted first"),
        ("outlook", "series", "deleted first"),
        ("google", "series", "edited first"),
        ("outlook", "all-day", "edited first"),
    ],
)
def test_los_01_an_edit_wins_over_a_deletion_between_two_syncs_and_is_told(
    world: ProviderWorld, deleted_in: str, kind: str, order: str
) -> None:
    ids = dict(zip(SIDES, both(world, KINDS[kind], deleted_in), strict=True))
    side, edited = world.sides[deleted_in], other(world, deleted_in)
    if order == "deleted first":
        side.delete(ids[deleted_in])
    edited.update(ids[edited.name], title="Still on")
    if order == "edited first":
        side.delete(ids[deleted_in])
    world.sync()
    for place in world.sides.values():
        assert list(place.by_title()) == ["Still on"]
    assert [c.field for c in world.conflicts()] == ["deleted"]
    world.assert_quiet(conflicts=1)


PAIRS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"title": "T2"}, {"location": Location("R5")}),
    ({"description": "D2"}, {"show_as": ShowAs.FREE}),
    ({"when": timed("", TEN + timedelta(hours=3)).when}, {"title": "T2"}),
]


@pytest.mark.parametrize(
    ("first", "ours", "theirs"), [("google", *PAIRS[0]), ("outlook", *PAIRS[1]), ("google", *PAIRS[2])]
)
def test_los_02_fields_edited_on_both_sides_are_merged_after_a_412(
    world: ProviderWorld, first: str, ours: dict[str, Any], theirs: dict[str, Any]
) -> None:
    ids = dict(zip(SIDES, both(world), strict=True))
    one, two = world.sides[first], other(world, first)
    one.update(ids[one.name], **ours)
    two.update(ids[two.name], **theirs)
    pull(world, one)
    refused = [call["status"] for call in writes(two)]
    assert refused[:1] == [412], "the write named the version that it was made from"
    world.sync()
    for side in world.sides.values():
        (held,) = side.events().values()
        for name, value in (ours | theirs).items():
            assert getattr(held, name) == value, (side.name, name)
    world.assert_quiet()


@pytest.mark.parametrize(("name", "kind"), [("google", "single"), ("outlook", "series")])
def test_los_03_the_version_sent_is_the_one_that_the_merge_was_made_from(
    world: ProviderWorld, name: str, kind: str
) -> None:
    ids = dict(zip(SIDES, both(world, KINDS[kind]), strict=True))
    side, source = world.sides[name], other(world, name)
    side.update(ids[name], description="Theirs")
    source.update(ids[source.name], title="Ours")
    pull(world, source)
    assert [call["status"] for call in writes(side)] in ([412], [412, 200], [], [200]), writes(side)
    assert all(call["if_match"] for call in writes(side) if call["method"] == "PATCH")
    world.sync()
    for place in world.sides.values():
        (held,) = place.events().values()
        assert (held.title, held.description) == ("Ours", "Theirs")
    world.assert_quiet()


@pytest.mark.parametrize(
    ("name", "how", "kind"),
    [
        ("google", "500", "single"),
        ("outlook", "503", "single"),
        ("google", "cut", "series"),
        ("outlook", "500", "series"),
    ],
)
def test_los_05_our_own_earlier_value_is_no_edit_of_the_other_side(
    world: ProviderWorld, name: str, how: str, kind: str
) -> None:
    ids = dict(zip(SIDES, both(world, KINDS[kind]), strict=True))
    side, source = world.sides[name], other(world, name)
    lose_answer(side, how, "PATCH")
    source.update(ids[source.name], title="Second")
    pull(world, source)
    assert side.events()[ids[name]].title == "Second", "it was stored"
    world.advance(1)
    source.update(ids[source.name], title="Third")
    world.sync()
    later(world)
    assert [list(place.by_title()) for place in world.sides.values()] == [["Third"], ["Third"]]
    world.assert_quiet()


@pytest.mark.parametrize(("name", "call"), [("google", 0), ("google", 1), ("outlook", 0), ("outlook", 2)])
def test_los_05_a_series_whose_write_ended_on_its_way_is_no_edit_of_the_other_side(
    world: ProviderWorld, name: str, call: int
) -> None:
    ids = dict(zip(SIDES, both(world, WEEKLY), strict=True))
    side, source = world.sides[name], other(world, name)
    day = TEN + timedelta(weeks=1)
    changes = (
        SeriesException(day, start=day + timedelta(hours=1)),
        SeriesException(day + timedelta(weeks=1), title="Special"),
    )
    when = dataclasses.replace(source.events()[ids[source.name]].when, exceptions=changes)
    moved = dataclasses.replace(when, end=when.end + timedelta(minutes=30))
    lose_answer(side, "500", "PATCH", skip=call)
    source.update(ids[source.name], when=moved)
    pull(world, source)
    pull(world, side)
    later(world)
    for place in world.sides.values():
        held = place.by_title()["Jour"].when
        assert [(e.original_start, e.start, e.title) for e in held.exceptions] == [
            (changes[0].original_start, changes[0].start, None),
            (changes[1].original_start, None, "Special"),
        ], place.name
        assert held.end == moved.end
    world.assert_quiet()


@pytest.mark.parametrize("when", ["before it is stored", "after it is stored"])
@pytest.mark.parametrize("edits", [1, 2])
@pytest.mark.parametrize("origin", ["hub", "left"])
def test_los_14_an_edit_while_a_write_is_under_way_is_the_one_that_stays(
    memory: World, when: str, edits: int, origin: str
) -> None:
    memory.linked_pair()
    left_id = memory.person_creates("left", LUNCH)
    memory.settle()
    ((event_id, content),) = memory.hub_events().items()
    service = memory.services["right"]

    def edit(title: str) -> None:
        if origin == "hub":
            memory.api_updates(event_id, dataclasses.replace(content, title=title))
        else:
            memory.person_updates("left", left_id, dataclasses.replace(LUNCH, title=title))

    def again() -> None:
        for n in range(edits):
            memory.clock.advance(1)
            edit(f"Later {n}")

    setattr(service, "before_write" if when == "before it is stored" else "after_write", again)
    edit("First")
    memory.settle()
    memory.wait(steps=2)
    last = f"Later {edits - 1}"
    assert memory.titles("left") == memory.titles("right") == memory.hub_titles() == [last]
    assert memory.conflicts() == []
    before = memory.writes()
    memory.wait(steps=3)
    assert memory.writes() == before


FIELDS: list[tuple[str, Any]] = [
    ("title", "Brunch"),
    ("description", "Bread"),
    ("description", ""),
    ("location", Location("Roof")),
    ("location", None),
    ("show_as", ShowAs.FREE),
    ("reminders", ()),
]


@pytest.mark.parametrize(
    ("source", "kind"), [("google", "single"), ("outlook", "series"), ("outlook", "all-day")]
)
def test_los_16_each_single_field_that_changes_reaches_the_other_side_in_one_round(
    world: ProviderWorld, source: str, kind: str
) -> None:
    content = dataclasses.replace(KINDS[kind], description="Soup", location=Location("Canteen"))
    ids = dict(zip(SIDES, both(world, content), strict=True))
    side, far = world.sides[source], other(world, source)
    for name, value in FIELDS:
        clear(world)
        world.advance(5)
        side.update(ids[source], **{name: value})
        pull(world, side)
        assert getattr(far.events()[ids[far.name]], name) == value, name
        assert len(writes(far)) == 1, name
        pull(world, far)
    world.assert_quiet()


@pytest.mark.parametrize(
    ("editor", "change"), [("outlook", "title"), ("google", "cancelled"), ("hub", "moved")]
)
def test_los_20_an_exception_with_an_old_version_costs_one_refusal_at_most(
    world: ProviderWorld, editor: str, change: str
) -> None:
    day = TEN + timedelta(weeks=1)
    start = dataclasses.replace(WEEKLY.when, exceptions=(SeriesException(day, title="Special"),))
    ids = dict(zip(SIDES, both(world, dataclasses.replace(WEEKLY, when=start)), strict=True))
    # The exception alone moves on at Google, unseen: its own etag is another one, the series' is not.
    world.google.update(
        ids["google"],
        when=dataclasses.replace(
            world.google.events()[ids["google"]].when, exceptions=(SeriesException(day, title="Theirs"),)
        ),
    )
    new = {
        "title": SeriesException(day + timedelta(weeks=1), title="Ours"),
        "moved": SeriesException(day + timedelta(weeks=1), start=day + timedelta(weeks=1, hours=1)),
        "cancelled": SeriesException(day + timedelta(weeks=1), cancelled=True),
    }[change]
    world.sync()
    clear(world)
    edit_series(world, editor, ids, new)
    for _ in range(5):
        world.sync()
        later(world, times=1)
    refused = [call for side in world.sides.values() for call in writes(side) if call["status"] == 412]
    assert len(refused) <= 1
    for side in world.sides.values():
        titles = [e.title for e in side.by_title()["Jour"].when.exceptions]
        assert titles[0] == "Theirs" and len(titles) == 2
    world.assert_quiet()


def edit_series(world: ProviderWorld, editor: str, ids: dict[str, str], new: SeriesException) -> None:
    """Change one more occurrence, as a person at a provider or as an application."""
    if editor == "hub":
        event_id, content = world.hub_event("Jour")
        when = dataclasses.replace(content.when, exceptions=(*content.when.exceptions, new))
        world.api_updates(event_id, dataclasses.replace(content, when=when))
        return
    when = world.sides[editor].events()[ids[editor]].when
    world.sides[editor].update(
        ids[editor], when=dataclasses.replace(when, exceptions=(*when.exceptions, new))
    )


@pytest.mark.parametrize(
    ("target", "kind", "change", "keys"),
    [
        ("outlook", "single", {"title": "Brunch"}, {"subject"}),
        ("outlook", "series", {"title": "Brunch"}, {"subject"}),
        ("outlook", "all-day", {"description": "Bread"}, {"body"}),
        ("google", "series", {"description": "Bread"}, {"description"}),
        ("google", "single", {"location": Location("Roof")}, {"location"}),
    ],
)
def test_los_24_a_write_holds_the_changed_field_alone(
    world: ProviderWorld, target: str, kind: str, change: dict[str, Any], keys: set[str]
) -> None:
    warsaw = dataclasses.replace(
        KINDS[kind],
        when=dataclasses.replace(KINDS[kind].when, start_zone="Europe/Warsaw", end_zone="Europe/Warsaw")
        if kind != "all-day"
        else KINDS[kind].when,
    )
    both(world, warsaw, "outlook")
    side: Side = world.sides[target]
    event_id, content = world.hub_event(warsaw.title)
    before = {i: c.when for i, c in side.events().items()}
    world.api_updates(event_id, dataclasses.replace(content, **change))
    world.settle()
    (call,) = writes(side)
    assert (call["method"], set(call["body"])) == ("PATCH", keys)
    assert {i: c.when for i, c in side.events().items()} == before
    world.assert_quiet()
