"""Whatever a plugin does, its caller sees a promised answer or an error that says what to do."""

from __future__ import annotations

import dataclasses
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hub.models import Account
from hub.plugin import hookimpl
from hub.plugin.errors import GrantLostError, PluginError, RefusedError, RetryLaterError
from hub.plugin.testing import timed
from hub.plugin.types import Call, RemoteCalendar, Tokens
from hub.providers.gateway import HookRunner
from hub.providers.grants import save_tokens
from tests.memory_provider import MemoryPlugin, _Fault, revoke
from tests.world import World


class Mischief(MemoryPlugin):
    """A plugin whose `list_calendars` does what the test says."""

    def __init__(self) -> None:
        super().__init__("left")
        self.act: Any = None

    @hookimpl
    def list_calendars(self, call: Call) -> Any:
        shown = super().list_calendars(call)
        return shown if self.act is None else self.act(shown)


@pytest.fixture
def world(tmp_path: Path, database_url: str) -> World:
    world = World(database_url, tmp_path)
    world.connect("left")
    return world


ACCOUNT = "acc_left_ann"


def list_calendars(world: World) -> tuple[RemoteCalendar, ...]:
    return world.ports.gateway.call(ACCOUNT, "list_calendars")


def account(world: World) -> Account:
    with world.ports.db.reading() as session:
        return session.get_one(Account, ACCOUNT)


def test_an_expired_token_is_refreshed_once_and_kept(world: World) -> None:
    world.clock.advance(2 * 3600)
    assert list_calendars(world)
    tokens = set(world.services["left"].access)
    assert list_calendars(world)
    assert set(world.services["left"].access) == tokens


def test_a_token_that_the_provider_refuses_early_is_refreshed_and_the_call_repeated(world: World) -> None:
    service = world.services["left"]
    (token,) = service.access
    service.access[token] = (service.access[token][0], world.clock.now() - timedelta(seconds=1))
    assert list_calendars(world)


def test_a_lost_grant_marks_the_account_with_what_to_do_and_asks_no_more(world: World) -> None:
    revoke(world.services["left"], "ann@example.test")
    for _ in range(2):
        with pytest.raises(GrantLostError):
            list_calendars(world)
    assert account(world).state == "needs_reconnect" and account(world).problem
    assert sum(c["method"] == "list_calendars" for c in world.services["left"].calls) == 2


@pytest.mark.parametrize("times", [1, 2])
def test_a_sign_in_is_lost_when_a_fresh_one_is_refused_too(world: World, times: int) -> None:
    refused = GrantLostError("the mailbox is out of reach")
    world.services["left"].faults.append(_Fault("raise", times, "list_calendars", {"error": refused}))
    if times == 1:
        assert list_calendars(world)
    else:
        with pytest.raises(GrantLostError):
            list_calendars(world)
    assert account(world).state == ("connected" if times == 1 else "needs_reconnect")


@pytest.mark.parametrize("times", [1, 3, 4])
def test_a_call_whose_sign_in_a_person_has_just_replaced_is_made_once_more(
    tmp_path: Path, database_url: str, times: int
) -> None:
    plugin = Mischief()
    world = World(database_url, tmp_path, plugin)
    world.connect("left")
    ports, service = world.ports, world.services["left"]
    (token,) = service.access
    fresh = [f"fresh-{n}" for n in range(times)]

    def refused(shown: tuple[RemoteCalendar, ...]) -> tuple[RemoteCalendar, ...]:
        if not fresh:
            return shown
        service.access[fresh[0]] = service.access[token]
        tokens = Tokens(fresh.pop(0), world.clock.now() + timedelta(hours=1), ("events",))
        with ports.db.transaction() as session:
            save_tokens(session, ports.vault, ports.clock, ACCOUNT, tokens)
        raise GrantLostError("the consent was withdrawn")

    plugin.act = refused
    if times < 4:
        assert list_calendars(world)
    else:
        with pytest.raises(RetryLaterError, match="replaced meanwhile"):
            list_calendars(world)
    assert account(world).state == "connected"


@pytest.mark.parametrize("error", [RetryLaterError("down"), RuntimeError("bug")])
def test_a_refresh_that_fails_for_now_marks_no_account(world: World, error: Exception) -> None:
    world.clock.advance(2 * 3600)
    world.services["left"].faults.append(_Fault("raise", 1, "refresh_grant", {"error": error}))
    with pytest.raises((RetryLaterError, PluginError)):
        list_calendars(world)
    assert account(world).state == "connected"
    world.clock.advance(10)
    assert list_calendars(world)


def test_an_account_that_was_told_to_wait_is_left_alone_until_then(world: World) -> None:
    busy = RetryLaterError("quota", after=300, scope="account")
    world.services["left"].faults.append(_Fault("raise", 1, "list_calendars", {"error": busy}))
    with pytest.raises(RetryLaterError):
        list_calendars(world)
    calls = len(world.services["left"].calls)
    world.clock.advance(200)
    with pytest.raises(RetryLaterError) as caught:
        list_calendars(world)
    assert len(world.services["left"].calls) == calls and caught.value.after == pytest.approx(100)
    world.clock.advance(101)
    assert list_calendars(world)


@pytest.mark.parametrize("garbage", [None, "calendars", ("a",), [1]])
def test_garbage_from_a_plugin_is_contained(tmp_path: Path, database_url: str, garbage: object) -> None:
    plugin = Mischief()
    world = World(database_url, tmp_path, plugin)
    world.connect("left")
    plugin.act = lambda shown: garbage
    with pytest.raises(PluginError, match="list_calendars"):
        list_calendars(world)


def test_an_event_of_a_plugin_that_no_row_can_hold_is_refused_alone(
    tmp_path: Path, database_url: str
) -> None:
    world = World(database_url, tmp_path)
    world.linked_pair()
    remote_id = world.person_creates("left", timed("Talk", datetime(2027, 1, 4, 9)))
    (calendar,) = (c for c in world.ports.gateway.call(ACCOUNT, "list_calendars") if c.primary)
    event = world.services["left"].people["ann@example.test"].calendars[calendar.remote_id].events[remote_id]
    event.content = dataclasses.replace(event.content, title=5)  # type: ignore[arg-type]
    with pytest.raises(RefusedError, match="/content/title must be text"):
        world.ports.gateway.call(ACCOUNT, "get_event", calendar=calendar, remote_id=remote_id)


def test_a_plugin_that_raises_something_of_its_own_is_contained(tmp_path: Path, database_url: str) -> None:
    plugin = Mischief()
    world = World(database_url, tmp_path, plugin)
    world.connect("left")
    plugin.act = lambda shown: 1 / 0
    with pytest.raises(PluginError, match="ZeroDivisionError"):
        list_calendars(world)


def test_a_plugin_that_hangs_is_left_behind() -> None:
    runner, released = HookRunner(), threading.Event()
    with pytest.raises(TimeoutError):
        runner(released.wait, 0.05)
    released.set()
    assert runner(lambda: "goes on", 5) == "goes on"


def test_many_callers_make_one_refresh(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.clock.advance(2 * 3600)
    # Who waits for a thread must let it run; if only the clock moved on, it would outlive its claim.
    monkeypatch.setattr(world.clock, "sleep", time.sleep)
    grants = world.ports.gateway.grants
    with ThreadPoolExecutor(8) as pool:
        tokens = set(pool.map(lambda _: grants.access_token(ACCOUNT), range(24)))
    assert len(tokens) == 1
    assert len(world.services["left"].access) == 2
