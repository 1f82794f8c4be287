"""A series that somebody splits at a provider: both halves arrive once, and the later one says whence."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from hub.models import Change, Event
from hub.plugin.testing import series
from hub.plugin.types import EventContent
from tests.provider_world import ProviderWorld, Side

MONDAY = datetime(2026, 12, 7, 9)
WEEKLY = series("Workout v0", MONDAY, "FREQ=WEEKLY;BYDAY=MO;COUNT=8")
CUT = dataclasses.replace(WEEKLY.when, recurrence=("RRULE:FREQ=WEEKLY;BYDAY=MO;UNTIL=20261221T080000Z",))
FRIDAYS = series("Workout v1", MONDAY + timedelta(weeks=3, days=4), "FREQ=WEEKLY;BYDAY=FR;COUNT=5")


def rows(world: ProviderWorld) -> dict[str, Event]:
    with world.ports.db.reading() as session:
        query = select(Event).where(Event.deleted_at.is_(None))
        return {event.title: event for event in session.scalars(query)}


def changes(world: ProviderWorld, event_id: str) -> list[Change]:
    with world.ports.db.reading() as session:
        return list(session.scalars(select(Change).where(Change.event_id == event_id).order_by(Change.seq)))


def both_halves(world: ProviderWorld) -> None:
    world.assert_quiet()
    for side in world.sides.values():
        shown = side.by_title()
        assert sorted(shown) == ["Workout v0", "Workout v1"]
        assert len(shown["Workout v0"].when.recurrence) == 1
    halves = rows(world)
    assert halves["Workout v1"].split_from == halves["Workout v0"].id
    assert halves["Workout v0"].split_from is None


def split(side: Side, remote_id: str, order: str, between: Any) -> None:
    steps = [lambda: side.update(remote_id, when=CUT), lambda: side.create(FRIDAYS)]
    for step in steps if order == "old first" else reversed(steps):
        step()
        between()


@pytest.mark.parametrize("provider", ["google", "outlook"])
@pytest.mark.parametrize("order", ["old first", "new first"])
def test_rec_14_45_a_split_is_recognised_in_whatever_order_its_halves_come(
    world: ProviderWorld, provider: str, order: str
) -> None:
    side = world.sides[provider]
    remote_id = side.create(WEEKLY)
    world.sync()
    split(side, remote_id, order, world.sync)
    both_halves(world)
    kinds = [change.kind for change in changes(world, rows(world)["Workout v1"].id)]
    assert kinds == (["created"] if order == "old first" else ["created", "updated"])


def test_rec_15_a_split_in_one_listing_is_told_by_the_line_that_begins_the_new_one(
    world: ProviderWorld,
) -> None:
    remote_id = world.google.create(WEEKLY)
    world.sync()
    split(world.google, remote_id, "old first", lambda: None)
    world.sync()
    for _ in range(4):
        both_halves(world)
    halves = rows(world)
    (line,) = changes(world, halves["Workout v1"].id)
    assert line.fields["split_from"] == {"after": halves["Workout v0"].id}


def test_two_series_that_have_nothing_to_do_with_each_other_stay_so(world: ProviderWorld) -> None:
    remote_id = world.google.create(WEEKLY)
    world.sync()
    world.google.update(remote_id, when=CUT)
    world.google.create(series("Choir", datetime(2026, 12, 29, 19), "FREQ=WEEKLY"))
    world.assert_quiet()
    assert {event.split_from for event in rows(world).values()} == {None}


def test_a_first_listing_tells_of_no_splits(world: ProviderWorld) -> None:
    old = dataclasses.replace(WEEKLY, when=CUT)
    world.google.create(old)
    world.google.create(dataclasses.replace(FRIDAYS, title=old.title))
    world.assert_quiet()
    assert all(event.split_from is None for event in rows(world).values())


def test_an_edit_of_a_half_that_was_recognised_late_travels_as_any(world: ProviderWorld) -> None:
    remote_id = world.google.create(WEEKLY)
    world.sync()
    split(world.google, remote_id, "new first", world.sync)
    event_id, content = world.hub_event("Workout v1")
    world.api_updates(event_id, dataclasses.replace(content, title="Workout v2"))
    world.assert_quiet()
    assert isinstance(content, EventContent)
    for side in world.sides.values():
        assert sorted(side.by_title()) == ["Workout v0", "Workout v2"]
