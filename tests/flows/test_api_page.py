"""The page's guards: forms from elsewhere, hostile text, strangers, one-time links, open redirects."""

from __future__ import annotations

from pathlib import Path

import pytest
from markupsafe import escape
from sqlalchemy import select

from hub import migrations
from hub.models import Account, Calendar, Heartbeat, Link, RemoteCalendar
from hub.plugin.testing import timed
from tests.unit.api.hub_app import PUBLIC_URL, HubApp, an_event

HOSTILE = ['"><img src=x onerror=alert(1)>', "<script>alert(1)</script>", "{{ 7*7 }}", "' onclick='alert(1)"]


@pytest.fixture
def signed(sqlite_url: str, tmp_path: Path) -> HubApp:
    """A hub whose page wants a sign-in link."""
    return HubApp(sqlite_url, tmp_path, page_access="signed")


@pytest.fixture
def hub(sqlite_url: str, tmp_path: Path) -> HubApp:
    return HubApp(sqlite_url, tmp_path)


def ticket(hub: HubApp) -> str:
    url: str = hub.call("POST", "/v1/users/usr_1/sign_in").get_json()["url"]
    return url.split("8000", 1)[1]


def test_who_comes_by_a_sign_in_link_is_that_user_though_the_page_is_open(
    sqlite_url: str, tmp_path: Path
) -> None:
    hub = HubApp(sqlite_url, tmp_path, page_access="open")
    una = hub.call("POST", "/v1/users", {"external_id": "una", "name": "Una"}).get_json()["id"]
    page = hub.get(hub.signed_in(una), "/").get_data(as_text=True)
    assert "Sign out Una" in page
    assert "Sign out" not in hub.get(hub.browser(), "/").get_data(as_text=True)


def test_a_sign_in_link_works_once_and_signing_out_ends_the_session(signed: HubApp) -> None:
    browser = signed.browser()
    assert signed.get(browser, "/").status_code == 401
    link = ticket(signed)
    secret = link.split("ticket=")[1]
    before = browser.get_cookie("hub_session", "127.0.0.1")
    assert signed.submit(browser, "/sign-in", page=link, ticket=secret).status_code == 303
    session = browser.get_cookie("hub_session", "127.0.0.1")
    assert before is None and session is not None
    assert session.http_only and session.same_site == "Lax"
    assert signed.get(browser, "/").status_code == 200
    other = signed.browser()
    assert signed.submit(other, "/sign-in", page=link, ticket=secret).status_code == 401
    assert signed.submit(browser, "/sign-out").status_code == 303
    browser.set_cookie("hub_session", session.value, domain="127.0.0.1")
    assert signed.get(browser, "/").status_code == 401, "the old cookie is worth nothing"


def test_sessions_and_links_end_by_themselves(signed: HubApp) -> None:
    old = ticket(signed)
    signed.world.clock.advance(601)
    browser = signed.browser()
    assert signed.submit(browser, "/sign-in", page=old, ticket=old.split("=")[1]).status_code == 401
    link = ticket(signed)
    assert signed.submit(browser, "/sign-in", page=link, ticket=link.split("=")[1]).status_code == 303
    signed.world.clock.advance(13 * 3600)
    assert signed.get(browser, "/").status_code == 401


def test_one_visitor_cannot_touch_what_is_anothers(signed: HubApp) -> None:
    signed.world.linked_pair()
    event = signed.call("POST", "/v1/events", an_event()).get_json()["id"]
    with signed.world.ports.db.reading() as session:
        link = session.scalars(select(Link)).first()
        remote = session.scalars(select(RemoteCalendar)).first()
        assert link is not None and remote is not None
    key = signed.add_key("tnt_2")
    made = signed.call("POST", "/v1/users", {"external_id": "eve"}, key=key).get_json()
    url = signed.call("POST", f"/v1/users/{made['id']}/sign_in", key=key).get_json()["url"]
    eve, path = signed.browser(), url.split("8000", 1)[1]
    signed.submit(eve, "/sign-in", page=path, ticket=path.split("=")[1])
    assert "ann@example.test" not in signed.get(eve, "/").get_data(as_text=True)
    for target in (
        f"/accounts/{link.account_id}/disconnect",
        f"/links/{link.id}/unlink",
        f"/events/{event}",
        f"/events/{event}/delete",
    ):
        assert signed.submit(eve, target, version="1").status_code == 404, target
    assert signed.submit(eve, "/links", remote=remote.id, calendar="").status_code == 404
    assert signed.submit(eve, "/events", calendar="cal_1", title="x").status_code == 404
    assert signed.get(eve, f"/events/{event}").status_code == 404
    assert signed.get(eve, f"/connect/left?account={link.account_id}").status_code == 404


def test_a_form_needs_its_token_and_its_own_origin(hub: HubApp) -> None:
    browser = hub.browser()
    hub.get(browser, "/")
    assert browser.post("/events", data={"title": "x"}, base_url=PUBLIC_URL).status_code == 403
    assert browser.post("/events", data={"csrf": "ü"}, base_url=PUBLIC_URL).status_code == 403
    origin = {"Origin": "https://evil.test"}
    assert browser.post("/events", data={}, headers=origin, base_url=PUBLIC_URL).status_code == 403
    stranger = hub.browser()
    assert stranger.post("/links/x/pause", data={"csrf": "0" * 64}, base_url=PUBLIC_URL).status_code == 403


