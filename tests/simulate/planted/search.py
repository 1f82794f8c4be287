"""The search for planted bugs: which story or seed shows each of them, and which property it breaks."""

from __future__ import annotations

import dataclasses
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

from tests.simulate.planted import Bug, accounts, inbound, keeping, outbound, planted, rules
from tests.simulate.simulation import Outcome, Plan, plan_of, play, world_of
from tests.simulate.stories import STORIES
from tests.simulate.worlds import TOPOLOGIES

BUGS = [*inbound.BUGS, *outbound.BUGS, *rules.BUGS, *accounts.BUGS, *keeping.BUGS]
WITHIN = 60.0
FOUND = Path(__file__).parent / "found.json"
"""What showed each bug when it was last searched for: the story or seed, and the property."""
PAGE = Path(__file__).parents[3] / "docs" / "simulation.md"
_TABLE = re.compile(r"(?<=<!-- bugs -->\n).*?(?=<!-- end of bugs -->)", re.DOTALL)


def known() -> dict[str, list[str]]:
    """Return what showed the bugs last time: by name of the bug, the plan and the property."""
    found: dict[str, list[str]] = json.loads(FOUND.read_text(encoding="utf-8")) if FOUND.exists() else {}
    return found


def plans(first: str | None) -> Iterator[tuple[str, Plan]]:
    """Return plans by name, the one that is known to show the bug first."""
    if first is not None:
        yield first, named(first)
    yield from STORIES.items()
    yield from ((f"seed {seed}", plan_of(seed)) for seed in range(100_000))


def named(name: str) -> Plan:
    """Return a plan by its name: `seed 7`, or a story; `a story; kind at 3 of boundary` has a fault."""
    story, *told = name.split("; ")
    if story not in STORIES:
        return plan_of(int(name.removeprefix("seed ")))
    faults = {}
    for fault in told:
        kind, _, place = fault.partition(" at ")
        number, _, boundary = place.partition(" of ")
        faults[boundary, int(number)] = kind
    return dataclasses.replace(STORIES[story], faults=faults)


def find(bug: Bug, first: str | None = None) -> tuple[str, Outcome] | None:
    """Return the first plan whose outcome shows the bug; None if a minute did not suffice."""
    for topology in TOPOLOGIES:
        world_of(topology)  # What is built before is not made by the bug.
    end = time.process_time() + WITHIN
    with planted(bug):
        for name, plan in plans(first):
            outcome = play(plan)
            if outcome.violations:
                return name, outcome
            if time.process_time() > end:
                return None
    return None


def search(names: list[str]) -> int:
    """Search for the bugs whose names hold one of `names` (all, if there is none); 0 if each was found."""
    found, missed = known(), 0
    wanted = [b for b in BUGS if not names or any(n in b.name for n in names)]
    for bug in wanted:
        begun = time.monotonic()
        shown = find(bug, found.pop(bug.name, [None])[0])
        seconds = time.monotonic() - begun
        if shown is None or shown[1].caught not in bug.properties:
            missed += 1
            print(f"MISSED {seconds:5.1f} s  {bug.name}: {shown and shown[1].violations[0]}", flush=True)
            continue
        name, outcome = shown
        found[bug.name] = [name, outcome.caught or ""]
        print(f"{outcome.caught:4} {seconds:5.1f} s  {bug.name} ({name})", flush=True)
    kept = {bug.name: found[bug.name] for bug in BUGS if bug.name in found}
    FOUND.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(_TABLE.sub(lambda _: table(kept), PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    print(f"{len(wanted) - missed} of {len(wanted)} found")
    return 1 if missed else 0


def table(found: dict[str, list[str]]) -> str:
    """Return the bugs that were found as a table: the bug, where it is, what caught it, what showed it."""
    lines = ["| bug | module | caught by | shown by |", "|---|---|---|---|"]
    modules = {bug.name: bug.module for bug in BUGS}
    lines += [f"| {name} | `{modules[name]}` | {prop} | {plan} |" for name, (plan, prop) in found.items()]
    return "\n".join(lines) + "\n"
