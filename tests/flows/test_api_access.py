"""Who may call what: every route, without a key, with a weak one, and with another tenant's ids."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from hub.accounts import keys
from hub.models import ApiKey, Change, Conflict, Event, Link, RemoteCalendar
from tests.unit.api.hub_app import HubApp, an_event


@pytest.fixture
def hub(database_url: str, tmp_path: Path) -> HubApp:
    return HubApp(database_url, tmp_path)


def routes(hub: HubApp) -> Iterator[tuple[str, str]]:
    for rule in hub.app.url_map.iter_rules():
        if rule.rule.startswith("/v1"):
            for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
                yield method, rule.rule


def own_ids(hub: HubApp) -> dict[str, str]:
    hub.world.linked_pair()
    assert hub.call("POST", "/v1/events", an_event(recurrence=["RRULE:FREQ=DAILY"])).status_code == 201
    with hub.world.ports.db.reading() as session:
        planned = {"links": [{"link_id": session.scalars(select(Link.id)).first()}]}
    plan_id = hub.call("POST", "/v1/link-plans", planned).get_json()["id"]
    with hub.world.ports.db.transaction() as session:
        link = session.scalars(select(Link)).first()
        event = session.scalars(select(Event)).one()
        assert link is not None
        values = {"hub_value": {"value": "Lunch"}, "provider_value": {"value": "Brunch"}}
        of = {"tenant_id": "tnt_1", "event_id": event.id, "link_id": link.id}
        session.add(
            Conflict(
                id="cfl_1",
                field="title",
                kept="hub",
                reason="a test",
                at=hub.world.clock.now(),
                event_version=1,
                **of,
                **values,
            )
        )
        return {
            "user_id": "usr_1",
            "account_id": link.account_id,
            "calendar_id": "cal_1",
            "link_id": link.id,
            "event_id": event.id,
            "start": event.when.start.isoformat(),
            "plan_id": plan_id,
            "run_id": session.scalars(select(Change.run_id)).one() or "",
            "conflict_id": "cfl_1",
            "seq": "1",
            "version": "1",
        }


def bodies(ids: dict[str, str]) -> dict[str, Any]:
    """Return a body that each route with an id would take."""
    return {
        "/v1/users/<user_id>/connect": {"provider": "left"},
        "/v1/events/<event_id>": {"title": "taken over"},
        "/v1/events/<event_id>/answer": {"answer": "accepted"},
        "/v1/calendars/<calendar_id>": {"name": "taken over"},
        "/v1/users/<user_id>": {"name": "taken over"},
        "/v1/links/<link_id>": {"policy": "hub"},
        "/v1/links/<link_id>/move": {"remote_calendar_id": "rcal_1"},
        "/v1/conflicts/<conflict_id>/resolve": {"keep": "provider"},
    }


def test_there_are_routes_to_check(hub: HubApp) -> None:
    assert len(list(routes(hub))) > 25


def test_no_route_answers_without_a_key(hub: HubApp) -> None:
    client = hub.app.test_client()
    for method, rule in routes(hub):
        answer = client.open(rule, method=method, json={} if method in ("POST", "PATCH") else None)
        assert answer.status_code == 401, f"{method} {rule}"
        assert answer.content_type == "application/problem+json"
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_reading_key_can_read_and_never_write(hub: HubApp) -> None:
    ids = own_ids(hub)
    reader = hub.add_key("tnt_1", "read")
    for method, rule in routes(hub):
        path = rule
        for name, value in ids.items():
            path = path.replace(f"<{name}>", value)
        answer = hub.call(method, path, bodies(ids).get(rule, {}) if method != "GET" else None, key=reader)
        assert answer.status_code == (200 if method == "GET" else 403), f"{method} {rule}"


def test_another_tenants_ids_do_not_exist_for_any_route(hub: HubApp) -> None:
    ids = own_ids(hub)
    stranger = hub.add_key("tnt_2")
    before = hub.world.hub_events()
    for method, rule in routes(hub):
        if "<" not in rule:
            continue
        path = rule
        for name, value in ids.items():
            path = path.replace(f"<{name}>", value)
        body = bodies(ids).get(rule, {}) if method in ("POST", "PATCH") else None
        answer = hub.call(method, path, body, key=stranger)
        assert answer.status_code == 404, f"{method} {rule}: {answer.get_data(as_text=True)}"
    assert hub.world.hub_events() == before


def test_another_tenants_ids_in_a_body_or_query_are_refused(hub: HubApp) -> None:
    ids = own_ids(hub)
    stranger = hub.add_key("tnt_2")
    with hub.world.ports.db.reading() as session:
        remote_id = session.scalars(select(RemoteCalendar.id)).first()
    link = {"calendar_id": "cal_1", "remote_calendar_id": remote_id}
    assert hub.call("POST", "/v1/links", link, key=stranger).status_code == 422
    for planned in (link, {"link_id": ids["link_id"]}):
        assert hub.call("POST", "/v1/link-plans", {"links": [planned]}, key=stranger).status_code == 422
    assert hub.call("POST", "/v1/events", an_event(), key=stranger).status_code == 422
    assert (
        hub.call("POST", "/v1/calendars", {"user_id": "usr_1", "name": "x"}, key=stranger).status_code == 422
    )
    assert hub.call("GET", "/v1/events?calendar_id=cal_1", key=stranger).status_code == 404
    for path in ("users", "accounts", "calendars", "links", "events", "changes", "conflicts"):
        assert hub.call("GET", f"/v1/{path}", key=stranger).get_json()["items"] == []
    for name, value in (("account_id", ids["account_id"]), ("user_id", "usr_1")):
        assert hub.call("GET", f"/v1/links?{name}={value}").get_json()["items"] != []
        assert hub.call("GET", f"/v1/links?{name}={value}", key=stranger).get_json()["items"] == []


def test_a_key_stops_working_when_it_expires_or_is_revoked(hub: HubApp) -> None:
    world = hub.world
    with world.ports.db.transaction() as session:
        ends = world.clock.now().replace(hour=23)
        _, short = keys.add_key(session, world.ports, "tnt_1", "short", ["read"], ends)
        row, revoked = keys.add_key(session, world.ports, "tnt_1", "revoked")
    assert hub.call("GET", "/v1/users", key=short).status_code == 200
    assert hub.call("GET", "/v1/users", key=revoked).status_code == 200
    world.clock.advance(24 * 3600)
    with world.ports.db.transaction() as session:
        assert keys.revoke_key(session, world.ports, row.id)
    assert hub.call("GET", "/v1/users", key=short).status_code == 401
    assert hub.call("GET", "/v1/users", key=revoked).status_code == 401


def test_only_the_digest_of_a_key_is_kept_and_a_mistyped_key_fails_its_checksum(hub: HubApp) -> None:
    with hub.world.ports.db.reading() as session:
        stored = [str(value) for row in session.scalars(select(ApiKey)) for value in vars(row).values()]
    secret = hub.key.removeprefix(keys.PREFIX)[:43]
    assert not any(secret in value for value in stored)
    assert keys.looks_right(hub.key)
    assert not keys.looks_right(hub.key[:-1] + ("0" if hub.key[-1] != "0" else "1"))


def test_the_local_key_is_made_once_and_readable_by_its_owner_only(hub: HubApp) -> None:
    ports = hub.world.ports
    first = keys.ensure_local(ports)
    assert keys.ensure_local(ports) == first
    assert (ports.settings.home / "api-key").stat().st_mode & 0o777 == 0o600
    assert hub.call("GET", "/v1/users", key=first).get_json()["items"][0]["external_id"] == "me"
    (ports.settings.home / "api-key").unlink()
    assert keys.ensure_local(ports) != first
