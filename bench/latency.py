"""From a person's change at one provider to the hub's store and to the other provider, against a bare chain.

Both are observed alike: the sandboxes note when the person's change began and when the write that
carries it was done. Hub and chain take turns, one change at a time, each for a person of its own.
"""

from __future__ import annotations

import json
import secrets
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from statistics import median
from typing import Any
from urllib.parse import quote

import requests
from sqlalchemy import select

from bench import chain
from bench.figures import Figure, VoidError, balance, percentile
from bench.provider import FIRST
from bench.rig import ZONE, Rig, await_port, child, read_line
from hub.db import Database
from hub.models import Event
from hub.plugin.types import EventContent, When

HUB_PERSON = "ann@example.test"
CHAIN_PERSON = "chain@example.test"
ROUNDS = 6
WARM_UP = 3
WITHIN = 20.0


@dataclass(frozen=True)
class Times:
    """Milliseconds from the person's change to the store, the other side, and the chain's webhook."""

    stored: float
    held: float
    arrived: float = 0.0


@dataclass
class Pair:
    """Two calendars of one person."""

    google: str
    outlook: str


def link_pair(rig: Rig) -> Pair:
    """Link a Google and an Outlook calendar of the hub's person."""
    calendar_id = rig.calendar("Latency")
    found = []
    for provider in ("google", "outlook"):
        (primary,) = (c for c in rig.person(provider, HUB_PERSON) if c["primary"])
        account = rig.connect(provider, HUB_PERSON)
        rig.link(calendar_id, rig.stage.remote_calendar(account, primary["name"])["id"])
        found.append(primary["remote_id"])
    return Pair(*found)


def measure(rig: Rig, pair: Pair, per_round: int) -> list[Figure]:
    """Let hub and chain carry changes in turn."""
    hub: list[list[Times]] = []
    bare: list[list[Times]] = []
    with _chain(rig) as (worker, chain_pair):
        for number in range(WARM_UP):
            _hub_change(rig, pair, f"warm-up {number}")
            _chain_change(rig, chain_pair, worker, f"warm-up {number}")
        for turn in range(ROUNDS):
            hub.append([])
            bare.append([])
            for number in range(per_round):
                hub[-1].append(_hub_change(rig, pair, f"change {turn}.{number}"))
                bare[-1].append(_chain_change(rig, chain_pair, worker, f"change {turn}.{number}"))
        wanted = WARM_UP + ROUNDS * per_round
        _check(rig, HUB_PERSON, pair, wanted)
        _check(rig, CHAIN_PERSON, chain_pair, wanted)
    return [
        *_figures("change -> hub store", "stored", hub, bare, ("", "")),
        *_figures("change -> other provider", "held", hub, bare, ("<= 5", "<= 15")),
        Figure(
            "  of it the sandbox's own, p50",
            "ms",
            (median(t.arrived for turn in bare for t in turn),),
        ),
    ]


def _figures(
    name: str, field: str, hub: list[list[Times]], bare: list[list[Times]], goals: tuple[str, str]
) -> list[Figure]:
    def rounds(turns: list[list[Times]]) -> tuple[float, ...]:
        return tuple(median(getattr(t, field) for t in turn) for turn in turns)

    def worst(turns: list[list[Times]]) -> tuple[float]:
        return (percentile([getattr(t, field) for turn in turns for t in turn], 99),)

    def without(turns: list[list[Times]]) -> tuple[float, ...]:
        shares = [median(t.arrived for t in turn) for turn in bare]
        return tuple(value - share for value, share in zip(rounds(turns), shares, strict=True))

    return [
        Figure(f"{name}, p50", "ms", rounds(hub), rounds(bare)),
        Figure(f"{name}, p99", "ms", worst(hub), worst(bare), goals[1]),
        Figure("  less the sandbox's own, p50", "ms", without(hub), without(bare), goals[0]),
    ]


def new_event(title: str) -> EventContent:
    start = FIRST + timedelta(days=3)
    return EventContent(when=When(start, start + timedelta(hours=1), ZONE, ZONE), title=title)


def _hub_change(rig: Rig, pair: Pair, title: str) -> Times:
    rig.settle()
    places = {name: rig.lines(name)[1] for name in ("google", "outlook")}
    rig.stage.sandboxes["google"].create(HUB_PERSON, pair.google, new_event(title))
    stored = _await(lambda: _stored(rig, title), f"{title!r} in the hub")
    return _times(rig, places, stored)


def _stored(rig: Rig, title: str) -> float | None:
    with rig.ports.db.reading() as session:
        found = session.scalar(select(Event.id).where(Event.title == title))
    return time.monotonic() if found else None


