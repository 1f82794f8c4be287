"""The simulator itself: the same seed makes the same trace, failures shrink, and what is planted is found."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import datetime

import pytest

from hub.plugin.types import EventContent, When
from tests.simulate.faults import LISTING, MENU
from tests.simulate.history import Step
from tests.simulate.kernel import Kernel, Killed
from tests.simulate.ledger import Ledger
from tests.simulate.simulation import Plan, plan_of, play

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


def test_an_account_whose_fresh_sign_in_was_refused_gets_its_minute_before_the_two_sweeps() -> None:
    refused = {("push_create", 0): "token_refused", ("push_create", 1): "token_refused"}
    steps = (Step(0.0, "right.Main", "create", 1, 1),)
    plan = Plan(4109362, "lossy", steps, 0.0, refused, 345600.0, ("newest", "newest"), 50, (0.0, 0.0))
    outcome = play(plan)
    assert outcome.played == refused
    assert outcome.violations == []


def test_a_move_excuses_only_deletions_before_it_or_where_the_event_is_no_more() -> None:
    ledger, when = Ledger(), When(datetime(2026, 12, 7, 9), datetime(2026, 12, 7, 10))
    ledger.created("cal_1", EventContent(when, "T1", "1 D1"), 0.0, "left.Main")
    ledger.went("1", "cal_2", 10.0)
    assert ledger.went_from("1", "cal_1", since=5.0) and ledger.went_from("1", "cal_1", since=15.0)
    assert not ledger.went_from("1", "cal_2", since=5.0)
    ledger.went("1", "cal_1", 20.0)
    assert ledger.went_from("1", "cal_1", since=5.0) and ledger.went_from("1", "cal_2", since=15.0)
    assert not ledger.went_from("1", "cal_1", since=15.0), "it was deleted elsewhere, and came back"


def test_the_menu_names_each_kind_once_at_a_boundary() -> None:
    assert all(len(set(kinds)) == len(kinds) for kinds in MENU.values())
    assert set(LISTING) < set(MENU["fetch_changes"])
