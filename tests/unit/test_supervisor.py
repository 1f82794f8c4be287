"""The supervisor keeps children alive and leaves none behind, with real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hub.processes.child import CONFIG_FAULT, Child
from hub.processes.embedded import CannotRunError, hold, is_running
from hub.processes.supervisor import StartFailedError, Supervisor

SLEEP = "import time; time.sleep(600)"


def child(tmp_path: Path, code: str, name: str = "child", stdin: str = "") -> Child:
    return Child(name, (sys.executable, "-c", textwrap.dedent(code)), dict(os.environ), tmp_path, stdin)


def until(true: Callable[[], object], what: str) -> None:
    end = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.02)


def exists(pid: int) -> bool:
    """Whether a process lives; one that is dead but not yet reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_child_that_dies_is_started_again(tmp_path: Path) -> None:
    said: list[str] = []
    one = child(tmp_path, SLEEP)
    with Supervisor(said.append) as supervisor:
        supervisor.start(one)
        assert one.process is not None
        first = one.process.pid
        os.kill(first, signal.SIGKILL)

        def started_again() -> bool:
            supervisor.wait(0.05)
            return one.alive and one.process is not None and one.process.pid != first

        until(started_again, "it was not started again")
    assert len(said) == 1 and "child died (signal SIGKILL)" in said[0]
    assert not one.alive


def test_restarts_take_longer_each_time_and_a_hopeless_child_is_named(tmp_path: Path) -> None:
    one = child(tmp_path, "raise SystemExit(3)")
    with Supervisor(lambda line: None) as supervisor:
        supervisor.start(one)
        waits = []
        for _ in range(3):
            assert one.process is not None
            one.process.wait()
            waits.append(one.note_death())
            one.start()
        assert waits == [0.2, 0.4, 0.8]
        assert supervisor.hopeless() is one


def test_wrong_settings_of_a_child_end_the_start_with_its_words(tmp_path: Path) -> None:
    one = child(tmp_path, f"print('HUB_PORT must be a number'); raise SystemExit({CONFIG_FAULT})")
    with (
        pytest.raises(StartFailedError, match="HUB_PORT must be a number"),
        Supervisor(lambda line: None) as supervisor,
    ):
        supervisor.start(one)
        until(lambda: supervisor.wait(0.05), "it was not noticed")


def test_what_a_child_started_ends_with_it(tmp_path: Path) -> None:
    code = f"""
        import subprocess, sys, time
        other = subprocess.Popen([sys.executable, "-c", {SLEEP!r}])
        print(other.pid, flush=True)
        time.sleep(600)
    """
    one = child(tmp_path, code)
    with Supervisor(lambda line: None) as supervisor:
        supervisor.start(one)
        until(lambda: one.log.read_text().strip(), "it never spoke")
        grandchild = int(one.log.read_text())
        assert exists(grandchild)
    until(lambda: not exists(grandchild), "it was left behind")


def test_a_child_reads_its_configuration_from_standard_input(tmp_path: Path) -> None:
    one = child(tmp_path, "print(input())", stdin="secret\n")
    one.start()
    assert one.process is not None and one.process.wait(timeout=30) == 0
    assert one.log.read_text() == "secret\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_no_child_outlives_a_supervisor_however_it_ends(tmp_path: Path, number: int) -> None:
    code = f"""
        import os, sys
        from pathlib import Path
        from hub.processes.child import Child
        from hub.processes.supervisor import Supervisor

        one = Child("one", (sys.executable, "-c", {SLEEP!r}), dict(os.environ), Path({str(tmp_path)!r}))
        with Supervisor(print) as supervisor:
            supervisor.start(one)
            print(one.process.pid, flush=True)
            supervisor.run()
    """
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    with parent.stdout:
        orphan = int(parent.stdout.readline())
        assert exists(orphan)
        parent.send_signal(number)
        parent.wait(timeout=30)
    until(lambda: not exists(orphan), "it was left behind")


def test_a_home_is_held_by_one_run(tmp_path: Path) -> None:
    assert not is_running(tmp_path)
    with hold(tmp_path):
        assert is_running(tmp_path)
        with pytest.raises(CannotRunError, match=f"process {os.getpid()}"), hold(tmp_path):
            pass
    assert not is_running(tmp_path)
