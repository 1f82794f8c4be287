"""The console script, run as people run it: as a program."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from hub.db import Database
from hub.migrations import pending
from hub.processes.broker import free_port
from hub.processes.sandbox import installed
from hub.settings import Settings

HUB = (sys.executable, "-m", "hub.cli")
Hub = Callable[..., subprocess.CompletedProcess[str]]


def environ(home: Path, **variables: str) -> dict[str, str]:
    return dict(os.environ) | {"HUB_HOME": str(home)} | {f"HUB_{k}": v for k, v in variables.items()}


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*HUB, *arguments],
            env=environ(tmp_path, **variables),
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

    return run


def test_each_command_explains_itself(hub: Hub) -> None:
    listed = hub("--help").stdout
    for command in ("run", "serve", "worker", "beat", "migrate", "plugins", "sandbox", "keys", "doctor"):
        assert re.search(rf"^  {command} +[A-Z]", listed, re.MULTILINE), command


def test_wrong_settings_end_every_command_with_a_sentence_each(hub: Hub) -> None:
    ended = hub("migrate", PORT="eighty", LOG_LEVEL="loud")
    assert ended.returncode == 78 and ended.stdout == ""
    assert (
        len(ended.stderr.splitlines()) == 2 and "HUB_PORT" in ended.stderr and "HUB_LOG_LEVEL" in ended.stderr
    )


def test_a_server_refuses_a_variable_that_nobody_knows(hub: Hub) -> None:
    ended = hub("serve", SWEEP_INTERVALL="3")
    assert ended.returncode == 78 and "did you mean HUB_SWEEP_INTERVAL?" in ended.stderr


def test_a_worker_without_a_broker_says_what_to_do(hub: Hub) -> None:
    ended = hub("worker")
    assert ended.returncode == 1 and "set HUB_REDIS_URL" in ended.stderr


def test_migrate_goes_up_and_down(hub: Hub, empty_database_url: str) -> None:
    db = Database(Settings.load({"HUB_DATABASE_URL": empty_database_url, "HUB_SECRET_KEYS": ""}).database_url)
    try:
        assert hub("migrate", DATABASE_URL=empty_database_url).returncode == 0
        assert not pending(db)
        assert hub("migrate", "--down", "base", DATABASE_URL=empty_database_url).returncode == 0
        assert pending(db)
        ended = hub("migrate", "--down", "nonsense", DATABASE_URL=empty_database_url)
        assert ended.returncode == 1 and "nonsense" in ended.stderr and "Traceback" not in ended.stderr
    finally:
        db.engine.dispose()


def test_duplicates_are_told_and_nothing_is_deleted_unasked(hub: Hub, empty_database_url: str) -> None:
    assert hub("migrate", DATABASE_URL=empty_database_url).returncode == 0
    ended = hub("duplicates", DATABASE_URL=empty_database_url)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.endswith("0 duplicates. Nothing was deleted.\n")


def test_an_api_key_is_made_listed_and_revoked(hub: Hub) -> None:
    hub("migrate")
    made = hub("keys", "create", "crm", "--tenant", "acme", "--read-only").stdout.strip()
    assert made.startswith("hub_api_")
    row = hub("keys", "list").stdout.splitlines()[1].split()
    assert row[1:3] == ["acme", "crm"] and row[-1] == "valid" and made not in hub("keys", "list").stdout
    assert hub("keys", "revoke", row[0]).returncode == 0
    assert hub("keys", "list").stdout.splitlines()[1].split()[-1] == "revoked"
    again = hub("keys", "revoke", row[0])
    assert again.returncode == 1 and "no live API key" in again.stderr


def test_an_encryption_key_is_what_the_settings_take(hub: Hub) -> None:
    made = hub("keys", "encryption", "generate", "k9").stdout.strip()
    assert [key.id for key in Settings.load({"HUB_SECRET_KEYS": made}).secret_keys] == ["k9"]
    assert hub("keys", "encryption", "generate", "not an id").returncode == 1


def test_the_doctor_says_how_to_mend_a_database_and_a_broker(hub: Hub) -> None:
    port = str(free_port())
    ended = hub("doctor", REDIS_URL=f"redis://127.0.0.1:{port}/0", PORT=port)
    assert ended.returncode == 1
    assert "BAD  database" in ended.stdout and "-> Run hub migrate." in ended.stdout
    assert "BAD  broker" in ended.stdout and "-> Check HUB_REDIS_URL" in ended.stdout
    assert "BAD  public address" in ended.stdout and "-> Start the hub" in ended.stdout


def test_a_sandbox_plays_its_provider_and_prints_how_to_reach_it(tmp_path: Path) -> None:
    for point in installed():
        port = free_port()
        command = [*HUB, "sandbox", point.name, "--port", str(port)]
        played = subprocess.Popen(command, env=environ(tmp_path), stdout=subprocess.PIPE, text=True)
        assert played.stdout is not None
        with played.stdout:
            assert played.stdout.readline().startswith(f"HUB_{point.name.upper()}_")
            answer = requests.get(f"http://127.0.0.1:{port}/_control/people", timeout=10)
            assert "people" in answer.json()
            played.send_signal(signal.SIGTERM)
            played.stdout.read()
        assert played.wait(timeout=30) == 0


def test_an_unknown_sandbox_names_the_known_ones(hub: Hub) -> None:
    ended = hub("sandbox", "nowhere")
    assert ended.returncode == 1
    for point in installed():
        assert point.name in ended.stderr
    assert hub("sandbox").stdout.split() == [point.name for point in installed()]


def free_row(count: int) -> int:
    """Return a port that is free, and `count` after it."""
    while True:
        first = free_port()
        try:
            for port in range(first, first + count + 1):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError):
            continue
        return first


def test_a_run_serves_greets_passes_its_doctor_and_ends_whole(tmp_path: Path, hub: Hub) -> None:
    port = free_row(len(installed()))
    run = subprocess.Popen(
        [*HUB, "run"],
        env=environ(tmp_path, PORT=str(port)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert run.stdout is not None
    with run.stdout:
        greeting = []
        while "Ctrl-C" not in "".join(greeting):
            line = run.stdout.readline()
            assert line, "".join(greeting)
            greeting.append(line)
        key = re.search(r"hub_api_\S+", "".join(greeting))
        assert key is not None
        base = f"http://127.0.0.1:{port}"
        asked = requests.get(
            f"{base}/v1/calendars", headers={"Authorization": f"Bearer {key[0]}"}, timeout=30
        )
        assert asked.status_code == 200, asked.text
        checkup = hub("doctor", PORT=str(port))
        assert checkup.returncode == 0, checkup.stdout
        assert "ok   broker: reachable" in checkup.stdout
        second = hub("run", PORT=str(free_row(len(installed()))))
        assert second.returncode == 1 and "in use by another run" in second.stderr
        run.send_signal(signal.SIGINT)
        run.stdout.read()
    assert run.wait(timeout=60) == 0
    until = time.monotonic() + 30
    for offset in range(len(installed()) + 1):
        while _listens(port + offset):
            assert time.monotonic() < until, f"port {port + offset} is still served"
            time.sleep(0.1)
    assert not (tmp_path / "run").exists()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_taken_port_is_named_with_a_way_out(hub: Hub) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = hub("run", PORT=str(port))
    assert ended.returncode == 1 and f"Port {port}" in ended.stderr and "HUB_PORT" in ended.stderr


def test_the_plugins_table_names_each_distribution_and_reason(hub: Hub) -> None:
    table = hub("plugins", **{f"{point.name}_CLIENT_ID".upper(): "" for point in installed()}).stdout
    for point in installed():
        assert point.dist is not None and point.dist.name in table
    assert table.startswith("provider")