def test_an_open_page_answers_to_its_own_names_only(hub: HubApp) -> None:
    assert hub.browser().get("/", base_url="http://evil.test:8000").status_code == 403
    assert hub.browser().get("/", base_url="http://localhost:8000").status_code == 200


def test_nothing_changes_by_get(hub: HubApp) -> None:
    for rule in hub.app.url_map.iter_rules():
        if rule.endpoint.startswith("page.") and "POST" in (rule.methods or set()):
            assert "GET" not in (rule.methods or set()), rule.rule


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_shown_as_text_everywhere(signed: HubApp, text: str) -> None:
    world = signed.world
    account_id = world.connect("left")
    with world.ports.db.transaction() as session:
        session.get_one(Account, account_id).problem = text
        session.get_one(Calendar, "cal_1").name = text
        for remote in session.scalars(select(RemoteCalendar)):
            remote.name = text
    content = timed(text, world.clock.now().replace(tzinfo=None))
    event_id = world.api_creates(content)
    link, browser = ticket(signed), signed.browser()
    signed.submit(browser, "/sign-in", page=link, ticket=link.split("=")[1])
    escaped = str(escape(text))
    for path in ("/", f"/events/{event_id}"):
        html = signed.get(browser, path).get_data(as_text=True)
        assert escaped in html
        assert text == escaped or text not in html


def test_every_page_forbids_foreign_scripts_and_frames(hub: HubApp) -> None:
    for path in ("/", "/docs", "/connect/nobody", "/events/nothing"):
        headers = hub.get(hub.browser(), path).headers
        policy = headers["Content-Security-Policy"]
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy and "base-uri 'none'" in policy
        assert headers["X-Content-Type-Options"] == "nosniff"


def test_behind_https_cookies_are_bound_to_the_host_and_hsts_is_told(sqlite_url: str, tmp_path: Path) -> None:
    hub = HubApp(
        sqlite_url,
        tmp_path,
        public_url="https://hub.test",
        page_access="signed",
        trusted_proxies="1",
    )
    browser = hub.browser()
    answer = browser.get("/sign-in", headers={"X-Forwarded-Proto": "https", "X-Forwarded-Host": "hub.test"})
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-hub_browser=")
    assert "Secure" in cookie
    assert "max-age=31536000" in answer.headers["Strict-Transport-Security"]


def test_a_failure_shows_an_id_and_nothing_of_the_inside(
    hub: HubApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> str:
        raise RuntimeError("postgresql://hub:password@db")

    endpoint, _ = hub.app.url_map.bind("").match("/v1/calendars")
    monkeypatch.setitem(hub.app.view_functions, endpoint, broken)
    answer = hub.call("GET", "/v1/calendars", X_Request_Id="my-id")
    assert (answer.status_code, answer.content_type) == (500, "application/problem+json")
    assert answer.get_json()["request_id"] == answer.headers["X-Request-Id"] == "my-id"
    for secret in ("password", "RuntimeError", "Traceback"):
        assert secret not in answer.get_data(as_text=True)


def test_ready_names_each_check_and_how_to_mend_it(sqlite_url: str, tmp_path: Path) -> None:
    hub = HubApp(sqlite_url, tmp_path)
    world, client = hub.world, hub.browser()
    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").status_code == 200
    with world.ports.db.transaction() as session:
        session.add(Heartbeat(name="inbound", at=world.clock.now()))
    assert client.get("/readyz").get_json()["checks"]["worker inbound"]["ok"]
    world.clock.advance(3600)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "hub worker" in answer.get_json()["checks"]["worker inbound"]["mend"]


def test_a_database_that_was_never_migrated_is_not_ready(hub: HubApp) -> None:
    migrations.downgrade(hub.world.ports.db.url, "base")
    answer = hub.browser().get("/readyz")
    assert answer.status_code == 503
    assert "hub migrate" in answer.get_json()["checks"]["migrations"]["mend"]


def test_the_description_of_the_api_is_complete_and_readable_offline(hub: HubApp) -> None:
    spec = hub.get(hub.browser(), "/openapi.json").get_json()
    assert spec["openapi"] == "3.1.0"
    described = {
        (method.upper(), path)
        for path, item in spec["paths"].items()
        for method in item
        if method in ("get", "post", "patch", "delete")
    }
    served = {
        (method, rule.rule.replace("<", "{").replace(">", "}"))
        for rule in hub.app.url_map.iter_rules()
        if rule.rule.startswith("/v1")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert described == served
    errors = {
        answer["$ref"].rpartition("/")[2] if "$ref" in answer else status
        for item in spec["paths"].values()
        for operation in item.values()
        if isinstance(operation, dict)
        for status, answer in operation["responses"].items()
        if not status.startswith(("2", "3"))
    }
    shown = spec["components"]["responses"]
    assert {kind for name in errors for kind in shown[name]["content"]} == {"application/problem+json"}
    html = hub.get(hub.browser(), "/docs").get_data(as_text=True)
    assert all(path in html for _, path in served)
    assert "http://" not in html.replace("http://www.w3.org", "") and "https://" not in html
