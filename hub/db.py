"""The database: engine, short transactions, and what is to happen after a commit.

No transaction is held open across a network call: drivers read, leave the block, call, and write in a
new one. On SQLite every writing transaction begins IMMEDIATE, so that two writers wait for each other
instead of failing half way; they wait in short steps, since SQLite's own grow to 100 ms while a
transaction takes one or two.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, date, datetime
from typing import Any, ClassVar, TypeVar, cast

import orjson
from sqlalchemy import (
    JSON,
    Connection,
    DateTime,
    Engine,
    ExceptionContext,
    Null,
    String,
    Table,
    create_engine,
    event,
    make_url,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Dialect, RootTransaction
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.pool import StaticPool
from sqlalchemy.types import TypeDecorator, TypeEngine

from hub.direct import DirectConnection
from hub.session import HubSession

BUSY_SECONDS = 15.0
"""How long a writer waits for others on SQLite before it fails."""
_T = TypeVar("_T")
_READ_ONLY = "25006"
"""The SQLSTATE of a write in a read-only transaction."""
_dump_any_json = json.JSONEncoder(check_circular=False).encode
_JSON_ONLY = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME
_scan_json = json.JSONDecoder().raw_decode
_dump_json = orjson.dumps
_load_json = orjson.loads
_STEPS = (0.0002, 0.0005, 0.001)


class UtcDateTime(TypeDecorator[datetime]):
    """An instant: aware in Python, UTC in the database (SQLite keeps no zone)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """On SQLite, text as SQLAlchemy's own type writes it, but in a third of the time."""
        return dialect.type_descriptor(String(32) if dialect.name == "sqlite" else self.impl_instance)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if dialect.name == "sqlite":
            return _write_utc(value)
        return None if value is None else _in_utc(value)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else value.astimezone(UTC)

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any] | None:
        return _write_utc if dialect.name == "sqlite" else super().bind_processor(dialect)

    def result_processor(self, dialect: Dialect, coltype: Any) -> Callable[[Any], Any] | None:
        if dialect.name == "sqlite":
            return _read_utc
        return super().result_processor(dialect, coltype)


def _in_utc(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("an instant must carry a zone")
    return value if value.tzinfo is UTC else value.astimezone(UTC)


def _write_utc(value: datetime | None) -> str | None:
    return None if value is None else _in_utc(value).isoformat(" ", "microseconds")[:26]


def _read_utc(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(f"{text}+00:00")


class WallTime(TypeDecorator[date | datetime]):
    """A date or a naive wall time, kept as ISO text: it is what people wrote, not an instant.

    A value that is text already is stored as it is.
    """

    impl = String(32)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:  # noqa: ARG002
        return _write_wall(value)

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any]:  # noqa: ARG002
        return _write_wall

    def process_result_value(self, value: str | None, dialect: Dialect) -> date | datetime | None:  # noqa: ARG002
        if value is None:
            return None
        return date.fromisoformat(value) if len(value) == 10 else datetime.fromisoformat(value)


def _write_wall(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value


class _JsonText(sqlite.JSON):
    """JSON on SQLite, which is text, without the steps that SQLAlchemy's own type takes for each value."""

    def adapt(self, cls: Any, **kw: Any) -> Any:  # noqa: ARG002
        """Return itself: it does what the driver's own type is for."""
        return self

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any]:  # noqa: ARG002
        return _bind_json

    def result_processor(self, dialect: Dialect, coltype: Any) -> Callable[[Any], Any]:  # noqa: ARG002
        return read_json


Json = (
    JSON(none_as_null=True)
    .with_variant(JSONB(none_as_null=True), "postgresql")
    .with_variant(_JsonText(none_as_null=True), "sqlite")
)


class Base(DeclarativeBase):
    """The declarative base of all tables."""

    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: UtcDateTime,
        dict[str, Any]: Json,
        list[str]: Json,
        list[dict[str, Any]]: Json,
    }


def table_of(model: type[Base]) -> Table:
    """Return a model's table, for statements that make many rows at once."""
    return cast(Table, model.__table__)


def forget(session: Session, *models: type[Base]) -> None:
    """Forget what a session holds of rows that are to be written past it; its own changes come first."""
    loaded = [row for row in session.identity_map.values() if isinstance(row, models)]
    if loaded:
        session.flush()
        for row in loaded:
            session.expire(row)


