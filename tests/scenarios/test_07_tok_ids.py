"""TOK-13, 14, 15, 26: ids that change or look alike, at both real providers."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import select

from hub.models import EventCopy, LinkState
from hub.plugin.testing import all_day, series, timed
from hub.plugin.types import EventContent, Location, SeriesException
from tests.provider_world import ANN, ProviderWorld, Side
from tests.scenarios.play import clear, later, other
from tests.scenarios.quiet import look

TEN = datetime(2026, 12, 8, 10)
OFF = SeriesException(TEN + timedelta(days=1), cancelled=True)
MOVED = SeriesException(
    TEN + timedelta(days=2), start=TEN + timedelta(days=2, hours=3), end=TEN + timedelta(days=2, hours=4)
)
KINDS: list[EventContent] = [
    replace(timed("Lunch", TEN, description="Soup"), location=Location("Canteen")),
    all_day("Holiday", date(2026, 12, 9)),
    series("Standup", TEN, "FREQ=DAILY;COUNT=9", OFF, MOVED),
]
BOTH = pytest.mark.parametrize("name", ["google", "outlook"])
ORDERS = ["the new place is listed first", "the old place is listed first"]


def link_teams(world: ProviderWorld) -> None:
    """Keep Team at Google equal to Team at Outlook, through a calendar of their own."""
    world.add_calendar("cal_2")
    for name in ("google", "outlook"):
        side = world.sides[name]
        people = {p["email"]: p["calendars"] for p in side.control.people()}
        (team,) = [c["remote_id"] for c in people[ANN] if c["name"] == "Team"]
        link_id = world.link(side.account_id, "Team", "cal_2")
        world.sides[f"{name} Team"] = Side(name, side.control, team, side.account_id, link_id, side.project)
    world.settle()


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("place", ["google", "outlook", "outlook without immutable ids"])
def test_tok_13_15_events_moved_between_two_linked_calendars_are_moved_at_the_other_provider(
    world: ProviderWorld, place: str, order: str
) -> None:
    name = place.split()[0]
    if place.endswith("ids"):
        world.outlook.control.switches(immutable_ids=False)
    link_teams(world)
    here, team = world.sides[name], world.sides[f"{name} Team"]
    there, other_team = other(world, name), world.sides[f"{'outlook' if name == 'google' else 'google'} Team"]
    for content in KINDS:
        here.create(content)
    world.sync()
    there.update(there.find("Lunch"), description="Salad")
    world.sync()
    shown = there.by_title()
    for remote_id in here.events():
        here.control.move(ANN, here.calendar, remote_id, team.calendar)
    clear(world)
    links = [team.link_id, here.link_id]
    look(world, *(links if order == ORDERS[0] else reversed(links)))
    assert here.events() == there.events() == {}
    assert other_team.by_title() == shown
    assert len(world.hub_events("cal_2")) == 3
    assert world.hub_events("cal_1") == {}
    assert world.mails() == []
    world.assert_quiet()


@BOTH
def test_tok_13_an_event_moved_to_a_calendar_that_is_not_linked_goes_from_the_mirror(
    world: ProviderWorld, name: str
) -> None:
    side, there = world.sides[name], other(world, name)
    people = {p["email"]: p["calendars"] for p in side.control.people()}
    (team,) = [c["remote_id"] for c in people[ANN] if c["name"] == "Team"]
    for content in KINDS:
        side.create(content)
    world.sync()
    for title in ("Lunch", "Standup"):
        side.control.move(ANN, side.calendar, side.find(title), team)
    look(world, side.link_id)
    assert list(there.by_title()) == ["Holiday"]
    assert len(side.control.events(ANN, team)) == 2
    world.assert_quiet()


def test_tok_14_a_calendar_whose_id_changes_twice_is_found_again_each_time(world: ProviderWorld) -> None:
    outlook = world.outlook
    for content in KINDS:
        outlook.create(content)
    world.sync()
    for n in range(2):
        outlook.calendar = outlook.control.rename_calendar(ANN, outlook.calendar)
        outlook.create(timed(f"After {n}", TEN + timedelta(hours=5)))
        world.google.create(timed(f"At Google {n}", TEN))
        outlook.delete(outlook.find("Lunch" if n else "Holiday"))
        clear(world)
        later(world, 300, 4)
        assert world.get_link(outlook.link_id).state == LinkState.ACTIVE
        assert len(outlook.by_title()) == len(world.google.by_title()) == 4 + n
        made = [call for call in outlook.control.writes() if call["status"] < 300]
        assert [call["method"] for call in made] == ["POST"], "nothing is written but what is new"
    world.assert_quiet()


TWINS = {
    "outlook": [
        ("AAMkAGI2wAAA=", "AAMkAGI2WAAA="),
        ("AQMkr3Ug_AAA=", "AQMkr3Ug-AAA="),
        ("AQ/r+A=", "AQ+r/A="),
    ],
    "google": [("_8d9lcgrfdpr6asjkwAAA", "_8d9lcgrfdpr6asjkWAAA"), ("_a-b_AAA", "_a_b-AAA")],
}


@BOTH
def test_tok_26_ids_that_look_alike_are_two_events_and_the_right_one_goes(
    world: ProviderWorld, name: str
) -> None:
    side, there = world.sides[name], other(world, name)
    ids = [remote_id for pair in TWINS[name] for remote_id in pair]
    for n, remote_id in enumerate(ids):
        side.control.create(
            ANN, side.calendar, timed(remote_id, TEN + timedelta(hours=n)), remote_id=remote_id
        )
    world.sync()
    assert sorted(there.by_title()) == sorted(ids)
    with world.ports.db.reading() as session:
        kept = select(EventCopy.remote_id).where(EventCopy.link_id == side.link_id)
        assert sorted(session.scalars(kept)) == sorted(ids), "byte for byte"
    for n, (gone, changed) in enumerate(TWINS[name]):
        side.delete(gone)
        there.update(there.find(changed), description=f"Changed {n}")
    world.sync()
    left = [changed for _, changed in TWINS[name]]
    assert sorted(there.by_title()) == sorted(side.events()) == sorted(left)
    assert [side.events()[i].description for i in left] == [f"Changed {n}" for n in range(len(left))]
    there.delete(there.find(left[0]))
    world.sync()
    assert sorted(side.events()) == sorted(left[1:])
    world.assert_quiet()
