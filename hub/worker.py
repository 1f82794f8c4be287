"""The Celery app: a few lines over the drivers. Messages carry ids, never data, and are only hints.

The broker options follow what Celery on Redis was seen to do: with the defaults, the work of a killed
worker waits for 90 s and longer, a publisher hangs on a frozen broker, and a worker ends when Redis is
full or has become a replica.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from celery import Celery
from celery.signals import setup_logging, task_unknown, worker_process_init
from kombu.exceptions import KombuError
from kombu.messaging import Producer
from redis.exceptions import RedisError

from hub import log as hub_log
from hub.accounts import calendars
from hub.inbound.pull import pull_link
from hub.keeping import subscriptions, sweep, ticks, zones
from hub.outbound import undo
from hub.outbound.push import push_link
from hub.planning.reading import read_plan
from hub.ports import Ports
from hub.settings import Settings
from hub.wiring import build_ports, settle_heap

log = hub_log.get_logger()

QUEUES = {
    "pull": "inbound",
    "push": "outbound",
    "import": "bulk",
    "export": "bulk",
    "undo": "bulk",
    "plan": "bulk",
    "subscribe": "keeping",
    "renew": "keeping",
    "sweep": "keeping",
    "expire": "keeping",
    "zones": "bulk",
    "refresh_calendars": "keeping",
    "heartbeat": "keeping",
}
WATCHED = ("inbound", "outbound", "keeping")
"""Queues whose silence is told by `/readyz`; long work may make the others wait."""

app = Celery("hub")


def configure(settings: Settings) -> Celery:
    """Point the Celery app at the broker, set up the log, and say what the beat does."""
    hub_log.configure(settings.log_level, settings.log_format)
    sweep_every = settings.sweep_interval
    app.conf.update(
        broker_url=settings.redis_url,
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        task_acks_late=True,
        # What kills its worker must not come back at once, for ever: the sweep finds it, and counts.
        task_reject_on_worker_lost=False,
        task_publish_retry=False,
        task_create_missing_queues=True,
        task_default_queue="keeping",
        task_routes={name: {"queue": queue} for name, queue in QUEUES.items()},
        worker_prefetch_multiplier=1,
        worker_max_tasks_per_child=5000,
        worker_enable_remote_control=False,
        worker_hijack_root_logger=False,
        broker_connection_retry_on_startup=True,
        broker_channel_error_retry=True,
        broker_transport_options={
            "visibility_timeout": 60,
            "unacked_restore_interval": 2,
            "unacked_restore_throttle": 1,
            "health_check_interval": 10,
            "socket_keepalive": True,
            "socket_timeout": 5,
            "socket_connect_timeout": 1,
            "retry_policy": {"max_retries": 0},
        },
        beat_schedule={
            "sweep": {"task": "sweep", "schedule": sweep_every, "options": {"expires": sweep_every * 2}},
            "renew": {"task": "renew", "schedule": 60.0, "options": {"expires": 60}},
            "expire": {"task": "expire", "schedule": 3600.0, "options": {"expires": 3600}},
            "zones": {"task": "zones", "schedule": 3600.0, "options": {"expires": 3600}},
            **{f"heartbeat {queue}": _heartbeat(queue) for queue in WATCHED},
        },
        beat_max_loop_interval=5,
    )
    return app


def _heartbeat(queue: str) -> dict[str, Any]:
    options = {"queue": queue, "expires": 20}
    return {"task": "heartbeat", "args": (queue,), "schedule": 10.0, "options": options}


class CeleryQueue:
    """Publishes hints. A broker that is away costs a log line: the sweep finds the work in the tables."""

    def hint(self, task: str, *arguments: str) -> None:
        try:
            with app.producer_pool.acquire(block=True, timeout=1) as producer:
                self._send(producer, task, arguments)
        except (KombuError, RedisError, OSError) as error:
            log.warning("hint_not_sent", task=task, reason=str(error) or type(error).__name__)

    def _send(self, producer: Producer, task: str, arguments: tuple[str, ...]) -> None:
        try:
            app.send_task(
                task, args=arguments, queue=QUEUES[task], retry=False, ignore_result=True, producer=producer
            )
        except Exception:
            # A server that refuses may not be the right one any more (a replica after a failover).
            producer.connection.collect()
            raise


class _Process:
    """The ports of this worker process, made when first needed and anew after a fork."""

    ports: Ports | None = None


def ports() -> Ports:
    """Return this process's ports."""
    if _Process.ports is None:
        settings = Settings.load()
        configure(settings)
        _Process.ports = build_ports(settings, CeleryQueue())
        settle_heap()
    return _Process.ports


@worker_process_init.connect
def _after_fork(**_: Any) -> None:
    if _Process.ports is not None:
        _Process.ports.db.dispose()


@task_unknown.connect
def _on_unknown_task(name: str = "", **_: Any) -> None:
    """Tell the operator; whatever the task was to do is still owed in the tables, and found by the sweep."""
    log.error("unknown_task_discarded", task=name)


@setup_logging.connect
def _logging(**_: Any) -> None:
    """Keep Celery from setting up logs of its own; `configure` has done it."""


def _task(name: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a task under a plain name, its ids bound to all that it logs."""

    def register(run: Callable[..., None]) -> Callable[..., None]:
        def body(*arguments: str) -> None:
            with hub_log.bound(task=name, ids=",".join(arguments) or None):
                run(*arguments)

        app.task(name=name)(body)
        return run

    return register


@_task("pull")
def pull(link_id: str) -> None:
    pull_link(ports(), link_id)


@_task("push")
def push(link_id: str) -> None:
    push_link(ports(), link_id)


@_task("import")
def import_all(link_id: str) -> None:
    pull_link(ports(), link_id)


@_task("export")
def export_all(link_id: str) -> None:
    push_link(ports(), link_id)


@_task("undo")
def carry_on_undo(undo_id: str) -> None:
    undo.carry_on(ports(), undo_id)


@_task("plan")
def plan(plan_id: str) -> None:
    read_plan(ports(), plan_id)


@_task("subscribe")
def subscribe(link_id: str) -> None:
    subscriptions.subscribe_link(ports(), link_id)


@_task("renew")
def renew() -> None:
    subscriptions.keep_channels(ports())


@_task("refresh_calendars")
def refresh_calendars(account_id: str) -> None:
    calendars.keep_fresh(ports(), account_id)


@_task("sweep")
def sweep_all() -> None:
    if ticks.is_due(ports(), "sweep", ports().settings.sweep_interval):
        sweep.sweep(ports())


@_task("expire")
def expire() -> None:
    if ticks.is_due(ports(), "expire", 3600):
        sweep.expire(ports())


@_task("zones")
def follow_zones() -> None:
    zones.follow(ports())


@_task("heartbeat")
def heartbeat(queue: str) -> None:
    ticks.beat_heart(ports(), queue)
