"""Calls work from any thread and after a fork, carry what each call must, and end in time."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from hub.plugin.errors import RetryLaterError
from hub.plugin.testing import Connected
from hub.plugin.types import HttpAnswer, ProviderRequest, Reception, RemoteCalendar
from hub_outlook.client import Graph, api_url
from hub_outlook.errors import About

FORKED = """
import os, sys
from datetime import UTC, datetime
from hub_outlook.calendars import list_calendars
from hub_outlook.client import Graph

def names():
    graph = Graph({"API_URL": sys.argv[1]}, sys.argv[2], datetime.now(UTC), 10.0)
    return [calendar.name for calendar in list_calendars(graph)]

before = names()
child = os.fork()
if child == 0:
    os._exit(0 if names() == before else 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.parametrize(
    "url",
    ["https://graph.test", "https://graph.test/", "https://graph.test/v1.0", "https://graph.test/v1.0/"],
)
def test_the_api_address_may_leave_the_version_out(url: str) -> None:
    assert api_url({"API_URL": url}) == "https://graph.test/v1.0"


def test_a_forked_worker_makes_connections_of_its_own(ann: Connected) -> None:
    command = [sys.executable, "-c", FORKED, ann.settings["API_URL"], ann.call.access_token]
    assert subprocess.run(command, timeout=60).returncode == 0


def test_threads_share_one_loop(ann: Connected) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: ann.hooks.list_calendars(call=ann.call), range(8)))
    assert all(calendars == found[0] for calendars in found)


def test_every_call_asks_for_immutable_ids_and_can_be_traced(ann: Connected) -> None:
    seen: list[dict[str, str]] = []

    class Recording:
        def receive(self, request: ProviderRequest, **_: Any) -> Reception:
            seen.append(dict(request.headers))
            return Reception(answer=HttpAnswer(200, '{"value": []}', "application/json"))

    ann.callback.hooks = Recording()
    call = replace(ann.call, settings={"API_URL": ann.callback.url})
    assert ann.hooks.list_calendars(call=call) == ()
    assert len(seen) == 2 and len({headers["client-request-id"] for headers in seen}) == 2
    assert all(headers["prefer"] == 'IdType="ImmutableId"' for headers in seen)
    assert all(headers["authorization"] == f"Bearer {call.access_token}" for headers in seen)


def test_a_link_to_another_server_gets_no_token(ann: Connected) -> None:
    with pytest.raises(RetryLaterError, match="another server"):
        Graph.of(ann.call).follow("http://127.0.0.1:9/v1.0/me", About.CURSOR)


def test_an_answer_that_is_no_json_is_no_empty_calendar(ann: Connected, cal: RemoteCalendar) -> None:
    ann.control.fault("status", status=200, body="<html>welcome to the hotel</html>")
    with pytest.raises(RetryLaterError, match="not JSON"):
        ann.list_all(cal)


def test_an_empty_answer_is_no_empty_calendar(ann: Connected, cal: RemoteCalendar) -> None:
    ann.control.fault("status", status=200)
    with pytest.raises(RetryLaterError):
        ann.list_all(cal)