_inherited: list[Connection] = []
"""Connections that were forked: to let go of them would close them for their owner, too."""
_blocks: ContextVar[int] = ContextVar("blocks", default=0)
"""How many blocks of `transaction` and `reading` this thread of control is in."""
_joint: ContextVar[Session | None] = ContextVar("joint", default=None)
"""The session that all its transactions share now."""


class Database:
    """Opens short transactions on one database.

    Args:
        url: an SQLAlchemy URL; SQLite and PostgreSQL are supported.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.is_sqlite = url.startswith("sqlite")
        self.engine = _engine(url)
        self._turn = threading.Lock()
        self._writer: Connection | None = None
        """The connection of whoever has the turn."""

    @property
    def is_open(self) -> bool:
        """Whether this thread of control is within a block of `transaction` or `reading`."""
        return _blocks.get() > 0

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Yield a session; commit at the end of the block, roll back if it raises."""
        if (joint := _joint.get()) is not None:
            yield joint
            joint.flush()
            return
        with self._open(writing=True) as session:
            yield session
            for callback in session.info.pop("before_commit", ()):
                callback()
            session.flush()
        for callback in session.info.pop("after_commit", ()):
            callback()

    @contextmanager
    def joint_transaction(self) -> Iterator[Session]:
        """Make all transactions that are opened in the block parts of one, committed at its end."""
        with self.transaction() as session:
            before = _joint.set(session)
            try:
                yield session
            finally:
                _joint.reset(before)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Yield a session for reading: never commits, takes no write lock."""
        with self._open(writing=False) as session:
            yield session

    @contextmanager
    def snapshot(self) -> Iterator[Session]:
        """Yield a session for reading in which all is of one moment, as on SQLite it always is."""
        with self._open(writing=False, isolation="REPEATABLE READ") as session:
            yield session

    @contextmanager
    def _open(self, *, writing: bool, isolation: str | None = None) -> Iterator[Session]:
        """Yield a session in a transaction of its own; `isolation` is for databases that know several."""
        blocks = _blocks.set(_blocks.get() + 1)
        try:
            with (
                self._connected(isolation, writing=writing) as connection,
                _begin_now(connection, writing=writing) as transaction,
                HubSession(connection) as session,
            ):
                yield session
                if not writing:
                    transaction.rollback()
        finally:
            _blocks.reset(blocks)

    @contextmanager
    def _connected(self, isolation: str | None, *, writing: bool) -> Iterator[Connection]:
        """Yield a connection.

        The threads of this process write in turn on SQLite, so that only one of them contends. Whoever has
        the turn has its connection, too: to get one and to give it back takes as long as to commit.
        """
        if not (writing and self.is_sqlite and self._turn.acquire(timeout=BUSY_SECONDS)):
            with self.engine.connect() as connection:
                if isolation and not self.is_sqlite:
                    connection.execution_options(isolation_level=isolation)
                yield connection
            return
        try:
            connection = self._writer = self._writer or self.engine.connect()
            yield connection
        except BaseException:
            if self._writer is not None:
                self._writer.close()
                self._writer = None
            raise
        finally:
            self._turn.release()

    def look_after(self, session: Session, look: Callable[[Session], _T], use: Callable[[_T], None]) -> None:
        """Hand what `look` finds to `use` when the session's transaction has committed.

        What it finds is what others see who begin then. Where writers take turns it looks as the last
        step of the transaction, since nobody can write between that and the commit; else it has to look
        again afterwards.
        """

        def at_the_end() -> None:
            session.flush()
            found = look(session)
            after_commit(session, lambda: use(found))

        def afterwards() -> None:
            with self.reading() as later:
                found = look(later)
            use(found)

        if self.is_sqlite:
            before_commit(session, at_the_end)
        else:
            after_commit(session, afterwards)

    def dispose(self) -> None:
        """Forget inherited connections and turns, as a forked worker must."""
        if self._writer is not None:
            _inherited.append(self._writer)
        self._writer, self._turn = None, threading.Lock()
        self.engine.dispose(close=False)


class ScratchDatabase(Database):
    """A database that only its maker sees, and that leaves nothing behind: for trying things out."""

    def __init__(self) -> None:
        super().__init__("sqlite://")
        Base.metadata.create_all(self.engine)

    def close(self) -> None:
        self.engine.dispose()


def before_commit(session: Session, callback: Callable[[], None]) -> None:
    """Run `callback` as the last step of this session's transaction."""
    session.info.setdefault("before_commit", []).append(callback)


