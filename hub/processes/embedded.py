"""`hub run`: the whole hub under one command, with its own broker and a sandbox for each provider.

Providers whose client id is set are the real ones; the others are played by their plugins.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from hub.processes import sandbox
from hub.processes.broker import find_broker
from hub.processes.child import Child
from hub.processes.supervisor import StartFailedError, Supervisor
from hub.settings import Settings
from hub.settings_values import write_private

READY_WITHIN = 90.0
SANDBOX_WITHIN = 30.0


class CannotRunError(Exception):
    """The hub cannot start here: the message says why and what to do."""


class Embedded:
    """One run of the embedded hub.

    Args:
        settings: how to run.
        say: prints a line for the person at the terminal.
    """

    def __init__(self, settings: Settings, say: Callable[[str], None]) -> None:
        self.settings = settings
        self.say = say
        self.runtime = settings.home / "run"
        self.logs = settings.home / "logs"
        self.environ = dict(os.environ) | {"HUB_HOME": str(settings.home), "PYTHONUNBUFFERED": "1"}
        # Six processes start at once: without compiled modules each of them would compile everything.
        self.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        self.sandboxes = {
            point.name: settings.port + offset
            for offset, point in enumerate(sandbox.installed(), start=1)
            if not settings.others.get(f"{point.name}_CLIENT_ID".upper())
        }

    def run(self) -> None:
        """Start everything, say where it is, and stay until a signal ends the run.

        Raises:
            CannotRunError: a port is taken, the home is in use, or the hub does not become ready.
        """
        started = time.monotonic()
        self.settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        with hold(self.settings.home):
            self._check_ports()
            self.logs.mkdir(mode=0o700, exist_ok=True)
            shutil.rmtree(self.runtime, ignore_errors=True)
            self.runtime.mkdir(mode=0o700)
            try:
                with Supervisor(self.say) as supervisor:
                    self._start(supervisor)
                    if not supervisor.stopping:
                        self._greet(time.monotonic() - started)
                        supervisor.run()
                    self.say("Ending all processes.")
            except StartFailedError as error:
                raise CannotRunError(str(error)) from error
            finally:
                shutil.rmtree(self.runtime, ignore_errors=True)

    def _check_ports(self) -> None:
        wanted = {"the hub": (self.settings.host, self.settings.port)}
        for name, port in self.sandboxes.items():
            wanted[f"the {name} sandbox"] = (sandbox.HOST, port)
        for what, (host, port) in wanted.items():
            if not _is_free(host, port):
                raise CannotRunError(
                    f"Port {port} of {host}, wanted for {what}, is taken: end what listens there, or choose "
                    "another first port with HUB_PORT (the sandboxes take the next ones)."
                )

    def _start(self, supervisor: Supervisor) -> None:
        """Start the children; what does not depend on one another starts at once."""
        if not self.settings.redis_url:
            self._start_broker(supervisor)
        sandboxes = [self._start_sandbox(supervisor, name, port) for name, port in self.sandboxes.items()]
        # The database is made ready here while the broker and the sandboxes come up.
        from hub.migrations import upgrade

        upgrade(self.settings.database_url)
        for name, child, announce in sandboxes:
            self._hand_on_settings(supervisor, name, child, announce)
        self._write_environment()
        for name, orphan_signal in (
            ("web", signal.SIGTERM),
            ("worker", signal.SIGQUIT),
            ("beat", signal.SIGTERM),
        ):
            command = {"web": "serve"}.get(name, name)
            supervisor.start(self._child(name, _hub(command), orphan_signal=orphan_signal))
        self._wait_until_ready(supervisor)

    def _child(
        self, name: str, command: tuple[str, ...], stdin: str = "", orphan_signal: int = signal.SIGTERM
    ) -> Child:
        return Child(name, command, self.environ, self.logs, stdin, orphan_signal)

    def _start_broker(self, supervisor: Supervisor) -> None:
        broker = find_broker()
        supervisor.start(self._child("broker", broker.command, broker.stdin))
        self.environ["HUB_REDIS_URL"] = broker.url

    def _start_sandbox(self, supervisor: Supervisor, name: str, port: int) -> tuple[str, Child, Path]:
        announce = self.runtime / f"sandbox-{name}.json"
        state = self.settings.home / "sandboxes" / f"{name}.json"
        command = _hub(
            "sandbox", name, "--port", str(port), "--state", str(state), "--announce", str(announce)
        )
        child = self._child(f"sandbox-{name}", command)
        supervisor.start(child)
        return name, child, announce

    def _hand_on_settings(self, supervisor: Supervisor, name: str, child: Child, announce: Path) -> None:
        """Wait for a sandbox and point the hub's processes at it; one that does not come is left out."""
        until = time.monotonic() + SANDBOX_WITHIN
        while not announce.exists() and not supervisor.stopping:
            if not child.alive or time.monotonic() > until:
                supervisor.abandon(child)
                del self.sandboxes[name]
                self.say(f"The {name} sandbox did not start; the hub runs without it:\n{child.last_lines()}")
                return
            time.sleep(0.02)
        if announce.exists():
            values = json.loads(announce.read_text(encoding="utf-8"))
            for variable, value in sandbox.variables(name, values).items():
                # What was set by hand, such as the address of a recording proxy, wins.
                if variable.removeprefix("HUB_") not in self.settings.others:
                    self.environ[variable] = value

    def _write_environment(self) -> None:
        """Leave what this run made up where the other commands of `hub` find it."""
        made_up = {
            name: value
            for name, value in self.environ.items()
            if name.startswith("HUB_") and os.environ.get(name) != value
        }
        write_private(environment_file(self.settings.home), "".join(f"{k}={v}\n" for k, v in made_up.items()))

    def _wait_until_ready(self, supervisor: Supervisor) -> None:
        import requests

        url = f"{_local_url(self.settings)}/readyz"
        until = time.monotonic() + READY_WITHIN
        answer = "no answer"
        while not supervisor.stopping:
            try:
                response = requests.get(url, timeout=5)
                if response.status_code == 200:
                    return
                answer = f"{response.status_code} {response.text[:500]}"
            except requests.RequestException:
                pass
            if time.monotonic() > until:
                raise CannotRunError(f"The hub did not become ready ({url}: {answer}). Logs: {self.logs}")
            supervisor.wait(0.05)
            if child := supervisor.hopeless():
                raise CannotRunError(f"{child.name} cannot start. Log: {child.log}\n{child.last_lines()}")

    def _greet(self, seconds: float) -> None:
        lines = [
            f"Coordinoter Hub is ready ({seconds:.1f} s).",
            "",
            f"  Page       {self.settings.public_url}/",
            f"  API key    {_local_key(self.settings)}",
            *(
                f"  Sandbox    {name}: http://{sandbox.HOST}:{port}/_control/people"
                for name, port in self.sandboxes.items()
            ),
            f"  Logs       {self.logs}",
            "",
            "Ctrl-C ends all of it.",
        ]
        self.say("\n".join(lines))


