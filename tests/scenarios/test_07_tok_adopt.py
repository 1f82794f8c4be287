"""Resyncs that adopt what is there: a restored database, a new grant, a link made again, pushes that wait."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
from sqlalchemy import select

from hub.accounts import connect
from hub.accounts.connect import ConnectError
from hub.accounts.disconnect import disconnect
from hub.models import Account, AccountState, Event, Link, LinkState, User
from hub.outbound import linking
from hub.outbound.linking import adopt_anew
from hub.plugin.testing import all_day, series, timed
from hub.plugin.types import EventContent, Location, SeriesException
from tests.provider_world import ANN, ProviderWorld, Side
from tests.scenarios.play import clear, later, other
from tests.scenarios.quiet import look

TEN = datetime(2026, 12, 8, 10)
OFF = SeriesException(TEN + timedelta(days=1), cancelled=True)
LONG = "A title that is longer than what one of the two calendars can hold, " * 5
BOTH = pytest.mark.parametrize("name", ["google", "outlook"])


def some(prefix: str) -> list[EventContent]:
    """Return an event of each kind."""
    return [
        replace(timed(f"{prefix} lunch", TEN, description="Soup"), location=Location("Canteen")),
        all_day(f"{prefix} holiday", date(2026, 12, 9)),
        series(f"{prefix} standup", TEN, "FREQ=DAILY;COUNT=9", OFF),
    ]


class Backup:
    """A copy of the hub's database, to be put back later."""

    def __init__(self, home: Path) -> None:
        self.live, self.kept = home / "hub.db", home / "backup.db"
        self._copy(self.live, self.kept)

    def put_back(self, world: ProviderWorld) -> None:
        """Put it back and have all links adopt what is there, as `hub restored` does."""
        self._copy(self.kept, self.live)
        world.queue.hints.clear()
        with world.ports.db.transaction() as session:
            for link in session.scalars(select(Link)):
                adopt_anew(session, world.ports, link)

    @staticmethod
    def _copy(source: Path, target: Path) -> None:
        with sqlite3.connect(source) as old, sqlite3.connect(target) as new:
            old.backup(new)


def no_creates(world: ProviderWorld) -> None:
    assert not [c for c in world.writes() if " POST " in c and "/events" in c and "/stop" not in c]


@pytest.mark.parametrize("first", ["google", "outlook"])
def test_yesterdays_database_recognises_all_that_was_written_since(
    world: ProviderWorld, tmp_path: Path, first: str
) -> None:
    for side in world.sides.values():
        for content in some(f"At {side.name}"):
            side.create(content)
    world.sync()
    pending = timed("Waits in the backup", TEN)
    world.queue.lossy = True
    world.api_creates(pending)
    backup = Backup(tmp_path)
    world.queue.lossy = False
    world.sync()
    for side in world.sides.values():
        for content in some(f"New at {side.name}"):
            side.create(content)
        side.update(side.find(f"At {side.name} lunch"), title=f"At {side.name} brunch")
        side.delete(side.find(f"At {side.name} holiday"))
    world.google.create(timed(LONG, TEN))
    world.api_creates(timed("New in the hub", TEN + timedelta(hours=2)))
    world.sync()
    held = {side.name: side.by_title() for side in world.sides.values()}
    backup.put_back(world)
    clear(world)
    look(world, world.sides[first].link_id)
    world.sync()
    no_creates(world)
    assert {side.name: side.by_title() for side in world.sides.values()} == held
    world.assert_quiet()


@BOTH
def test_a_restored_database_finds_what_was_deleted_at_one_side_alone(
    world: ProviderWorld, tmp_path: Path, name: str
) -> None:
    side, there = world.sides[name], other(world, name)
    for content in some("Old"):
        side.create(content)
    world.sync()
    backup = Backup(tmp_path)
    side.delete(side.find("Old standup"))
    there.update(there.find("Old lunch"), description="Salad")
    backup.put_back(world)
    clear(world)
    world.sync()
    no_creates(world)
    assert sorted(side.by_title()) == sorted(there.by_title()) == ["Old holiday", "Old lunch"]
    assert side.by_title()["Old lunch"].description == "Salad"
    world.assert_quiet()


def reconnect(world: ProviderWorld, side: Side, person: str = ANN) -> None:
    with world.ports.db.transaction() as session:
        user, account = session.get_one(User, "usr_1"), session.get_one(Account, side.account_id)
        begun = connect.begin(session, world.ports, user, side.name, account=account)
    back = side.control.consent(begun.authorization_url, person)
    connect.complete(world.ports, side.name, dict(parse_qsl(urlsplit(back).query)), None)
    world.settle()


def lose_grant(world: ProviderWorld, side: Side) -> None:
    side.control.revoke(ANN)
    world.sync()
    world.advance(4000)
    world.sync()
    with world.ports.db.reading() as session:
        assert session.get_one(Account, side.account_id).state == AccountState.NEEDS_RECONNECT


