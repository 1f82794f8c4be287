"""JOB: what the database sees: order, locks, transactions and forks."""

from __future__ import annotations

import dataclasses
import json
import os
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, select, text
from sqlalchemy.exc import OperationalError

from hub import worker
from hub.inbound.pull import pull_link
from hub.inbound.webhook import accept
from hub.keeping import sweep
from hub.models import Calendar, Link
from hub.outbound import edit, linking
from hub.outbound.push import push_link
from hub.plugin import hookimpl
from hub.plugin.errors import RetryLaterError
from hub.plugin.testing import series, timed
from hub.plugin.types import Call, ChangePage, Notification, RemoteCalendar, SeriesException, When, Window
from tests.memory_provider import MemoryPlugin, _Fault
from tests.provider_world import ProviderWorld
from tests.scenarios.dying import dies_in
from tests.world import TESTER, World

pytestmark = pytest.mark.both_databases

NINE = datetime(2026, 12, 7, 9)


def together(*works: Callable[[], Any]) -> None:
    """Do several things at once; what one of them raises is raised."""
    errors: list[BaseException] = []

    def run(work: Callable[[], Any]) -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_job_08_a_task_is_sent_after_the_commit_and_never_without_one(memory: World) -> None:
    memory.linked_pair()
    calendar_query = select(Calendar).where(Calendar.id == "cal_1")
    with memory.ports.db.transaction() as session:
        calendar = session.scalars(calendar_query).one()
        edit.create_event(session, memory.ports, calendar, timed("Kept", NINE), TESTER)
        session.flush()
        assert not memory.queue.hints, "a quick worker would not find the row"
    assert {task for task, _ in memory.queue.hints} == {"push"}
    memory.settle()
    with pytest.raises(ZeroDivisionError), memory.ports.db.transaction() as session:
        calendar = session.scalars(calendar_query).one()
        edit.create_event(session, memory.ports, calendar, timed("Rolled back", NINE), TESTER)
        session.flush()
        raise ZeroDivisionError
    assert not memory.queue.hints
    assert memory.titles("left") == memory.titles("right") == ["Kept"]


def test_job_08_a_task_whose_row_is_not_there_yet_does_nothing(memory: World) -> None:
    for task in ("pull", "push", "subscribe"):
        memory.tasks[task](memory.ports, "lnk_of_an_open_transaction")
    assert not memory.queue.hints


def test_job_10_notifications_against_a_running_sync_neither_wait_nor_deadlock(
    database_url: str, tmp_path: Path
) -> None:
    memory = World(database_url, tmp_path)
    left, _ = memory.linked_pair()
    memory.services["left"].page_size = 5
    memory.queue.lossy = True
    for n in range(100):
        memory.person_creates("left", timed(f"Event {n:03}", NINE))
    memory.queue.lossy = False
    subscription, _, _ = next(iter(memory.services["left"].channels.values()))
    note = Notification(subscription.channel_id, subscription.secret)
    accepted: list[float] = []
    sync: list[float] = []

    def storm() -> None:
        for _ in range(50):
            assert accept(memory.ports, [note]) == 1
            accepted.append(time.monotonic())

    def pull() -> None:
        sync.append(time.monotonic())
        pull_link(memory.ports, left)
        sync.append(time.monotonic())

    together(storm, storm, storm, storm, pull)
    assert len(accepted) == 200
    begun, ended = sync
    assert sum(begun < moment < ended for moment in accepted) > 8, (
        "each of the four waited for the sync's end"
    )
    memory.wait(10)
    memory.wait(10)
    assert len(memory.hub_titles()) == 100


def test_job_11_two_links_that_write_the_same_events_in_opposite_order_lose_nothing(
    database_url: str, tmp_path: Path
) -> None:
    memory = World(database_url, tmp_path)
    left, right = memory.linked_pair()
    for n in range(40):
        memory.person_creates("left", timed(f"Event {n:02}", NINE))
    memory.settle()
    for turn in range(2):
        memory.queue.lossy = True
        for provider, field, backwards in (("left", "title", False), ("right", "description", True)):
            events = sorted(
                memory.remote(provider).items(), key=lambda item: item[1].title, reverse=backwards
            )
            for remote_id, content in events:
                number = content.title.split()[1]
                value = {"title": f"Event {number} {turn}", "description": f"Told {turn}"}[field]
                memory.person_updates(provider, remote_id, dataclasses.replace(content, **{field: value}))
        memory.queue.lossy = False
        for link_id in (left, right):
            with memory.ports.db.transaction() as session:
                linking.ask_for_pull(session, memory.ports, link_id)
        memory.queue.hints.clear()
        together(lambda: pull_link(memory.ports, left), lambda: pull_link(memory.ports, right))
        for _ in range(4):
            memory.wait(5)
        for place in (memory.remote("left"), memory.remote("right"), memory.hub_events()):
            assert {c.title for c in place.values()} == {f"Event {n:02} {turn}" for n in range(40)}
            assert {c.description for c in place.values()} == {f"Told {turn}"}
    assert memory.conflicts() == []


