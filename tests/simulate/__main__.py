"""`python -m tests.simulate`: many seeds, or one seed told step by step."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from multiprocessing import get_context

from tests.simulate.quiet import hush
from tests.simulate.simulation import Outcome, plan_of, play


def _one(seed: int) -> tuple[int, list[str], Counter[tuple[str, str]], int]:
    hush()
    outcome = play(plan_of(seed))
    cells: Counter[tuple[str, str]] = Counter((b, k) for (b, _), k in outcome.played.items())
    return seed, outcome.violations, cells, outcome.actions


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulate", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first one")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--replay", type=int, metavar="SEED", help="tell one seed's story")
    parser.add_argument("--most", type=int, default=10, help="stop after so many failures")
    asked = parser.parse_args()
    if asked.replay is not None:
        return tell(asked.replay)
    start = time.monotonic()
    failed = done = actions = 0
    cells: Counter[tuple[str, str]] = Counter()
    seeds = range(asked.first, asked.first + asked.seeds)
    with get_context("fork").Pool(asked.jobs) as pool:
        for seed, violations, found, acted in pool.imap(_one, seeds, chunksize=10):
            done += 1
            actions += acted
            cells += found
            if violations:
                failed += 1
                print(f"seed {seed}: {violations[0]}", flush=True)
                if failed >= asked.most:
                    pool.terminate()
                    break
    seconds = time.monotonic() - start
    print(f"{done} seeds, {actions} actions, {sum(cells.values())} faults, {failed} failed, {seconds:.1f} s, {done / seconds * 60:.0f} seeds/min")
    return 1 if failed else 0


def tell(seed: int) -> int:
    hush()
    plan = plan_of(seed)
    outcome: Outcome = play(plan, keep=True)
    print(f"seed {seed}: {plan.topology}, policies {plan.policies}, page {plan.page_size}, rate {plan.rate}, started {plan.started}, skews {plan.skews}")
    for step in plan.steps:
        print("  ", step)
    sys.stdout.writelines(outcome.lines or [])
    for violation in outcome.violations:
        print(violation)
    return 1 if outcome.violations else 0


if __name__ == "__main__":
    sys.exit(main())
