"""Consent and tokens: fewer scopes, spent codes, dead grants, and whose fault it is."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from hub.plugin.errors import GrantLostError, MisconfiguredError, RetryLaterError, TokenExpiredError
from hub.plugin.types import AuthorizationRequest, Tokens
from hub_google import hooks
from hub_google.testing import ANN, CALLBACK, Google, connect


def test_the_consent_address_asks_for_the_least_and_proves_the_asker() -> None:
    request = AuthorizationRequest(CALLBACK, "s", "c", login_hint=ANN, force_consent=True)
    query = parse_qs(urlsplit(hooks.authorization_url({"CLIENT_ID": "hub"}, request)).query)
    assert query["scope"] == [
        "https://www.googleapis.com/auth/calendar.events "
        "https://www.googleapis.com/auth/calendar.calendarlist.readonly"
    ]
    assert (query["access_type"], query["prompt"], query["code_challenge_method"]) == (
        ["offline"],
        ["consent"],
        ["S256"],
    )


def test_fewer_scopes_than_asked_are_told_and_not_hidden(google: Google) -> None:
    google.control.revoke(ANN)
    grant = connect(google.control, google.settings, scopes=["calendar.calendarlist.readonly"])
    assert grant.tokens.scopes == ("calendar.calendarlist.readonly",)


def test_without_the_calendar_list_nobody_is_connect(google: Google) -> None:
    google.control.revoke(ANN)
    with pytest.raises(GrantLostError):
        connect(google.control, google.settings, scopes=["calendar.events"])


def test_a_second_consent_without_prompt_brings_no_refresh_token(google: Google) -> None:
    url = hooks.authorization_url(google.settings, AuthorizationRequest(CALLBACK, "s", ""))
    code = parse_qs(urlsplit(google.control.consent(url.replace("code_challenge=&", ""), ANN)).query)["code"][
        0
    ]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK}
    answer = requests.post(f"{google.url}/token", form, auth=("hub", "sandbox-secret"), timeout=5).json()
    assert "refresh_token" not in answer and answer["access_token"]


def refresh(google: Google, **settings: str) -> Any:
    token = google.grant.tokens.refresh_token or ""
    return hooks.refresh_grant(google.settings | settings, token, (), datetime.now(UTC))


def test_a_wrong_secret_is_the_operator_s_fault_and_costs_no_grant(google: Google) -> None:
    with pytest.raises(MisconfiguredError):
        refresh(google, CLIENT_SECRET="wrong")


def test_a_refresh_keeps_the_scopes_and_sends_no_new_refresh_token(google: Google) -> None:
    tokens = refresh(google)
    assert set(tokens.scopes) == set(google.grant.tokens.scopes) and tokens.refresh_token is None


@pytest.mark.parametrize(("switches", "days"), [({}, 190), ({"testing_mode": True}, 8)])
def test_a_refresh_token_that_lay_too_long_is_dead(
    google: Google, switches: dict[str, bool], days: int
) -> None:
    google.control.switches(**switches)
    google.control.advance(days * 86400)
    with pytest.raises(GrantLostError):
        refresh(google)


def test_the_hundred_and_first_refresh_token_kills_the_first(google: Google) -> None:
    for _ in range(100):
        connect(google.control, google.settings)
    with pytest.raises(GrantLostError):
        refresh(google)


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_token_service_in_trouble_costs_no_grant(google: Google, status: int) -> None:
    google.control.fault("status", status=status, path="/token", body="<html>")
    with pytest.raises(RetryLaterError):
        refresh(google)


@pytest.mark.parametrize("lives", ["NaN", "Infinity", "1e999", '"soon"', "[]", "99999999999999"])
def test_a_token_whose_end_makes_no_sense_costs_no_grant(google: Google, lives: str) -> None:
    body = f'{{"access_token": "t", "expires_in": {lives}}}'
    google.control.fault("status", status=200, path="/token", body=body)
    with pytest.raises(RetryLaterError):
        refresh(google)
    assert refresh(google).access_token


@pytest.mark.parametrize("token", [None, "", 7, {}])
def test_an_answer_whose_token_is_none_is_tried_again(google: Google, token: Any) -> None:
    body = json.dumps({"access_token": token, "expires_in": 3599})
    google.control.fault("status", status=200, path="/token", body=body)
    with pytest.raises(RetryLaterError):
        refresh(google)


@pytest.mark.parametrize("empty", [{}, {"expires_in": None, "scope": None, "refresh_token": None}])
def test_what_an_answer_leaves_out_beside_its_token_is_as_usual(google: Google, empty: Any) -> None:
    body = json.dumps({"access_token": "t"} | empty)
    google.control.fault("status", status=200, path="/token", body=body)
    now = datetime.now(UTC)
    tokens = hooks.refresh_grant(google.settings, "r", ("calendar.events",), now)
    assert tokens == Tokens("t", now + timedelta(hours=1), ("calendar.events",), None)


def test_a_token_service_that_is_not_there_costs_no_grant(google: Google) -> None:
    with pytest.raises(RetryLaterError):
        refresh(google, TOKEN_URL="http://127.0.0.1:9/token")


def test_giving_back_ends_the_whole_grant_and_may_be_repeated(google: Google) -> None:
    for _ in range(2):
        hooks.revoke_grant(google.settings, google.grant.tokens)
    with pytest.raises(TokenExpiredError):
        hooks.list_calendars(google.call)
    with pytest.raises(GrantLostError):
        refresh(google)


def test_a_token_without_the_scope_of_a_method_does_not_open_it(google: Google) -> None:
    google.control.revoke(ANN)
    google.grant = connect(google.control, google.settings, scopes=["calendar.calendarlist.readonly"])
    with pytest.raises(GrantLostError):
        google.fetch()


def test_the_consent_page_is_one_form_that_works_without_scripts(google: Google) -> None:
    request = AuthorizationRequest(CALLBACK, '"><script>alert(1)</script>', "c" * 43)
    page = requests.get(hooks.authorization_url(google.settings, request), timeout=5)
    assert page.status_code == 200 and 'method="post"' in page.text and "width=device-width" in page.text
    assert "<script>" not in page.text
    form = {
        "client_id": "hub", "redirect_uri": CALLBACK, "response_type": "code", "state": "s-1",
        "asked": "https://www.googleapis.com/auth/calendar.events", "person": ANN,
        "scope": "https://www.googleapis.com/auth/calendar.events", "decision": "allow",
    }  # fmt: skip
    answer = requests.post(f"{google.url}/o/oauth2/v2/auth", form, timeout=5, allow_redirects=False)
    query = parse_qs(urlsplit(answer.headers["Location"]).query)
    assert answer.status_code == 302 and query["state"] == ["s-1"] and query["code"]


def test_a_foreign_redirect_address_never_gets_a_code(google: Google) -> None:
    request = AuthorizationRequest("http://elsewhere.example.test/", "s", "c")
    page = requests.get(hooks.authorization_url(google.settings, request), timeout=5)
    assert page.status_code == 400 and "redirect_uri_mismatch" in page.text
