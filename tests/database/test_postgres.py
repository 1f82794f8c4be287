"""What is particular to PostgreSQL: failovers, poolers, and transactions side by side."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import event, select, text, update
from sqlalchemy.orm import Session

from hub.accounts import links
from hub.db import Database
from hub.inbound import moves
from hub.inbound.pull import pull_link
from hub.migrations import pending
from hub.models import Calendar, Event, EventCopy, Link
from hub.models.content import content_of
from hub.outbound import edit, lease
from hub.outbound.push import push_link
from hub.plugin.testing import timed
from hub.plugin.types import EventContent, When
from tests import servers
from tests.unit.api.hub_app import HubApp, an_event
from tests.world import TESTER, World

pytestmark = pytest.mark.skipif(not servers.with_postgres(), reason="without PostgreSQL")


@pytest.fixture
def postgres_database_url(postgres_url: str, postgres_template: str) -> Iterator[str]:
    with servers.database(postgres_url, postgres_template) as url:
        yield url


def test_a_server_that_has_become_a_replica_is_left_at_once(
    postgres_database_url: str, tmp_path: Path
) -> None:
    """The connections that are open say so at the first write; new ones find the new server."""
    hub = HubApp(postgres_database_url, tmp_path)
    assert hub.call("POST", "/v1/events", an_event()).status_code == 201
    with hub.world.ports.db.engine.connect() as connection:
        connection.execute(text("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"))
        connection.commit()
    answer = hub.call("POST", "/v1/events", an_event())
    assert (answer.status_code, answer.get_json()["type"][-13:]) == (503, "database_busy")
    assert hub.call("POST", "/v1/events", an_event()).status_code == 201


def test_a_snapshot_leaves_its_connection_as_it_was(postgres_database_url: str) -> None:
    db, isolation = Database(postgres_database_url), text("SHOW transaction_isolation")
    with db.snapshot() as session:
        assert session.scalar(isolation) == "repeatable read"
    with db.reading() as session:
        assert session.scalar(isolation) == "read committed"
    assert db.engine.pool.checkedin() == 1  # type: ignore[attr-defined]
    db.engine.dispose()


def test_a_page_and_its_signature_are_of_one_moment(postgres_database_url: str, tmp_path: Path) -> None:
    """Else a page that was read while something came to its end would show it as under way for long."""
    hub = HubApp(postgres_database_url, tmp_path, page_access="signed")
    hub.world.linked_pair()
    engine, person = hub.world.ports.db.engine, hub.signed_in()

    def show() -> tuple[bool, str]:
        html = hub.get(person, "/").get_data(as_text=True)
        return "Renamed" in html, html.partition('data-signature="')[2].partition('"')[0]

    before, renames = show(), [update(Calendar).values(name="Renamed")]

    @event.listens_for(engine, "before_cursor_execute")
    def rename(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        """Change something when the page has been read but for its signature."""
        if "change_seq" in statement and renames:
            with engine.begin() as other:
                other.execute(renames.pop())

    assert show() == before and not renames
    is_renamed, after = show()
    assert is_renamed and after != before[1]


@pytest.mark.parametrize(("query", "prepared"), [("", True), ("prepare_threshold=none", False)])
def test_nothing_is_left_prepared_for_a_pooler_that_shares_connections(
    postgres_database_url: str, query: str, prepared: bool
) -> None:
    mark = "&" if "?" in postgres_database_url else "?"
    url = f"{postgres_database_url}{mark}{query}" if query else postgres_database_url
    db = Database(url)
    assert not pending(db)
    for _ in range(20):
        with db.transaction() as session:
            session.execute(text("SELECT 1"))
    with db.transaction() as session:
        found = session.execute(text("SELECT count(*) FROM pg_prepared_statements")).scalar_one()
    db.engine.dispose()
    assert (found > 0) is prepared


NINE = datetime(2026, 12, 7, 9)
LONG_AGO = datetime(2020, 12, 7, 9)
BLOCKED = 0.5
"""Seconds: a first listing of an empty calendar takes a tenth of that, unless it waits for somebody."""


@pytest.fixture
def world(postgres_database_url: str, tmp_path: Path) -> World:
    """A calendar that is linked to one at `left`, and a person with another at `right`."""
    made = World(postgres_database_url, tmp_path)
    made.link(made.connect("left"))
    made.connect("right")
    made.settle()
    return made


def play_beside_a_first_listing(
    world: World, prepare: Callable[[Session], Event | None], act: Callable[[Session, Event | None], None]
) -> None:
    """Link `right`; while it is listed for the first time a transaction prepares its act, which it commits
    when the listing has come to its end, or waits.
    """
    right = world.link("acc_right_ann")
    has_begun, may_go_on = threading.Event(), threading.Event()

    def listed() -> None:
        has_begun.set()
        assert may_go_on.wait(20)

    world.services["right"].before_listing = listed
    with ThreadPoolExecutor(1) as worker:
        listing = worker.submit(pull_link, world.ports, right)
        assert has_begun.wait(20)
        with world.ports.db.transaction() as session:
            event = prepare(session)
            may_go_on.set()
            wait([listing], BLOCKED)
            act(session, event)
        listing.result(20)
    world.settle()


def locked(event_id: str) -> Callable[[Session], Event | None]:
    return lambda session: edit.get_event(session, event_id, lock=True)


def existing(world: World, starts: datetime) -> str:
    event_id = world.api_creates(timed("Lunch", starts))
    world.settle()
    return event_id


def make(world: World, session: Session) -> None:
    calendar = session.get_one(Calendar, "cal_1")
    edit.create_event(session, world.ports, calendar, timed("Lunch", NINE), TESTER)


def move(world: World, session: Session, event: Event | None) -> None:
    assert event is not None
    content = dataclasses.replace(content_of(event), when=timed("", NINE).when, title="Lunch, moved")
    edit.update_event(session, world.ports, event, content, TESTER)


def restore(world: World, session: Session, event: Event | None) -> None:
    assert event is not None
    edit.restore_event(session, world.ports, event, content_of(event), TESTER, extra={})


def test_an_event_made_while_another_link_is_read_for_the_first_time_gets_its_copy_there(
    world: World,
) -> None:
    play_beside_a_first_listing(world, lambda session: make(world, session), lambda _session, _event: None)
    assert world.titles("right") == ["Lunch"]


@pytest.mark.parametrize("begins", ["before the listing", "after the listing"])
@pytest.mark.parametrize("starts", [LONG_AGO, NINE])
def test_an_edit_while_another_link_is_read_for_the_first_time_comes_there(
    world: World, starts: datetime, begins: str
) -> None:
    event_id = existing(world, starts)
    if begins == "before the listing":

        def edited(session: Session) -> None:
            move(world, session, locked(event_id)(session))

        play_beside_a_first_listing(world, edited, lambda _session, _event: None)
    else:
        play_beside_a_first_listing(
            world, locked(event_id), lambda session, event: move(world, session, event)
        )
    assert world.titles("right") == ["Lunch, moved"]
    assert world.titles("left") == ["Lunch, moved"]


def test_an_event_restored_while_another_link_is_read_for_the_first_time_comes_there(world: World) -> None:
    event_id = existing(world, NINE)
    world.api_deletes(event_id)
    world.settle()

    play_beside_a_first_listing(
        world,
        lambda session: restore(world, session, locked(event_id)(session)),
        lambda _session, _event: None,
    )
    assert world.titles("right") == world.titles("left") == ["Lunch"]


def test_a_deletion_that_is_found_while_an_application_edits_the_event_waits_for_its_turn(
    world: World,
) -> None:
    """Who writes an event and its copies takes the event first, so that nobody waits in a circle."""
    right = world.link("acc_right_ann")
    world.settle()
    event_id = existing(world, NINE)
    world.queue.lossy = True
    world.api_updates(event_id, timed("Lunch at ten", NINE))
    (remote_id,) = world.remote("right")
    world.person_deletes("right", remote_id)
    world.queue.lossy = False
    with ThreadPoolExecutor(1) as worker:
        with world.ports.db.transaction() as session:
            event = locked(event_id)(session)
            pushing = worker.submit(push_link, world.ports, right)
            wait([pushing], BLOCKED)
            move(world, session, event)
        pushing.result(20)
    world.settle()

    assert world.titles("right") == world.titles("left") == ["Lunch, moved"]
    assert [c.field for c in world.conflicts()] == ["deleted"]


Step = Callable[[Session], None]


def play_side_by_side(world: World, first: Step, other: Step, then: Step) -> None:
    """Begin a transaction, beside it another that comes as far as it can, and let both come to their end."""

    def run() -> None:
        with world.ports.db.transaction() as session:
            other(session)

    with ThreadPoolExecutor(1) as worker:
        with world.ports.db.transaction() as session:
            first(session)
            running = worker.submit(run)
            wait([running], BLOCKED)
            then(session)
        running.result(20)


def void(_locked: object) -> None:
    """Hold what was locked."""


def link_of(session: Session) -> Link:
    return session.scalars(select(Link)).one()


def test_what_a_link_shows_is_changed_beside_an_edit_that_makes_a_copy_in_it(world: World) -> None:
    event_id = existing(world, NINE)
    play_side_by_side(
        world,
        lambda session: move(world, session, locked(event_id)(session)),
        lambda session: links.change_link(session, world.ports, link_of(session), detail="busy_only"),
        lambda session: make(world, session),
    )
    world.settle()
    assert world.hub_titles() == ["Lunch", "Lunch, moved"]
    assert world.titles("left") == ["Busy", "Busy"]


def test_copies_are_written_twice_beside_an_edit_of_their_event(world: World) -> None:
    """PostgreSQL looks for the event of a row that the same transaction has written before."""
    event_id = existing(world, NINE)
    options = {"detail": "busy_only", "unholdable": "singles"}
    play_side_by_side(
        world,
        lambda session: void(locked(event_id)(session)),
        lambda session: links.change_link(session, world.ports, link_of(session), **options),
        lambda session: move(world, session, locked(event_id)(session)),
    )
    world.settle()
    assert world.titles("left") == ["Busy"]


def move_calendar(session: Session, world: World) -> None:
    links.move_calendar(session, world.ports, session.get_one(Calendar, "cal_1"), "Asia/Tokyo")


def sync_all(session: Session, world: World) -> None:
    links.sync_now(session, world.ports, link_of(session), full=True)


@pytest.mark.parametrize("change", [move_calendar, sync_all])
def test_a_link_is_changed_beside_its_own_run(world: World, change: Callable[[Session, World], None]) -> None:
    """Who changes a link takes it first, then events, then copies, as a run does."""
    event_id = world.api_creates(EventContent(When(NINE, NINE.replace(hour=10)), "Lunch"))
    world.settle()
    with world.ports.db.transaction() as session:
        found = lease.find_free(session, world.ports, link_of(session).id)
        assert found is not None
        run, link = found
        lease.take(world.ports, link, run)
        session.execute(update(EventCopy).values(parked_at=world.clock.now()))
    play_side_by_side(
        world,
        lambda session: void(lease.held(session, world.ports, run)),
        lambda session: change(session, world),
        lambda session: move(world, session, locked(event_id)(session)),
    )
    assert world.hub_titles() == ["Lunch, moved"]


def test_an_event_is_found_in_another_calendar_beside_an_edit_of_it(world: World) -> None:
    event_id = existing(world, NINE)
    with world.ports.db.reading() as session:
        (copy_id,) = session.scalars(select(EventCopy.id))
    play_side_by_side(
        world,
        lambda session: void(locked(event_id)(session)),
        lambda session: void(moves.source_of(session, copy_id)),
        lambda session: move(world, session, locked(event_id)(session)),
    )
    assert world.hub_titles() == ["Lunch, moved"]
