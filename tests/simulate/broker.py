"""The simulated broker: hints that are lost, doubled or late, and the workers that take them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hub.accounts import calendars
from hub.inbound.pull import pull_link
from hub.keeping import subscriptions, sweep
from hub.outbound import undo
from hub.outbound.push import push_link

if TYPE_CHECKING:
    from tests.simulate.worlds import SimWorld

TASKS: dict[str, Callable[..., Any]] = {
    "pull": pull_link,
    "push": push_link,
    "import": pull_link,
    "export": push_link,
    "subscribe": subscriptions.subscribe_link,
    "renew": subscriptions.keep_channels,
    "refresh_calendars": calendars.keep_fresh,
    "sweep": sweep.sweep,
    "undo": undo.carry_on,
}


class SimQueue:
    """Carries hints to workers, of which so many run at a time."""

    def __init__(self, world: SimWorld) -> None:
        self._world = world
        self._waiting: deque[tuple[str, tuple[str, ...]]] = deque()
        self._running = 0
        self.workers = 3

    def hint(self, task: str, *arguments: str) -> None:
        kernel = self._world.kernel
        if kernel.actor is None:
            self._waiting.append((task, arguments))
            return
        fault = self._world.faults.at("hint")
        if fault:
            kernel.note("hint", task, *arguments, fault)
        if fault == "lost":
            return
        for _ in range(2 if fault == "doubled" else 1):
            self.put(task, *arguments, after=40.0 if fault == "late" else 0.002)

    def put(self, task: str, *arguments: str, after: float = 0.0) -> None:
        def arrive() -> None:
            self._waiting.append((task, arguments))
            self._start()

        self._world.kernel.spawn("broker", arrive, after)

    def _start(self) -> None:
        while self._waiting and self._running < self.workers:
            task, arguments = self._waiting.popleft()
            self._running += 1
            number = self._world.count()
            self._world.kernel.spawn(f"w{number}", lambda t=task, a=arguments: self._work(t, a))

    def _work(self, task: str, arguments: tuple[str, ...]) -> None:
        kernel = self._world.kernel
        fault = self._world.faults.at("task")
        try:
            kernel.note(task, *arguments, *([fault] if fault else []))
            if fault == "late":
                kernel.wait(35)
            if fault == "redelivered":
                self.put(task, *arguments, after=3.0)
            if fault == "die":
                kernel.kill()
            TASKS[task](self._world.ports, *arguments)
        finally:
            self._running -= 1
            self._start()

    def run_here(self) -> None:
        """Run what waits at once: while a world is set up, or looked at, without actors."""
        while self._waiting:
            task, arguments = self._waiting.popleft()
            TASKS[task](self._world.ports, *arguments)

    def clear(self) -> None:
        self._waiting.clear()
        self._running = 0
