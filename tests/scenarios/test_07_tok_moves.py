"""TOK-13, TOK-15, TOK-22: events that move between calendars of one account, whichever is listed first."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from itertools import permutations
from pathlib import Path

import pytest
from sqlalchemy import update

from hub.inbound.pull import pull_link
from hub.models import Event, EventCopy, Link
from hub.outbound import linking
from hub.plugin.testing import all_day, series, timed
from hub.plugin.types import EventContent, SeriesException
from tests.memory_provider import MemoryPlugin
from tests.scenarios.quiet import assert_quiet
from tests.world import World

ANN = "ann@example.test"
TEN = datetime(2026, 12, 8, 10)
LUNCH = timed("Lunch", TEN, description="Soup")
OFF = SeriesException(TEN + timedelta(days=1), cancelled=True)
KINDS: dict[str, EventContent] = {
    "timed": LUNCH,
    "all-day": all_day("Holiday", date(2026, 12, 8)),
    "series": series("Standup", TEN, "FREQ=DAILY;COUNT=9", OFF),
}
ORDERS = ["the new place is listed first", "the old place is listed first"]


class Pairs:
    """Main and Team at the left are kept equal to Main and Team at the right, through two calendars."""

    def __init__(self, url: str, home: Path, **options: str) -> None:
        left, right = MemoryPlugin("left", lossy=("categories",)), MemoryPlugin("right")
        self.world = World(url, home, left, right)
        self.world.add_calendar("cal_2")
        accounts = self.world.connect("left"), self.world.connect("right")
        self.links: dict[str, tuple[str, str]] = {}
        for provider, account in zip(("left", "right"), accounts, strict=True):
            for name, calendar_id in (("Main", "cal_1"), ("Team", options.get(provider, "cal_2"))):
                direction = options.get("direction", "two_way") if provider == "left" else "two_way"
                if provider == "right" and name == "Team" and options.get("left"):
                    continue
                link = self.world.link(account, name, calendar_id, direction=direction)
                self.links[link] = (provider, self.name(provider, name))
        self.world.settle()
        self.main, self.team = list(self.links)[:2]

    def name(self, provider: str, name: str) -> str:
        calendars = self.world.services[provider].people[ANN].calendars.values()
        return next(c.remote_id for c in calendars if c.name == name)

    def lunch(self) -> tuple[str, str]:
        """Make an event at the left; return its id there and that of its copy at the right."""
        remote_id = self.world.person_creates("left", LUNCH)
        self.world.settle()
        (copy,) = self.world.remote("right")
        return remote_id, copy

    def move(self, remote_id: str, new_id: str = "", back: bool = False) -> None:
        names = [self.name("left", "Main"), self.name("left", "Team")]
        source, target = reversed(names) if back else names
        self.world.person_moves("left", remote_id, source, target, new_id)

    def list_in(self, order: str, back: bool = False) -> None:
        """Look at both calendars of the left, one after the other, and let everything follow."""
        links = [self.team, self.main]
        if back:
            links.reverse()
        for link in links if order == ORDERS[0] else reversed(links):
            pull_link(self.world.ports, link)
        self.world.settle()

    def list_links(self, order: Iterable[int], *, slowly: bool) -> None:
        """Look at the calendars (left Main, left Team, right Main, right Team) one after the other.

        Args:
            slowly: what follows from one is done before the next.
        """
        links = list(self.links)
        for n in order:
            pull_link(self.world.ports, links[n])
            if slowly:
                self.world.settle()
        self.world.settle()

    def in_team_only(self, title: str) -> bool:
        """Whether the hub and both sides have one event, there."""
        sides = [(side, name) for side in ("left", "right") for name in ("Main", "Team")]
        shown = {place: self.titles(*place) for place in sides}
        hub = [[e.title for e in self.world.hub_events(c).values()] for c in ("cal_1", "cal_2")]
        assert shown == {place: [title] if place[1] == "Team" else [] for place in sides}
        return hub == [[], [title]]

    def titles(self, provider: str, name: str) -> list[str]:
        return sorted(c.title for c in self.world.remote(provider, self.name(provider, name)).values())


@pytest.fixture
def pairs(sqlite_url: str, tmp_path: Path) -> Pairs:
    return Pairs(sqlite_url, tmp_path)


@pytest.mark.parametrize(
    ("order", "ids", "kind"),
    [
        (ORDERS[n % 2], ids, kind)
        for n, (ids, kind) in enumerate(
            [(i, k) for i in ("the same id", "another id") for k in KINDS] + [("another id", "timed")]
        )
    ],
)
def test_tok_15_an_event_moved_between_two_linked_calendars_takes_everything_along(
    pairs: Pairs, order: str, ids: str, kind: str
) -> None:
    world = pairs.world
    remote_id = world.person_creates("left", KINDS[kind])
    world.settle()
    (copy,) = world.remote("right")
    tagged = dataclasses.replace(world.remote("right")[copy], categories=("Food",))
    world.person_updates("right", copy, tagged)
    world.settle()
    world.queue.lossy = True
    pairs.move(remote_id, "" if ids == "the same id" else "moved")
    world.queue.lossy = False
    pairs.list_in(order)
    assert world.hub_events("cal_1") == {}
    assert pairs.titles("right", "Main") == pairs.titles("left", "Main") == []
    (kept,) = world.remote("right", pairs.name("right", "Team")).values()
    assert kept == tagged, "with what the left cannot hold"
    assert_quiet(world, pairs.links)


@pytest.mark.parametrize("order", ORDERS)
def test_tok_15_an_event_moved_there_and_back_is_where_it_was(pairs: Pairs, order: str) -> None:
    world = pairs.world
    remote_id = world.person_creates("left", LUNCH)
    world.settle()
    for back in (False, True, False, True):
        world.queue.lossy = True
        pairs.move(remote_id, back=back)
        world.queue.lossy = False
        pairs.list_in(order, back)
    assert pairs.titles("right", "Main") == ["Lunch"]
    assert pairs.titles("right", "Team") == []
    assert_quiet(world, pairs.links)


@pytest.mark.parametrize("order", ORDERS)
def test_tok_15_many_events_moved_at_once_are_no_mass_of_deletions(pairs: Pairs, order: str) -> None:
    world = pairs.world
    for n in range(25):
        world.person_creates("left", timed(f"Event {n:02}", TEN + timedelta(hours=n)))
    world.settle()
    world.queue.lossy = True
    for remote_id in list(world.remote("left")):
        pairs.move(remote_id)
    world.queue.lossy = False
    pairs.list_in(order)
    assert len(pairs.titles("right", "Team")) == 25
    assert pairs.titles("right", "Main") == []
    assert_quiet(world, pairs.links)


@pytest.mark.parametrize("order", ORDERS)
def test_tok_15_an_edit_that_waits_in_the_hub_goes_along(pairs: Pairs, order: str) -> None:
    world = pairs.world
    remote_id = world.person_creates("left", LUNCH)
    world.settle()
    (event_id,) = world.hub_events()
    world.queue.lossy = True
    world.api_updates(event_id, dataclasses.replace(LUNCH, title="Brunch"))
    pairs.move(remote_id)
    world.queue.lossy = False
    pairs.list_in(order)
    assert pairs.in_team_only("Brunch")
    # Where the event is missed first, the edit has won over what looked like a deletion, and that is told.
    assert_quiet(world, pairs.links, conflicts=ORDERS.index(order))


@pytest.mark.parametrize("slowly", [False, True])
@pytest.mark.parametrize("order", list(permutations(range(4))), ids=str)
def test_tok_15_an_event_whose_copies_two_people_move_at_once_is_there_once(
    pairs: Pairs, order: tuple[int, ...], slowly: bool
) -> None:
    world = pairs.world
    remote_id, copy = pairs.lunch()
    world.queue.lossy = True
    pairs.move(remote_id)
    world.person_moves("right", copy, pairs.name("right", "Main"), pairs.name("right", "Team"))
    world.queue.lossy = False
    pairs.list_links(order, slowly=slowly)
    assert pairs.in_team_only("Lunch")
    looked_deleted = order[:2] in ((0, 3), (2, 1))  # Missed at one side before the other's move was known.
    if not looked_deleted:
        assert list(world.remote("left", pairs.name("left", "Team"))) == [remote_id]
        assert list(world.remote("right", pairs.name("right", "Team"))) == [copy]
    assert_quiet(world, pairs.links)


@pytest.mark.parametrize("slowly", [False, True])
@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_tok_15_an_event_edited_here_and_moved_there_takes_the_edit_along(
    pairs: Pairs, order: tuple[int, ...], slowly: bool
) -> None:
    world = pairs.world
    remote_id, copy = pairs.lunch()
    world.queue.lossy = True
    pairs.move(remote_id)
    world.person_updates("right", copy, dataclasses.replace(world.remote("right")[copy], title="Brunch"))
    world.queue.lossy = False
    pairs.list_links(order, slowly=slowly)
    assert pairs.in_team_only("Brunch")
    # Where it is missed before it is found, the edit may have won over what looked like a deletion.
    told = [conflict.field for conflict in world.conflicts()]
    assert told in ([], ["deleted"])
    assert_quiet(world, pairs.links, conflicts=len(told))


def test_tok_15_an_event_copied_to_another_calendar_is_another_event(pairs: Pairs) -> None:
    world = pairs.world
    remote_id = world.person_creates("left", LUNCH)
    world.settle()
    service = world.services["left"]
    there = service.calendar(ANN, pairs.name("left", "Team"))
    service.write(there, remote_id, LUNCH)
    world.settle()
    assert pairs.titles("right", "Main") == pairs.titles("right", "Team") == ["Lunch"]
    assert_quiet(world, pairs.links)


@pytest.mark.parametrize("direction", ["import", "two_way"])
@pytest.mark.parametrize("order", ORDERS)
def test_tok_13_two_calendars_that_feed_the_same_target_leave_one_mirror(
    tmp_path: Path, sqlite_url: str, order: str, direction: str
) -> None:
    pairs = Pairs(sqlite_url, tmp_path, left="cal_1", direction=direction)
    world = pairs.world
    remote_id = world.person_creates("left", LUNCH)
    world.settle()
    world.queue.lossy = True
    pairs.move(remote_id)
    world.queue.lossy = False
    pairs.list_in(order)
    assert pairs.titles("right", "Main") == ["Lunch"]
    assert len(world.hub_events()) == 1
    both = ["Lunch"] if direction == "two_way" else []
    assert pairs.titles("left", "Main") == both, "two-way links of one calendar hold the same events"
    assert pairs.titles("left", "Team") == ["Lunch"]
    assert_quiet(world, pairs.links)


@pytest.mark.parametrize("order", ORDERS)
def test_tok_22_events_filed_under_the_wrong_calendar_are_put_right_by_adopting_anew(
    pairs: Pairs, order: str
) -> None:
    world = pairs.world
    names = [pairs.name(side, "Team") for side in ("left", "right")]
    service = world.services["left"]
    for n in range(30):
        service.write(
            service.calendar(ANN, names[0]), f"e{n}", timed(f"Event {n:02}", TEN.replace(day=1 + n))
        )
    world.settle()
    wrong = dict(zip((pairs.team, list(pairs.links)[3]), (pairs.main, list(pairs.links)[2]), strict=True))
    with world.ports.db.transaction() as session:
        session.execute(update(Event).values(calendar_id="cal_1"))
        for link_id, other in wrong.items():
            session.execute(update(EventCopy).where(EventCopy.link_id == link_id).values(link_id=other))
    links = [pairs.team, pairs.main, *reversed(list(pairs.links)[2:])]
    before = world.writes()
    for link_id in links if order == ORDERS[0] else reversed(links):
        with world.ports.db.transaction() as session:
            linking.adopt_anew(session, world.ports, session.get_one(Link, link_id))
    world.wait(steps=2)
    assert world.writes() == before
    assert len(world.hub_events("cal_2")) == 30
    assert world.hub_events("cal_1") == {}
    assert_quiet(world, pairs.links)


@pytest.mark.parametrize("survivor", ["left", "right"])
def test_a_meeting_in_two_calendars_that_are_only_read_lives_until_both_have_lost_it(
    sqlite_url: str, tmp_path: Path, survivor: str
) -> None:
    world = World(sqlite_url, tmp_path)
    accounts = {name: world.connect(name) for name in ("left", "right")}
    links = {world.link(account, direction="import"): (name, ANN) for name, account in accounts.items()}
    target = next(
        c.remote_id for c in world.services["right"].people[ANN].calendars.values() if c.name == "Team"
    )
    links[world.link(accounts["right"], "Team")] = ("right", target)
    world.settle()
    for name in accounts:
        remote_id = world.person_creates(name, LUNCH)
        world.services[name].calendar(ANN, ANN).events[remote_id].uid = "meeting@elsewhere"
    world.settle()
    assert len(world.hub_events()) == len(world.remote("right", target)) == 1
    first, last = ("left", "right") if survivor == "right" else ("right", "left")
    world.person_deletes(first, next(iter(world.remote(first))))
    world.settle()
    assert len(world.hub_events()) == len(world.remote("right", target)) == 1
    assert_quiet(world, links)
    world.person_deletes(last, next(iter(world.remote(last))))
    world.settle()
    assert world.hub_events() == world.remote("right", target) == {}
    assert_quiet(world, links)
