"""`python -m tests.simulate`: many seeds, or one seed told step by step and made as small as it can be."""

from __future__ import annotations

import argparse
import gc
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from tests.simulate.faults import MENU
from tests.simulate.shrink import shrink
from tests.simulate.simulation import Outcome, Plan, plan_of, play
from tests.simulate.stories import STORIES, TRIED_BY_ALL, single_faults

ENOUGH = 3000
"""From so many seeds on, each kind of fault must have been played at each boundary."""


def _one(seed: int) -> tuple[int, list[str], Counter[tuple[str, str]], Counter[str], int]:
    outcome = play(plan_of(seed))
    return seed, outcome.violations, outcome.cells(), outcome.reached, outcome.actions


def main() -> int:
    """Run from the command line; 0 only if nothing was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulate", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first one")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--most", type=int, default=10, help="stop after so many failures")
    parser.add_argument("--replay", type=int, metavar="SEED", help="tell one seed's story")
    parser.add_argument(
        "--faults", nargs="*", metavar="STORY", help="each single fault in 23 stories, or these"
    )
    parser.add_argument("--bugs", nargs="*", metavar="NAME", help="search for the planted bugs; these alone")
    asked = parser.parse_args()
    if asked.bugs is not None:
        from tests.simulate.planted.search import search

        return search(asked.bugs)
    if asked.faults is not None:
        return _faults(asked.faults or list(TRIED_BY_ALL), asked.jobs)
    if asked.replay is not None:
        return _replay(asked.replay)
    return _search(asked.first, asked.seeds, asked.jobs, asked.most)


def _pool(jobs: int) -> ProcessPoolExecutor:
    """Return processes to play in; one that dies ends the search, with an error.

    Nearly all that a seed makes is garbage at its end: looking for it sooner is in vain.
    """
    return ProcessPoolExecutor(jobs, get_context("fork"), initializer=gc.set_threshold, initargs=(20_000,))


def _search(first: int, seeds: int, jobs: int, most: int) -> int:
    start = time.monotonic()
    failed = done = actions = 0
    cells: Counter[tuple[str, str]] = Counter()
    reached: Counter[str] = Counter()
    with _pool(jobs) as pool:
        for seed, violations, played, names, acted in pool.map(
            _one, range(first, first + seeds), chunksize=20
        ):
            done += 1
            actions += acted
            cells += played
            reached += names
            if violations:
                failed += 1
                print(f"seed {seed}: {violations[0]}", flush=True)
                if failed >= most:
                    pool.shutdown(cancel_futures=True)
                    break
    seconds = time.monotonic() - start
    missing = _table(cells)
    print("reached: " + ", ".join(f"{name} {count}" for name, count in sorted(reached.items())))
    print(
        f"{done:,} seeds, {actions:,} actions, {cells.total():,} faults, {failed} failed; "
        f"{seconds:.1f} s with {jobs} jobs, {done / seconds * 60 / jobs:,.0f} seeds a minute and job"
    )
    if done >= ENOUGH and missing:
        print(f"never played: {', '.join(missing)}")
    return 1 if failed or (done >= ENOUGH and missing) else 0


def _story(name: str) -> tuple[str, int, list[str]]:
    found = list(single_faults(STORIES[name]))
    return (
        name,
        len(found),
        [f"{k} at {n} of {b}: {o.violations[0]}" for (b, n), k, o in found if o.violations],
    )


def _faults(names: list[str], jobs: int) -> int:
    """Play every single fault in each story; print what breaks a property."""
    start, plays, failed = time.monotonic(), 0, 0
    with _pool(jobs) as pool:
        for name, count, broken in pool.map(_story, names):
            plays, failed = plays + count, failed + len(broken)
            print(f"{name}: {count} faults, {len(broken)} failed", *broken, sep="\n  ", flush=True)
    print(f"{plays:,} plays, {failed} failed, {time.monotonic() - start:.0f} s")
    return 1 if failed else 0


def _table(cells: Counter[tuple[str, str]]) -> list[str]:
    """Print how often each fault was played at each boundary; return the cells that were not reached."""
    for boundary, kinds in MENU.items():
        print(f"{boundary:14} " + "  ".join(f"{kind} {cells[boundary, kind]}" for kind in kinds))
    return [f"{b} {kind}" for b, kinds in MENU.items() for kind in kinds if not cells[b, kind]]


def _replay(seed: int) -> int:
    plan = plan_of(seed)
    outcome = play(plan)
    if outcome.violations:
        print(f"seed {seed} breaks {outcome.caught}; made smaller:")
        plan = shrink(outcome)
    outcome = play(plan, keep=True)
    _tell(plan, outcome)
    return 1 if outcome.violations else 0


def _tell(plan: Plan, outcome: Outcome) -> None:
    print(plan.describe())
    for step in plan.steps:
        print("  ", step)
    for (boundary, number), kind in outcome.played.items():
        print(f"   fault {kind} at passing {number} of {boundary}")
    sys.stdout.writelines(outcome.lines or [])
    for violation in outcome.violations:
        print(violation)


if __name__ == "__main__":
    sys.exit(main())