def _chain_change(rig: Rig, pair: Pair, worker: subprocess.Popen[str], title: str) -> Times:
    rig.settle()
    places = {name: rig.lines(name)[1] for name in ("google", "outlook")}
    rig.stage.sandboxes["google"].create(CHAIN_PERSON, pair.google, new_event(title))
    told = json.loads(read_line(worker))
    balance("the change that the chain carried", title, told["title"])
    return _times(rig, places, told["stored"], told["arrived"])


def _times(rig: Rig, places: dict[str, int], stored: float, arrived: float | None = None) -> Times:
    """Read from the sandboxes' notes when the change began, and when the other side held it."""

    def written() -> float | None:
        lines, _ = rig.lines("outlook", places["outlook"])
        done = [line for line in lines if line[0] == "POST" and line[1].endswith("/events")]
        return float(done[0][4]) if done and done[0][2] == "201" else None

    held = _await(written, "the write at Outlook")
    lines, _ = rig.lines("google", places["google"])
    (begun,) = (float(line[3]) for line in lines if line[1] == "/_control/events")
    return Times((stored - begun) * 1000, (held - begun) * 1000, (arrived - begun) * 1000 if arrived else 0.0)


def _await(look: Any, what: str) -> float:
    until = time.monotonic() + WITHIN
    while (found := look()) is None:
        if time.monotonic() > until:
            raise VoidError(f"waited {WITHIN:g} seconds in vain for {what}")
        time.sleep(0.001)
    return float(found)


def _check(rig: Rig, person: str, pair: Pair, wanted: int) -> None:
    rig.settle()
    for provider, calendar in (("google", pair.google), ("outlook", pair.outlook)):
        titles = [c.title for c in rig.stage.sandboxes[provider].events(person, calendar).values()]
        carried = [title for title in titles if title.startswith(("change ", "warm-up "))]
        balance(f"events of {person} at {provider}", (wanted, wanted), (len(carried), len(set(carried))))


# --- the chain's rig ---


@contextmanager
def _chain(rig: Rig) -> Iterator[tuple[subprocess.Popen[str], Pair]]:
    """Run the chain's webhook and worker between two calendars that the hub does not touch."""
    calendars: dict[str, str] = {}
    tokens: dict[str, str] = {}
    for provider in ("google", "outlook"):
        (primary,) = (c for c in rig.person(provider, CHAIN_PERSON) if c["primary"])
        account = rig.connect(provider, CHAIN_PERSON)
        calendars[provider] = primary["remote_id"]
        tokens[provider] = rig.ports.gateway.grants.access_token(account["id"])  # type: ignore[attr-defined]
    hook_port, secret = rig.port + 3, secrets.token_urlsafe(32)
    environ = {
        "HUB_PORT": str(hook_port),
        "HUB_HOME": str(rig.home),
        "BENCH_SECRET": secret,
        "BENCH_REDIS_URL": rig.redis_url,
        "BENCH_DATABASE_URL": _database_url(rig),
    }
    with Database(environ["BENCH_DATABASE_URL"]).engine.begin() as connection:
        chain.prepare(connection)
    place = rig.home / "chain.json"
    listing = f"{rig.environ['HUB_GOOGLE_API_URL']}calendars/{quote(calendars['google'])}/events"
    writing = f"{rig.environ['HUB_OUTLOOK_API_URL']}/me/calendars/{quote(calendars['outlook'])}/events"
    place.write_text(
        json.dumps(
            {
                "google_url": listing,
                "outlook_url": writing,
                "google_token": tokens["google"],
                "outlook_token": tokens["outlook"],
            }
        )
    )
    with (
        child("bench.chain", "hook", environ=environ),
        child("bench.chain", "work", str(place), environ=environ) as worker,
    ):
        read_line(worker)
        await_port(hook_port)
        _watch(listing, tokens["google"], hook_port, secret)
        yield worker, Pair(calendars["google"], calendars["outlook"])


def _database_url(rig: Rig) -> str:
    if rig.ports.db.is_sqlite:
        return f"sqlite:///{rig.home / 'chain.db'}"
    return rig.ports.db.url


def _watch(listing: str, token: str, port: int, secret: str) -> None:
    """Have Google's sandbox notify the chain's webhook."""
    body = {
        "id": chain.CHANNEL,
        "type": "web_hook",
        "address": f"http://127.0.0.1:{port}/webhooks/google",
        "token": secret,
    }
    answer = requests.post(
        f"{listing}/watch", json=body, headers={"Authorization": f"Bearer {token}"}, timeout=10
    )
    answer.raise_for_status()
