"""The network to the providers: one call's way there, the provider, and the way back, with its faults."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from hub.plugin.errors import (
    CalendarLostError,
    CursorExpiredError,
    GoneError,
    RefusedError,
    RetryLaterError,
    TokenExpiredError,
    VersionMovedError,
)
from hub.plugin.types import ChangePage, PushCreate, PushUpdate, RemoteChange, RemoteEvent, Scope
from tests.memory_provider import SERVICES, _Fault, _shown
from tests.simulate.faults import MENU, Faults
from tests.simulate.kernel import Kernel

THROTTLED = 9.0
"""For how long a provider asks to be left alone that is called too often."""
PURE = frozenset({"provider", "authorization_url", "receive", "project", "sandbox"})


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
        self.asked: list[Callable[[str, str, Mapping[str, Any]], None]] = []
        """Told of each call that begins."""
        self.hid: list[Callable[[str, Mapping[str, Any], set[str]], None]] = []
        """Told of what a full listing was made to leave out: provider, arguments, ids."""
        self.poison: tuple[str, str] | None = None
        """A provider, and the fault that each of its calls meets."""
        self.asked_to_wait: dict[str, float] = {}
        """When a provider has last asked to be left alone."""

    def reset(self, rng: Random) -> None:
        self._rng = rng
        self.seen.clear()
        self.asked.clear()
        self.poison = None
        self.asked_to_wait.clear()

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
        for told in self.asked:
            told(provider, boundary, arguments)
        fault = self.faults.at(boundary) if boundary in MENU else None
        if self.poison is not None and self.poison[0] == provider:
            fault = self.poison[1]
        kernel.wait(0.02 + self._rng.random() * 0.2)
        if fault:
            kernel.note(provider, boundary, "fault", fault)
            if fault == "throttled" and boundary != "exchange_code":  # Of what account, nobody knows yet.
                self.asked_to_wait[provider] = kernel.now
            if fault == "token_refused":
                SERVICES[provider].access.pop(arguments["call"].access_token, None)
            _before(kernel, fault)
        answer = self._ask(provider, boundary, call, arguments, fault)
        if fault:
            _after(kernel, fault)
            whole, answer = answer, _bend(fault, answer)
            if isinstance(answer, ChangePage):
                self._note_hidden(provider, arguments, whole, answer)
        kernel.wait(0.02 + self._rng.random() * 0.2)
        return answer

    def _note_hidden(
        self, provider: str, arguments: Mapping[str, Any], whole: ChangePage, answer: ChangePage
    ) -> None:
        left_out = {c.remote_id for c in whole.changes} - {c.remote_id for c in answer.changes}
        for told in self.hid if left_out else ():
            told(provider, arguments, left_out)

    def _ask(
        self,
        provider: str,
        boundary: str,
        call: Callable[..., Any],
        arguments: dict[str, Any],
        fault: str | None,
    ) -> Any:
        if fault in ("not_kept", "ignored"):
            answer = _not_kept(call, arguments, silent=fault == "not_kept")
        elif fault == "half_written":
            answer = call(**_half_of(arguments))
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
        raise RetryLaterError("429", after=THROTTLED, scope="account", code="429")
    if fault == "hangs":
        kernel.wait(14)
        raise TimeoutError
    if fault == "forgotten":
        raise GoneError("the subscription is not known")
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
    if fault in ("cut_after", "half_written"):
        raise RetryLaterError("the answer was cut off")
    if fault == "hangs_after":
        kernel.wait(14)
        raise TimeoutError
    if fault == "die_after":
        kernel.kill()
    if fault == "pause_after":
        kernel.freeze(60)


def _bend(fault: str, answer: Any) -> Any:
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


def _not_kept(call: Callable[..., Any], arguments: dict[str, Any], *, silent: bool) -> Any:
    """Let the provider say yes to a write that it does not keep; `silent`: even answer as if it had."""
    service = SERVICES[arguments["call"].settings["SERVICE"]]
    service.faults.append(_Fault("unkept", 1, "push_event", {"silent": silent, "touch": False}))
    try:
        return call(**arguments)
    finally:
        service.faults.clear()


def _half_of(arguments: dict[str, Any]) -> dict[str, Any]:
    """Leave out the last changed day of a series: days are written one after the other."""
    push = arguments["push"]
    when = push.content.when
    half = dataclasses.replace(when, exceptions=when.exceptions[:-1])
    content = dataclasses.replace(push.content, when=half)
    return arguments | {"push": dataclasses.replace(push, content=content)}


def _brief(boundary: str, arguments: Mapping[str, Any], answer: Any) -> str:
    if isinstance(answer, ChangePage):
        ids = ",".join(f"{'-' if c.event is None else '+'}{c.remote_id}" for c in answer.changes)
        return f"cursor={arguments['cursor']} [{ids}] next={answer.next_cursor or answer.next_page}"
    if isinstance(answer, RemoteEvent):
        return f"{answer.remote_id} v{answer.version} {answer.content.title!r}"
    push = arguments.get("push")
    return getattr(push, "remote_id", "") if push is not None else ""
