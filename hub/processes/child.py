"""One child process: its own process group, its own log file, and no life of its own without its parent."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

LOG_LIMIT = 10_000_000
FIRST_RESTART_AFTER = 0.2
LONGEST_RESTART_AFTER = 30.0
LIVED_WELL = 60.0
"""Seconds after which a death counts as the first one again."""
CONFIG_FAULT = 78
"""EX_CONFIG of sysexits.h: the exit code of a process whose settings are wrong."""


@dataclass
class Child:
    """A process that is kept alive.

    Args:
        name: for people, and the name of its log file.
        command: the program and its arguments.
        environ: its whole environment.
        logs: the directory of log files.
        stdin: what it reads at its start.
        orphan_signal: what the kernel sends it when the parent dies without a word.
    """

    name: str
    command: Sequence[str]
    environ: Mapping[str, str]
    logs: Path
    stdin: str = ""
    orphan_signal: int = signal.SIGTERM
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    deaths: int = 0
    restart_at: float | None = field(default=None)

    @property
    def log(self) -> Path:
        return self.logs / f"{self.name}.log"

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        _turn_over(self.log)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - the commands are our own
                list(self.command),
                env=dict(self.environ),
                stdin=subprocess.PIPE if self.stdin else subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # A group of its own: ctrl-C reaches the supervisor alone, which ends all in order.
                start_new_session=True,
                preexec_fn=die_with_parent(self.orphan_signal, os.getpid()),
            )
        if self.stdin and self.process.stdin:
            self.process.stdin.write(self.stdin.encode())
            self.process.stdin.close()
        self.started = time.monotonic()
        self.restart_at = None

    def note_death(self) -> float:
        """Clear up after a death; return the seconds until the next start."""
        self.kill()
        self.deaths = 1 if time.monotonic() - self.started > LIVED_WELL else self.deaths + 1
        wait: float = min(FIRST_RESTART_AFTER * 2 ** (self.deaths - 1), LONGEST_RESTART_AFTER)
        self.restart_at = time.monotonic() + wait
        return wait

    def terminate(self) -> None:
        """Ask it to end."""
        if self.process is not None and self.alive:
            self.process.terminate()

    def kill(self) -> None:
        """End it and whatever it has started, at once."""
        if self.process is None:
            return
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
        self.process.wait()

    def last_lines(self, count: int = 12) -> str:
        """Return the end of its log."""
        try:
            lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return ""
        return "\n".join(f"    {line}" for line in lines[-count:])


def _turn_over(log: Path) -> None:
    """Keep one older log file when the present one has grown large."""
    if log.exists() and log.stat().st_size > LOG_LIMIT:
        log.replace(log.with_suffix(".log.1"))


def die_with_parent(orphan_signal: int, parent: int) -> Callable[[], None] | None:
    """Return what a new child does first, so that a supervisor that was killed leaves nobody behind."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    pr_set_pdeathsig = 1

    def tie() -> None:
        libc.prctl(pr_set_pdeathsig, orphan_signal)
        if os.getppid() != parent:  # it died before the call
            os._exit(1)

    return tie
