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
from hub.plugin.testing import PERSON, Connected, free_port
from hub.plugin.types import ProviderRequest, Sandbox
from hub_outlook.sandbox.clock import Clock
from hub_outlook.sandbox.endpoints import Endpoints
from hub_outlook.sandbox.model import Model
from hub_outlook.testing import DAILY, IMMUTABLE, TIMES, VIEW, Wire, made


class Hearer:
    """A webhook that keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        self.refused: list[dict[str, Any]] = []
        self.handshakes = 0
        self.refusing = False
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/hook"

    def app(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        token = parse_qs(environ.get("QUERY_STRING", "")).get("validationToken")
        self.handshakes += bool(token)
        if not token:
            items = Request(environ).get_json()["value"]
            (self.refused if self.refusing else self.heard).extend(items)
        status = "503 Busy" if self.refusing and not token else "200 OK"
        start_response(status, [("Content-Type", "text/plain")])
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


def watching(
    wire: Wire, hearer: Hearer, minutes: int = 4000, headers: Any = None, **more: Any
) -> requests.Response:
    body = {
        "changeType": "created,updated,deleted",
        "notificationUrl": hearer.url,
        "lifecycleNotificationUrl": hearer.url,
        "resource": "me/events",
        "expirationDateTime": (datetime.now(UTC) + timedelta(minutes=minutes)).isoformat(),
    }
    return wire("POST", "subscriptions", body | more, headers)


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


def test_a_warning_that_nobody_heeds_comes_again(ann: Connected, wire: Wire, hearer: Hearer) -> None:
    watch = watching(wire, hearer, minutes=12 * 60 + 5).json()
    ann.control.advance(600)
    for count in (1, 2):
        assert len(hearer.wait(count)) == count
        ann.control.advance(900)
    assert {note["lifecycleEvent"] for note in hearer.wait(3)} == {"reauthorizationRequired"}
    assert wire("POST", f"subscriptions/{watch['id']}/reauthorize").status_code == 204
    ann.control.advance(900)
    assert len(hearer.wait(4, seconds=1.5)) == 3, "it was heeded"


def test_a_switch_lets_a_warning_come_once(ann: Connected, wire: Wire, hearer: Hearer) -> None:
    ann.control.switches(warn_again_seconds=0)
    watching(wire, hearer, minutes=12 * 60 + 5)
    ann.control.advance(600)
    assert len(hearer.wait(1)) == 1
    ann.control.advance(1800)
    assert len(hearer.wait(2, seconds=1.5)) == 1


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
    time.sleep(1)  # The answer to the notice is noted after it was heard.
    made(wire)
    assert len(hearer.wait(2, seconds=0.4)) == 1, "each answer counts as slow: the next notice is dropped"
    ann.control.advance(601)
    assert hearer.wait(2)[1]["lifecycleEvent"] == "missed"


def test_nothing_is_kept_of_a_subscription_whose_handshake_failed(
    ann: Connected, wire: Wire, hearer: Hearer
) -> None:
    ann.control.switches(handshake_seconds=0.2)
    for url in (f"http://127.0.0.1:{free_port()}/", f"{ann.control.base_url}/nothing/here"):
        for name in ("notificationUrl", "lifecycleNotificationUrl"):
            refused = watching(wire, hearer, **{name: url})
            assert (refused.status_code, refused.json()["error"]["code"]) == (400, "ValidationError")
    assert wire("GET", "subscriptions").json()["value"] == []
    ann.control.switches(handshake_seconds=10)
    assert watching(wire, hearer).status_code == 201
    assert hearer.handshakes == 4, "each address is asked, also if both are one; the first ones twice in vain"


@pytest.mark.parametrize(
    ("odd", "code"),
    [
        ({"expirationDateTime": "2020-01-01T00:00:00Z"}, "ExtensionError"),
        ({"expirationDateTime": "2040-01-01T00:00:00Z"}, "ExtensionError"),
        ({"expirationDateTime": None}, "ValidationError"),
        ({"changeType": ""}, "ValidationError"),
        ({"changeType": "moved"}, "ValidationError"),
        ({"notificationUrl": None}, "ValidationError"),
        ({"resource": "me/messages"}, "ValidationError"),
        ({"clientState": "x" * 129}, "ValidationError"),
    ],
)
def test_a_subscription_must_be_whole_and_of_bounded_life(
    wire: Wire, hearer: Hearer, odd: dict[str, Any], code: str
) -> None:
    refused = watching(wire, hearer, **odd)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, code)
    if "2040" in str(odd):
        assert "10070 minutes" in refused.json()["error"]["message"]


def test_subscriptions_are_listed_prolonged_and_ended_by_their_owner(
    ann: Connected, wire: Wire, connect: Any, hearer: Hearer
) -> None:
    ann.control.add_person("bob@example.test", "Bob")
    bob = Wire(ann, connect(ann.control, ann.settings, "bob@example.test").tokens.access_token)
    watch = watching(wire, hearer, minutes=50, clientState="s").json()
    path = f"subscriptions/{watch['id']}"
    assert [w["id"] for w in wire("GET", "subscriptions").json()["value"]] == [watch["id"]]
    assert bob("GET", "subscriptions").json()["value"] == []
    assert [bob(method, path).status_code for method in ("GET", "DELETE")] == [404, 404]
    later = (datetime.now(UTC) + timedelta(minutes=90)).isoformat()
    assert wire("PATCH", path, {"expirationDateTime": later}).status_code == 200
    ann.control.advance(60 * 60)
    token = connect(ann.control, ann.settings).tokens.access_token
    assert Wire(ann, token)("GET", path).json()["clientState"] == "s"
    ann.control.advance(60 * 60)
    wire = Wire(ann, connect(ann.control, ann.settings).tokens.access_token)
    assert wire("GET", path).status_code == 404, "what has ended is not there any more"
    other = watching(wire, hearer, minutes=300).json()
    gone = [wire("DELETE", f"subscriptions/{other['id']}").status_code for _ in range(2)]
    assert gone == [204, 404]


@pytest.mark.parametrize("headers", [{}, IMMUTABLE])
def test_a_notice_names_the_master_in_the_form_of_id_that_was_asked_for(
    ann: Connected, wire: Wire, hearer: Hearer, headers: dict[str, str]
) -> None:
    ann.control.switches(extra_updates=0)
    watching(wire, hearer, headers=headers)
    event = made(wire, recurrence=DAILY)
    master = wire("GET", f"me/events/{event['id']}", headers=headers).json()["id"]
    day = wire("GET", f"me/events/{event['id']}/instances", **VIEW).json()["value"][1]["id"]
    wire("PATCH", f"me/events/{day}", {"subject": "Special"})
    wire("DELETE", f"me/events/{event['id']}")
    told = [(n["changeType"], n["resourceData"]["id"]) for n in hearer.wait(3)]
    assert told == [("created", master), ("updated", master), ("deleted", master)]


@pytest.mark.parametrize("more", [0, 1, 2])
def test_one_create_is_told_once_or_several_times(
    ann: Connected, wire: Wire, hearer: Hearer, more: int
) -> None:
    ann.control.switches(extra_updates=more)
    watching(wire, hearer)
    made(wire)
    assert [n["changeType"] for n in hearer.wait(1 + more)] == ["created", *["updated"] * more]
    assert len(hearer.wait(2 + more, seconds=0.3)) == 1 + more


def test_what_nobody_takes_for_four_hours_is_lost_and_told(
    ann: Connected, wire: Wire, hearer: Hearer
) -> None:
    ann.control.switches(extra_updates=0)
    watching(wire, hearer, minutes=9000)
    hearer.refusing = True
    made(wire)
    end = time.monotonic() + 20
    while not [n for n in hearer.refused if n.get("lifecycleEvent") == "missed"] and time.monotonic() < end:
        ann.control.advance(1800)
        time.sleep(0.1)
    assert len([n for n in hearer.refused if n.get("changeType") == "created"]) == 14
    hearer.refusing = False
    ann.control.advance(600)
    assert hearer.wait(1)[0]["lifecycleEvent"] == "missed"


def test_nothing_is_told_of_a_calendar_that_someone_shares(
    ann: Connected, wire: Wire, hearer: Hearer
) -> None:
    ann.control.switches(extra_updates=0)
    ann.control.add_person(PERSON, calendars=[{"name": "Bob's", "role": "writer"}])
    shared = next(c["id"] for c in wire("GET", "me/calendars").json()["value"] if c["name"] == "Bob's")
    watching(wire, hearer)
    wire("POST", f"me/calendars/{shared}/events", TIMES)
    own = made(wire)
    assert [n["resourceData"]["id"] for n in hearer.wait(1)] == [own["id"]]
    assert len(hearer.wait(2, seconds=0.3)) == 1


@pytest.mark.parametrize("told", [False, True])
def test_an_ended_subscription_may_be_told_for_a_while(
    ann: Connected, wire: Wire, hearer: Hearer, told: bool
) -> None:
    ann.control.switches(extra_updates=0, deliver_after_stop=told)
    watch = watching(wire, hearer).json()
    wire("DELETE", f"subscriptions/{watch['id']}")
    made(wire)
    assert len(hearer.wait(1, seconds=8.0 if told else 0.5)) == told


@pytest.mark.parametrize("tenant", ["9188040d-6c67-4c5b-b112-36a304b66dad", "another"])
def test_notices_of_people_at_home_name_any_tenant(
    ann: Connected, connect: Any, hooks: Any, hearer: Hearer, tenant: str
) -> None:
    ann.control.switches(extra_updates=0, personal_tenant=tenant)
    body = {"email": "zoe@home.test", "mailbox": "personal"}
    requests.post(f"{ann.control.base_url}/_control/people", json=body, timeout=10)
    zoe = Wire(ann, connect(ann.control, ann.settings, "zoe@home.test").tokens.access_token)
    watching(zoe, hearer, clientState=f"{'c' * 32}.s")
    made(zoe)
    (notice,) = hearer.wait(1)
    assert notice["tenantId"] == tenant
    heard = json.dumps({"value": [notice]}).encode()
    found = hooks.receive(settings={}, request=ProviderRequest("POST", "/webhooks/outlook", {}, {}, heard))
    assert [n.channel_id for n in found.notifications] == ["c" * 32]
