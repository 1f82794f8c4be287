"""`make bench`: figures of the whole hub, as ratios to floors measured in the same run.

Ends with 3, and prints no figures, if a ledger does not balance. docs/benchmarks.md says how to read it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import text

from bench import bulk, calls, intake, latency
from bench.figures import Figure, VoidError, table
from bench.rig import Rig, rig
from tests import servers

VOID = 3
PARTS = ("latency", "calls", "intake", "bulk")


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    rounds: int
    seconds: float
    """Of each load of the intake."""
    per_round: int
    """Isolated changes of the latency, six rounds each."""
    isolated: int
    burst: int
    events: int
    changes: int


FULL = Size(rounds=5, seconds=3.0, per_round=12, isolated=10, burst=1000, events=10_000, changes=2500)
QUICK = Size(rounds=2, seconds=1.0, per_round=2, isolated=2, burst=60, events=1000, changes=500)


def run(
    size: Size, database: str, only: Sequence[str], say: Callable[[str], None]
) -> tuple[list[Figure], dict[str, str]]:
    """Measure the parts that are asked for; return the figures and what they were measured on.

    Raises:
        VoidError: a ledger does not balance.
    """
    with _database(database) as url, rig(url) as bench:
        figures = []
        pair = latency.link_pair(bench)
        measures: dict[str, Callable[[], list[Figure]]] = {
            "latency": lambda: latency.measure(bench, pair, size.per_round),
            "calls": lambda: calls.measure(bench, pair, size.isolated, size.burst),
            "intake": lambda: intake.measure(bench, size.rounds, size.seconds),
            "bulk": lambda: bulk.measure(bench, size.events, size.changes, size.rounds),
        }
        for name in only:
            start = time.monotonic()
            figures += measures[name]()
            say(f"{name}: {time.monotonic() - start:.0f} s")
        return figures, _machine(bench, database)


@contextmanager
def _database(kind: str) -> Iterator[str | None]:
    with ExitStack() as stack:
        if kind == "sqlite":
            yield None
        else:
            yield stack.enter_context(servers.database(stack.enter_context(servers.postgres())))


def _machine(bench: Rig, database: str) -> dict[str, str]:
    """Say what the figures depend on."""
    if database == "postgresql":
        with bench.ports.db.engine.connect() as connection:
            version = connection.scalar(text("SHOW server_version"))
            sync = connection.scalar(text("SHOW fsync"))
        database = f"PostgreSQL {version}, fsync {sync}"
    else:
        database = "SQLite, WAL, synchronous FULL"
    return {
        "database": database,
        "fdatasync of 8 kB": f"{_disk(bench.home):,.0f}/s",
        "processors": str(os.cpu_count()),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def _disk(home: Path) -> float:
    """Return how many small writes a second the disk below the database takes."""
    path = home / "disk"
    sync = getattr(os, "fdatasync", os.fsync)
    file = os.open(path, os.O_CREAT | os.O_WRONLY)
    try:
        block = b"x" * 8192
        start = time.perf_counter()
        for _ in range(200):
            os.write(file, block)
            sync(file)
        return 200 / (time.perf_counter() - start)
    finally:
        os.close(file)


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.run", description="Figures of the whole hub.")
    parser.add_argument("--quick", action="store_true", help="small counts, in about a minute")
    parser.add_argument("--only", choices=PARTS, action="append", help="measure this part; may be repeated")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    asked = parser.parse_args()
    start = time.monotonic()
    try:
        figures, machine = run(
            QUICK if asked.quick else FULL,
            asked.database,
            asked.only or PARTS,
            lambda s: print(s, file=sys.stderr),
        )
    except VoidError as error:
        print(f"This run is void: {error}", file=sys.stderr)
        return VOID
    print("; ".join(f"{name}: {value}" for name, value in machine.items()), end="\n\n")
    print(table(figures))
    print(f"\nAll ledgers balance. {time.monotonic() - start:.0f} s.")
    if asked.json:
        report = {"machine": machine, "figures": [figure.as_json() for figure in figures]}
        asked.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
