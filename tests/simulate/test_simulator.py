"""The simulator itself: the same seed makes the same trace, failures shrink, and what is planted is found."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.simulate.faults import LISTING, MENU
from tests.simulate.kernel import Kernel, Killed
from tests.simulate.simulation import plan_of, play

SEEDS = 60
TRACES = (
    "from tests.simulate.simulation import plan_of, play\n"
    f"for seed in range({SEEDS}): print(seed, play(plan_of(seed)).digest)"
)


@pytest.mark.timeout(600)
def test_two_processes_write_the_same_traces_byte_by_byte() -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", TRACES],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        for seed in ("1", "2")
    ]
    first, second = [process.communicate()[0].splitlines() for process in processes]
    assert len(first) == SEEDS
    assert first == second


def test_a_seed_played_twice_in_one_process_writes_one_trace() -> None:
    plan = plan_of(3)
    assert play(plan, keep=True).lines == play(plan, keep=True).lines


def test_what_is_killed_runs_no_port_any_more() -> None:
    from random import Random

    kernel = Kernel(Random(0))
    ran: list[str] = []

    def work() -> None:
        try:
            kernel.kill()
        finally:
            with pytest.raises(Killed):
                kernel.wait(1)
            ran.append("finally")

    kernel.spawn("a", work)
    kernel.run(10)
    assert ran == ["finally"]


def test_the_menu_names_each_kind_once_at_a_boundary() -> None:
    assert all(len(set(kinds)) == len(kinds) for kinds in MENU.values())
    assert set(LISTING) < set(MENU["fetch_changes"])
