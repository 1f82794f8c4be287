"""The simulated ports: each one lets virtual time pass, is a boundary for faults, and writes the trace."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import StaticPool

from hub.db import Database
from hub.plugin.errors import (
    CalendarLostError,
    CursorExpiredError,
    RefusedError,
    RetryLaterError,
    TokenExpiredError,
    VersionMovedError,
)
from hub.plugin.types import ChangePage, PushCreate, PushUpdate, RemoteChange, RemoteEvent, Scope
from tests.memory_provider import SERVICES, _Fault, _shown
from tests.simulate.faults import MENU, Faults
from tests.simulate.kernel import Kernel

START = datetime(2026, 12, 1, 8, tzinfo=UTC)
_ALPHABET = "0123456789abcdefghijklmnopqrstuv"
PURE = frozenset({"provider", "authorization_url", "receive", "project", "sandbox"})


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


def memory_engine() -> Engine:
    """Return an engine on one SQLite database in memory, which all actors share in turn."""
    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, record: Any) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA foreign_keys=ON")

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine


class SimDatabase(Database):
    """The real sessions on a database in memory; actors give way around a transaction, never in it."""

    def __init__(self, engine: Engine) -> None:
        self.url = "sqlite://"
        self.is_sqlite = True
        self.engine = engine
        self._sessions = sessionmaker(engine, expire_on_commit=False, autoflush=False)
        self.kernel: Kernel
        self.faults: Faults

    @contextmanager
    def _turn(self) -> Iterator[None]:
        yield

    @contextmanager
    def _open(self, *, writing: bool) -> Iterator[Session]:
        with self._sessions() as session:
            try:
                yield session
            except BaseException:
                session.rollback()
                session.info.clear()
                raise

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        self._enter("db.begin")
        with self._open(writing=True) as session:
            yield session
            for callback in session.info.pop("before_commit", ()):
                callback()
            fault = self.faults.at("db.commit") if self.kernel.actor else None
            if fault in ("refused", "die_before"):
                session.rollback()
                session.info.clear()
                self._fail(fault)
            session.commit()
        if fault in ("unknown", "die_after"):
            session.info.clear()
            self._fail(fault)
        if fault == "pause":
            self.kernel.note("db.commit pause")
            self.kernel.wait(45)
        else:
            self.kernel.check_alive()
        for callback in session.info.pop("after_commit", ()):
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
        self.kernel.wait(45)

    def _fail(self, fault: str) -> None:
        self.kernel.note("db.commit", fault)
        if fault.startswith("die"):
            self.kernel.kill()
        raise OperationalError("COMMIT", {}, ConnectionError(f"commit {fault}"))


class SimHooks:
    """A plugin's hooks behind a network that the faults play on."""

    def __init__(self, provider: str, hooks: Any, wire: Wire) -> None:
        self._provider = provider
        self._hooks = hooks
        self._wire = wire
        self._made: dict[str, Callable[..., Any]] = {}

    def __getattr__(self, hook: str) -> Any:
        if hook not in self._made:
            call = getattr(self._hooks, hook)
            if hook in PURE:
                self._made[hook] = call
            else:
                self._made[hook] = lambda **arguments: self._wire.play(self._provider, hook, call, arguments)
        return self._made[hook]


class Wire:
    """One call over the network: the way there, the provider, and the way back."""

    def __init__(self, kernel: Kernel, rng: Random) -> None:
        self.kernel = kernel
        self.faults: Faults
        self._rng = rng
        self.seen: list[Callable[[str, str, Mapping[str, Any], Any], None]] = []
        """Told of each call that a provider has answered: provider, boundary, arguments, answer."""

    def play(self, provider: str, hook: str, call: Callable[..., Any], arguments: dict[str, Any]) -> Any:
        boundary = hook
        if hook == "push_event":
            kind = type(arguments["push"])
            boundary = (
                "push_create"
                if kind is PushCreate
                else "push_update"
                if kind is PushUpdate
                else "push_delete"
            )
        kernel = self.kernel
        kernel.check_alive()
        if kernel.actor is None:
            return call(**arguments)
        fault = self.faults.at(boundary) if boundary in MENU else None
        kernel.wait(0.02 + self._rng.random() * 0.2)
        if fault:
            kernel.note(provider, boundary, "fault", fault)
            _before(kernel, fault)
        answer = self._ask(provider, boundary, call, arguments, fault)
        if fault:
            _after(kernel, fault)
            answer = _bend(fault, answer, self._rng)
        kernel.wait(0.02 + self._rng.random() * 0.2)
        return answer

    def _ask(
        self,
        provider: str,
        boundary: str,
        call: Callable[..., Any],
        arguments: dict[str, Any],
        fault: str | None,
    ) -> Any:
        if fault == "not_kept":
            answer = _not_kept(call, arguments)
        elif fault == "empty_page":
            answer = _empty_page(arguments)
        else:
            answer = call(**arguments)
        if fault == "stale":
            answer = _stale(self.kernel, answer, arguments)
        self.kernel.note(provider, boundary, _brief(boundary, arguments, answer))
        for told in self.seen:
            told(provider, boundary, arguments, answer)
        return answer


