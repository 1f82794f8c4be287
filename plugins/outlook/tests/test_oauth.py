"""Consent, tokens and what is said when Microsoft refuses."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from hub.plugin.control import SandboxControl
from hub.plugin.errors import GrantLostError, MisconfiguredError, ProviderError, RetryLaterError
from hub.plugin.testing import PERSON, Connected
from hub.plugin.types import AuthorizationRequest, CodeExchange, Tokens
from hub_outlook.oauth import short_scopes

BACK = "http://127.0.0.1:9/connect/callback"
Box = tuple[SandboxControl, dict[str, str]]


def test_the_consent_page_is_asked_for_with_a_challenge(hooks: Any) -> None:
    asked = AuthorizationRequest(BACK, "state", "challenge", "ann@example.test", True)
    url = urlsplit(hooks.authorization_url(settings={"CLIENT_ID": "me"}, request=asked))
    query = {name: values[0] for name, values in parse_qs(url.query).items()}
    assert url.netloc == "login.microsoftonline.com" and "/common/" in url.path
    assert query["code_challenge_method"] == "S256" and query["login_hint"] == "ann@example.test"
    assert query["prompt"] == "consent" and "offline_access" in query["scope"]


@pytest.mark.parametrize(
    "text",
    [
        "Calendars.ReadWrite User.Read",
        "user.read CALENDARS.READWRITE",
        "https://graph.microsoft.com/Calendars.ReadWrite https://Graph.Microsoft.com/User.Read",
    ],
)
def test_scopes_are_known_in_all_their_spellings(text: str) -> None:
    assert set(short_scopes(text)) == {"Calendars.ReadWrite", "User.Read"}


def test_qualified_scopes_are_granted_all_the_same(hooks: Any, box: Box, connect: Any) -> None:
    control, settings = box
    control.switches(qualified_scopes=True)
    assert set(hooks.provider().scopes) <= set(connect(control, settings).tokens.scopes)


def test_a_scope_that_was_not_ticked_is_not_among_the_granted(hooks: Any, box: Box) -> None:
    control, settings = box
    request = AuthorizationRequest(BACK, "s", "")
    url = hooks.authorization_url(settings=settings, request=request)
    back = control.consent(url, PERSON, scopes=["Calendars.Read", "User.Read"])
    exchange = CodeExchange(parse_qs(urlsplit(back).query)["code"][0], BACK, "")
    tokens = hooks.exchange_code(settings=settings, request=exchange, now=datetime.now(UTC)).tokens
    assert tokens.scopes == ("Calendars.Read", "User.Read") and tokens.refresh_token is None


@pytest.mark.parametrize("state", ["unlicensed", "guest"])
def test_a_person_without_a_mailbox_is_told_in_plain_words(box: Box, connect: Any, state: str) -> None:
    control, settings = box
    requests.post(
        f"{control.base_url}/_control/people", json={"email": PERSON, "mailbox": state}, timeout=10
    ).raise_for_status()
    with pytest.raises(GrantLostError, match="no Outlook mailbox"):
        connect(control, settings)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("invalid_grant", GrantLostError),
        ("interaction_required", GrantLostError),
        ("invalid_client", MisconfiguredError),
        ("temporarily_unavailable", RetryLaterError),
        ("something_new", RetryLaterError),
    ],
)
def test_a_refused_refresh_says_who_must_act(
    hooks: Any, ann: Connected, error: str, kind: type[ProviderError]
) -> None:
    ann.control.switches(tenant_error=error)
    with pytest.raises(kind) as caught:
        refreshed(hooks, ann)
    assert type(caught.value) is kind and (caught.value.code or "").startswith("AADSTS")


def test_a_wrong_secret_blames_the_operator(hooks: Any, ann: Connected) -> None:
    ann.settings["CLIENT_SECRET"] = "wrong"
    with pytest.raises(MisconfiguredError):
        refreshed(hooks, ann)


def test_an_old_refresh_token_goes_on_working(hooks: Any, ann: Connected) -> None:
    assert refreshed(hooks, ann).refresh_token != refreshed(hooks, ann).refresh_token


def test_a_refresh_token_dies_of_ninety_idle_days(hooks: Any, ann: Connected) -> None:
    ann.control.advance(91 * 86400)
    with pytest.raises(GrantLostError):
        refreshed(hooks, ann)


@pytest.mark.parametrize("lives", ["NaN", "Infinity", "1e999", '"soon"', "[]", "99999999999999"])
def test_a_token_whose_end_makes_no_sense_costs_no_grant(hooks: Any, ann: Connected, lives: str) -> None:
    body = f'{{"access_token": "t", "expires_in": {lives}}}'
    ann.control.fault("status", status=200, path="/token", body=body)
    with pytest.raises(RetryLaterError):
        refreshed(hooks, ann)
    assert refreshed(hooks, ann).access_token


@pytest.mark.parametrize("token", [None, "", 7, {}])
def test_an_answer_whose_token_is_none_is_tried_again(hooks: Any, ann: Connected, token: Any) -> None:
    body = json.dumps({"access_token": token, "expires_in": 3599})
    ann.control.fault("status", status=200, path="/token", body=body)
    with pytest.raises(RetryLaterError):
        refreshed(hooks, ann)


@pytest.mark.parametrize("empty", [{}, {"expires_in": None, "scope": None, "refresh_token": None}])
def test_what_an_answer_leaves_out_beside_its_token_is_as_usual(
    hooks: Any, ann: Connected, empty: Any
) -> None:
    body = json.dumps({"access_token": "t"} | empty)
    ann.control.fault("status", status=200, path="/token", body=body)
    now = datetime.now(UTC)
    tokens = hooks.refresh_grant(
        settings=ann.settings, refresh_token="r", scopes=("Calendars.ReadWrite",), now=now
    )
    assert tokens == Tokens("t", now + timedelta(hours=1), ("Calendars.ReadWrite",), None)


def test_a_sign_in_service_that_cannot_be_reached_is_tried_later(hooks: Any, ann: Connected) -> None:
    ann.settings["TOKEN_URL"] = "http://127.0.0.1:9/token"
    with pytest.raises(RetryLaterError):
        refreshed(hooks, ann)


def test_the_consent_page_shows_people_and_scopes_and_escapes_what_it_was_asked(box: Box) -> None:
    _, settings = box
    page = requests.get(
        settings["AUTHORIZE_URL"],
        params={
            "client_id": settings["CLIENT_ID"],
            "redirect_uri": BACK,
            "response_type": "code",
            "scope": "Calendars.ReadWrite",
            "state": '"><script>alert(1)</script>',
        },
        timeout=10,
    )
    assert PERSON in page.text and 'name="decision" value="allow"' in page.text
    assert "<script>" not in page.text and 'name="viewport"' in page.text


def test_the_consent_form_sends_the_browser_back(box: Box) -> None:
    _, settings = box
    form = {
        "client_id": settings["CLIENT_ID"],
        "redirect_uri": BACK,
        "asked": "Calendars.ReadWrite User.Read",
        "state": "s",
        "person": PERSON,
        "scope": ["Calendars.ReadWrite"],
        "decision": "allow",
    }
    answer = requests.post(settings["AUTHORIZE_URL"], data=form, allow_redirects=False, timeout=10)
    back = parse_qs(urlsplit(answer.headers["Location"]).query)
    assert answer.status_code == 302 and back["state"] == ["s"] and back["code"]


def test_an_unknown_client_gets_an_error_page_and_no_redirect(box: Box) -> None:
    _, settings = box
    answer = requests.get(
        settings["AUTHORIZE_URL"], params={"client_id": "other", "redirect_uri": BACK}, timeout=10
    )
    assert answer.status_code == 400 and "AADSTS700016" in answer.text


def refreshed(hooks: Any, ann: Connected) -> Any:
    return hooks.refresh_grant(
        settings=ann.settings,
        refresh_token=ann.grant.tokens.refresh_token,
        scopes=ann.grant.tokens.scopes,
        now=ann.now,
    )
