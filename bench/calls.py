"""What the hub asks of the providers: calls per change, alone and in a burst, and what a quiet hub writes."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bench.figures import Figure, balance
from bench.latency import HUB_PERSON, Pair, new_event
from bench.rig import Rig

QUIET = 6.0
"""Seconds, longer than the time between two sweeps."""


def measure(rig: Rig, pair: Pair, isolated: int, burst: int) -> list[Figure]:
    """Count in the ledgers of both sandboxes."""
    figures = [
        _isolated(rig, "google", pair.google, isolated),
        _isolated(rig, "outlook", pair.outlook, isolated),
    ]
    calls, seconds = _burst(rig, pair, burst)
    figures.append(Figure(f"calls per change, burst of {burst}", "calls", (calls / burst,), goal="<= 1.1"))
    figures.append(Figure(f"burst of {burst} carried", "changes/s", (burst / seconds,)))
    figures.append(Figure("writes in a quiet system", "calls", (float(_quiet(rig)),), goal="0"))
    balance("writes in a quiet system", 0, int(figures[-1].hub[0]))
    return figures


def _isolated(rig: Rig, provider: str, calendar: str, count: int) -> Figure:
    box, calls = rig.stage.sandboxes[provider], []
    for number in range(count):
        rig.settle()
        _clear(rig)
        box.create(HUB_PERSON, calendar, new_event(f"alone {provider} {number}"))
        _await_writes(rig, provider, 1)
        calls.append(float(len(_calls(rig))))
    return Figure(f"calls per isolated change from {provider}", "calls", tuple(calls), goal="<= 3")


def _burst(rig: Rig, pair: Pair, count: int) -> tuple[int, float]:
    """Make many changes as fast as one person's programs can; return the calls and the seconds."""
    rig.settle()
    _clear(rig)
    box, start = rig.stage.sandboxes["google"], time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        made = [
            pool.submit(box.create, HUB_PERSON, pair.google, new_event(f"burst {n}")) for n in range(count)
        ]
        for one in made:
            one.result()
    _await_writes(rig, "google", count)
    seconds = time.monotonic() - start
    rig.settle()
    calls = _calls(rig)
    balance("writes of the burst", count, sum(call["write"] for call in calls))
    held = rig.stage.sandboxes["outlook"].events(HUB_PERSON, pair.outlook).values()
    titles = [content.title for content in held if content.title.startswith("burst ")]
    balance("events of the burst at the other provider", (count, count), (len(titles), len(set(titles))))
    return len(calls), seconds


def _quiet(rig: Rig) -> int:
    rig.settle()
    _clear(rig)
    time.sleep(QUIET)
    return sum(call["write"] for call in _calls(rig))


def _await_writes(rig: Rig, source: str, count: int) -> None:
    """Wait until the provider that is not `source` has seen `count` writes, and all is at rest."""
    other = rig.stage.sandboxes["outlook" if source == "google" else "google"]
    until = time.monotonic() + 180
    while len(other.writes()) < count and time.monotonic() < until:
        time.sleep(0.05)
    rig.settle()
    balance(f"writes that a change at {source} costs", count, len(other.writes()))


def _clear(rig: Rig) -> None:
    for box in rig.stage.sandboxes.values():
        box.clear_ledger()


def _calls(rig: Rig) -> list[dict[str, Any]]:
    return [call for box in rig.stage.sandboxes.values() for call in box.ledger()["calls"]]