@pytest.mark.parametrize("home", ["hub", "left"])
@pytest.mark.parametrize("renamed", [1, 2])
def test_job_03_a_write_that_could_not_be_noted_is_no_persons_edit(
    memory: World, home: str, renamed: int
) -> None:
    """The provider has it, the database was away when the hub wrote that down; then the event is deleted."""
    _, right = memory.linked_pair()
    remote_id = "" if home == "hub" else memory.person_creates("left", timed("E 0", NINE))
    event_id = memory.api_creates(timed("E 0", NINE)) if home == "hub" else ""
    memory.settle()
    lost: list[Any] = []

    def cut(connection: Any) -> None:
        if memory.titles("right") == ["E 1"] and not lost:
            lost.append(connection)
            raise OperationalError("COMMIT", {}, Exception("the connection was cut"))

    event.listen(memory.ports.db.engine, "commit", cut)
    for turn in range(1, renamed + 1):
        if home == "hub":
            content = memory.hub_events()[event_id]
            memory.api_updates(event_id, dataclasses.replace(content, title=f"E {turn}"))
        else:
            content = memory.remote("left")[remote_id]
            memory.person_updates("left", remote_id, dataclasses.replace(content, title=f"E {turn}"))
            pull_link(memory.ports, memory_left(memory))
        if turn == 1:
            push_link(memory.ports, right)
    event.remove(memory.ports.db.engine, "commit", cut)
    assert lost
    if home == "hub":
        memory.api_deletes(event_id)
    else:
        memory.person_deletes("left", remote_id)
    for _ in range(5):
        memory.wait(10)
    assert memory.titles("left") == memory.titles("right") == memory.hub_titles() == []
    assert memory.conflicts() == []


def memory_left(memory: World) -> str:
    with memory.ports.db.reading() as session:
        return session.scalars(select(Link.id).where(Link.account_id.startswith("acc_left"))).one()


class Stuttering(MemoryPlugin):
    """Lists every event twice on one page, the older state first."""

    @hookimpl
    def fetch_changes(
        self, call: Call, calendar: RemoteCalendar, cursor: str | None, page: str | None, window: Window
    ) -> ChangePage:
        found = super().fetch_changes(call, calendar, cursor, page, window)
        older = [
            dataclasses.replace(c, event=dataclasses.replace(c.event, version="0"))
            for c in found.changes
            if c.event is not None
        ]
        return dataclasses.replace(found, changes=(*older, *found.changes))


def test_job_14_an_event_that_is_listed_twice_on_a_page_is_brought_in_once(
    database_url: str, tmp_path: Path
) -> None:
    memory = World(database_url, tmp_path, Stuttering("left"), MemoryPlugin("right"))
    account_id = memory.connect("left")
    for n in range(3):
        memory.person_creates("left", timed(f"Event {n}", NINE))
    link_id = memory.link(account_id)
    memory.settle()
    assert memory.hub_titles() == ["Event 0", "Event 1", "Event 2"]
    assert memory.get_link(link_id).imported_at is not None


def test_job_14_of_two_exceptions_for_one_occurrence_the_live_one_wins(memory: World) -> None:
    memory.linked_pair()
    day = NINE + timedelta(days=1)
    live = SeriesException(day, start=day + timedelta(hours=2), end=day + timedelta(hours=3))
    gone = SeriesException(day, cancelled=True)
    for title, exceptions in (("A", (gone, live)), ("B", (live, gone))):
        memory.person_creates("left", series(title, NINE, "FREQ=DAILY;COUNT=5", *exceptions))
    memory.settle()
    assert memory.titles("right") == ["A", "B"]
    for place in (memory.hub_events(), memory.remote("right")):
        assert [content.when.exceptions for content in place.values()] == [(live,), (live,)]


def test_job_14_a_first_import_that_died_is_picked_up_by_the_sweep(memory: World) -> None:
    account_id = memory.connect("left")
    memory.person_creates("left", timed("Waiting", NINE))
    link_id = memory.link(account_id)
    memory.queue.hints.clear()
    service = memory.services["left"]
    dies_in(memory, service, "fetch_changes", lambda: pull_link(memory.ports, link_id))
    assert memory.get_link(link_id).imported_at is None
    memory.wait(9)
    assert memory.hub_titles() == ["Waiting"]
    assert memory.get_link(link_id).imported_at is not None


def test_job_15_no_provider_is_called_inside_a_transaction(memory: World) -> None:
    account_id = memory.connect("left")
    with memory.ports.db.transaction(), pytest.raises(RuntimeError, match="transaction open"):
        memory.ports.gateway.call(account_id, "list_calendars")
    with memory.ports.db.reading(), pytest.raises(RuntimeError, match="transaction open"):
        memory.ports.gateway.call(account_id, "list_calendars")
    assert memory.ports.gateway.call(account_id, "list_calendars")


