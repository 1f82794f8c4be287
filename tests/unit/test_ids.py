"""Ids are made by chance, each anew, whatever has been drawn in advance."""

from __future__ import annotations

import subprocess
import sys

from hub.clock import SystemClock
from hub.ids import SystemIds

FORK = """
import os
from hub.clock import SystemClock
from hub.ids import SystemIds

ids = SystemIds(SystemClock())
ids.bare()
child = os.fork()
if child:
    os.waitpid(child, 0)
print(*(ids.bare()[10:] for _ in range(100)), flush=True)
"""


def test_ids_sort_by_time_and_are_never_the_same() -> None:
    ids = SystemIds(SystemClock())
    made = [ids.bare() for _ in range(1000)]
    assert len(set(made)) == 1000 and {len(one) for one in made} == {26}
    assert [one[:10] for one in made] == sorted(one[:10] for one in made)
    assert len({one[10:] for one in made}) == 1000


def test_a_forked_process_draws_other_ids_than_its_parent() -> None:
    run = subprocess.run([sys.executable, "-c", FORK], capture_output=True, text=True, check=True)
    chances = run.stdout.split()
    assert len(chances) == 200 == len(set(chances))
