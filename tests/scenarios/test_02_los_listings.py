"""LOS: failed, half, empty and changed listings delete nothing; what is unknown is new whatever its dates."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete, update

from hub.accounts.health import health_of
from hub.inbound.pull import pull_link
from hub.models import EventCopy, Link, LinkState
from hub.outbound.linking import adopt_anew
from hub.plugin.testing import series, timed
from tests.provider_world import ANN, ProviderWorld
from tests.scenarios.dying import dies_in
from tests.scenarios.play import FULL, clear, later, link_more, other, pull
from tests.world import World

TEN = datetime(2026, 12, 7, 10)
MANY = [timed(f"Event {n:02}", TEN + timedelta(hours=n)) for n in range(30)]
TITLES = [content.title for content in MANY]
SIDES = ["google", "outlook"]
HTML = "<html><body>Sorry.</body></html>"
FAILURES = {
    "500": {"kind": "status", "status": 500},
    "200 with a page for people": {"kind": "status", "status": 200, "body": HTML},
    "200 with nothing": {"kind": "status", "status": 200, "body": ""},
    "200 with an empty object": {"kind": "status", "status": 200, "body": "{}"},
    "cut": {"kind": "reset_before"},
    "403": {"kind": "status", "status": 403},
    "404": {"kind": "status", "status": 404},
}


@pytest.mark.parametrize(("name", "full"), [("google", True), ("outlook", False)])
def test_los_06_a_failed_fetch_is_never_read_as_no_events(
    unlinked: ProviderWorld, name: str, full: bool
) -> None:
    world = unlinked
    fill(world)
    world.link_both()
    clear(world)
    side = world.sides[name]
    for what, fault in FAILURES.items():
        side.control.fault(path=FULL[name], **fault)
        if full:
            world.relist()
        else:
            pull(world, side)
        if what != "404":  # Of a page at Outlook it means: begin anew, and that has been done.
            assert world.get_link(side.link_id).problem, what
        side.control.clear_faults()
        later(world, 400)
    assert [len(s.events()) for s in world.sides.values()] == [30, 30]
    assert world.hub_titles() == TITLES
    assert [call for call in world.writes() if "/events" in call] == []
    world.assert_quiet()


def fill(world: ProviderWorld) -> None:
    for name, side in world.sides.items():
        world.connect(name)
        for content in MANY:
            side.create(dataclasses.replace(content, reminders=side.project(content).content.reminders))


@pytest.mark.parametrize("name", SIDES)
def test_los_07_a_calendar_that_was_made_anew_stops_the_link_with_a_question(
    world: ProviderWorld, name: str
) -> None:
    side = world.sides[name]
    team = link_more(world, name)
    for content in MANY[:12]:
        other(world, name).create(content)
    world.sync()
    assert len(team.events()) == 12
    side.control.delete_calendar(ANN, team.calendar)
    side.control.add_person(ANN, calendars=[{"name": "Team"}])
    pull(world, team)
    later(world)
    link = world.get_link(team.link_id)
    assert link.state == LinkState.STOPPED
    assert "Nothing was deleted" in (link.problem or "")
    del world.sides[f"{name} Team"]
    assert world.hub_titles() == TITLES[:12]
    assert [sorted(s.by_title()) for s in world.sides.values()] == [TITLES[:12]] * 2
    world.assert_quiet()


@pytest.mark.parametrize("page", [1, 2, 4])
@pytest.mark.parametrize("full", [False, True], ids=["first listing", "full listing"])
def test_los_08_a_listing_whose_worker_is_killed_deletes_nothing(
    memory: World, page: int, full: bool
) -> None:
    left_account, right_account = memory.connect("left"), memory.connect("right")
    for n in range(50):
        memory.person_creates("left", timed(f"Event {n:02}", TEN + timedelta(hours=n)))
    service = memory.services["left"]
    service.page_size = 10
    left = memory.link(left_account)
    memory.link(right_account)
    if full:
        memory.settle()
        service.people[ANN].epoch += 1
        memory.person_creates("left", timed("Event 50", TEN + timedelta(hours=50)))
    memory.queue.hints.clear()
    dies_in(memory, service, "fetch_changes", lambda: pull_link(memory.ports, left), calls=page + 1)
    memory.wait(400, steps=4)
    titles = [f"Event {n:02}" for n in range(51 if full else 50)]
    assert memory.titles("left") == memory.titles("right") == memory.hub_titles() == titles
    before = memory.writes()
    memory.wait(steps=3)
    assert memory.writes() == before


LOST = ["the marks", "the links", "the versions", "the ids"]


@pytest.mark.parametrize("lost", LOST)
def test_los_22_a_new_scheme_of_ids_and_keys_makes_nothing_new_and_deletes_nothing(
    memory: World, lost: str
) -> None:
    left, right = memory.linked_pair()
    for n in range(60):
        memory.person_creates("left", timed(f"Event {n:03}", TEN + timedelta(hours=n)))
    for n in range(10):
        memory.person_creates("left", series(f"Series {n}", TEN + timedelta(days=n), "FREQ=DAILY;COUNT=3"))
    memory.settle()
    before = memory.writes()
    forget(memory, lost, left, right)
    memory.settle()
    memory.wait(steps=3)
    assert memory.writes() == before
    assert len(memory.hub_events()) == len(memory.remote("left")) == len(memory.remote("right")) == 70


def forget(memory: World, what: str, *links: str) -> None:
    """Have an upgrade lose what the hub knows its copies by, and begin anew."""
    if what == "the marks":
        for service in memory.services.values():
            for event in service.calendar(ANN, ANN).events.values():
                event.tag = None
    with memory.ports.db.transaction() as session:
        if what == "the links":
            session.execute(delete(EventCopy))
        if what == "the versions":
            session.execute(update(EventCopy).values(remote_version="v2-none"))
        if what == "the ids":
            values = {"remote_id": None, "remote_version": "", "missing_at": memory.clock.now()}
            session.execute(update(EventCopy).values(**values))
        for link_id in links:
            adopt_anew(session, memory.ports, session.get_one(Link, link_id))


@pytest.mark.parametrize(
    ("name", "kind", "age"), [("google", "single", 30), ("outlook", "series", 4000), ("outlook", "single", 1)]
)
def test_los_23_an_unknown_event_is_new_whatever_its_dates(
    world: ProviderWorld, name: str, kind: str, age: int
) -> None:
    content = MANY[0] if kind == "single" else series("Event 00", TEN, "FREQ=DAILY;COUNT=3")
    made_at = datetime(2026, 12, 1, tzinfo=UTC) - timedelta(days=age)
    side = world.sides[name]
    side.control.create(ANN, side.calendar, content, made_at=made_at.isoformat())
    pull(world, side)
    assert list(other(world, name).by_title()) == ["Event 00"]
    world.assert_quiet()


@pytest.mark.parametrize("name", SIDES)
def test_los_06_the_account_says_what_is_wrong_while_it_fails(world: ProviderWorld, name: str) -> None:
    side = world.sides[name]
    side.control.fault("status", path=FULL[name], status=500, times=100)
    pull(world, side)
    with world.ports.db.reading() as session:
        link = session.get_one(Link, side.link_id)
        health = health_of(session, world.ports, [link])[side.link_id]
    assert health.state != "in_sync"
    assert world.get_link(side.link_id).problem
