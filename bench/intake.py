"""Webhook intake: genuine notifications, durable before the answer, against a route that does nothing."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from sqlalchemy import func, select

from bench.figures import Figure, balance, percentile
from bench.load import Load, at_full_rate, at_scheduled_rate
from bench.rig import Rig, await_port, child, descendants, pinned
from hub.ids import digest
from hub.models import Channel, ChannelState, Link, LinkSignal

SETTLE_SECONDS = 30.0
CALENDARS = 8
PERSON = "intake@example.test"


def measure(rig: Rig, rounds: int, seconds: float) -> list[Figure]:
    """Send to both in turn, at full rate and then at half of what the hub managed."""
    links = _linked_calendars(rig)
    requests = _notifications(rig, links)
    null_port = rig.port + 4
    with child("bench.chain", "null", environ={"HUB_PORT": str(null_port)} | _home(rig)) as null:
        await_port(null_port)
        web, others = _processes(rig, null.pid)
        with pinned(web, others):
            full, half = _rounds(rig, links, requests, null_port, rounds, seconds)
    rig.settle(180)
    pairs: list[tuple[str, str, Callable[[Load], float], list[tuple[Load, Load]], str]] = [
        ("webhook intake, full rate", "posts/s", lambda load: load.rate, full, ">= 0.60"),
        ("  answered, full rate, p50", "ms", lambda load: _ms(load, 50), full, ""),
        ("  answered, full rate, p99", "ms", lambda load: _ms(load, 99), full, ""),
        ("  half rate (scheduled), p50", "ms", lambda load: _ms(load, 50), half, ""),
        ("  half rate (scheduled), p99", "ms", lambda load: _ms(load, 99), half, "hub <= 50 ms"),
    ]
    return [
        Figure(name, unit, tuple(of(h) for _, h in both), tuple(of(f) for f, _ in both), goal)
        for name, unit, of, both, goal in pairs
    ]


def _ms(load: Load, percent: float) -> float:
    return percentile(load.delays, percent) * 1000


def _home(rig: Rig) -> dict[str, str]:
    return {"HUB_HOME": str(rig.home)}


def _processes(rig: Rig, null: int) -> tuple[list[int], list[int]]:
    """Return the processes of the web servers, and all others."""
    web = [null, *(pid for pid, _ in descendants(null))]
    others: list[int] = []
    for pid, line in descendants(rig.stage.process):
        (web if "hub.cli serve" in line else others).append(pid)
    boxes = [pid for pid, line in descendants(os.getpid()) if "bench.provider" in line]
    return web, [rig.stage.process, *others, *boxes]


def _rounds(
    rig: Rig, links: list[str], requests: list[bytes], null_port: int, rounds: int, seconds: float
) -> tuple[list[tuple[Load, Load]], list[tuple[Load, Load]]]:
    full: list[tuple[Load, Load]] = []
    half: list[tuple[Load, Load]] = []
    at_full_rate(null_port, requests, 0.5)
    with _ledger(rig, links) as book:
        book(at_full_rate(rig.port, requests, 0.5))
        for _ in range(rounds):
            floor = at_full_rate(null_port, requests, seconds)
            full.append((floor, book(at_full_rate(rig.port, requests, seconds))))
            rate = full[-1][1].rate / 2
            floor = at_scheduled_rate(null_port, requests, seconds, rate)
            half.append((floor, book(at_scheduled_rate(rig.port, requests, seconds, rate))))
    return full, half


@contextmanager
def _ledger(rig: Rig, links: list[str]) -> Iterator[Callable[[Load], Load]]:
    """After each load, see that every link was listed for it: no accepted notification was forgotten.

    A notification is stored as a mark unless one stands there that no listing has begun for, so what
    counts is that each link comes to rest with a listing that ended after the load began.
    """

    def listed_since(moment: datetime) -> int:
        query = (
            select(func.count())
            .select_from(Link)
            .join(LinkSignal, LinkSignal.link_id == Link.id)
            .where(Link.id.in_(links), LinkSignal.notified <= Link.pulled, Link.heard_at > moment)
        )
        with rig.ports.db.reading() as session:
            return int(session.scalar(query) or 0)

    begun = rig.ports.clock.now()

    def book(load: Load) -> Load:
        nonlocal begun
        until = time.monotonic() + SETTLE_SECONDS
        while listed_since(begun) < len(links) and time.monotonic() < until:
            time.sleep(0.05)
        balance("links listed after the load", len(links), listed_since(begun))
        begun = rig.ports.clock.now()
        return load

    yield book


def _linked_calendars(rig: Rig) -> list[str]:
    rig.person("google", PERSON, CALENDARS - 1)
    account = rig.connect("google", PERSON)
    remotes = rig.stage.api("GET", f"/accounts/{account['id']}/remote_calendars")["items"]
    calendar_id = rig.calendar("Intake")
    return [rig.link(calendar_id, remote["id"]) for remote in remotes[:CALENDARS]]


def _notifications(rig: Rig, links: list[str]) -> list[bytes]:
    """Give each link one more channel, whose secret is known here; return what Google would send."""
    requests = []
    now = rig.ports.clock.now()
    with rig.ports.db.transaction() as session:
        for place, link_id in enumerate(links):
            secret, channel_id = rig.ports.ids.secret(), f"chnbench{place:018d}"
            link = session.get_one(Link, link_id)
            session.add(
                Channel(
                    id=channel_id,
                    account_id=link.account_id,
                    link_id=link_id,
                    secret_digest=digest(secret),
                    remote_id="bench",
                    state=ChannelState.LIVE,
                    expires_at=now + timedelta(days=7),
                    due_at=now + timedelta(days=6),
                    created_at=now,
                )
            )
            requests.append(_notification(rig.port, channel_id, secret))
    return requests


def _notification(port: int, channel_id: str, secret: str) -> bytes:
    lines = [
        "POST /webhooks/google HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        f"X-Goog-Channel-ID: {channel_id}",
        f"X-Goog-Channel-Token: {secret}",
        "X-Goog-Message-Number: 5",
        "X-Goog-Resource-ID: bench",
        "X-Goog-Resource-State: exists",
        "X-Goog-Resource-URI: https://www.googleapis.com/calendar/v3/calendars/x/events?alt=json",
        "User-Agent: APIs-Google; (+https://developers.google.com/webmasters/APIs-Google.html)",
        "Content-Length: 0",
    ]
    return "\r\n".join([*lines, "", ""]).encode()
