"""Keeps child processes alive, and ends all of them together."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Self

from hub.processes.child import CONFIG_FAULT, Child

HOPELESS = 3
"""Deaths in a row after which a child that never worked is given up."""
GRACE = 10.0
"""Seconds between SIGTERM and SIGKILL."""
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StartFailedError(Exception):
    """A child cannot run with these settings: the message holds what it said."""


class Supervisor:
    """Starts children, restarts those that die, and stops them in the reverse order.

    Args:
        say: prints a line for the person at the terminal.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._children: list[Child] = []
        self.stopping = False
        self._ended_by_signals = 0

    def __enter__(self) -> Self:
        self._read, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._wakeup = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        self._handlers = {number: signal.signal(number, self._on_end) for number in _ENDING}
        # Without a handler a dying child would not wake the loop.
        self._handlers[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda *_: None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.stop()
        finally:
            for number, handler in self._handlers.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(self._wakeup)
            os.close(self._read)
            os.close(self._write)

    def _on_end(self, _number: int, _frame: FrameType | None) -> None:
        self.stopping = True
        self._ended_by_signals += 1

    def start(self, child: Child) -> None:
        self._children.append(child)
        child.start()

    def abandon(self, child: Child) -> None:
        """Stop keeping a child alive."""
        self._children.remove(child)
        child.kill()

    def wait(self, seconds: float) -> None:
        """Sleep until a child dies, a signal comes, or the time is up; then look after the children."""
        ready, _, _ = select.select([self._read], [], [], max(0.0, seconds))
        if ready:
            os.read(self._read, 512)
        if not self.stopping:
            for child in self._children:
                self._look_after(child)

    def hopeless(self) -> Child | None:
        """Return a child that dies again and again, if there is one."""
        return next((child for child in self._children if child.deaths >= HOPELESS), None)

    def run(self) -> None:
        """Look after the children until a signal ends the run."""
        while not self.stopping:
            due = [child.restart_at for child in self._children if child.restart_at is not None]
            self.wait(min([1.0, *(at - time.monotonic() for at in due)]))

    def _look_after(self, child: Child) -> None:
        if child.restart_at is not None:
            if time.monotonic() >= child.restart_at:
                child.start()
            return
        if child.alive or child.process is None:
            return
        code = child.process.returncode
        if code == CONFIG_FAULT:
            raise StartFailedError(f"{child.name} cannot run:\n{child.last_lines()}")
        wait = child.note_death()
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        self._say(f"{child.name} died ({how}); starting it again in {wait:.1f} s. Log: {child.log}")

    def stop(self) -> None:
        """End all children: SIGTERM, and SIGKILL for those that take too long or when asked again."""
        self.stopping = True
        asked = self._ended_by_signals
        # What was started first goes last: the others need the broker to end well.
        for child in reversed(self._children):
            child.terminate()
            until = time.monotonic() + 0.2
            while child.alive and time.monotonic() < until:
                time.sleep(0.01)
        until = time.monotonic() + GRACE
        while any(child.alive for child in self._children) and time.monotonic() < until:
            if self._ended_by_signals > asked + 1:
                break
            time.sleep(0.02)
        for child in self._children:
            child.kill()
        self._children.clear()