def environment_file(home: Path) -> Path:
    """Return where a run keeps the settings that it made up: broker address, sandboxes."""
    return home / "run" / "environment"


@contextmanager
def hold(home: Path) -> Iterator[None]:
    """Keep any other run out of this home while the block runs.

    Raises:
        CannotRunError: another run holds it.
    """
    with (home / "lock").open("a+") as file:
        if not _lock(file):
            file.seek(0)
            raise CannotRunError(
                f"{home} is in use by another run (process {file.read().strip() or 'unknown'}): "
                "end that one, or choose another directory with HUB_HOME."
            )
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def is_running(home: Path) -> bool:
    """Say whether a run holds this home."""
    try:
        with (home / "lock").open("r") as file:
            return not _lock(file)
    except FileNotFoundError:
        return False


def _lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_free(host: str, port: int) -> bool:
    try:
        family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, proto) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError:
        return False
    return True


def _hub(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "hub.cli", *arguments)


def _local_url(settings: Settings) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)  # noqa: S104 - compared
    return f"http://{f'[{host}]' if ':' in host and not host.startswith('[') else host}:{settings.port}"


def _local_key(settings: Settings) -> str:
    """Return the API key of the local tenant, made at the first run."""
    from hub.accounts.keys import ensure_local
    from hub.processes.offline import ports_without_plugins

    return ensure_local(ports_without_plugins(settings))
