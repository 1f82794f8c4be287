"""Runs that die: the work is done in a child process which ends in the middle, giving nothing back."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from tests.memory_provider import MemoryService
from tests.world import World


def dies_in(
    world: World, service: MemoryService, hook: str, work: Callable[[], Any], *, calls: int = 1
) -> None:
    """Do `work` in a process that is killed when it calls `hook` of a provider for so many times.

    What the provider does in that call is lost with the process: it had not been asked yet.
    """
    child = os.fork()
    if child == 0:
        world.ports.db.dispose()
        left = iter(range(calls - 1))
        service.fault = (  # type: ignore[method-assign]
            lambda called: os._exit(9) if called == hook and next(left, None) is None else None
        )
        try:
            work()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 9, f"the run did not come as far as {hook}"
