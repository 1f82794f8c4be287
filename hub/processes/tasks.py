"""The Celery processes: a worker for all queues, and the beat that wakes them from time to time."""

from __future__ import annotations

from typing import Any

from celery.beat import Scheduler, SchedulingError
from celery.signals import worker_ready

from hub import log
from hub.settings import Settings

QUEUES = "inbound,outbound,keeping,delivery,bulk"


def work(settings: Settings, queues: str, processes: int) -> None:
    """Run a worker in the foreground."""
    log.configure(settings.log_level, settings.log_format)
    from hub.processes.watch import warn_of_eviction, watch_worker
    from hub.worker import QUEUES as QUEUE_OF
    from hub.worker import WATCHED, app, configure

    warn_of_eviction(settings.redis_url)

    def watch(**_: Any) -> None:
        watch_worker(settings.redis_url, queues.split(","), processes)
        # The first heartbeat need not wait for a beat: who asks whether the hub is ready, waits for it.
        for queue in set(WATCHED) & set(queues.split(",")):
            app.send_task("heartbeat", args=(queue,), queue=queue, expires=20, ignore_result=True)

        # A release of the zone data comes with a new process.
        if QUEUE_OF["zones"] in queues.split(","):
            app.send_task("zones", queue=QUEUE_OF["zones"], expires=3600, ignore_result=True)

    worker_ready.connect(watch, weak=False)
    configure(settings).worker_main(
        [
            *("worker", "--queues", queues, "--concurrency", str(processes)),
            # Nobody asks workers anything: the answers would only leave keys behind in Redis.
            *("--without-mingle", "--without-gossip", "--loglevel", settings.log_level),
        ]
    )


class FreshScheduler(Scheduler):  # type: ignore[misc]
    """Keeps its times in memory (a schedule file can be left broken by a crash), and reconnects.

    A broker that refuses may not be the right one any more, such as a replica after a failover.
    """

    def apply_async(self, *arguments: Any, **options: Any) -> Any:
        try:
            return super().apply_async(*arguments, **options)
        except SchedulingError:
            self.close()
            raise


def beat(settings: Settings) -> None:
    """Run the beat in the foreground; two of them do no harm, since every tick claims its rows."""
    log.configure(settings.log_level, settings.log_format)
    from hub.processes.watch import warn_of_eviction
    from hub.worker import configure

    warn_of_eviction(settings.redis_url)
    scheduler = f"{FreshScheduler.__module__}.{FreshScheduler.__qualname__}"
    configure(settings).start(
        ["beat", "--scheduler", scheduler, "--pidfile", "", "--loglevel", settings.log_level]
    )
