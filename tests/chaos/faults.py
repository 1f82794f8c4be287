"""What can go wrong with real processes: each fault is played at a random point and ends by itself."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import redis

from demo.stage import wait_until
from tests import servers
from tests.chaos.plant import PROVIDERS, Plant

Fault = Callable[[Plant, random.Random], None]
MENU: dict[str, Fault] = {}
LONGEST_FREEZE = 12.0
"""Longer than a lease and a sweep: another worker must have taken over by then."""


def fault(play: Fault) -> Fault:
    MENU[play.__name__] = play
    return play


def a_worker(rng: random.Random) -> str:
    return f"worker-{rng.randint(1, 2)}"


# --- kill -9 ---


@fault
def kill_web(plant: Plant, rng: random.Random) -> None:
    plant.kill("web")


@fault
def kill_web_child(plant: Plant, rng: random.Random) -> None:
    """The process that answers, not the one that listens."""
    plant.signal(signal.SIGKILL, plant.pids("web")[1:2])


@fault
def kill_worker_parent(plant: Plant, rng: random.Random) -> None:
    plant.signal(signal.SIGKILL, plant.pids(a_worker(rng))[:1])


@fault
def kill_worker_child(plant: Plant, rng: random.Random) -> None:
    children = plant.pids(a_worker(rng))[1:]
    plant.signal(signal.SIGKILL, children and [rng.choice(children)])


@fault
def kill_all_workers_again_and_again(plant: Plant, rng: random.Random) -> None:
    for _ in range(3):
        plant.kill("worker-1")
        plant.kill("worker-2")
        time.sleep(rng.uniform(0.5, 3))


@fault
def kill_beat(plant: Plant, rng: random.Random) -> None:
    plant.kill("beat")


@fault
def kill_redis(plant: Plant, rng: random.Random) -> None:
    plant.kill("redis")


@fault
def kill_postgres(plant: Plant, rng: random.Random) -> None:
    plant.kill("postgres")


@fault
def kill_postgres_backend(plant: Plant, rng: random.Random) -> None:
    """PostgreSQL then ends all others as well and recovers from its log."""
    backends = [row[0] for row in _administer(plant, _OTHERS)]
    plant.signal(signal.SIGKILL, backends and [rng.choice(backends)])


@fault
def kill_sandbox(plant: Plant, rng: random.Random) -> None:
    plant.kill(rng.choice(PROVIDERS))


# --- SIGSTOP, SIGCONT ---


def _freeze(plant: Plant, rng: random.Random, pids: list[int]) -> None:
    with plant.frozen(pids):
        time.sleep(rng.uniform(2, LONGEST_FREEZE))


@fault
def freeze_web(plant: Plant, rng: random.Random) -> None:
    _freeze(plant, rng, plant.pids("web"))


@fault
def freeze_worker(plant: Plant, rng: random.Random) -> None:
    _freeze(plant, rng, plant.pids(a_worker(rng)))


@fault
def freeze_worker_parent(plant: Plant, rng: random.Random) -> None:
    _freeze(plant, rng, plant.pids(a_worker(rng))[:1])


@fault
def freeze_worker_child(plant: Plant, rng: random.Random) -> None:
    children = plant.pids(a_worker(rng))[1:]
    _freeze(plant, rng, children and [rng.choice(children)])


@fault
def freeze_beat(plant: Plant, rng: random.Random) -> None:
    _freeze(plant, rng, plant.pids("beat"))


@fault
def freeze_redis(plant: Plant, rng: random.Random) -> None:
    _freeze(plant, rng, plant.pids("redis"))


@fault
def freeze_postgres(plant: Plant, rng: random.Random) -> None:
    _freeze(plant, rng, plant.pids("postgres"))


@fault
def freeze_sandbox(plant: Plant, rng: random.Random) -> None:
    _freeze(plant, rng, plant.pids(rng.choice(PROVIDERS)))


# --- Redis ---


@fault
def wipe_redis(plant: Plant, rng: random.Random) -> None:
    for _ in range(rng.randint(1, 5)):
        with plant.redis() as broker:
            broker.flushall()
        time.sleep(rng.uniform(0, 0.5))


@fault
def restart_redis_four_times(plant: Plant, rng: random.Random) -> None:
    """Four times in five seconds."""
    for _ in range(4):
        plant.kill("redis")
        time.sleep(1.2)
    await_redis(plant)


@fault
def away_redis(plant: Plant, rng: random.Random) -> None:
    with held(plant, "redis"):
        plant.kill("redis")
        time.sleep(rng.uniform(2, LONGEST_FREEZE))
    await_redis(plant)


@fault
def full_redis(plant: Plant, rng: random.Random) -> None:
    """Every write is refused with OOM."""
    with full(plant, "noeviction"):
        time.sleep(rng.uniform(2, 8))


@fault
def evicting_redis(plant: Plant, rng: random.Random) -> None:
    """Queues are dropped when memory runs out."""
    with full(plant, "allkeys-lru"):
        time.sleep(rng.uniform(2, 8))


@fault
def replica_redis(plant: Plant, rng: random.Random) -> None:
    with read_only(plant):
        time.sleep(rng.uniform(2, 8))


@contextmanager
def full(plant: Plant, policy: str) -> Iterator[None]:
    with plant.redis() as broker:
        broker.config_set("maxmemory-policy", policy)
        broker.config_set("maxmemory", "1")
    try:
        yield
    finally:
        with plant.redis() as broker:
            broker.config_set("maxmemory", "0")
            broker.config_set("maxmemory-policy", "noeviction")


@contextmanager
def read_only(plant: Plant) -> Iterator[None]:
    """Make Redis a replica of nobody: it answers READONLY to every write."""
    with plant.redis() as broker:
        broker.execute_command("REPLICAOF", "127.0.0.1", "1")
    try:
        yield
    finally:
        with plant.redis() as broker:
            broker.execute_command("REPLICAOF", "NO", "ONE")


@contextmanager
def held(plant: Plant, *names: str) -> Iterator[None]:
    plant.hold(*names)
    try:
        yield
    finally:
        plant.let_go(*names)


def await_redis(plant: Plant) -> None:
    def answers() -> bool:
        try:
            with plant.redis() as broker:
                return bool(broker.ping())
        except redis.RedisError:
            return False

    wait_until(answers, "Redis to be there again", 30)


# --- PostgreSQL ---

_OTHERS = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"


def _administer(plant: Plant, statement: str) -> list[tuple[int]]:
    assert plant.postgres is not None
    address = plant.postgres.url.replace("postgresql+psycopg:", "postgresql:")
    try:
        with psycopg.connect(address, autocommit=True, connect_timeout=5) as connection:
            done = connection.execute(statement)  # type: ignore[call-overload]
            return done.fetchall() if done.description else []
    except psycopg.OperationalError:
        return []  # another fault has been quicker


@fault
def cut_database_connections(plant: Plant, rng: random.Random) -> None:
    for _ in range(rng.randint(1, 6)):
        _administer(plant, _OTHERS.replace("SELECT pid", "SELECT pg_terminate_backend(pid)::int"))
        time.sleep(rng.uniform(0, 0.8))


@fault
def restart_postgres(plant: Plant, rng: random.Random) -> None:
    assert plant.postgres is not None
    with held(plant, "postgres"):
        plant.postgres.stop(rng.choice([signal.SIGINT, signal.SIGQUIT]))
        time.sleep(rng.uniform(0, 5))


@fault
def read_only_postgres(plant: Plant, rng: random.Random) -> None:
    """As after a failover: connections are open, reads are answered, writes are refused."""
    _administer(plant, "ALTER SYSTEM SET default_transaction_read_only = on")
    _administer(plant, "SELECT pg_reload_conf()::int")
    time.sleep(rng.uniform(1, 6))
    wait_until(lambda: _writable(plant), "PostgreSQL to be writable again", 60)


def _writable(plant: Plant) -> bool:
    _administer(plant, "ALTER SYSTEM RESET default_transaction_read_only")
    _administer(plant, "SELECT pg_reload_conf()::int")
    asked = "SELECT (current_setting('default_transaction_read_only') = 'off')::int"
    return _administer(plant, asked) == [(1,)]


# --- several of one kind ---


@fault
def two_beats(plant: Plant, rng: random.Random) -> None:
    plant.add_process("beat-2", "beat")
    time.sleep(rng.uniform(6, LONGEST_FREEZE))
    plant.remove_process("beat-2")


@fault
def end_workers_in_order(plant: Plant, rng: random.Random) -> None:
    """SIGTERM, as for a new version."""
    for name in ("worker-1", "worker-2"):
        plant.signal(signal.SIGTERM, plant.pids(name)[:1])
        time.sleep(rng.uniform(1, 4))


def describe(names: list[str]) -> str:
    return ", ".join(name.replace("_", " ") for name in names)


def server_kinds() -> str:
    return "; ".join(servers.describe())
