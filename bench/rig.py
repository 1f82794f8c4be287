"""A whole hub on free ports, between two sandboxes that note when each change was made."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis
import requests
from sqlalchemy import func, select

from demo.stage import Stage, free_ports, last_words, wait_until
from hub.models import EventCopy, Link, LinkSignal
from hub.plugin.control import SandboxControl
from hub.ports import Ports
from hub.processes.offline import NoQueue
from hub.processes.sandbox import variables
from hub.settings import Settings
from hub.wiring import build_ports

PROVIDERS = ("google", "outlook")
ZONE = "Europe/Berlin"


@dataclass
class Rig:
    """What the benchmarks work on."""

    stage: Stage
    ports: Ports
    """The hub's own parts over its database, without a queue: for reading, and for drivers run here."""
    environ: dict[str, str]
    """The hub's settings, broker included."""
    home: Path
    port: int
    """The hub's; the ports above the sandboxes' are free for floors."""
    people: set[tuple[str, str]] = field(default_factory=set)

    @property
    def redis_url(self) -> str:
        return self.environ["HUB_REDIS_URL"]

    def person(self, provider: str, email: str, calendars: int = 0) -> list[dict[str, Any]]:
        """Make a person at a provider; return the calendars that can be written."""
        names = [{"name": f"Calendar {n}"} for n in range(calendars)]
        made = self.stage.sandboxes[provider].add_person(email, email.split("@")[0], names)
        return [c for c in made["calendars"] if c["writable"]]

    def connect(self, provider: str, email: str) -> dict[str, Any]:
        """Connect a person's account; return it."""
        self.stage.connect(provider, email)
        found = self.stage.api("GET", "/accounts", user_id=self.stage.me()["id"])["items"]
        return next(a for a in found if (a["provider"], a["email"]) == (provider, email))

    def calendar(self, name: str) -> str:
        """Make a calendar of the hub; return its id."""
        body = {"user_id": self.stage.me()["id"], "name": name, "zone": ZONE}
        return self.stage.api("POST", "/calendars", body)["id"]  # type: ignore[no-any-return]

    def link(self, calendar_id: str, remote_calendar_id: str) -> str:
        """Link and wait until it is in sync by push; return the link's id."""
        body = {"calendar_id": calendar_id, "remote_calendar_id": remote_calendar_id}
        link_id: str = self.stage.api("POST", "/links", body)["id"]

        def live() -> bool:
            health = self.stage.api("GET", f"/links/{link_id}")["health"]
            return (health["state"], health["delivery"]) == ("in_sync", "push")

        wait_until(live, f"link {link_id} to be in sync", seconds=60)
        return link_id

    def idle(self) -> bool:
        """Say whether nothing is owed to any link, and nobody works on one."""
        with self.ports.db.reading() as session:
            busy = session.scalar(
                select(func.count())
                .select_from(Link)
                .join(LinkSignal, LinkSignal.link_id == Link.id)
                .where(
                    Link.state == "active",
                    Link.deleted_at.is_(None),
                    (Link.lease_until.is_not(None)) | (LinkSignal.notified > Link.pulled),
                )
            )
            owed = session.scalar(
                select(func.count())
                .select_from(EventCopy)
                .join(Link, Link.id == EventCopy.link_id)
                .where(
                    Link.state == "active",
                    EventCopy.wanted_version > EventCopy.pushed_version,
                    EventCopy.parked_at.is_(None),
                )
            )
        with redis.Redis.from_url(self.redis_url) as broker:
            waiting = sum(int(broker.llen(queue)) for queue in ("inbound", "outbound"))
        return not busy and not owed and not waiting

    def settle(self, seconds: float = 120.0) -> None:
        """Wait until the hub stays idle, echoes of its own writes included."""
        quiet = 0

        def calm() -> bool:
            nonlocal quiet
            quiet = quiet + 1 if self.idle() else 0
            return quiet >= 8

        wait_until(calm, "the hub to come to rest", seconds=seconds, pause=0.015)

    def lines(self, provider: str, offset: int = 0) -> tuple[list[list[str]], int]:
        """Return the changes that a sandbox has noted since `offset`, and the new offset."""
        with (self.home / f"{provider}.txt").open(encoding="utf-8") as file:
            file.seek(offset)
            text = file.read()
        whole = text[: text.rfind("\n") + 1]
        return [line.split() for line in whole.splitlines()], offset + len(whole.encode())


