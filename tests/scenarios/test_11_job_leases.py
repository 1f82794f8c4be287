"""JOB: one worker at a time writes to a link, and whoever dies with it holds nobody up for long."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from hub.accounts.disconnect import disconnect
from hub.accounts.health import health_of
from hub.clock import SystemClock
from hub.db import Database
from hub.ids import SystemIds
from hub.inbound.pull import pull_link
from hub.keeping.subscriptions import keep_channels
from hub.models import Channel, ChannelState, Grant, Link, LinkSignal
from hub.outbound import linking
from hub.outbound.lease import Lease, LeaseLostError, find_free, held, prolong, release, take
from hub.outbound.push import push_link
from hub.outbound.trouble import LOST_RUNS_BORNE
from hub.plugin.errors import RetryLaterError
from hub.plugin.testing import timed
from hub.ports import Ports
from hub.providers.gateway import ProviderGateway
from hub.pulse import ThreadPulse
from tests.memory_provider import _Fault
from tests.scenarios.dying import dies_in
from tests.world import World

pytestmark = pytest.mark.both_databases

NINE = datetime(2026, 12, 7, 9)
LEASE = 6


class Watched(Database):
    """Calls `between` after each of its transactions, when others may have theirs."""

    between: Callable[[], object] = staticmethod(lambda: None)

    @contextmanager
    def _open(self, *, writing: bool, isolation: str | None = None) -> Iterator[Session]:
        with super()._open(writing=writing, isolation=isolation) as session:
            yield session
        self.between()


@pytest.fixture
def links(memory: World) -> tuple[str, str]:
    """Two linked calendars, left and right."""
    return memory.linked_pair()


def calls(world: World, hook: str, service: str = "left") -> int:
    return sum(call["method"] == hook for call in world.services[service].calls)


def claim(world: World, link_id: str) -> Lease | None:
    """Take a link as a run does, which then does nothing more; None if it is not to be had."""
    with world.ports.db.transaction() as session:
        found = find_free(session, world.ports, link_id)
        if found is None:
            return None
        take(world.ports, found[1], found[0])
        return found[0]


def notify(world: World, link_id: str) -> None:
    """Mark that the provider has told of a change; the hint to look is lost."""
    world.queue.lossy = True
    with world.ports.db.transaction() as session:
        linking.ask_for_pull(session, world.ports, link_id)
    world.queue.lossy = False


def owned(world: World, link_id: str) -> bool:
    return world.get_link(link_id).lease_owner is not None


def test_job_01_far_off_work_waits_in_the_database_and_is_done_once(
    memory: World, links: tuple[str, str]
) -> None:
    left, _ = links
    busy = {"error": RetryLaterError("come again in two hours", after=7200)}
    memory.services["left"].faults.append(_Fault("raise", 1, "fetch_changes", busy))
    notify(memory, left)
    memory.tasks["pull"](memory.ports, left)
    assert not memory.queue.hints, "nothing waits in the broker"
    before = calls(memory, "fetch_changes")
    memory.wait(140, steps=50)
    assert calls(memory, "fetch_changes") == before
    memory.wait(300)
    assert calls(memory, "fetch_changes") == before + 1
    assert memory.get_link(left).due_at is None


def test_job_02_a_second_worker_leaves_a_long_sync_alone(database_url: str, tmp_path: Path) -> None:
    """The call takes three leases; the pulse of the run keeps its own."""
    memory = World(database_url, tmp_path, lease_seconds="0.4")
    left, _ = memory.linked_pair()
    ports = real_time(memory)
    service = memory.services["left"]
    entered, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        entered.set()
        go_on.wait(10)

    service.before_listing = wait
    notify(memory, left)
    before = calls(memory, "fetch_changes")
    first = threading.Thread(target=pull_link, args=(ports, left))
    first.start()
    assert entered.wait(10)
    fence = memory.get_link(left).fence
    until = time.monotonic() + 1.2
    while time.monotonic() < until:
        pull_link(ports, left)
        push_link(ports, left)
        time.sleep(0.05)
    assert memory.get_link(left).fence == fence, "somebody else took it"
    go_on.set()
    first.join()
    assert calls(memory, "fetch_changes") == before + 1
    assert not owned(memory, left)


def real_time(world: World) -> Ports:
    """Return the world's ports with a clock that runs and a pulse that beats."""
    clock, settings, ports = SystemClock(), world.ports.settings, world.ports
    for service in world.services.values():
        service.clock = clock.now
        service.access = {k: (p, clock.now() + timedelta(hours=1)) for k, (p, _) in service.access.items()}
    with ports.db.transaction() as session:
        for grant in session.scalars(select(Grant)):
            grant.expires_at = clock.now() + timedelta(hours=1)
    ids, loaded = SystemIds(clock), ports.gateway.loaded  # type: ignore[attr-defined]
    gateway = ProviderGateway(
        loaded, settings, ports.db, clock, ids, ports.vault, run=lambda work, seconds: work()
    )
    return Ports(
        settings,
        clock,
        ids,
        ports.db,
        ports.vault,
        gateway,
        ports.queue,
        ThreadPulse(settings.lease_seconds / 4),
    )


