"""JOB: periodic work is done once a period, whoever sends it and how often; silence is noticed."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from threading import Thread

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from sqlalchemy import select

from hub.keeping import sweep, ticks
from hub.keeping.subscriptions import keep_channels
from hub.models import Channel, ChannelState, Link
from hub.plugin.testing import timed
from hub.processes.watch import MOST_SILENT_LOOKS, Watch, eviction_policy
from hub.settings import Settings
from hub.worker import QUEUES, configure
from tests.unit.api.hub_app import HubApp
from tests.world import HintQueue, World

NINE = datetime(2026, 12, 7, 9)
SWEEP = 5


class EveryHint(HintQueue):
    """Carries each hint as often as it is given, as a broker does."""

    def hint(self, task: str, *arguments: str) -> None:
        with self._lock:
            self.hints.append((task, arguments))


def calls(world: World) -> Counter[str]:
    return Counter(call["method"] for service in world.services.values() for call in service.calls)


def live_for_ten_minutes(world: World, beats: int) -> Counter[str]:
    """Tick as `hub beat` does, with so many of them; return the provider calls by hook."""
    world.linked_pair()
    world.queue = EveryHint()
    world.ports = dataclasses.replace(world.ports, queue=world.queue)
    with world.ports.db.transaction() as session:
        for channel in session.scalars(select(Channel)):
            channel.due_at = world.clock.now() + timedelta(seconds=90)
    before = calls(world)
    for second in range(0, 600, SWEEP):
        world.clock.advance(SWEEP)
        for _ in range(beats):
            if ticks.is_due(world.ports, "sweep", SWEEP):
                sweep.sweep(world.ports)
            if second % 60 == 0:
                world.queue.hint("renew")
        world.settle()
    return calls(world) - before


def test_job_06_two_beats_renew_and_poll_once_a_period(database_url: str, tmp_path: Path) -> None:
    settings = {"poll_interval": "120"}
    done = live_for_ten_minutes(World(database_url, tmp_path, **settings), beats=2)
    assert done["subscribe"] == done["unsubscribe"] == 2, "each of the two channels was renewed once"
    assert 2 * 4 <= done["fetch_changes"] <= 2 * 8, "polled every 90 to 150 seconds, and once per renewal"
    assert set(done) == {"subscribe", "unsubscribe", "fetch_changes"}


def test_job_07_thirty_two_thousand_ticks_are_one(memory: World) -> None:
    memory.linked_pair()
    memory.queue.lossy = True
    memory.person_creates("left", timed("Unseen", NINE))
    memory.queue = EveryHint()
    ports = dataclasses.replace(memory.ports, queue=memory.queue)
    memory.clock.advance(10)
    worked = 0
    for _ in range(1000):
        if ticks.is_due(ports, "sweep", SWEEP):
            worked += 1
            sweep.sweep(ports)
    assert worked == 1
    assert Counter(memory.queue.hints) == {("pull", (first_link(memory),)): 1}
    memory.clock.advance(SWEEP)
    assert ticks.is_due(ports, "sweep", SWEEP)


def first_link(world: World) -> str:
    with world.ports.db.reading() as session:
        return session.scalars(select(Link.id).where(Link.account_id.startswith("acc_left"))).one()


def test_job_07_a_clock_that_went_wrong_stops_no_job(memory: World) -> None:
    assert ticks.is_due(memory.ports, "sweep", SWEEP)
    memory.clock.advance(86400)
    assert ticks.is_due(memory.ports, "sweep", SWEEP), "noted a day ahead by a wrong clock"
    memory.clock.advance(-86400)
    assert ticks.is_due(memory.ports, "sweep", SWEEP)
    assert not ticks.is_due(memory.ports, "sweep", SWEEP)


def test_job_07_two_workers_that_meet_at_one_tick_work_at_it_once(memory: World) -> None:
    found: list[bool] = []
    for _ in range(5):
        memory.clock.advance(SWEEP)
        threads = [
            Thread(target=lambda: found.append(ticks.is_due(memory.ports, "sweep", SWEEP))) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found.count(True) == 5


def test_job_17_a_hundred_renewals_are_a_hundred_calls(database_url: str, tmp_path: Path) -> None:
    """A hundred jobs at once, four at a time, and every job takes what is due."""
    memory = World(database_url, tmp_path)
    account_id = memory.connect("left")
    link_id = memory.link(account_id)
    memory.settle()
    service = memory.services["left"]
    watched = next(iter(service.channels.values()))
    now = memory.clock.now()
    with memory.ports.db.transaction() as session:
        for n in range(100):
            key = f"chn{n:03}"
            service.channels[key] = (dataclasses.replace(watched[0], channel_id=key), key, watched[2])
            values = {"account_id": account_id, "link_id": link_id, "secret_digest": "0" * 64}
            times = {"due_at": now, "expires_at": now + timedelta(hours=1), "created_at": now}
            session.add(Channel(id=key, remote_id=key, state=ChannelState.LIVE, **values, **times))
    before = calls(memory)["subscribe"]

    def jobs() -> None:
        for _ in range(25):
            keep_channels(memory.ports)

    threads = [Thread(target=jobs) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert calls(memory)["subscribe"] - before == 100
    with memory.ports.db.reading() as session:
        states = Counter(session.scalars(select(Channel.state)))
    assert states == {ChannelState.LIVE: 101, ChannelState.CLOSING: 100}


@pytest.fixture
def broker(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        yield client


def test_job_05_a_worker_that_takes_nothing_although_work_waits_is_deaf(broker: redis.Redis) -> None:
    taken = 7
    watch = Watch(broker, ["inbound", "keeping"], lambda: taken, lambda: False)
    assert not watch.is_deaf(), "nothing waits"
    broker.lpush("inbound", "a hint")
    looks = [watch.is_deaf() for _ in range(MOST_SILENT_LOOKS)]
    assert looks == [False] * (MOST_SILENT_LOOKS - 1) + [True]
    taken += 1
    assert not watch.is_deaf(), "it took one: it hears"


def test_job_05_a_busy_worker_is_not_deaf_nor_is_one_whose_broker_is_away(broker: redis.Redis) -> None:
    broker.lpush("inbound", "a hint")
    busy = Watch(broker, ["inbound"], lambda: 7, lambda: True)
    assert not any(busy.is_deaf() for _ in range(2 * MOST_SILENT_LOOKS))
    away = redis.Redis(port=1, socket_connect_timeout=0.1, retry=Retry(NoBackoff(), 0))
    without_broker = Watch(away, ["inbound"], lambda: 7, lambda: False)
    assert not any(without_broker.is_deaf() for _ in range(2 * MOST_SILENT_LOOKS))


def test_job_05_health_turns_red_for_a_queue_that_nobody_listens_to(
    database_url: str, tmp_path: Path
) -> None:
    hub = HubApp(database_url, tmp_path)
    for queue in ("inbound", "outbound", "keeping"):
        ticks.beat_heart(hub.world.ports, queue)
    assert hub.browser().get("/readyz").status_code == 200
    for _ in range(7):
        hub.world.clock.advance(10)
        for queue in ("outbound", "keeping"):
            ticks.beat_heart(hub.world.ports, queue)
    answer = hub.browser().get("/readyz")
    assert answer.status_code == 503
    assert [name for name, check in answer.get_json()["checks"].items() if not check["ok"]] == [
        "worker inbound"
    ]
    ticks.beat_heart(hub.world.ports, "inbound")
    assert hub.browser().get("/readyz").status_code == 200


def test_job_22_a_broker_that_evicts_is_told(broker: redis.Redis) -> None:
    before = eviction_policy(broker)
    try:
        broker.config_set("maxmemory-policy", "allkeys-lru")
        assert eviction_policy(broker) == "allkeys-lru"
    finally:
        broker.config_set("maxmemory-policy", before)
    assert eviction_policy(broker) == "noeviction"


def test_job_01_nothing_is_sent_ahead_of_its_time_and_nothing_waits_long(tmp_path: Path) -> None:
    """The hub has no way to send a task for later; what a beat sends too late is dropped, not piled up."""
    app = configure(Settings.load({"HUB_HOME": str(tmp_path), "HUB_REDIS_URL": "redis://127.0.0.1:1/0"}))
    visible = app.conf.broker_transport_options["visibility_timeout"]
    for name, entry in app.conf.beat_schedule.items():
        assert entry["options"]["expires"] <= 2 * entry["schedule"], name
        assert "countdown" not in entry["options"] and "eta" not in entry["options"], name
    assert visible <= 60
    assert app.conf.task_ignore_result and not app.conf.result_backend


def test_job_19_long_work_has_a_queue_of_its_own_and_nobody_hoards(tmp_path: Path) -> None:
    app = configure(Settings.load({"HUB_HOME": str(tmp_path), "HUB_REDIS_URL": "redis://127.0.0.1:1/0"}))
    assert app.conf.worker_prefetch_multiplier == 1 and app.conf.task_acks_late
    assert {QUEUES["import"], QUEUES["export"]}.isdisjoint({QUEUES["pull"], QUEUES["push"], QUEUES["sweep"]})