def _before(kernel: Kernel, fault: str) -> None:
    """Play what a fault does before the provider has done anything."""
    if fault == "cut_before":
        raise RetryLaterError("the connection was refused")
    if fault == "busy":
        raise RetryLaterError("503", code="503")
    if fault == "throttled":
        raise RetryLaterError("429", after=9.0, scope="account", code="429")
    if fault == "hangs":
        kernel.wait(14)
        raise TimeoutError
    if fault == "token_refused":
        raise TokenExpiredError("401")
    if fault == "raises":
        raise ZeroDivisionError("a bug of the plugin")
    if fault == "slow":
        kernel.wait(10)
    if fault == "die_before":
        kernel.kill()
    if fault == "cursor_expired":
        raise CursorExpiredError("410")
    if fault == "calendar_lost":
        raise CalendarLostError("404 for a moment")
    if fault == "refused":
        raise RefusedError("400 for a reason that only the provider knows")
    if fault == "version_moved":
        raise VersionMovedError("412 without a cause")


def _after(kernel: Kernel, fault: str) -> None:
    """Play what a fault does after the provider has done what it was asked."""
    if fault == "cut_after":
        raise RetryLaterError("the answer was cut off")
    if fault == "hangs_after":
        kernel.wait(14)
        raise TimeoutError
    if fault == "die_after":
        kernel.kill()
    if fault == "pause_after":
        kernel.wait(60)


def _bend(fault: str, answer: Any, rng: Random) -> Any:
    """Give another answer than the provider's."""
    if fault == "garbage":
        return object()
    if not isinstance(answer, ChangePage):
        return answer
    changes = answer.changes
    if fault == "short" and answer.scope is Scope.SNAPSHOT:
        return dataclasses.replace(answer, changes=changes[: len(changes) // 2])
    if fault == "emptied" and answer.scope is Scope.SNAPSHOT:
        return dataclasses.replace(answer, changes=())
    if fault == "doubled":
        return dataclasses.replace(answer, changes=changes + changes)
    return answer


def _empty_page(arguments: Mapping[str, Any]) -> ChangePage:
    """Answer with nothing and a next page, as a provider may that skips what has been deleted."""
    cursor, page = arguments["cursor"], arguments["page"]
    position = page or (cursor or ":0").partition(":")[2]
    return ChangePage((), Scope.SNAPSHOT if cursor is None else Scope.DELTA, next_page=position)


def _stale(kernel: Kernel, answer: ChangePage, arguments: Mapping[str, Any]) -> ChangePage:
    """Show one event as it was before its last write; the provider lists it once more a little later."""
    service = SERVICES[arguments["call"].settings["SERVICE"]]
    person, _ = service.access[arguments["call"].access_token]
    calendar = service.calendar(person, arguments["calendar"].remote_id)
    place, event = next(
        (
            (n, calendar.events[c.remote_id])
            for n, c in enumerate(answer.changes)
            if c.event is not None and (before := calendar.events[c.remote_id].before) and not before.deleted
        ),
        (0, None),
    )
    if event is None or event.before is None:
        return answer
    remote_id = event.remote_id

    def again() -> None:
        calendar.events[remote_id].seq = service.count()
        service.notify(calendar)

    kernel.spawn("provider", again, 5.0)
    changes = list(answer.changes)
    changes[place] = RemoteChange(remote_id, _shown(event.before))
    return dataclasses.replace(answer, changes=tuple(changes))


def _not_kept(call: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    """Let the provider answer as if it had kept a write that it keeps only half, or not at all."""
    service = SERVICES[arguments["call"].settings["SERVICE"]]
    service.faults.append(_Fault("unkept", 1, "push_event", {"silent": True, "touch": False}))
    try:
        return call(**arguments)
    finally:
        service.faults.clear()


def _brief(boundary: str, arguments: Mapping[str, Any], answer: Any) -> str:
    if isinstance(answer, ChangePage):
        ids = ",".join(f"{'-' if c.event is None else '+'}{c.remote_id}" for c in answer.changes)
        return f"cursor={arguments['cursor']} [{ids}] next={answer.next_cursor or answer.next_page}"
    if isinstance(answer, RemoteEvent):
        return f"{answer.remote_id} v{answer.version} {answer.content.title!r}"
    push = arguments.get("push")
    return getattr(push, "remote_id", "") if push is not None else ""