def test_job_02_long_work_is_cut_into_steps_in_a_queue_of_its_own(memory: World) -> None:
    account_id = memory.connect("left")
    memory.services["left"].page_size = 1
    for n in range(4):
        memory.person_creates("left", timed(f"Event {n}", NINE))
    left = memory.link(account_id)
    tasks = []
    while memory.queue.hints:
        task, arguments = memory.queue.hints.popleft()
        if task in ("pull", "import"):
            tasks.append(task)
            memory.services["left"].before_listing = lambda: memory.clock.advance(6)  # a slow provider
        memory.tasks[task](memory.ports, *arguments)
    assert tasks.count("import") >= 4, "each step lists one page and makes way"
    assert memory.hub_titles() == [f"Event {n}" for n in range(4)]
    assert memory.get_link(left).imported_at is not None


@pytest.mark.parametrize("hook", ["fetch_changes", "push_event"])
def test_job_03_what_a_killed_worker_was_doing_is_done_again(
    memory: World, links: tuple[str, str], hook: str
) -> None:
    left, right = links
    memory.queue.lossy = True
    memory.person_creates("left", timed("From left", NINE))
    memory.api_creates(timed("From the hub", NINE))
    memory.queue.lossy = False
    work = {"fetch_changes": (pull_link, left), "push_event": (push_link, right)}[hook]
    service = memory.services["left" if hook == "fetch_changes" else "right"]
    dies_in(memory, service, hook, lambda: work[0](memory.ports, work[1]))
    assert owned(memory, work[1]), "the dead have given nothing back"
    memory.wait(LEASE + 1)
    memory.wait(5)
    assert memory.titles("left") == memory.titles("right") == ["From left", "From the hub"]


def test_job_04_a_link_that_kills_its_worker_is_set_aside_and_the_others_go_on(
    memory: World, links: tuple[str, str]
) -> None:
    left, _ = links
    notify(memory, left)
    for _ in range(LOST_RUNS_BORNE):
        dies_in(memory, memory.services["left"], "fetch_changes", lambda: pull_link(memory.ports, left))
        memory.clock.advance(LEASE + 1)
    before = calls(memory, "fetch_changes")
    pull_link(memory.ports, left)
    assert calls(memory, "fetch_changes") == before, "it is not tried a fourth time at once"
    set_aside = memory.get_link(left)
    assert set_aside.problem_code == "RunLost" and "killed" in (set_aside.problem or "")
    memory.person_creates("right", timed("From right", NINE))
    memory.settle()
    assert memory.hub_titles() == ["From right"]
    memory.wait(60)
    assert memory.get_link(left).problem is None, "it was only a bad day"
    assert memory.titles("left") == ["From right"]


