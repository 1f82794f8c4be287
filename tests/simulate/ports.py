"""The simulated ports: each one lets virtual time pass, is a boundary for faults, and writes the trace."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from random import Random
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool

from hub.db import Base, Database
from hub.direct import DirectConnection
from hub.session import HubSession
from tests.simulate.faults import Faults
from tests.simulate.kernel import Kernel

START = datetime(2026, 12, 1, 8, tzinfo=UTC)
_ALPHABET = "0123456789abcdefghijklmnopqrstuv"


class SimClock:
    """Virtual time as the hub's processes see it; `skew` seconds off."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.skew = 0.0

    def now(self) -> datetime:
        return START + timedelta(seconds=self.kernel.now + self.skew)

    def sleep(self, seconds: float) -> None:
        self.kernel.wait(seconds)


class SimIds:
    """Ids and chance from the seed."""

    def __init__(self, rng: Random, clock: SimClock) -> None:
        self.rng = rng
        self._clock = clock

    def new(self, prefix: str) -> str:
        return f"{prefix}_{self.bare()}"

    def bare(self) -> str:
        number = (int(self._clock.now().timestamp() * 1000) << 80) | self.rng.getrandbits(80)
        return "".join(_ALPHABET[(number >> shift) & 31] for shift in range(125, -1, -5))

    def many(self, count: int) -> list[str]:
        return [self.bare() for _ in range(count)]

    def secret(self) -> str:
        return self.bare() + self.bare()[:17]

    def jitter(self) -> float:
        return self.rng.random()


class SimPulse:
    """Beats in virtual time while its run lives."""

    def __init__(self, kernel: Kernel, every: float) -> None:
        self._kernel = kernel
        self._every = every

    @contextmanager
    def beating(self, beat: Callable[[], bool]) -> Iterator[None]:
        owner = self._kernel.actor
        running = True

        def repeat() -> None:
            while True:
                self._kernel.wait(self._every)
                if not running or owner is None or owner.dead:
                    return
                if owner.frozen:
                    continue
                try:
                    if not beat():
                        return
                except OperationalError:
                    continue

        if owner is not None:
            self._kernel.spawn(f"{owner.name}/pulse", repeat)
        try:
            yield
        finally:
            running = False


@cache
def memory_engine() -> Engine:
    """Return the engine on one SQLite database in memory, which all worlds and actors share in turn."""
    options = {"check_same_thread": False, "cached_statements": 1000}
    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args=options)

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, record: Any) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA foreign_keys=ON")

    # A listener would do, but SQLAlchemy asks for listeners at each statement once an engine has any.
    engine.dialect.do_begin = lambda connection: connection.driver_connection.execute("BEGIN")  # type: ignore[method-assign]
    engine._connection_cls = DirectConnection
    return engine


class Rows:
    """All rows of a database at one moment.

    Putting them back leaves its statements prepared; after a copy of its pages SQLite prepares each anew.
    """

    def __init__(self, raw: sqlite3.Connection) -> None:
        self._clear = [f"DELETE FROM {table.name}" for table in reversed(Base.metadata.sorted_tables)]
        self._fill: list[tuple[str, list[Any]]] = []
        for table in Base.metadata.sorted_tables:
            rows = raw.execute(f"SELECT * FROM {table.name} ORDER BY rowid").fetchall()
            if rows:
                places = ", ".join("?" * len(rows[0]))
                self._fill.append((f"INSERT INTO {table.name} VALUES ({places})", rows))

    def put_back(self, raw: sqlite3.Connection) -> None:
        raw.execute("BEGIN")
        for statement in self._clear:
            raw.execute(statement)
        for statement, rows in self._fill:
            raw.executemany(statement, rows)
        raw.execute("COMMIT")


class SimDatabase(Database):
    """The real sessions on a database in memory; actors give way around a transaction, never in it."""

    def __init__(self, engine: Engine) -> None:
        self.url = "sqlite://"
        self.is_sqlite = True
        self.engine = engine
        # No two actors are within a transaction at once, so that one connection serves all of them: for
        # SQLAlchemy it is in one transaction all the time.
        self._connection = engine.connect()
        self._raw: Any = self._connection.connection.driver_connection
        self.kernel: Kernel
        self.faults: Faults

    @contextmanager
    def _open(self, *, writing: bool) -> Iterator[Session]:
        """Begin and end at the driver, in a fifth of the time."""
        is_within = self._raw.in_transaction
        if not self._connection.in_transaction():
            self._connection.begin()
        elif not is_within:
            self._raw.execute("BEGIN")
        try:
            with HubSession(self._connection) as session:
                yield session
        finally:
            if self._raw.in_transaction and not is_within:
                self._raw.execute("ROLLBACK")

    def _commit(self, session: Session) -> None:
        session.flush()
        self._raw.execute("COMMIT")

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        self._enter("db.begin")
        with self._open(writing=True) as session:
            yield session
            for callback in session.info.pop("before_commit", ()):
                callback()
            fault = self.faults.at("db.commit") if self.kernel.actor else None
            if fault in ("refused", "die_before"):
                self._fail(fault)
            self._commit(session)
            callbacks = session.info.pop("after_commit", ())
        if fault in ("unknown", "die_after"):
            self._fail(fault)
        if fault == "pause":
            self.kernel.note("db.commit pause")
            self.kernel.freeze(45)
        else:
            self.kernel.check_alive()
        for callback in callbacks:
            callback()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        self._enter("db.read")
        with self._open(writing=False) as session:
            yield session

    def _enter(self, boundary: str) -> None:
        self.kernel.check_alive()
        if self.kernel.actor is None:
            return
        fault = self.faults.at(boundary)
        if fault is None:
            self.kernel.wait(0.001)
            return
        self.kernel.note(boundary, fault)
        if fault == "away":
            raise OperationalError("BEGIN", {}, ConnectionError("the database is away"))
        if fault == "die":
            self.kernel.kill()
        self.kernel.freeze(45)

    def _fail(self, fault: str) -> None:
        self.kernel.note("db.commit", fault)
        if fault.startswith("die"):
            self.kernel.kill()
        raise OperationalError("COMMIT", {}, ConnectionError(f"commit {fault}"))
