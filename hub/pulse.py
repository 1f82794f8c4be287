"""A pulse: what a run repeats while it works, so that others see that it lives.

A lease is short, so that the work of a dead worker is soon taken over; the pulse keeps it through a call
that lasts longer. A process that was killed or frozen has none.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from hub.log import get_logger

log = get_logger()


class Pulse(Protocol):
    """Repeats something while a block runs."""

    def beating(self, beat: Callable[[], bool]) -> AbstractContextManager[None]:
        """Call `beat` from time to time, from another thread, until the block ends or it returns False."""


class NoPulse:
    """Never beats: for worlds where time stands still during a call."""

    @contextmanager
    def beating(self, beat: Callable[[], bool]) -> Iterator[None]:  # noqa: ARG002
        yield


class ThreadPulse:
    """Beats from a thread of its own, so that a run which waits or computes need not think of it.

    Args:
        every: seconds between two beats.
    """

    def __init__(self, every: float) -> None:
        self._every = every

    @contextmanager
    def beating(self, beat: Callable[[], bool]) -> Iterator[None]:
        ended = threading.Event()
        threading.Thread(target=self._beat, args=(beat, ended), name="pulse", daemon=True).start()
        try:
            yield
        finally:
            ended.set()

    def _beat(self, beat: Callable[[], bool], ended: threading.Event) -> None:
        while not ended.wait(self._every):
            try:
                if not beat():
                    return
            except Exception as error:
                # A database that is away for a moment: the next beat may find it again.
                log.warning("pulse_missed", reason=type(error).__name__)