def test_job_12_a_second_task_leaves_a_mark_and_the_run_looks_again(
    memory: World, links: tuple[str, str]
) -> None:
    left, _ = links
    service = memory.services["left"]
    cursors = []

    def second_task() -> None:
        cursors.append(memory.get_link(left).cursor)
        memory.person_creates("left", timed("Meanwhile", NINE))  # notifies
        pull_link(memory.ports, left)

    memory.person_creates("left", timed("First", NINE))
    service.before_listing = second_task
    before = calls(memory, "fetch_changes")
    memory.settle()
    cursors.append(memory.get_link(left).cursor)
    assert memory.hub_titles() == ["First", "Meanwhile"]
    assert calls(memory, "fetch_changes") <= before + 2
    steps = [int((cursor or "0:0").split(":")[1]) for cursor in cursors]
    assert steps == sorted(steps), "the cursor never goes back"


def test_job_16_what_dead_workers_held_is_taken_within_the_lease(database_url: str, tmp_path: Path) -> None:
    memory = World(database_url, tmp_path)
    account_ids = [memory.connect("left", f"p{n}@example.test") for n in range(8)]
    ids = [memory.link(account_id) for account_id in account_ids]
    memory.settle()
    for link_id in ids:
        notify(memory, link_id)
        assert claim(memory, link_id) is not None
    before = calls(memory, "fetch_changes")
    memory.wait(LEASE - 1)
    assert calls(memory, "fetch_changes") == before, "they might live"
    memory.wait(2)
    assert calls(memory, "fetch_changes") == before + 8
    assert not any(owned(memory, link_id) for link_id in ids)


def test_job_16_syncing_is_not_shown_for_ever(memory: World, links: tuple[str, str]) -> None:
    left, _ = links

    def state() -> str:
        with memory.ports.db.reading() as session:
            return health_of(session, memory.ports, [session.get_one(Link, left)])[left].state

    assert state() == "in_sync"
    notify(memory, left)
    claim(memory, left)
    assert state() == "syncing"
    memory.clock.advance(30)
    assert state() == "behind"


def test_job_18_a_notification_during_a_listing_causes_one_more(
    memory: World, links: tuple[str, str]
) -> None:
    left, _ = links
    service = memory.services["left"]
    notify(memory, left)
    first_at = memory.clock.now()
    memory.clock.advance(10)
    before = calls(memory, "fetch_changes")

    def second() -> None:
        memory.clock.advance(2)
        notify(memory, left)
        with memory.ports.db.reading() as session:
            assert session.get_one(LinkSignal, left).notified_at in (None, first_at)

    service.before_listing = second
    pull_link(memory.ports, left)
    assert calls(memory, "fetch_changes") == before + 2
    memory.wait(5)
    assert calls(memory, "fetch_changes") == before + 2, "and then it is quiet"


def test_job_20_a_run_that_outlived_its_lease_neither_writes_nor_frees_the_next_ones(
    memory: World, links: tuple[str, str]
) -> None:
    left, _ = links
    a = claim(memory, left)
    memory.clock.advance(LEASE + 1)
    b = claim(memory, left)
    assert a and b and b.fence > a.fence
    release(memory.ports, a)
    assert not prolong(memory.ports, a)
    assert claim(memory, left) is None, "C would run together with B"
    with pytest.raises(LeaseLostError), memory.ports.db.transaction() as session:
        held(session, memory.ports, a)
    with memory.ports.db.transaction() as session:
        held(session, memory.ports, b)


def test_job_20_a_run_that_may_not_write_now_keeps_its_lease_while_it_reads(
    memory: World, links: tuple[str, str]
) -> None:
    """The answer to a create was lost, and then the account's writes were paused for hours."""
    left, _ = links
    service = memory.services["left"]
    service.faults.append(_Fault("reset_before", 1, "push_event", {}))
    memory.api_creates(timed("New", NINE))
    memory.settle()
    paused = RetryLaterError("Writes are paused.", scope="writes", after=3600)
    service.faults.append(_Fault("raise", 1000, "push_event", {"error": paused}))
    taken: list[Lease | None] = []
    service.before_listing = lambda: taken.append(claim(memory, left))
    tried = calls(memory, "push_event")
    memory.person_creates("left", timed("Read", NINE))
    memory.settle()
    assert taken == [None] and calls(memory, "push_event") <= tried + 1
    assert memory.titles("right") == ["New", "Read"] and not owned(memory, left)
    service.faults.clear()
    memory.wait(3700)
    assert memory.titles("left") == ["New", "Read"]


