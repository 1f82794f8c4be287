"""Undo with both real plugins: what comes back at Google and Outlook is there once, and nobody is mailed."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta

from sqlalchemy import select

from hub.models import Actor, Change
from hub.outbound import undo
from hub.outbound.edit import Author
from hub.plugin.testing import series, timed
from hub.plugin.types import Location, SeriesException
from tests.provider_world import ProviderWorld

TEN = datetime(2026, 12, 2, 10)
LUNCH = timed("Lunch", TEN, description="Soup", location=Location("Canteen"))


def changes(world: ProviderWorld, kind: str) -> list[Change]:
    with world.ports.db.reading() as session:
        return list(session.scalars(select(Change).where(Change.kind == kind).order_by(Change.seq)))


def take_back(world: ProviderWorld, change: Change, *, run: bool = False) -> None:
    """Undo one change, or all of its run."""
    author = Author(Actor.API_KEY, "key_test", world.ports.ids.new("run"))
    which = {"run_id": change.run_id} if run else {"seq": change.seq}
    with world.ports.db.transaction() as session:
        undo.begin(session, world.ports, undo.Target("tnt_1", **which), author, force=False)
    world.settle()
    world.sync()


def test_a_deletion_at_either_provider_is_taken_back_at_both_without_a_double(world: ProviderWorld) -> None:
    world.google.create(LUNCH)
    world.sync()
    for side in (world.google, world.outlook):
        side.delete(side.find("Lunch"))
        world.sync()
        assert world.hub_events() == {}
        take_back(world, changes(world, "deleted")[-1])
        assert [len(s.events()) for s in world.sides.values()] == [1, 1]
        assert world.hub_event("Lunch")[1].description == "Soup"
    world.assert_quiet()
    assert world.mails() == []


def test_an_edited_series_is_put_back_with_its_exceptions(world: ProviderWorld) -> None:
    stand_up = series("Stand-up", TEN, "FREQ=DAILY;COUNT=5")
    second = SeriesException(TEN + timedelta(days=1), start=TEN + timedelta(days=1, hours=2))
    moved = dataclasses.replace(second, end=second.start + timedelta(hours=1) if second.start else None)
    when = dataclasses.replace(stand_up.when, exceptions=(moved,))
    world.google.create(dataclasses.replace(stand_up, when=when))
    world.sync()
    event_id, before = world.hub_event("Stand-up")
    assert before.when.exceptions
    cancelled = (*before.when.exceptions, SeriesException(TEN + timedelta(days=3), cancelled=True))
    world.api_updates(
        event_id, dataclasses.replace(before, when=dataclasses.replace(before.when, exceptions=cancelled))
    )
    world.sync()
    take_back(world, changes(world, "updated")[-1])
    assert world.hub_event("Stand-up")[1].when == before.when
    world.assert_quiet()
    world.api_deletes(event_id)
    world.sync()
    take_back(world, changes(world, "deleted")[-1])
    assert world.hub_event("Stand-up")[1].when == before.when
    assert [len(s.events()) for s in world.sides.values()] == [1, 1]
    world.assert_quiet()


def test_all_that_a_pull_brought_is_taken_back_and_brought_again(world: ProviderWorld) -> None:
    for n in range(5):
        world.outlook.create(timed(f"Event {n}", TEN + timedelta(days=n)))
    world.sync()
    first = changes(world, "created")[0]
    take_back(world, first, run=True)
    assert world.hub_events() == {}
    assert [len(s.events()) for s in world.sides.values()] == [0, 0]
    world.assert_quiet()
    take_back(world, changes(world, "deleted")[0], run=True)
    assert [len(s.events()) for s in world.sides.values()] == [5, 5]
    world.assert_quiet()