def after_commit(session: Session, callback: Callable[[], None]) -> None:
    """Run `callback` once the transaction of this session has committed, and only then."""
    session.info.setdefault("after_commit", []).append(callback)


def _engine(url: str) -> Engine:
    if not url.startswith("sqlite"):
        return _postgres_engine(url)
    if url == "sqlite://":
        engine = create_engine(url, creator=_connect_to_nothing, poolclass=StaticPool)
    else:
        # The hub has some hundred statements: SQLite is to prepare each of them once, not for each use.
        options = {"timeout": BUSY_SECONDS, "check_same_thread": False, "cached_statements": 1000}
        engine = create_engine(url, connect_args=options)

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, record: Any) -> None:  # noqa: ARG001
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA cache_size=-16000")
        cursor.close()

    # A listener would do, but SQLAlchemy asks for listeners at each statement once an engine has any.
    engine.dialect.do_begin = _begin  # type: ignore[assignment, method-assign]
    engine._connection_cls = DirectConnection
    return engine


_only_reads: ContextVar[bool] = ContextVar("only_reads", default=False)
"""Whether the transaction that begins now is one of `reading`."""


def _begin_now(connection: Connection, *, writing: bool) -> RootTransaction:
    before = _only_reads.set(not writing)
    try:
        return connection.begin()
    finally:
        _only_reads.reset(before)


def _begin(connection: Any) -> None:
    raw = connection.driver_connection
    if _only_reads.get():
        raw.execute("BEGIN")
    else:
        _begin_writing(raw)


def _write_json(value: Any) -> str:
    """Write JSON; what orjson refuses (numbers of more than 64 bits, half of a character) more slowly."""
    try:
        return _dump_json(value, option=_JSON_ONLY).decode()
    except TypeError:
        return _dump_any_json(value)


def _bind_json(value: Any) -> str | None:
    return None if value is None or isinstance(value, Null) else _write_json(value)


def read_json(text: str | None) -> Any:
    """Read JSON as `_write_json` has written it; most of it is empty.

    orjson makes floats of long numbers: what it would not write again as it was is read more slowly.
    """
    if text is None:
        return None
    if text == "{}":
        return {}
    if text == "[]":
        return []
    try:
        value = _load_json(text)
        if _dump_json(value).decode() == text:
            return value
    except ValueError:
        pass
    return _scan_json(text)[0]


def _postgres_engine(url: str) -> Engine:
    address = make_url(url)
    query = dict(address.query)
    options: dict[str, Any] = {}
    if query.pop("prepare_threshold", None) == "none":
        # Behind a pooler that shares connections, what one transaction has prepared another would miss.
        options["prepare_threshold"] = None
    engine = create_engine(
        address.set(query=query),
        connect_args=options,
        pool_pre_ping=True,
        pool_size=5,
        max_overflow=30,
        pool_recycle=1800,
        json_serializer=_write_json,
    )

    @event.listens_for(engine, "handle_error")
    def leave_a_replica(context: ExceptionContext) -> None:
        """After a failover an open connection may be to what is a replica now: look for the server anew."""
        if getattr(context.original_exception, "sqlstate", None) == _READ_ONLY:
            context.is_disconnect = True

    return engine


def is_passing(error: BaseException) -> bool:
    """Whether an error tells of a database that was busy or away: the same may go well in a moment."""
    return isinstance(error, OperationalError) or (
        isinstance(error, DBAPIError) and error.connection_invalidated
    )


def _connect_to_nothing() -> sqlite3.Connection:
    """Open a private database: in memory as far as it is small, else in a file that has no name."""
    return sqlite3.connect("", check_same_thread=False)


def _begin_writing(raw: sqlite3.Connection) -> None:
    """Begin as the only writer: try again and again for `BUSY_SECONDS`, then fail as SQLite does."""
    until = time.monotonic() + BUSY_SECONDS
    steps = iter(_STEPS)
    raw.execute("PRAGMA busy_timeout=0")
    try:
        while time.monotonic() < until:
            try:
                raw.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                    raise
                time.sleep(next(steps, _STEPS[-1]))
    finally:
        raw.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000:.0f}")
    raw.execute("BEGIN IMMEDIATE")
