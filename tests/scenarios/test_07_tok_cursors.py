"""TOK-01, 02, 05, 09, 10, 21, 27, 28: cursors that expire, belong to one reader, or are not to be used."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete

from hub.accounts.health import health_of
from hub.accounts.links import change_link, sync_now
from hub.models import Event, Link, User
from hub.plugin.testing import series, timed
from hub.plugin.types import SeriesException
from tests.provider_world import ANN, ProviderWorld, Side
from tests.scenarios.play import FULL, clear, later, other
from tests.scenarios.quiet import look
from tests.world import World

TEN = datetime(2026, 12, 8, 10)
DAILY = series("Standup", TEN, "FREQ=DAILY;COUNT=9", SeriesException(TEN + timedelta(days=2), cancelled=True))
LISTINGS = {"google": FULL["google"], "outlook": r"/calendarView/delta(\(\))?$"}
BOTH = pytest.mark.parametrize("name", ["google", "outlook"])


def listings(side: Side) -> list[dict[str, Any]]:
    """Return the calls that listed the calendar since the ledger was cleared, by page and cursor."""
    calls = side.control.ledger()["calls"]
    path = "/events" if side.name == "google" else "/calendarView/delta"
    found = [c for c in calls if c["method"] == "GET" and c["path"].rstrip("()").endswith(path)]
    return [c for c in found if "iCalUID" not in c["query"] and "maxResults=1&" not in c["query"]]


def is_full(call: dict[str, Any]) -> bool:
    return "syncToken" not in call["query"] and "deltatoken" not in call["query"]


def expired(side: Side, code: str, times: int = 1, **more: Any) -> None:
    """Answer the next listings with a 410 of that code."""
    error: dict[str, Any] = {"code": code, "message": "Sync state is gone."}
    if side.name == "google":
        error = {"code": 410, "message": "Sync token is gone.", "errors": [{"reason": code}]}
    more |= {"status": 410, "body": json.dumps({"error": error}), "times": times}
    side.control.fault("status", path=LISTINGS[side.name], **more)


@BOTH
def test_tok_01_an_expired_sync_token_is_followed_by_a_full_listing(world: ProviderWorld, name: str) -> None:
    side, there = world.sides[name], other(world, name)
    kept, gone = side.create(DAILY), side.create(timed("Gone", TEN))
    world.sync()
    side.control.expire_cursors(ANN)
    side.update(kept, title="Late standup")
    side.delete(gone)
    side.create(timed("New", TEN))
    clear(world)
    look(world, side.link_id)
    assert [(c["status"], is_full(c)) for c in listings(side)] == [(410, False), (200, True)], "in one run"
    assert sorted(there.by_title()) == ["Late standup", "New"]
    cursor = world.get_link(side.link_id).cursor
    side.create(timed("Later", TEN))
    clear(world)
    look(world, side.link_id)
    assert [(c["status"], is_full(c)) for c in listings(side)] == [(200, False)]
    assert cursor and world.get_link(side.link_id).cursor != cursor
    assert "Later" in there.by_title()
    world.assert_quiet()


@BOTH
def test_tok_01_a_notification_alone_brings_the_full_listing(unlinked: ProviderWorld, name: str) -> None:
    unlinked.google.control.switches(drop_notifications=0)
    unlinked.outlook.control.switches(notify=True)
    unlinked.link_both()
    side, there = unlinked.sides[name], other(unlinked, name)
    side.control.expire_cursors(ANN)
    side.create(timed("New", TEN))
    unlinked.settle_until(lambda: "New" in there.by_title(), "the event to the other side")
    unlinked.assert_quiet()


@BOTH
def test_tok_02_a_410_is_no_empty_page_and_no_success(world: ProviderWorld, name: str) -> None:
    side, there = world.sides[name], other(world, name)
    ids = [side.create(timed(f"Event {n}", TEN + timedelta(hours=n))) for n in range(3)]
    world.sync()
    heard_at = world.get_link(side.link_id).heard_at
    side.update(ids[0], title="Changed")
    side.update(ids[1], title="Changed too")
    side.delete(ids[2])
    expired(side, "fullSyncRequired" if name == "google" else "SyncStateNotFound", 100)
    clear(world)
    look(world, side.link_id)
    later(world, 100, 2)
    link = world.get_link(side.link_id)
    assert link.heard_at == heard_at, "a run that read nothing is no success"
    assert link.problem and len(listings(side)) < 8, "it waits longer each time"
    with world.ports.db.reading() as session:
        health = health_of(session, world.ports, [session.get_one(Link, side.link_id)])[side.link_id]
    assert health.state != "in_sync"
    assert len(there.by_title()) == 3
    side.control.clear_faults()
    later(world, 4000, 2)
    assert sorted(there.by_title()) == ["Changed", "Changed too"]
    world.assert_quiet()


@pytest.mark.parametrize(
    ("code", "location"),
    [("SyncStateNotFound", False), ("syncStateNotFound", True), ("resyncRequired", True)],
)
def test_tok_05_graph_gives_a_410_with_or_without_a_fresh_link(
    world: ProviderWorld, code: str, location: bool
) -> None:
    remote_id = world.outlook.create(DAILY)
    gone = world.outlook.create(timed("Gone", TEN))
    world.sync()
    world.outlook.delete(gone)
    world.outlook.update(remote_id, title="Renamed")
    fresh = f"{world.outlook.control.base_url}/v1.0/me/calendarView/delta?$deltatoken="
    expired(world.outlook, code, headers={"Location": fresh} if location else {})
    clear(world)
    world.sync()
    assert list(world.google.by_title()) == ["Renamed"]
    written = sorted(call["method"] for call in world.google.control.writes())
    assert written == ["DELETE", "PATCH"], "no wiping"
    world.assert_quiet()


@BOTH
def test_tok_09_after_a_first_listing_of_many_pages_the_next_one_is_one_call(
    unlinked: ProviderWorld, name: str
) -> None:
    world = unlinked
    side = world.sides[name]
    world.link_primary(name)
    for n in range(30):
        side.create(timed(f"Event {n:02}", TEN + timedelta(hours=n)))
    side.control.switches(page_limit=10)
    world.settle()
    assert len(world.hub_events()) == 30
    side.create(timed("One more", TEN))
    clear(world)
    look(world, side.link_id)
    assert [is_full(call) for call in listings(side)] == [False]
    assert len(world.hub_events()) == 31


@BOTH
def test_tok_10_another_window_is_listed_anew_and_no_cursor_goes_with_it(
    world: ProviderWorld, name: str
) -> None:
    side = world.sides[name]
    side.create(timed("Old", TEN - timedelta(days=60)))
    side.create(DAILY)
    with world.ports.db.transaction() as session:
        change_link(session, world.ports, session.get_one(Link, side.link_id), past_days=30)
    world.sync()
    clear(world)
    for past_days in (45, 80, 20, 90):
        with world.ports.db.transaction() as session:
            change_link(session, world.ports, session.get_one(Link, side.link_id), past_days=past_days)
        world.sync()
    calls = listings(side)
    assert {call["status"] for call in calls} == {200}
    assert sum(is_full(call) for call in calls) >= 3, "a wider one each time"
    assert not [c for c in calls if "syncToken" in c["query"] and "timeMin" in c["query"]]
    world.assert_quiet()


def test_tok_21_a_second_reader_of_a_calendar_gets_all_that_is_there(world: ProviderWorld) -> None:
    for n in range(5):
        world.google.create(timed(f"Event {n}", TEN + timedelta(hours=n)))
    world.google.create(DAILY)
    world.sync()
    with world.ports.db.transaction() as session:
        session.add(
            User(id="usr_2", tenant_id="tnt_1", external_id="too", created_at=world.ports.clock.now())
        )
    world.add_calendar("cal_2", "usr_2")
    first = world.google.account_id, world.google.link_id
    account_id = world.connect("google", user_id="usr_2")
    link_id = world.link(account_id, ANN, "cal_2", direction="import")
    world.settle()
    assert len(world.hub_events("cal_2")) == len(world.hub_events("cal_1")) == 6
    assert world.get_link(link_id).cursor
    assert account_id != first[0]
    world.google.create(timed("Later", TEN))
    look(world, link_id, first[1])
    assert len(world.hub_events("cal_2")) == len(world.hub_events("cal_1")) == 7


@BOTH
def test_tok_27_a_full_resync_brings_back_what_the_hub_has_lost_and_copies_nothing_twice(
    world: ProviderWorld, name: str
) -> None:
    side = world.sides[name]
    for content in (DAILY, timed("Lunch", TEN), timed("Dinner", TEN + timedelta(hours=8))):
        side.create(content)
    world.sync()
    lost = [event_id for event_id, c in world.hub_events().items() if c.title != "Dinner"]
    with world.ports.db.transaction() as session:
        session.execute(delete(Event).where(Event.id.in_(lost)))
    world.sync()
    assert len(world.hub_events()) == 1, "a valid token tells nothing"
    clear(world)
    resync(world, side)
    assert len(world.hub_events()) == 3
    assert world.writes() == []
    assert any(is_full(call) for call in listings(side))
    world.assert_quiet()


@BOTH
def test_tok_27_the_old_token_is_used_until_the_full_listing_is_complete(
    world: ProviderWorld, name: str
) -> None:
    side, there = world.sides[name], other(world, name)
    side.create(timed("There", TEN))
    world.sync()
    query = {"google": "timeMin", "outlook": "startDateTime"}[name]
    side.control.fault("status", path=LISTINGS[name], status=503, query=query, times=1000)
    resync(world, side)
    side.create(timed("While it fails", TEN))
    look(world, side.link_id)
    later(world, 100, 2)
    assert "While it fails" in there.by_title()
    assert world.get_link(side.link_id).problem
    side.control.clear_faults()
    later(world, 4000, 2)
    world.assert_quiet()


def resync(world: ProviderWorld, side: Side) -> None:
    with world.ports.db.transaction() as session:
        sync_now(session, world.ports, session.get_one(Link, side.link_id), full=True)
    world.settle()


@BOTH
def test_tok_27_what_was_not_understood_is_forgotten_once_a_full_listing_does_not_show_it(
    world: ProviderWorld, name: str
) -> None:
    side = world.sides[name]
    gone, stays = (side.create(timed(title, TEN)) for title in ("Gone", "Stays"))
    odd = {"start": {"dateTime": "soon"}}
    side.control.fault("odd", path=LISTINGS[name], ids=[gone, stays], values=odd, times=1000)
    world.sync()
    assert world.parked().keys() == {(name, gone), (name, stays)}
    side.delete(gone)
    side.control.expire_cursors(ANN)
    look(world, side.link_id)
    assert world.parked().keys() == {(name, stays)}
    side.control.clear_faults()
    world.relist()
    assert world.parked() == {}
    world.assert_quiet()


@BOTH
def test_tok_28_what_becomes_visible_late_is_found_and_the_rest_is_read_once(
    world: ProviderWorld, name: str
) -> None:
    side, there = world.sides[name], other(world, name)
    side.create(timed("E1", TEN))
    world.sync()
    side.control.switches(**{"read_lag" if name == "google" else "delta_lag": 30})
    side.create(timed("E2", TEN))
    gone = side.find("E1")
    side.update(gone, title="E1 changed")
    clear(world)
    for _ in range(10):
        look(world, side.link_id)
        later(world, 5, 1)
    later(world, 30, 1)
    look(world, side.link_id)
    assert sorted(there.by_title()) == ["E1 changed", "E2"]
    assert len(there.control.writes()) == 2, "one for each change"
    assert len(side.control.ledger()["calls"]) <= 20
    side.delete(gone)
    later(world, 40, 1)
    look(world, side.link_id)
    assert list(there.by_title()) == ["E2"]
    world.assert_quiet()


def test_a_full_listing_that_is_asked_for_while_another_ends_is_made(memory: World) -> None:
    left, _ = memory.linked_pair()
    memory.person_creates("left", timed("There", TEN))

    def ask() -> None:
        with memory.ports.db.transaction() as session:
            change_link(session, memory.ports, session.get_one(Link, left), past_days=400)

    memory.services["left"].before_listing = ask
    generation = memory.get_link(left).generation
    memory.settle()
    memory.wait(60)
    assert memory.get_link(left).generation > generation
    assert memory.titles("right") == ["There"]
