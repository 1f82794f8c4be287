"""kill -9 of the worker in the middle of a first import loses nothing and doubles nothing."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import requests

from demo.stage import Stage, running_hub, wait_until
from hub.plugin.testing import timed
from hub.plugin.types import EventContent

PERSON = "ann@example.test"
EVENTS = 2000
FIRST = datetime(2027, 1, 4, 8)


def worker_processes(home: str) -> list[int]:
    """Return every process of the worker, parent and children, of the hub that lives in `home`."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            command = (entry / "cmdline").read_bytes().split(b"\0")
            environ = (entry / "environ").read_bytes().split(b"\0")
        except (OSError, NotADirectoryError):
            continue
        if b"worker" in command and f"HUB_HOME={home}".encode() in environ:
            found.append(int(entry.name))
    return found


def home_of(stage: Stage) -> str:
    environ = Path(f"/proc/{stage.process}/environ").read_bytes().split(b"\0")
    return next(v.decode().removeprefix("HUB_HOME=") for v in environ if v.startswith(b"HUB_HOME="))


def content(n: int) -> EventContent:
    return timed(f"Event {n:04}", FIRST + timedelta(days=n % 60, minutes=15 * (n // 60)), minutes=15)


def hub_titles(stage: Stage, calendar_id: str) -> Counter[str]:
    titles: Counter[str] = Counter()
    query = {"calendar_id": calendar_id, "start": "2027-01-01T00:00:00Z", "end": "2027-06-01T00:00:00Z"}
    cursor = None
    while True:
        page = stage.api("GET", "/events", limit=200, **query, **({"cursor": cursor} if cursor else {}))
        titles.update(event["title"] for event in page["items"])
        cursor = page.get("next_cursor")
        if not cursor:
            return titles


@pytest.mark.timeout(900)
def test_a_worker_killed_in_the_middle_of_a_first_import_loses_and_doubles_nothing() -> None:
    expected = Counter(content(n).title for n in range(EVENTS))
    with running_hub(("google", "outlook"), HUB_QUOTA_SHARE="1000", HUB_LEASE_SECONDS="13") as stage:
        google, outlook = stage.sandboxes["google"], stage.sandboxes["outlook"]
        target = next(c for c in outlook.people()[0]["calendars"] if c["primary"])["remote_id"]
        with requests.Session() as session:
            for n in range(EVENTS):
                body = {"person": PERSON, "calendar": PERSON, "content": _json(content(n))}
                session.post(f"{google.base_url}/_control/events", json=body, timeout=30).raise_for_status()
        calendar = stage.api("POST", "/calendars", {"user_id": stage.me()["id"], "name": "All"})
        for provider in ("google", "outlook"):
            remote = stage.remote_calendar(stage.connect(provider, PERSON))
            stage.api("POST", "/links", {"calendar_id": calendar["id"], "remote_calendar_id": remote["id"]})
        home = home_of(stage)

        def copied() -> int:
            return len(outlook.events(PERSON, target))

        for least in (1, 300, 900):
            wait_until(lambda least=least: copied() >= least, f"{least} copies", 300, pause=3)
            for process in worker_processes(home):
                os.kill(process, signal.SIGKILL)
        wait_until(lambda: copied() >= EVENTS, "the rest to be copied", 500, pause=3)
        time.sleep(2)
        assert hub_titles(stage, calendar["id"]) == expected
        assert Counter(c.title for c in outlook.events(PERSON, target).values()) == expected
        assert Counter(c.title for c in google.events(PERSON, PERSON).values()) == expected


def _json(event: EventContent) -> object:
    from hub.plugin.codec import to_json

    return to_json(event)
