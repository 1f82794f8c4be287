"""The hub as its real processes, each kept alive by a small supervisor, and each within reach of a signal.

PostgreSQL, Redis, both sandboxes, web server, two workers and a beat. Whoever dies is started again a
moment later, as systemd or Kubernetes would do it; a process that is held down stays away until it is let
go. The sandboxes answer only what they have on disk: a provider does not forget what it said.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import redis
import requests
from sqlalchemy import select

from demo.stage import Stage, free_ports, wait_until
from hub import migrations
from hub.accounts.keys import ensure_local
from hub.models import Link
from hub.plugin.control import SandboxControl
from hub.processes.child import Child
from hub.processes.offline import NoQueue
from hub.processes.sandbox import variables
from hub.providers.manager import Providers
from hub.settings import Settings
from hub.wiring import build_ports
from tests import servers

PROVIDERS = ("google", "outlook")
ANN = "ann@example.test"
RESTART_AFTER = 0.3
QUICK = {"HUB_POLL_INTERVAL": "4", "HUB_RETRY_MAX": "4", "HUB_QUOTA_SHARE": "1000"}
"""A silent provider is asked soon, since a killed sandbox forgets whom it wanted to notify."""


class Plant:
    """All processes of one hub.

    Args:
        home: the hub's home; logs are kept there.
        postgres: the database server; None for SQLite.
        broker: its Redis.
        settings: HUB_ variables beside those that make it run.
    """

    def __init__(
        self,
        home: Path,
        postgres: servers.PostgresServer | None,
        broker: servers.RedisServer,
        settings: dict[str, str],
    ) -> None:
        self.home = home
        self.postgres = postgres
        self.broker = broker
        self.children: dict[str, Child] = {}
        self.held: set[str] = set()
        self._lock = threading.RLock()
        self._closing = threading.Event()
        self.port = free_ports(len(PROVIDERS) + 1)
        self.environ = {name: v for name, v in os.environ.items() if not name.startswith("HUB_")}
        self.environ |= {"HUB_HOME": str(home), "HUB_PORT": str(self.port), "HUB_REDIS_URL": broker.url}
        self.environ |= {"PYTHONUNBUFFERED": "1"} | settings
        if postgres is not None:
            self.environ["HUB_DATABASE_URL"] = postgres.url

    # --- starting and ending ---

    def start(self, workers: int = 2) -> None:
        self.logs.mkdir(parents=True)
        for place, name in enumerate(PROVIDERS, 1):
            self._add(name, "sandbox", name, *self._sandbox_options(name, self.port + place))
        for name in PROVIDERS:
            told = self.home / f"{name}.json"
            wait_until(told.exists, f"the {name} sandbox", 60)
            self.environ |= variables(name, json.loads(told.read_text()))
        self.settings = Settings.load(self.environ)
        migrations.upgrade(self.settings.database_url)
        self.ports = build_ports(self.settings, NoQueue(), Providers())
        self._add("web", "serve")
        for number in range(1, workers + 1):
            self._add(f"worker-{number}", "worker")
        self._add("beat", "beat")
        key = ensure_local(self.ports)
        boxes = {
            name: SandboxControl(f"http://127.0.0.1:{self.port + place}")
            for place, name in enumerate(PROVIDERS, 1)
        }
        self.stage = Stage(f"http://127.0.0.1:{self.port}", key, boxes, os.getpid(), self.home)
        wait_until(self.is_ready, "the hub to be ready", 90)

    def _sandbox_options(self, name: str, port: int) -> list[str]:
        state, told = self.home / f"{name}.state", self.home / f"{name}.json"
        return ["--port", str(port), "--state", str(state), "--durable", "--announce", str(told)]

    @property
    def logs(self) -> Path:
        return self.home / "logs"

    def _add(self, name: str, *command: str) -> Child:
        command = (sys.executable, "-m", "hub.cli", *command)
        child = Child(name, command, self.environ, self.logs, orphan_signal=signal.SIGKILL)
        with self._lock:
            self.children[name] = child
            child.start()
        return child

    def add_process(self, name: str, *command: str) -> None:
        """Start one more, such as a second beat."""
        self._add(name, *command)

    def remove_process(self, name: str) -> None:
        with self._lock:
            self.children.pop(name).kill()

    def is_ready(self) -> bool:
        try:
            answer = requests.get(f"{self.stage.url}/readyz", timeout=5)
        except requests.RequestException:
            return False
        return answer.status_code == 200 and "worker inbound" in answer.json()["checks"]

    def close(self) -> None:
        self._closing.set()
        with self._lock:
            for child in reversed(self.children.values()):
                child.kill()
        if hasattr(self, "ports"):
            self.ports.db.engine.dispose()

    # --- keeping alive ---

    def keep_alive(self) -> None:
        """Start again whoever died, until the end. For a thread of its own."""
        while not self._closing.wait(0.05):
            with self._lock:
                for child in [*self.children.values()]:
                    self._look_after(child)
                self._look_after_server(self.broker, "redis")
                if self.postgres is not None:
                    self._look_after_server(self.postgres, "postgres")

    def _look_after(self, child: Child) -> None:
        if child.name in self.held:
            return
        if child.restart_at is not None:
            if time.monotonic() >= child.restart_at:
                child.start()
        elif not child.alive:
            child.note_death()
            child.restart_at = time.monotonic() + RESTART_AFTER

    def _look_after_server(self, server: Any, name: str) -> None:
        if name in self.held or server.process is None or server.process.poll() is None:
            return
        try:
            server.start()
        except (servers.NoPostgresError, redis.RedisError):
            pass  # what its children hold is let go in a moment: once more

    def hold(self, *names: str) -> None:
        """Keep processes away from now on, once they are dead."""
        with self._lock:
            self.held |= set(names)

    def let_go(self, *names: str) -> None:
        with self._lock:
            self.held -= set(names)

    # --- signals ---

    def pids(self, name: str) -> list[int]:
        """Return a process and all that it has started, parents first."""
        process = {
            "redis": self.broker.process,
            "postgres": self.postgres.process if self.postgres else None,
        }.get(name) or (self.children[name].process if name in self.children else None)
        if process is None or process.poll() is not None:
            return []
        return [process.pid, *descendants(process.pid)]

    def signal(self, number: int, pids: list[int]) -> None:
        for pid in pids:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass

    def kill(self, name: str) -> None:
        """End a process and its children as a power cut would."""
        self.signal(signal.SIGKILL, self.pids(name))

    @contextmanager
    def frozen(self, pids: list[int]) -> Iterator[None]:
        """Stop processes while the block runs."""
        self.signal(signal.SIGSTOP, pids)
        try:
            yield
        finally:
            self.signal(signal.SIGCONT, pids)

    def redis(self) -> redis.Redis:
        return redis.Redis.from_url(self.broker.url, socket_timeout=5, socket_connect_timeout=5)

    # --- looking ---

    def links(self) -> list[Link]:
        with self.ports.db.reading() as session:
            return list(session.scalars(select(Link).where(Link.deleted_at.is_(None)).order_by(Link.id)))

    def last_words(self) -> str:
        """Return the end of each log."""
        return "\n".join(f"--- {c.name}\n{c.last_lines(40)}" for c in self.children.values())


def descendants(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            numbers = [int(number) for number in task.read_text().split()]
        except OSError:
            continue
        for number in numbers:
            found += [number, *descendants(number)]
    return found


@contextmanager
def running(home: Path, *, sqlite: bool = False, workers: int = 2, **settings: str) -> Iterator[Plant]:
    """Run everything while the block runs."""
    with ExitStack() as stack:
        postgres = None if sqlite else stack.enter_context(servers.postgres_process())
        broker = servers.RedisServer()
        broker.start()
        stack.callback(broker.stop)
        plant = Plant(home, postgres, broker, settings)
        stack.callback(plant.close)
        keeper = threading.Thread(target=plant.keep_alive, name="keeper", daemon=True)
        try:
            plant.start(workers)
            keeper.start()
            yield plant
        except BaseException:
            sys.stderr.write(plant.last_words())
            raise
        finally:
            plant._closing.set()
            if keeper.is_alive():
                keeper.join(30)
