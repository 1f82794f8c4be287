"""JOB on real processes with the shipped settings: web, two workers, beat, Redis, both sandboxes."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import pytest

from demo.stage import StageError, wait_until
from hub.worker import QUEUES
from tests.chaos import faults
from tests.chaos.people import content
from tests.chaos.plant import ANN, PROVIDERS, Plant, running
from tests.chaos.story import Story
from tests.servers import redis_server

LOOK = 0.05
"""Seconds between two looks. Where the machine is busy each look takes longer, as what it waits for does."""
AGAIN_WITHIN = round(15.0 / LOOK)
"""What the hub promises, in looks: so long after a worker was killed its work runs again."""
TITLE = "E{:04} {}"

pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.skipif(redis_server() is None, reason="this machine has no Redis, only fakeredis"),
]


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    with running(tmp_path_factory.mktemp("plant") / "home", sqlite=True) as made:
        yield made


class Calendars:
    """Ann's two calendars and the hub's, and one number for each event that is made."""

    def __init__(self, story: Story) -> None:
        self.story = story
        self.number = 0

    def create(self, provider: str, word: str) -> str:
        self.number += 1
        title = TITLE.format(self.number, word)
        control, calendar = self.at(provider)
        control.create(ANN, calendar, content(title))
        return title

    def rename(self, provider: str, old: str, word: str) -> str:
        control, calendar = self.at(provider)
        (remote_id,) = [i for i, c in control.events(ANN, calendar).items() if c.title == old]
        title = f"{old.split()[0]} {word}"
        control.update(ANN, calendar, remote_id, title=title)
        return title

    def at(self, provider: str) -> tuple[Any, str]:
        place: Any = self.story.places[provider]
        return place.control, place.calendar

    def times_seen(self, title: str) -> list[int]:
        return [
            sum(found == title for found, _ in place.seen().values()) for place in self.story.places.values()
        ]

    def arrive(self, *titles: str, within: float = 90) -> None:
        """All three places come to show each title once."""
        for title in titles:
            try:
                wait_until(lambda title=title: self.times_seen(title) == [1, 1, 1], repr(title), within)
            except StageError as error:
                shown = dict(zip(self.story.places, self.times_seen(title), strict=True))
                raise StageError(f"{error} to be everywhere once; it is shown so often: {shown}") from None


@pytest.fixture(scope="module")
def calendars(plant: Plant) -> Calendars:
    return Calendars(Story(plant, "job"))


@contextmanager
def answered_late(calendars: Calendars, provider: str, seconds: float) -> Iterator[Callable[[], int]]:
    """Let the next write be done at once and answered late; yields how many calls have come since."""
    control, _ = calendars.at(provider)
    control.fault("late", method="POST", path="events", seconds=seconds)
    control.clear_ledger()
    yield lambda: len(control.ledger()["calls"])
    control.clear_faults()


def test_job_03_work_of_a_killed_worker_runs_again_within_fifteen_seconds(
    plant: Plant, calendars: Calendars
) -> None:
    """Killed between "the provider has written it" and "the hub has noted it"."""
    control, calendar = calendars.at("outlook")
    with answered_late(calendars, "outlook", 20) as calls:
        title = calendars.create("google", "killed")
        wait_until(lambda: any(c.title == title for c in control.events(ANN, calendar).values()), "the write")
        for name in ("worker-1", "worker-2"):
            plant.kill(name)
        killed, before, looks = time.monotonic(), calls(), count()
        wait_until(lambda: next(looks) and calls() > before, "another worker to take it up", 60, pause=LOOK)
        taken = next(looks)
    print(f"taken up again after {time.monotonic() - killed:.1f} s, {taken} looks")
    assert taken <= AGAIN_WITHIN
    calendars.arrive(title)
    time.sleep(1)
    assert calendars.times_seen(title) == [1, 1, 1]


def test_job_05_a_worker_hears_again_after_redis_was_restarted(plant: Plant, calendars: Calendars) -> None:
    for _ in range(3):
        plant.kill("redis")
        time.sleep(1)
    faults.await_redis(plant)
    calendars.arrive(calendars.create("google", "after"), calendars.create("outlook", "after"))
    assert plant.is_ready()


@pytest.mark.parametrize("policy", ["noeviction", "allkeys-lru"])
def test_job_22_a_full_redis_loses_nothing(plant: Plant, calendars: Calendars, policy: str) -> None:
    with faults.full(plant, policy):
        title = calendars.create("google", "full 0")
        for n in range(1, 100):
            title = calendars.rename("google", title, f"full {n}")
        made = calendars.create("outlook", "full")
        by_api = TITLE.format(900 + len(policy), "full")
        body = {
            "calendar_id": calendars.story.calendar_id,
            "title": by_api,
            "start": {"date": "2027-03-01"},
            "end": {"date": "2027-03-02"},
        }
        plant.stage.api("POST", "/events", body)
    calendars.arrive(title, made, by_api)


def test_job_27_a_redis_that_turns_into_a_replica_stops_nobody_for_long(
    plant: Plant, calendars: Calendars
) -> None:
    with faults.read_only(plant):
        titles = [calendars.create(provider, "replica") for provider in PROVIDERS]
        time.sleep(3)
    calendars.arrive(*titles)
    assert plant.is_ready()


def test_job_25_tasks_of_other_releases_and_garbage_are_told_and_nothing_is_lost(
    plant: Plant, calendars: Calendars
) -> None:
    from celery import Celery

    link_id = calendars.story.link_ids[0]
    with Celery(broker=plant.broker.url) as other_release, plant.redis() as broker:
        for n in range(50):
            other_release.send_task("sync.calendar", args=(link_id,), queue="inbound")
            other_release.send_task("pull", args=(link_id, n, "more"), queue="inbound")
            other_release.send_task("push", kwargs={"calendar": n}, queue="outbound")
        for rubbish in (b"no json", json.dumps({"body": "?"}).encode(), b"{}"):
            broker.lpush("inbound", rubbish)
    calendars.arrive(calendars.create("google", "beside"), calendars.create("outlook", "beside"))
    logs = "".join((plant.logs / f"worker-{n}.log").read_text() for n in (1, 2))
    assert logs.count("unknown_task_discarded") == 50


def test_job_16_workers_that_are_told_to_end_hand_their_work_on(plant: Plant, calendars: Calendars) -> None:
    with answered_late(calendars, "outlook", 3) as calls:
        title = calendars.create("google", "ending")
        wait_until(lambda: calls() > 0, "the write to begin")
        for name in ("worker-1", "worker-2"):
            plant.signal(signal.SIGTERM, plant.pids(name)[:1])
        more = calendars.create("outlook", "ending")
        calendars.arrive(title, more)


def test_job_21_redis_keeps_queues_and_nothing_else(plant: Plant, calendars: Calendars) -> None:
    """No lock, no result: whoever dies leaves nothing there that others must wait for."""
    with plant.redis() as broker:
        kept = {key.decode() for key in broker.scan_iter()}
        # A queue that is empty has no key.
        waiting = {queue: broker.llen(queue) for queue in kept & set(QUEUES.values())}
    allowed = {*QUEUES.values(), "delivery", "celery", "unacked", "unacked_index", "unacked_mutex"}
    assert {key for key in kept if not key.startswith("_kombu.binding")} <= allowed
    assert all(length < 50 for length in waiting.values()), waiting
