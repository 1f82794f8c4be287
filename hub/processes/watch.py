"""Notices that a worker has gone deaf: connected, idle, and yet not taking what waits in its queues.

Celery on Redis was seen to end up so after the broker came back from a restart. A deaf worker ends
itself, and whatever keeps it alive (`hub run`, systemd, Kubernetes) starts a new one.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence

from redis import Redis, RedisError

from hub.log import get_logger

log = get_logger()

LOOK_EVERY = 10.0
MOST_SILENT_LOOKS = 3
"""Looks in a row that found work waiting and nothing taken, before the worker counts as deaf."""
DEAF = 70
"""The exit code of a deaf worker (EX_SOFTWARE of sysexits.h)."""


class Watch:
    """Compares what waits in a worker's queues with what it takes.

    Args:
        broker: a connection of its own, since the worker's may be what is broken.
        queues: the queues that the worker takes from.
        taken: counts the tasks that the worker has taken so far.
        busy: whether all of its processes are at work, so that it need not take more.
    """

    def __init__(
        self, broker: Redis, queues: Sequence[str], taken: Callable[[], int], busy: Callable[[], bool]
    ) -> None:
        self._broker = broker
        self._queues = queues
        self._taken = taken
        self._busy = busy
        self._before = taken()
        self._silent = 0

    def is_deaf(self) -> bool:
        """Look once; say whether the worker has been deaf for too long.

        Looks are counted, not seconds: a process that was frozen for a while has not been deaf.
        """
        taken = self._taken()
        idle = taken == self._before and not self._busy()
        self._before = taken
        self._silent = self._silent + 1 if idle and self._is_work_waiting() else 0
        return self._silent >= MOST_SILENT_LOOKS

    def _is_work_waiting(self) -> bool:
        try:
            return any(self._broker.llen(queue) for queue in self._queues)
        except (RedisError, OSError):
            return False  # a broker that is away is no fault of the worker


def watch_worker(redis_url: str, queues: Sequence[str], processes: int) -> None:
    """Look from a thread of the worker's main process, and end the process when it is deaf."""
    from celery.worker import state

    broker = Redis.from_url(redis_url, socket_timeout=5, socket_connect_timeout=5)
    watch = Watch(
        broker, queues, lambda: state.all_total_count[0], lambda: len(state.active_requests) >= processes
    )

    def look() -> None:
        pause = threading.Event()
        while not pause.wait(LOOK_EVERY):
            if watch.is_deaf():
                log.error("worker_is_deaf", queues=",".join(queues))
                os._exit(DEAF)

    threading.Thread(target=look, name="watch", daemon=True).start()


def warn_of_eviction(redis_url: str) -> None:
    """Warn if this broker drops keys when its memory is full: hints and queues would be lost silently."""
    try:
        with Redis.from_url(redis_url, socket_timeout=2, socket_connect_timeout=2) as broker:
            policy = eviction_policy(broker)
    except (RedisError, OSError):
        return
    if policy != "noeviction":
        log.warning(
            "broker_evicts_keys", policy=policy, mend="Set maxmemory-policy noeviction in redis.conf."
        )


def eviction_policy(broker: Redis) -> str:
    """Return what a Redis does when its memory is full; a server that does not tell (fakeredis) keeps all."""
    try:
        return str(broker.info("memory").get("maxmemory_policy", "noeviction"))
    except RedisError:
        return "noeviction"
