"""The embedded broker, whichever it is, carries Celery's messages and lets nobody else in."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import redis

from hub.processes.broker import Broker, find_broker, redis_server


@contextmanager
def started(broker: Broker) -> Iterator[None]:
    process = subprocess.Popen(broker.command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    try:
        assert process.stdin is not None
        process.stdin.write(broker.stdin.encode())
        process.stdin.close()
        until = time.monotonic() + 30
        while not _answers(broker.url):
            assert time.monotonic() < until and process.poll() is None
            time.sleep(0.02)
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)


def _answers(url: str) -> bool:
    try:
        with redis.Redis.from_url(url) as client:
            return bool(client.ping())
    except redis.ConnectionError:
        return False


def test_the_password_is_neither_shown_nor_on_the_command_line() -> None:
    broker = find_broker()
    password = broker.url.split("@")[0].rsplit(":", 1)[1]
    assert len(password) >= 32
    assert password not in repr(broker) and password not in " ".join(broker.command)


def test_a_real_redis_lets_in_nobody_without_the_password() -> None:
    if redis_server() is None:
        return  # the head of the report says that this machine has none
    broker = find_broker()
    with started(broker):
        stranger = redis.Redis.from_url("redis://" + broker.url.split("@")[1])
        with stranger, pytest.raises(redis.AuthenticationError):
            stranger.ping()


def test_without_any_redis_the_broker_still_carries_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    broker = find_broker()
    assert broker.kind == "fakeredis"
    with started(broker), redis.Redis.from_url(broker.url) as client:
        client.lpush("queue", "one", "two")
        assert client.brpop(["queue"], timeout=5) == (b"queue", b"one")
        assert client.brpop(["queue"], timeout=5) == (b"queue", b"two")
