"""OAuth 2.0 on the Microsoft identity platform (Entra: v2-oauth2-auth-code-flow, reference-error-codes).

Own code instead of msal or azure-identity: those refuse any authority that is not https, and keep
tokens in caches of their own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import requests

from hub.plugin.errors import (
    GrantLostError,
    MisconfiguredError,
    ProviderError,
    RetryLaterError,
    TokenExpiredError,
)
from hub.plugin.types import AuthorizationRequest, CodeExchange, NewGrant, RemoteAccount, Tokens
from hub_outlook.client import Graph
from hub_outlook.errors import NO_MAILBOX, About, retry_after

SCOPES = ("Calendars.ReadWrite", "User.Read", "offline_access")
DEFAULT_AUTHORIZE = "https://login.microsoftonline.com/common/oauth2/v2.0/authorize"
DEFAULT_TOKEN = "https://login.microsoftonline.com/common/oauth2/v2.0/token"  # noqa: S105
TIMEOUT = 10.0
GRAPH = "https://graph.microsoft.com/"
USUAL_LIFE = 3600.0
"""Seconds that an access token is good for, where the answer does not say."""
PAUSE_AFTER_LOOP = 300.0
"""Seconds to stay away after AADSTS50196: the platform saw a client that asks in a loop."""

_SPELLINGS = {scope.casefold(): scope for scope in (*SCOPES, "openid", "profile", "email")}

BY_ERROR: dict[str, type[ProviderError]] = {
    "invalid_grant": GrantLostError,
    "interaction_required": GrantLostError,
    "consent_required": GrantLostError,
    "login_required": GrantLostError,
    "access_denied": GrantLostError,
    "invalid_client": MisconfiguredError,
    "unauthorized_client": MisconfiguredError,
    "invalid_request": MisconfiguredError,
    "invalid_scope": MisconfiguredError,
    "invalid_resource": MisconfiguredError,
    "unsupported_grant_type": MisconfiguredError,
    "temporarily_unavailable": RetryLaterError,
    "server_error": RetryLaterError,
}
"""Microsoft asks clients to branch on `error`; the AADSTS numbers are for messages and metrics."""

PLAIN = {
    GrantLostError: "Microsoft no longer accepts this account's consent: connect it again.",
    MisconfiguredError: "Microsoft does not accept the hub's registration (client id, secret or address).",
    RetryLaterError: "Microsoft's sign-in service is busy.",
}
ADMIN_NUMBERS = {65001, 90094, 90095}


def authorization_url(settings: Mapping[str, str], request: AuthorizationRequest) -> str:
    """Return the address of the consent page."""
    query = {
        "client_id": settings.get("CLIENT_ID", ""),
        "response_type": "code",
        "response_mode": "query",
        "redirect_uri": request.redirect_uri,
        "scope": " ".join(SCOPES),
        "state": request.state,
        "code_challenge": request.code_challenge,
        "code_challenge_method": "S256",
        "prompt": "consent" if request.force_consent else "select_account",
    }
    if request.login_hint:
        query["login_hint"] = request.login_hint
    return f"{settings.get('AUTHORIZE_URL') or DEFAULT_AUTHORIZE}?{urlencode(query)}"


def exchange_code(settings: Mapping[str, str], request: CodeExchange, now: datetime) -> NewGrant:
    """Exchange a code for tokens and find out who signed in."""
    answer = _token_call(
        settings,
        {
            "grant_type": "authorization_code",
            "code": request.code,
            "redirect_uri": request.redirect_uri,
            "code_verifier": request.code_verifier,
        },
        now,
    )
    tokens = _tokens(answer, SCOPES, now)
    return NewGrant(tokens, _account(Graph(settings, tokens.access_token, now, TIMEOUT)))


def refresh_grant(
    settings: Mapping[str, str], refresh_token: str, scopes: tuple[str, ...], now: datetime
) -> Tokens:
    """Trade a refresh token for new tokens; the new refresh token replaces the old."""
    form = {"grant_type": "refresh_token", "refresh_token": refresh_token, "scope": " ".join(scopes)}
    return _tokens(_token_call(settings, form, now), scopes, now)


def short_scopes(text: str) -> tuple[str, ...]:
    """Return scopes in their short names: answers qualify them, and vary order and case."""
    names = (re.sub(f"^{re.escape(GRAPH)}", "", name, flags=re.IGNORECASE) for name in text.split())
    return tuple(dict.fromkeys(_SPELLINGS.get(name.casefold(), name) for name in names))


def _account(graph: Graph) -> RemoteAccount:
    me = graph.get(graph.me, About.ACCOUNT)
    try:
        # Also proves that there is a mailbox: a guest or an unlicensed user has none.
        own = graph.get(graph.me.calendar, About.ACCOUNT)
    except TokenExpiredError:
        raise GrantLostError(NO_MAILBOX) from None
    email = me.get("mail") or me.get("userPrincipalName") or (own.get("owner") or {}).get("address") or ""
    return RemoteAccount(me["id"], email, me.get("displayName") or "")


def _tokens(answer: dict[str, Any], asked: tuple[str, ...], now: datetime) -> Tokens:
    access_token, named, lives = answer.get("access_token"), answer.get("scope"), answer.get("expires_in")
    if not access_token or not isinstance(access_token, str):
        raise RetryLaterError("Microsoft answered without a token.")
    try:
        expires_at = now + timedelta(seconds=USUAL_LIFE if lives is None else float(lives))
    except (TypeError, ValueError, OverflowError):
        raise RetryLaterError("Microsoft answered with a token whose end makes no sense.") from None
    granted = short_scopes(named if named and isinstance(named, str) else " ".join(asked))
    refresh_token = answer.get("refresh_token")
    if not isinstance(refresh_token, str):
        refresh_token = None
    if refresh_token and "offline_access" not in granted:
        granted += ("offline_access",)  # It is never listed; the refresh token is the proof.
    return Tokens(access_token, expires_at, granted, refresh_token)


def _token_call(settings: Mapping[str, str], form: dict[str, str], now: datetime) -> dict[str, Any]:
    data = {
        "client_id": settings.get("CLIENT_ID", ""),
        "client_secret": settings.get("CLIENT_SECRET", ""),
        **form,
    }
    try:
        response = requests.post(settings.get("TOKEN_URL") or DEFAULT_TOKEN, data=data, timeout=TIMEOUT)
    except requests.RequestException as error:
        raise RetryLaterError(f"Microsoft's sign-in could not be reached ({type(error).__name__}).") from None
    try:
        body = response.json()
    except ValueError:
        body = None
    if response.ok and isinstance(body, dict):
        return body
    raise _refusal(response, body if isinstance(body, dict) else {}, now)


def _refusal(response: requests.Response, body: dict[str, Any], now: datetime) -> ProviderError:
    numbers = [n for n in body.get("error_codes") or [] if isinstance(n, int)]
    error = str(body.get("error") or "")
    kind = BY_ERROR.get(error, RetryLaterError)
    after = retry_after(response.headers.get("Retry-After"), now)
    if response.status_code == 429 or response.status_code >= 500:
        kind = RetryLaterError
    if 50196 in numbers:
        kind, after = RetryLaterError, after or PAUSE_AFTER_LOOP
    message = PLAIN[kind]
    if ADMIN_NUMBERS.intersection(numbers):
        message += " An administrator of the organisation may have to consent first."
    code = f"AADSTS{numbers[0]}" if numbers else error or str(response.status_code)
    if kind is RetryLaterError:
        return RetryLaterError(message, after=after, scope="account", code=code)
    return kind(message, code=code)