@BOTH
def test_a_new_grant_of_the_same_account_goes_on_where_it_was(world: ProviderWorld, name: str) -> None:
    side, there = world.sides[name], other(world, name)
    for content in some("Old"):
        side.create(content)
    world.sync()
    lose_grant(world, side)
    side.update(side.find("Old lunch"), title="Brunch")
    side.delete(side.find("Old holiday"))
    side.create(timed("New there", TEN))
    there.update(there.find("Old standup"), description="By phone")
    there.create(timed("New here", TEN))
    world.sync()
    clear(world)
    reconnect(world, side)
    world.sync()
    titles = ["Brunch", "New here", "New there", "Old standup"]
    assert sorted(side.by_title()) == sorted(there.by_title()) == titles
    assert len([c for c in world.writes() if " POST " in c and c.split()[2].endswith("/events")]) == 2
    world.assert_quiet()


@BOTH
def test_another_account_than_the_expected_one_is_refused_and_nothing_changes(
    world: ProviderWorld, name: str
) -> None:
    side = world.sides[name]
    side.control.add_person("ben@example.test", "Ben")
    for content in some("Old"):
        side.create(content)
    world.sync()
    lose_grant(world, side)
    events = world.hub_events()
    with pytest.raises(ConnectError, match="was to be reconnected"):
        reconnect(world, side, "ben@example.test")
    world.sync()
    assert world.hub_events() == events
    reconnect(world, side)
    world.assert_quiet()


def test_a_moved_mailbox_with_other_ids_for_everything_is_recognised(world: ProviderWorld) -> None:
    outlook = world.outlook
    for content in some("Old"):
        outlook.create(content)
        world.google.create(replace(content, title=content.title.replace("Old", "From Google")))
    world.sync()
    person = outlook.control.renew(ANN)
    world.sync()
    world.advance(4000)
    world.sync()
    outlook.calendar = next(c["remote_id"] for c in person["calendars"] if c["primary"])
    world.google.create(timed("Meanwhile", TEN))
    outlook.update(outlook.find("Old lunch"), description="Salad")
    world.sync()
    clear(world)
    reconnect(world, outlook)
    later(world, 200, 3)
    assert len(world.hub_events()) == len(outlook.events()) == len(world.google.events()) == 7
    assert world.google.by_title()["Old lunch"].description == "Salad"
    assert len([c for c in outlook.control.writes() if c["method"] in ("POST", "DELETE")]) == 1
    world.assert_quiet()


@pytest.mark.parametrize("how", ["unlinked", "disconnected"])
@BOTH
def test_a_calendar_that_is_linked_again_is_compared_with_what_was_known_of_it(
    world: ProviderWorld, name: str, how: str
) -> None:
    side, there = world.sides[name], other(world, name)
    for content in some("Old"):
        side.create(content)
    world.sync()
    if how == "disconnected":
        disconnect(world.ports, side.account_id)
    else:
        with world.ports.db.transaction() as session:
            linking.delete_link(session, world.ports, session.get_one(Link, side.link_id))
    link, side.link_id = side.link_id, ""
    there.update(there.find("Old lunch"), title="Brunch")
    there.update(there.find("Old standup"), title="Jour fixe")
    side.update(side.find("Old lunch"), location=Location("Roof"))
    side.update(side.find("Old holiday"), title="Free")
    world.sync()
    clear(world)
    world.link_primary(name)
    world.settle()
    world.sync()
    assert world.sides[name].link_id != link
    no_creates(world)
    assert sorted(side.by_title()) == sorted(there.by_title()) == ["Brunch", "Free", "Jour fixe"]
    assert side.by_title()["Brunch"].location == Location("Roof")
    world.assert_quiet()


ASKS: dict[str, Callable[[ProviderWorld, Side], None]] = {
    "a lost cursor": lambda _, side: side.control.expire_cursors(ANN),
    "adopting anew": lambda world, side: adopt(world, side),
}


def adopt(world: ProviderWorld, side: Side) -> None:
    with world.ports.db.transaction() as session:
        adopt_anew(session, world.ports, session.get_one(Link, side.link_id))


@pytest.mark.parametrize("how", ASKS)
@BOTH
def test_a_resync_while_pushes_wait_writes_each_of_them_once(
    world: ProviderWorld, name: str, how: str
) -> None:
    side, there = world.sides[name], other(world, name)
    for content in some("Old"):
        there.create(content)
    world.sync()
    side.control.fault("status", status=503, method="POST", path="/events$", times=1)
    world.queue.lossy = True
    world.api_creates(timed("From the hub", TEN))
    event_id, content = world.hub_event("Old lunch")
    world.api_updates(event_id, replace(content, title="Brunch"))
    gone, _ = world.hub_event("Old holiday")
    world.api_deletes(gone)
    ASKS[how](world, side)
    side.update(side.find("Old standup"), description="By phone")
    side.create(timed("There", TEN))
    world.queue.lossy = False
    clear(world)
    look(world, side.link_id)
    later(world, 300, 3)
    titles = ["Brunch", "From the hub", "Old standup", "There"]
    assert sorted(side.by_title()) == sorted(there.by_title()) == titles
    done = [c["method"] for c in side.control.writes() if c["status"] < 300]
    assert sorted(done) == ["DELETE", "PATCH", "POST"]
    with world.ports.db.reading() as session:
        assert session.get_one(Link, side.link_id).state == LinkState.ACTIVE
        assert len(session.scalars(select(Event).where(Event.deleted_at.is_(None))).all()) == 4
    world.assert_quiet()