@contextmanager
def child(*command: str, environ: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Run a Python module of this project while the block runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        env=os.environ | environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=20)


def read_line(process: subprocess.Popen[str]) -> str:
    """Return the next line that a child prints."""
    assert process.stdout is not None
    return process.stdout.readline()


def await_port(port: int) -> None:
    """Wait until a web server answers on a port."""

    def answers() -> bool:
        try:
            return requests.get(f"http://127.0.0.1:{port}/", timeout=5).status_code > 0
        except requests.ConnectionError:
            return False

    wait_until(answers, f"port {port} to answer", seconds=30)


@contextmanager
def rig(database_url: str | None) -> Iterator[Rig]:
    """Run the hub and both sandboxes while the block runs.

    Args:
        database_url: PostgreSQL; None for SQLite in the hub's home.
    """
    home = Path(tempfile.mkdtemp(prefix="hub-bench-"))
    port = free_ports(6)
    # The hub's own brake is let go: what is measured is the hub, and the sandboxes enforce no quota.
    environ = {"HUB_HOME": str(home), "HUB_PORT": str(port), "HUB_QUOTA_SHARE": "1000"}
    if database_url:
        environ["HUB_DATABASE_URL"] = database_url
    try:
        with ExitStack() as stack:
            boxes = {}
            for place, name in enumerate(PROVIDERS, 1):
                process = stack.enter_context(
                    child("bench.provider", name, str(port + place), str(home / f"{name}.txt"), environ={})
                )
                environ |= variables(name, json.loads(read_line(process)))
                boxes[name] = SandboxControl(f"http://127.0.0.1:{port + place}")
            stage = stack.enter_context(_hub(environ, boxes, home))
            made_up = (home / "run" / "environment").read_text(encoding="utf-8").splitlines()
            environ |= dict(line.split("=", 1) for line in made_up)
            ports = build_ports(Settings.load(environ), NoQueue())
            stack.callback(ports.db.engine.dispose)
            yield Rig(stage, ports, environ, home, port)
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def _hub(environ: dict[str, str], boxes: dict[str, SandboxControl], home: Path) -> Iterator[Stage]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
    url = f"http://127.0.0.1:{environ['HUB_PORT']}"
    with (home / "output.txt").open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "hub.cli", "run"],
            env=clean | environ,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:

        def ready() -> bool:
            if process.poll() is not None:
                raise RuntimeError((home / "output.txt").read_text())
            try:
                return requests.get(f"{url}/readyz", timeout=5).ok and (home / "api-key").exists()
            except requests.RequestException:
                return False

        wait_until(ready, "the hub to be ready", seconds=90)
        yield Stage(url, (home / "api-key").read_text().strip(), boxes, process.pid, home)
    except BaseException:
        sys.stderr.write(last_words(home))
        raise
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


# --- processors ---


def descendants(pid: int) -> list[tuple[int, str]]:
    """Return the processes below one, with their command lines."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for number in task.read_text().split():
            line = Path(f"/proc/{number}/cmdline").read_bytes().replace(b"\0", b" ").decode()
            found += [(int(number), line), *descendants(int(number))]
    return found


@contextmanager
def pinned(web: list[int], others: list[int]) -> Iterator[bool]:
    """Give the web servers the first processor and everything else the second while the block runs."""
    usable = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if len(usable) < 2:
        yield False
        return
    try:
        for pids, processors in ((web, usable[:1]), ([*others, os.getpid()], usable[1:2])):
            for pid in pids:
                _pin(pid, processors)
        time.sleep(0.1)
        yield True
    finally:
        for pid in [*web, *others, os.getpid()]:
            _pin(pid, usable)


def _pin(pid: int, processors: list[int]) -> None:
    for task in Path(f"/proc/{pid}/task").glob("*"):
        try:
            os.sched_setaffinity(int(task.name), processors)
        except ProcessLookupError:
            continue
