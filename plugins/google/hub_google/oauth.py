"""Consent, tokens, refresh and revocation: OAuth 2.0 for web servers, with PKCE.

Guide: https://developers.google.com/identity/protocols/oauth2/web-server. Nobody is asked for an
e-mail scope: the primary calendar's id is the account's address.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from urllib.parse import urlencode

import requests

from hub.plugin.errors import GrantLostError, MisconfiguredError, ProviderError, RetryLaterError
from hub.plugin.types import (
    AuthorizationRequest,
    Call,
    CodeExchange,
    NewGrant,
    RemoteAccount,
    Tokens,
)
from hub_google.client import Bearer, Client, session
from hub_google.errors import About, retry_after

AUTHORIZE_URL = "https://accounts.google.com/o/oauth2/v2/auth"
TOKEN_URL = "https://oauth2.googleapis.com/token"  # noqa: S105
REVOKE_URL = "https://oauth2.googleapis.com/revoke"

SCOPES = ("calendar.events", "calendar.calendarlist.readonly")
"""The least that two-way sync of chosen calendars needs (sheet 1.8), in short spelling."""

_PREFIX = "https://www.googleapis.com/auth/"
_TIMEOUT = 10.0
_USUAL_LIFE = 3600.0
"""Seconds that an access token is good for, where the answer does not say (sheet 1.5)."""
_OPERATOR = {
    "invalid_client",
    "deleted_client",
    "unauthorized_client",
    "redirect_uri_mismatch",
    "invalid_scope",
    "invalid_request",
    "unsupported_grant_type",
}


def authorization_url(settings: Mapping[str, str], request: AuthorizationRequest) -> str:
    """Return the address of Google's consent page."""
    query = {
        "client_id": settings["CLIENT_ID"],
        "redirect_uri": request.redirect_uri,
        "response_type": "code",
        "scope": " ".join(_PREFIX + s for s in SCOPES),
        "access_type": "offline",
        "include_granted_scopes": "true",
        "state": request.state,
        "code_challenge": request.code_challenge,
        "code_challenge_method": "S256",
    }
    if request.login_hint:
        query["login_hint"] = request.login_hint
    if request.force_consent:
        # A refresh token comes only with a fresh consent.
        query["prompt"] = "consent"
    return f"{settings.get('AUTHORIZE_URL') or AUTHORIZE_URL}?{urlencode(query)}"


def exchange_code(settings: Mapping[str, str], request: CodeExchange, now: datetime) -> NewGrant:
    """Trade a code for tokens and ask whose primary calendar they open."""
    form = {
        "grant_type": "authorization_code",
        "code": request.code,
        "redirect_uri": request.redirect_uri,
        "code_verifier": request.code_verifier,
    }
    tokens = _ask(settings, form, now, SCOPES)
    if "calendar.calendarlist.readonly" not in tokens.scopes:
        raise GrantLostError(
            "Without the permission to see the list of calendars the hub cannot tell whose account it is: "
            "connect again and leave it ticked.",
            code="scopeMissing",
        )
    return NewGrant(tokens, _identify(settings, tokens, now))


def refresh(
    settings: Mapping[str, str], refresh_token: str, scopes: tuple[str, ...], now: datetime
) -> Tokens:
    """Trade the refresh token for a new access token; no scope is sent, so all granted ones stay."""
    return _ask(settings, {"grant_type": "refresh_token", "refresh_token": refresh_token}, now, scopes)


def revoke(settings: Mapping[str, str], tokens: Tokens) -> None:
    """Give the grant back; a token that Google no longer knows is as good."""
    token = tokens.refresh_token or tokens.access_token
    answer = _post(settings.get("REVOKE_URL") or REVOKE_URL, {"token": token})
    if answer.status_code >= 500 or answer.status_code == 429:
        raise RetryLaterError("Google did not take the revocation.", code=str(answer.status_code))


def _identify(settings: Mapping[str, str], tokens: Tokens, now: datetime) -> RemoteAccount:
    call = Call(tokens.access_token, RemoteAccount("", ""), settings, now, _TIMEOUT)
    client = Client(call)
    try:
        entry = client.run(client.calendar_list.get(calendarId="primary"), About.ACCOUNT)
    except RetryLaterError:
        raise
    except ProviderError as e:
        raise GrantLostError(f"The account has no calendar that can be read: {e.message}", code=e.code) from e
    name = entry.get("summaryOverride") or entry.get("summary", "")
    return RemoteAccount(entry["id"], entry["id"], "" if name == entry["id"] else name)


def _ask(settings: Mapping[str, str], form: dict[str, str], now: datetime, scopes: tuple[str, ...]) -> Tokens:
    """Call the token endpoint.

    Args:
        scopes: what is granted if the answer does not say.
    """
    client = {"client_id": settings["CLIENT_ID"], "client_secret": settings["CLIENT_SECRET"]}
    answer = _post(settings.get("TOKEN_URL") or TOKEN_URL, form | client)
    try:
        data = answer.json()
        error = data.get("error")
    except (ValueError, AttributeError):
        data, error = {}, None
    access_token, granted = data.get("access_token"), data.get("scope")
    if answer.status_code != 200 or not (access_token and isinstance(access_token, str)):
        raise _error(answer, error, now)
    lives, refresh_token = data.get("expires_in"), data.get("refresh_token")
    try:
        expires_at = now + timedelta(seconds=_USUAL_LIFE if lives is None else float(lives))
    except (TypeError, ValueError, OverflowError):
        raise _error(answer, error, now) from None
    named = granted.split() if isinstance(granted, str) else ()
    return Tokens(
        access_token=access_token,
        expires_at=expires_at,
        scopes=tuple(s.removeprefix(_PREFIX) for s in named) or scopes,
        refresh_token=refresh_token if isinstance(refresh_token, str) else None,
    )


def _error(answer: requests.Response, error: object, now: datetime) -> ProviderError:
    code = error if isinstance(error, str) else str(answer.status_code)
    if code in ("invalid_grant", "admin_policy_enforced", "access_denied"):
        return GrantLostError("Google says that the permission has ended.", code=code)
    if code in _OPERATOR or (answer.status_code == 401 and error):
        return MisconfiguredError(f"Google refused the hub itself: {code}.", code=code)
    return RetryLaterError(
        "Google's token service did not answer as it should.",
        after=retry_after(answer.headers, now),
        scope="account",
        code=code,
    )


def _post(url: str, form: Mapping[str, str]) -> requests.Response:
    try:
        return session().post(url, data=form, timeout=_TIMEOUT, allow_redirects=False, auth=Bearer(None))
    except requests.RequestException as e:
        raise RetryLaterError(
            f"Google's token service could not be reached ({type(e).__name__}).", scope="account"
        ) from None
