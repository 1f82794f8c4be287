"""Notices of the sandbox: who is told of what, when and how often, and what a subscription must be."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest
import requests
from werkzeug.wrappers import Request

from hub.plugin.control import serving
from hub.plugin.testing import Connected, free_port
from hub.plugin.types import ProviderRequest, Sandbox
from hub_outlook.sandbox.clock import Clock
from hub_outlook.sandbox.endpoints import Endpoints
from hub_outlook.sandbox.model import Model
from hub_outlook.testing import TIMES, Wire, made


class Hearer:
    """A webhook that keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/hook"

    def app(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        token = parse_qs(environ.get("QUERY_STRING", "")).get("validationToken")
        if not token:
            self.heard += Request(environ).get_json()["value"]
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [(token or [""])[0].encode()]

    def wait(self, count: int, seconds: float = 8.0) -> list[dict[str, Any]]:
        end = time.monotonic() + seconds
        while len(self.heard) < count and time.monotonic() < end:
            time.sleep(0.02)
        return list(self.heard)


@pytest.fixture
def hearer() -> Iterator[Hearer]:
    hearer = Hearer()
    with serving(Sandbox(hearer.app, {}, lambda: None), hearer.port):
        yield hearer


def watching(wire: Wire, hearer: Hearer, minutes: int = 4000, **more: Any) -> requests.Response:
    body = {
        "changeType": "created,updated,deleted",
        "notificationUrl": hearer.url,
        "lifecycleNotificationUrl": hearer.url,
        "resource": "me/events",
        "expirationDateTime": (datetime.now(UTC) + timedelta(minutes=minutes)).isoformat(),
    }
    return wire("POST", "subscriptions", body | more)


def test_nothing_is_told_while_a_subscription_waits_to_be_reauthorised(
    ann: Connected, wire: Wire, hearer: Hearer
) -> None:
    ann.control.switches(extra_updates=0)
    watch = watching(wire, hearer, minutes=12 * 60 + 5).json()
    ann.control.advance(600)
    (note,) = hearer.wait(1)
    assert note["lifecycleEvent"] == "reauthorizationRequired"
    made(wire)
    assert len(hearer.wait(2, seconds=0.6)) == 1
    assert wire("POST", f"subscriptions/{watch['id']}/reauthorize").status_code == 204
    assert hearer.wait(2)[1]["changeType"] == "created"
    assert wire("POST", "subscriptions/none/reauthorize").status_code == 404


def test_a_switch_lets_notices_come_while_it_waits(ann: Connected, wire: Wire, hearer: Hearer) -> None:
    ann.control.switches(extra_updates=0, pause_while_pending=False)
    watching(wire, hearer, minutes=12 * 60 + 5)
    ann.control.advance(600)
    made(wire)
    assert len(hearer.wait(2)) == 2


def test_one_calendar_may_be_watched_alone_where_that_is_known(
    ann: Connected, wire: Wire, hearer: Hearer
) -> None:
    ann.control.switches(extra_updates=0)
    team = next(c["id"] for c in wire("GET", "me/calendars").json()["value"] if c["name"] == "Team")
    of_team = f"me/calendars/{team}/events"
    assert watching(wire, hearer, resource=of_team).status_code == 201
    made(wire)
    wire("POST", of_team, TIMES)
    assert len(hearer.wait(1)) == 1 and len(hearer.wait(2, seconds=0.4)) == 1
    ann.control.switches(calendar_subscriptions=False, validation_code="InvalidRequest")
    refused = watching(wire, hearer, resource=f"{of_team}?$select=subject")
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "InvalidRequest")


def test_notices_with_the_events_in_them_live_for_a_day_and_are_read_like_any(
    ann: Connected, wire: Wire, hooks: Any, hearer: Hearer
) -> None:
    ann.control.switches(extra_updates=0)
    rich = {"includeResourceData": True, "encryptionCertificate": "MIIB", "clientState": f"{'c' * 32}.s"}
    assert watching(wire, hearer, **rich).status_code == 400
    assert watching(wire, hearer, minutes=1400, includeResourceData=True).status_code == 400
    assert watching(wire, hearer, minutes=1400, **rich).status_code == 201
    made(wire)
    (notice,) = hearer.wait(1)
    assert {"data", "dataKey", "dataSignature"} <= notice["encryptedContent"].keys()
    body = json.dumps({"value": [notice], "validationTokens": ["x"]}).encode()
    found = hooks.receive(settings={}, request=ProviderRequest("POST", "/webhooks/outlook", {}, {}, body))
    assert [n.channel_id for n in found.notifications] == ["c" * 32]


def test_plain_http_may_be_refused(ann: Connected, wire: Wire, hearer: Hearer) -> None:
    ann.control.switches(http_callbacks=False)
    assert watching(wire, hearer).status_code == 400


def test_notices_may_come_in_any_order(ann: Connected, wire: Wire, hearer: Hearer) -> None:
    ann.control.switches(extra_updates=0, shuffle_notifications=True)
    watching(wire, hearer)
    ids = [made(wire)["id"] for _ in range(12)]
    told = [notice["resourceData"]["id"] for notice in hearer.wait(12)]
    assert sorted(told) == sorted(ids) and told != ids


def test_a_slow_address_is_told_later_and_a_very_slow_one_not_at_all_for_a_while() -> None:
    model = Model(Clock(), 1)
    endpoints = Endpoints(model)
    url = "https://hub.test/hook"
    for n in range(100):
        endpoints.note(url, 11.0 if n < 12 else 0.1)
    assert endpoints.state(url) == "slow" and endpoints.state("https://other.test/") == "ok"
    for _ in range(8):
        endpoints.note(url, 11.0)
    assert endpoints.state(url) == "drop"
    model.clock.advance(601)
    assert endpoints.state(url) == "ok"


def test_what_was_dropped_is_told_of_once_the_address_is_quick_again(
    ann: Connected, wire: Wire, hearer: Hearer
) -> None:
    ann.control.switches(extra_updates=0, endpoint_sample=1, slow_after=0.0)
    watching(wire, hearer)
    made(wire)
    assert len(hearer.wait(1)) == 1
    time.sleep(0.2)  # The answer to the notice is noted after it was heard.
    made(wire)
    assert len(hearer.wait(2, seconds=0.4)) == 1, "each answer counts as slow: the next notice is dropped"
    ann.control.advance(601)
    assert hearer.wait(2)[1]["lifecycleEvent"] == "missed"
