"""Stories with a point of their own: takeovers timed, races forced, tokens that end under many callers."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from demo.stage import wait_until
from hub.models import Grant
from hub.worker import CeleryQueue, configure
from tests.chaos.people import ProviderPlace, content
from tests.chaos.plant import ANN, PROVIDERS, Plant
from tests.chaos.story import Story

Begin = Callable[[str], Story]
AGAIN_WITHIN = 15.0
"""Seconds after which the work of a killed worker runs again, with the shipped settings."""
pytestmark = pytest.mark.timeout(400)


def at(story: Story, provider: str) -> ProviderPlace:
    place = story.places[provider]
    assert isinstance(place, ProviderPlace)
    return place


def titles(story: Story, provider: str) -> Counter[str]:
    return Counter(title for title, _ in at(story, provider).seen().values())


def fill(story: Story, provider: str, count: int) -> Counter[str]:
    """Let Ann make many events; return their titles."""
    place = at(story, provider)
    made = [f"E{n:04} filled" for n in range(count)]
    for title in made:
        place.control.create(ANN, place.calendar, content(title))
    return Counter(made)


def assert_all_show(story: Story, expected: Counter[str], within: float = 120) -> None:
    wait_until(
        lambda: all(titles(story, p) == expected for p in PROVIDERS) and story.states() == ["in_sync"] * 2,
        f"all of {len(expected)} events to be at both providers, once",
        within,
        pause=0.5,
    )
    assert Counter(t for t, _ in story.places["hub"].seen().values()) == expected
    story._assert_quiet()


def writes(story: Story, provider: str) -> int:
    return len(at(story, provider).control.writes())


@pytest.mark.parametrize("who", ["parent", "child", "all"])
def test_job_03_killed_at_a_random_point_work_runs_again_within_fifteen_seconds(
    plant: Plant, begin: Begin, who: str
) -> None:
    """Each call takes a while, so that the kill strikes in the middle of one."""
    story = begin(f"takeover-{who}")
    outlook = at(story, "outlook").control
    outlook.fault("late", method="POST", path="/events$", seconds=0.4, times=10_000)
    expected = fill(story, "google", 60)
    wait_until(lambda: writes(story, "outlook") >= 3, "the first copies", 60)
    time.sleep(story.rng.uniform(0, 3))
    workers = [plant.pids("worker-1"), plant.pids("worker-2")]
    struck = {
        "parent": [pids[0] for pids in workers],
        "child": [pid for pids in workers for pid in pids[1:]],
        "all": [pid for pids in workers for pid in pids],
    }[who]
    plant.signal(signal.SIGKILL, struck)
    killed = time.monotonic()
    # What the dead had sent may still come in.
    time.sleep(0.6)
    before = len(outlook.ledger()["calls"])
    wait_until(lambda: len(outlook.ledger()["calls"]) > before, "somebody to go on", 60, pause=0.05)
    took = time.monotonic() - killed
    print(f"{who} killed: the work ran again after {took:.1f} s", flush=True)
    assert took <= AGAIN_WITHIN
    outlook.clear_faults()
    assert_all_show(story, expected)


def test_job_03_a_first_import_is_killed_three_times_and_loses_nothing(plant: Plant, begin: Begin) -> None:
    story = begin("first-import")
    stage = plant.stage
    story.close()
    expected = fill(story, "google", 150)
    story.link_ids = []
    for provider in PROVIDERS:
        remote = stage.remote_calendar(story._account(provider))
        body = {"calendar_id": story.calendar_id, "remote_calendar_id": remote["id"]}
        story.link_ids.append(stage.api("POST", "/links", body)["id"])
    for least in (1, 40, 100):
        wait_until(
            lambda least=least: sum(titles(story, "outlook").values()) >= least, f"{least} copies", 120
        )
        plant.kill("worker-1")
        plant.kill("worker-2")
    assert_all_show(story, expected, 240)


def test_job_02_two_workers_race_for_one_link(plant: Plant, begin: Begin) -> None:
    """240 hints for two links while sixty events are made: each event is written once."""
    story = begin("race")
    at(story, "outlook").control.clear_ledger()
    configure(plant.settings)
    queue = CeleryQueue()
    expected: Counter[str] = Counter()
    place = at(story, "google")
    for n in range(60):
        title = f"E{n:04} raced"
        place.control.create(ANN, place.calendar, content(title))
        expected[title] += 1
        for task in ("pull", "push"):
            for link_id in story.link_ids:
                queue.hint(task, link_id)
    wait_until(lambda: titles(story, "outlook") == expected, "all to be copied", 90)
    made = [call for call in at(story, "outlook").control.writes() if call["method"] == "POST"]
    assert len(made) == 60
    assert_all_show(story, expected)


@pytest.mark.parametrize("who_knows", ["the provider", "the hub"])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_token_that_ends_under_a_hundred_callers_is_refreshed_once(
    plant: Plant, begin: Begin, provider: str, who_knows: str
) -> None:
    """Four processes of twenty-five threads each."""
    story = begin(f"token-{provider}-{who_knows}")
    account_id = story._account(provider)["id"]
    control = at(story, provider).control
    command = [sys.executable, "-m", "tests.chaos.callers", account_id, "25"]
    callers = [
        subprocess.Popen(command, env=plant.environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    for caller in callers:
        assert caller.stdout is not None and caller.stdout.readline() == "ready\n"
    if who_knows == "the provider":
        control.advance(3700)
    else:
        with plant.ports.db.transaction() as session:
            past = plant.ports.clock.now() - timedelta(seconds=1)
            session.execute(update(Grant).where(Grant.account_id == account_id).values(expires_at=past))
    control.clear_ledger()
    lost: list[str] = []
    for caller in callers:
        assert caller.stdin is not None
        caller.stdin.write("go\n")
        caller.stdin.flush()
    for caller in callers:
        out, _ = caller.communicate(timeout=60)
        lost += json.loads(out.splitlines()[-1])
    assert lost == []
    refreshes = [call for call in control.ledger()["calls"] if call["path"].endswith("/token")]
    assert len(refreshes) == 1


def test_job_19_a_notification_does_not_wait_behind_first_imports(plant: Plant, begin: Begin) -> None:
    """Sixteen calendars of four people are listed for the first time, slowly; meanwhile one event is made."""
    story = begin("prefetch")
    stage = plant.stage
    google = at(story, "google").control
    calendar = stage.api("POST", "/calendars", {"user_id": stage.me()["id"], "name": "Slow"})
    imports: list[dict[str, Any]] = []
    for n in range(4):
        email = f"slow{n}@example.test"
        person = google.add_person(email, "Slow", [{"name": f"Slow {m}"} for m in range(4)])
        for remote_id in [c["remote_id"] for c in person["calendars"] if not c["primary"]]:
            path = f"/calendars/{remote_id.replace('@', '(@|%40)')}/events$"
            google.fault("late", method="GET", path=path, seconds=4, times=100)
        stage.connect("google", email)
        accounts = stage.api("GET", "/accounts", user_id=stage.me()["id"])["items"]
        account = next(a for a in accounts if a["email"] == email)
        for remote in stage.api("GET", f"/accounts/{account['id']}/remote_calendars")["items"]:
            if not remote["primary"]:
                body = {"calendar_id": calendar["id"], "remote_calendar_id": remote["id"]}
                imports.append(stage.api("POST", "/links", body | {"direction": "import"}))
    time.sleep(1)
    expected = fill(story, "outlook", 1)
    took = wait_until(lambda: titles(story, "google") == expected, "the event to arrive", 60)
    states = Counter(stage.api("GET", f"/links/{link['id']}")["health"]["state"] for link in imports)
    print(f"arrived after {took:.1f} s beside first imports: {dict(states)}", flush=True)
    assert took <= 10
    assert states["syncing"] + states["behind"] >= 8, "they still went on"
    google.clear_faults()
    for link in imports:
        stage.api("DELETE", f"/links/{link['id']}")
    assert_all_show(story, expected)