@pytest.mark.parametrize("place", ["in a write", "between two writes"])
def test_job_20_a_lost_lease_stops_a_run_before_its_next_write(
    memory: World, links: tuple[str, str], place: str
) -> None:
    """Its process is frozen for longer than the lease; another one takes the link and goes on."""
    _, right = links
    for n in range(3):
        memory.api_creates(timed(f"Event {n}", NINE))
    memory.queue.hints.clear()
    other: list[Lease | None] = []
    db = Watched(memory.ports.db.url)
    process = dataclasses.replace(memory.ports, db=db)

    def freeze() -> None:
        if calls(memory, "push_event", "right") == 1 and not other:
            other.append(None)
            memory.clock.advance(LEASE + 1)
            other[0] = claim(memory, right)

    if place == "in a write":
        deliver = memory.services["right"].deliver
        memory.services["right"].deliver = lambda url, headers: (freeze(), deliver(url, headers))[1]
    else:
        db.between = freeze
    push_link(process, right)
    process.db.engine.dispose()
    assert other[0] is not None
    assert calls(memory, "push_event", "right") == 1
    release(memory.ports, other[0])
    memory.wait(LEASE + 1)
    memory.wait(20)
    assert memory.titles("right") == [f"Event {n}" for n in range(3)]


@pytest.mark.parametrize(
    ("state", "meanwhile"),
    [("opening", "renewed"), ("live", "renewed"), ("live", "closed"), ("closing", "disconnected")],
)
def test_job_20_a_keeper_that_outlived_its_claim_leaves_the_channel_to_those_who_went_on(
    memory: World, links: tuple[str, str], state: str, meanwhile: str
) -> None:
    """Its process is frozen between the claim of a channel and the first look at it."""
    left, _ = links
    with memory.ports.db.transaction() as session:
        channel = session.scalars(select(Channel).where(Channel.link_id == left)).one()
        channel.state, channel.due_at = ChannelState(state), memory.clock.now()
    db = Watched(memory.ports.db.url)
    process = dataclasses.replace(memory.ports, db=db)
    frozen = []

    def go_on() -> None:
        if meanwhile == "disconnected":
            disconnect(memory.ports, "acc_left_ann")
            return
        for _ in range(2 if meanwhile == "closed" else 1):
            memory.clock.advance(61)
            keep_channels(memory.ports)

    def freeze() -> None:
        if not frozen:
            frozen.append(channel.id)
            other = threading.Thread(target=go_on)
            other.start()
            other.join()

    db.between = freeze
    keep_channels(process)
    process.db.engine.dispose()
    memory.wait(125)
    expected = 0 if meanwhile == "disconnected" else 1
    assert frozen and [c.state for c in channels_of(memory, left)] == [ChannelState.LIVE] * expected


def channels_of(world: World, link_id: str) -> list[Channel]:
    with world.ports.db.reading() as session:
        return list(session.scalars(select(Channel).where(Channel.link_id == link_id)))


def test_job_21_every_claim_has_an_end(memory: World, links: tuple[str, str]) -> None:
    """Of a link, a refresh and a channel; there are no others, and none is kept in Redis."""
    left, _ = links
    now = memory.clock.now()
    assert claim(memory, left) is not None
    with memory.ports.db.transaction() as session:
        for grant in session.scalars(select(Grant)):
            grant.expires_at = now
            grant.refresh_owner, grant.refresh_until = "the dead", now + timedelta(seconds=LEASE)
        for channel in session.scalars(select(Channel)):
            channel.due_at = now + timedelta(seconds=60)  # as `keep_channels` claims it
            channel.expires_at = now + timedelta(seconds=90)
    memory.person_creates("left", timed("Later", NINE))
    memory.person_creates("right", timed("Also later", NINE))
    memory.wait(LEASE + 1)
    memory.wait(61)
    assert memory.titles("left") == memory.titles("right") == ["Also later", "Later"]
    with memory.ports.db.reading() as session:
        for channel in session.scalars(select(Channel).where(Channel.state == "live")):
            assert channel.expires_at and channel.expires_at > now + timedelta(days=1)