def test_job_15_ten_slow_calls_hold_no_connection(database_url: str, tmp_path: Path) -> None:
    memory = World(database_url, tmp_path)
    ids = [memory.link(memory.connect("left", f"p{n}@example.test")) for n in range(10)]
    memory.settle()
    for link_id in ids:
        with memory.ports.db.transaction() as session:
            linking.ask_for_pull(session, memory.ports, link_id)
    inside, go_on = threading.Semaphore(0), threading.Event()
    plugin: Any = memory.ports.gateway.loaded.get("left").hooks  # type: ignore[attr-defined]
    fetch = plugin.fetch_changes

    def slow(**arguments: Any) -> Any:
        inside.release()
        go_on.wait(10)
        return fetch(**arguments)

    plugin.fetch_changes = slow
    workers = [threading.Thread(target=pull_link, args=(memory.ports, link_id)) for link_id in ids]
    for thread in workers:
        thread.start()
    assert all(inside.acquire(timeout=10) for _ in ids), "all ten are in their call"
    held = memory.ports.db.engine.pool.checkedout()  # type: ignore[attr-defined]
    assert held == memory.ports.db.is_sqlite, "there one is kept for whoever has the turn to write"
    begun = time.monotonic()
    memory.api_creates(timed("A request meanwhile", NINE))
    assert time.monotonic() - begun < 1
    go_on.set()
    for thread in workers:
        thread.join()


def in_children(count: int, work: Callable[[int], Any]) -> list[Any]:
    """Do `work` in so many forked processes at once; return what each has found."""
    pipes = []
    for number in range(count):
        read, write = os.pipe()
        if os.fork() == 0:
            try:
                answer = json.dumps(work(number))
            except BaseException as error:
                answer = json.dumps(f"{type(error).__name__}: {error}")
            os.write(write, answer.encode())
            os._exit(0)
        os.close(write)
        pipes.append(read)
    answers = []
    for read in pipes:
        with os.fdopen(read) as found:
            answers.append(json.loads(found.read()))
        os.wait()
    return answers


def test_job_24_forked_workers_share_no_connection_to_the_database(
    memory: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(number: int) -> int:
        with memory.ports.db.reading() as session:
            return sum(session.scalar(text(f"SELECT {number}")) for _ in range(200))

    assert ask(1) == 200, "the parent has used its connections before the fork"
    monkeypatch.setattr(worker._Process, "ports", memory.ports)

    def child(number: int) -> int:
        worker._after_fork()
        return ask(number)

    assert in_children(4, child) == [0, 200, 400, 600]
    assert ask(5) == 1000, "the parent's connections live on"


def test_job_24_forked_workers_share_no_connection_to_a_provider(
    world: ProviderWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(number: int) -> list[str]:
        side = (world.google, world.outlook)[number % 2]
        found = [world.ports.gateway.call(side.account_id, "list_calendars") for _ in range(10)]
        return sorted({calendar.name for calendars in found for calendar in calendars})

    expected = [ask(0), ask(1)]
    monkeypatch.setattr(worker._Process, "ports", world.ports)

    def child(number: int) -> list[str]:
        worker._after_fork()
        return ask(number)

    assert in_children(4, child) == expected * 2
    assert [ask(0), ask(1)] == expected


def test_job_26_no_lock_outlives_its_transaction(database_url: str, tmp_path: Path) -> None:
    """Locks are rows and leases: behind a pooler that shares connections none is ever left behind."""
    memory = World(database_url, tmp_path)
    memory.linked_pair()
    statements: list[str] = []
    event.listen(
        memory.ports.db.engine, "before_cursor_execute", lambda *found: statements.append(found[2].lower())
    )
    busy = {"error": RetryLaterError("no")}
    memory.services["right"].faults.append(_Fault("raise", 1, "push_event", busy))
    for n in range(10):
        memory.person_creates("left", timed(f"Event {n}", NINE))
    memory.settle()
    memory.wait(60)
    sweep.sweep(memory.ports)
    assert memory.titles("right") == [f"Event {n}" for n in range(10)]
    session_wide = ("advisory", "listen ", "set session", "declare ", "create temp", "prepare ")
    assert [s for s in statements if any(word in s for word in session_wide)] == []
    if not memory.ports.db.is_sqlite:
        with memory.ports.db.reading() as session:
            query = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
            assert session.scalar(text(query)) == 0


def test_job_14_a_time_holds_one_exception_for_each_original_start() -> None:
    day = NINE + timedelta(days=1)
    first, second = SeriesException(day, start=NINE), SeriesException(day, cancelled=True)
    other = SeriesException(day + timedelta(days=1), cancelled=True)
    when = When(
        NINE, NINE + timedelta(hours=1), recurrence=("RRULE:FREQ=DAILY",), exceptions=(second, first, other)
    )
    assert when.exceptions == (first, other)
