"""Connecting an account: what the person does, what comes back, and what each way to fail leaves behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from hub.accounts.disconnect import disconnect
from hub.models import Account, Calendar, Channel, Consent, Grant, Link, RemoteCalendar
from hub.outbound import linking
from hub.plugin import hookimpl
from hub.plugin.errors import GrantLostError, RetryLaterError
from hub.plugin.types import ProviderInfo
from tests.memory_provider import MemoryPlugin, _Fault, consent, revoke
from tests.unit.api.hub_app import HubApp
from tests.world import World


class GreedyPlugin(MemoryPlugin):
    """Wants one scope more than its consent page ever grants."""

    @hookimpl
    def provider(self) -> ProviderInfo:
        info = super().provider()
        return ProviderInfo(info.name, "Greedy", ("events", "calendars.write"), info.settings)


@pytest.fixture
def hub(database_url: str, tmp_path: Path) -> HubApp:
    made = HubApp(database_url, tmp_path, MemoryPlugin("left"), MemoryPlugin("right"), GreedyPlugin("greedy"))
    for service in made.world.services.values():
        service.add_person("ann@example.test", "Ann", [{"name": "Team"}])
        service.add_person("ben@example.test", "Ben")
    return made


def begin(hub: HubApp, browser: FlaskClient, path: str = "/connect/left") -> str:
    answer = hub.get(browser, path)
    assert answer.status_code == 303, answer.get_data(as_text=True)
    return answer.headers["Location"]


def come_back(
    hub: HubApp, browser: FlaskClient, url: str, who: str = "ann@example.test", decision: str = "allow"
) -> TestResponse:
    provider = urlsplit(parse_qs(urlsplit(url).query)["redirect_uri"][0]).path.split("/")[2]
    callback = consent(hub.world.services[provider], url, who, decision)
    return hub.get(browser, callback.split("8000", 1)[1])


def link_first_calendar(world: World, account: Account) -> None:
    world.add_calendar("cal_2", account.user_id)
    with world.ports.db.transaction() as session:
        remote = session.scalars(select(RemoteCalendar).order_by(RemoteCalendar.id)).first()
        assert remote is not None
        linking.create_link(session, world.ports, session.get_one(Calendar, "cal_2"), remote)


def accounts(hub: HubApp) -> list[Account]:
    with hub.world.ports.db.reading() as session:
        return list(session.scalars(select(Account).order_by(Account.created_at, Account.id)))


def refused(answer: TestResponse, *words: str) -> None:
    assert answer.status_code == 400
    assert answer.content_type.startswith("text/html")
    text = answer.get_data(as_text=True)
    assert "Not connected" in text
    for word in words:
        assert word in text


def test_a_visitor_connects_and_sees_the_accounts_calendars(hub: HubApp) -> None:
    browser = hub.browser()
    answer = come_back(hub, browser, begin(hub, browser))
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    page = hub.get(browser, "/").get_data(as_text=True)
    assert "ann@example.test" in page
    assert "Team" in page
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_state_works_once(hub: HubApp) -> None:
    browser = hub.browser()
    url = begin(hub, browser)
    come_back(hub, browser, url)
    refused(come_back(hub, browser, url), "already used")


def test_an_unknown_state_and_a_missing_one_are_refused(hub: HubApp) -> None:
    browser = hub.browser()
    refused(hub.get(browser, "/connect/left/callback?state=usr_1&code=x"), "not known")
    refused(hub.get(browser, "/connect/left/callback?code=x"), "not known")


def test_a_state_dies_after_ten_minutes(hub: HubApp) -> None:
    browser = hub.browser()
    url = begin(hub, browser)
    hub.world.clock.advance(601)
    refused(come_back(hub, browser, url), "ten minutes")
    assert accounts(hub) == []


def test_a_sign_in_that_another_browser_began_is_refused(hub: HubApp) -> None:
    url = begin(hub, hub.browser())
    refused(come_back(hub, hub.browser(), url), "another browser")
    assert accounts(hub) == []


def test_a_state_of_another_provider_is_refused(hub: HubApp) -> None:
    browser = hub.browser()
    callback = consent(hub.world.services["left"], begin(hub, browser), "ann@example.test")
    query = urlsplit(callback).query
    refused(hub.get(browser, f"/connect/right/callback?{query}"), "another provider")
    assert accounts(hub) == []


def test_a_person_who_says_no_is_told_and_can_try_again(hub: HubApp) -> None:
    browser = hub.browser()
    answer = come_back(hub, browser, begin(hub, browser), decision="deny")
    refused(answer, "did not allow", "/connect/left", "Try again")
    assert accounts(hub) == []


def test_missing_scopes_leave_no_half_connected_account(hub: HubApp) -> None:
    browser = hub.browser()
    answer = come_back(hub, browser, begin(hub, browser, "/connect/greedy"))
    refused(answer, "calendars.write", "tick the box", "Try again")
    assert accounts(hub) == []
    with hub.world.ports.db.reading() as session:
        assert session.scalars(select(Grant)).all() == []
        assert session.scalars(select(Consent)).all() == []


def test_connecting_the_same_person_again_keeps_one_account(hub: HubApp) -> None:
    browser = hub.browser()
    for _ in range(3):
        come_back(hub, browser, begin(hub, browser))
    assert len(accounts(hub)) == 1
    with hub.world.ports.db.reading() as session:
        assert len(session.scalars(select(RemoteCalendar)).all()) == 2


def test_a_call_that_is_refused_after_a_new_consent_asks_for_no_other(
    hub: HubApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, browser = hub.world, hub.browser()
    come_back(hub, browser, begin(hub, browser))
    (account,) = accounts(hub)
    revoke(world.services["left"], "ann@example.test")
    gateway: Any = world.ports.gateway
    run = gateway._run

    def late(work: Callable[[], Any], seconds: float) -> Any:
        try:
            return run(work, seconds)
        except GrantLostError:
            monkeypatch.undo()
            come_back(hub, browser, begin(hub, browser, f"/connect/left?account={account.id}"))
            raise

    monkeypatch.setattr(gateway, "_run", late)
    world.clock.advance(7200)
    hub.submit(browser, f"/accounts/{account.id}/refresh")
    (again,) = accounts(hub)
    assert (again.state, again.problem) == ("connected", None)


def test_reconnecting_keeps_links_and_sets_them_to_work_again(hub: HubApp) -> None:
    world, browser = hub.world, hub.browser()
    come_back(hub, browser, begin(hub, browser))
    (account,) = accounts(hub)
    link_first_calendar(world, account)
    world.settle()
    revoke(world.services["left"], "ann@example.test")
    world.clock.advance(7200)
    hub.submit(browser, f"/accounts/{account.id}/refresh")
    assert accounts(hub)[0].state == "needs_reconnect"
    assert "Reconnect" in hub.get(browser, "/").get_data(as_text=True)

    other = come_back(
        hub, browser, begin(hub, browser, f"/connect/left?account={account.id}"), "ben@example.test"
    )
    refused(other, "ben@example.test", "ann@example.test")
    assert len(accounts(hub)) == 1

    come_back(hub, browser, begin(hub, browser, f"/connect/left?account={account.id}"))
    (again,) = accounts(hub)
    assert (again.id, again.state, again.problem) == (account.id, "connected", None)
    world.settle()
    with world.ports.db.reading() as session:
        link = session.scalars(select(Link)).one()
        assert (link.state, link.deleted_at, link.problem) == ("active", None, None)


def test_a_new_consent_leaves_a_provider_alone_that_has_asked_for_it_and_goes_on_then(hub: HubApp) -> None:
    browser, left = hub.browser(), hub.world.services["left"]
    come_back(hub, browser, begin(hub, browser))
    (account,) = accounts(hub)
    link_first_calendar(hub.world, account)
    throttled = RetryLaterError("429", after=90, scope="account")
    left.faults.append(_Fault("raise", 1, "fetch_changes", {"error": throttled}))
    hub.world.settle()
    left.calls.clear()

    come_back(hub, browser, begin(hub, browser))
    hub.world.wait(5, steps=10)
    assert [call["method"] for call in left.calls] == []
    assert "asked this account to wait" in (accounts(hub)[0].problem or "")

    hub.world.wait(700)
    assert accounts(hub)[0].problem is None
    assert {call["method"] for call in left.calls} >= {"list_calendars", "fetch_changes", "subscribe"}


def test_disconnecting_succeeds_locally_whatever_the_provider_answers(hub: HubApp) -> None:
    world = hub.world
    link_id, _ = world.linked_pair()
    account_id = world.get_link(link_id).account_id
    failing = _Fault("raise", 100, "unsubscribe", {"error": RetryLaterError("down")})
    world.services["left"].faults.append(failing)
    disconnect(world.ports, account_id)
    disconnect(world.ports, account_id)
    with world.ports.db.reading() as session:
        assert session.get(Grant, account_id) is None
        assert session.get_one(Account, account_id).state == "disconnected"
        assert session.scalars(select(Channel).where(Channel.account_id == account_id)).all() == []
        assert session.get_one(Link, link_id).deleted_at is not None


def test_a_connect_link_of_the_api_works_for_the_person_it_was_made_for(hub: HubApp) -> None:
    made = hub.call(
        "POST", "/v1/users/usr_1/connect", {"provider": "left", "return_to": "https://app.test/done?x=1"}
    ).get_json()
    browser = hub.browser()
    url = begin(hub, browser, made["connect_url"].split("8000", 1)[1])
    answer = come_back(hub, browser, url)
    (account,) = accounts(hub)
    assert account.user_id == "usr_1"
    assert answer.headers["Location"] == f"https://app.test/done?x=1&account_id={account.id}"
    direct = come_back(hub, hub.browser(), made["authorization_url"], "ben@example.test")
    assert direct.status_code == 303


@pytest.mark.parametrize("return_to", ["//evil.test", "javascript:alert(1)", "http://evil.test", "ftp://x"])
def test_a_return_address_must_be_a_safe_one(hub: HubApp, return_to: str) -> None:
    body = {"provider": "left", "return_to": return_to}
    assert hub.call("POST", "/v1/users/usr_1/connect", body).status_code == 422


def test_a_connect_link_cannot_be_forged_or_kept(hub: HubApp) -> None:
    made = hub.call("POST", "/v1/users/usr_1/connect", {"provider": "left"}).get_json()
    path = made["connect_url"].split("8000", 1)[1]
    assert hub.get(hub.browser(), path[:-8] + "AAAAAAAA").status_code == 400
    assert hub.get(hub.browser(), path.replace("/connect/left", "/connect/right")).status_code == 400
    hub.world.clock.advance(601)
    assert hub.get(hub.browser(), path).status_code == 400


def test_an_unknown_provider_is_a_page_for_people_and_a_problem_for_programs(hub: HubApp) -> None:
    assert hub.get(hub.browser(), "/connect/nobody").status_code == 404
    answer = hub.call("POST", "/v1/users/usr_1/connect", {"provider": "nobody"})
    assert (answer.status_code, answer.content_type) == (404, "application/problem+json")


def test_tokens_are_nowhere_in_the_database_in_clear(hub: HubApp) -> None:
    browser = hub.browser()
    come_back(hub, browser, begin(hub, browser))
    with hub.world.ports.db.reading() as session:
        grant = session.scalars(select(Grant)).one()
    for stored in (grant.access_token, grant.refresh_token):
        assert stored is not None
        assert stored.startswith("v1.")
        assert "access-" not in stored
