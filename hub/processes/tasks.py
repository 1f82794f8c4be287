"""The Celery processes: a worker for all queues, and the beat that wakes them from time to time."""

from __future__ import annotations

from hub import log
from hub.settings import Settings

QUEUES = "inbound,outbound,keeping,delivery"


def work(settings: Settings, queues: str, processes: int) -> None:
    """Run a worker in the foreground."""
    log.configure(settings.log_level, settings.log_format)
    from hub.worker import configure

    configure(settings).worker_main(
        [
            *("worker", "--queues", queues, "--concurrency", str(processes)),
            # Nobody asks workers anything: the answers would only leave keys behind in Redis.
            *("--without-mingle", "--without-gossip", "--loglevel", settings.log_level),
        ]
    )


def beat(settings: Settings) -> None:
    """Run the beat in the foreground; two of them do no harm, since every tick claims its rows."""
    log.configure(settings.log_level, settings.log_format)
    from hub.worker import configure

    configure(settings).start(
        # The scheduler that keeps its times in memory: a schedule file can be left broken by a crash.
        ["beat", "--scheduler", "celery.beat.Scheduler", "--pidfile", "", "--loglevel", settings.log_level]
    )
