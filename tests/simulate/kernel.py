"""Virtual time and its actors: greenlets that give way at every port, in an order that the seed decides."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Callable
from random import Random
from typing import Any

from greenlet import getcurrent, greenlet


class Killed(BaseException):
    """The process of this actor has died: nothing of it runs any more, no `finally` reaches a port."""


class Actor:
    """One thread of control in a process of its own, which can die."""

    __slots__ = ("dead", "frozen", "let", "name")

    let: greenlet

    def __init__(self, name: str) -> None:
        self.name = name
        self.dead = False
        self.frozen = False


class Kernel:
    """Runs actors in virtual time.

    Args:
        rng: decides who comes first of those that are due at the same instant.
        keep: whether the trace is kept as text, not only as a digest.
    """

    def __init__(self, rng: Random, *, keep: bool = False) -> None:
        self.now = 0.0
        self._rng = rng
        self._heap: list[tuple[float, float, int, Actor]] = []
        self._count = 0
        self._actors: dict[Actor, None] = {}
        self._main = getcurrent()
        self.actor: Actor | None = None
        """Who runs now; None while the world is set up or looked at."""
        self._digest = hashlib.blake2b(digest_size=16)
        self.lines: list[str] | None = [] if keep else None
        self.errors: list[tuple[str, BaseException]] = []

    # --- the trace ---

    def note(self, *what: object) -> None:
        """Add a line to the trace: two runs of one seed must write the same bytes."""
        actor = self.actor
        line = f"{self.now:.3f} {actor.name if actor else 'main'} {' '.join(map(str, what))}\n"
        self._digest.update(line.encode())
        if self.lines is not None:
            self.lines.append(line)

    def digest(self) -> str:
        return self._digest.hexdigest()

    # --- actors ---

    def spawn(self, name: str, work: Callable[[], Any], after: float = 0.0) -> Actor:
        """Let `work` run as an actor of its own, after so many seconds."""
        actor = Actor(name)
        actor.let = greenlet(lambda: self._run(actor, work), self._main)
        self._actors[actor] = None
        self._schedule(actor, after)
        return actor

    def _run(self, actor: Actor, work: Callable[[], Any]) -> None:
        try:
            work()
        except Killed:
            pass
        except Exception as error:
            self.errors.append((actor.name, error))
            self.note("raised", type(error).__name__)
        finally:
            actor.dead = True
            self._actors.pop(actor, None)

    def _schedule(self, actor: Actor, after: float) -> None:
        self._count += 1
        heapq.heappush(self._heap, (self.now + after, self._rng.random(), self._count, actor))

    def wait(self, seconds: float) -> None:
        """Let virtual time pass for the running actor, and others run meanwhile."""
        actor = self.actor
        if actor is None:
            self.now += seconds
            return
        if actor.dead:
            raise Killed
        self._schedule(actor, seconds)
        self._main.switch()
        if actor.dead:
            raise Killed

    def freeze(self, seconds: float) -> None:
        """Stop the process of the running actor for so long: nothing of it runs, not even its pulse."""
        actor = self.actor
        assert actor is not None
        actor.frozen = True
        self.wait(seconds)
        actor.frozen = False

    def check_alive(self) -> None:
        """Raises Killed in an actor whose process has died."""
        actor = self.actor
        if actor is not None and actor.dead:
            raise Killed

    def kill(self) -> None:
        """End the process of the running actor here and now."""
        actor = self.actor
        assert actor is not None
        actor.dead = True
        self.note("killed")
        raise Killed

    def end(self) -> None:
        """Let nobody run any more, the running actor neither: there is no end of it."""
        self._heap.clear()
        self.kill()

    def run(self, until: float, most: int = 100_000) -> None:
        """Run what is due up to an instant, and set the clock there.

        Raises:
            AssertionError: it does not come to an end.
        """
        for _ in range(most):
            if not self._heap or self._heap[0][0] > until:
                self.now = max(self.now, until)
                return
            at, _, _, actor = heapq.heappop(self._heap)
            if actor.let.dead:
                continue
            self.now = max(self.now, at)
            self._resume(actor.let.switch, actor)
        raise AssertionError("C8: the hub does not come to rest")

    def _resume(self, how: Callable[..., object], actor: Actor, *what: object) -> None:
        """Let an actor run until it waits or ends."""
        self.actor = actor
        try:
            how(*what)
        finally:
            self.actor = None

    def drop_all(self) -> None:
        """Forget every actor that is left, without letting it run a port."""
        for actor in list(self._actors):
            actor.dead = True
            if not actor.let.dead and actor.let:
                self._resume(actor.let.throw, actor, Killed)
        self._actors.clear()
        self._heap.clear()
