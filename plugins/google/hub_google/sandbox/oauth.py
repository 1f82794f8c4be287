"""Google's OAuth: consent, codes, tokens and their many ways to end.

https://developers.google.com/identity/protocols/oauth2 and …/web-server
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from hub_google.sandbox.failure import ApiError, OAuthError
from hub_google.sandbox.state import Access, Grant, State

PREFIX = "https://www.googleapis.com/auth/"
_CODE_SECONDS = 600
_ACCESS_SECONDS = 3599
_HALF_A_YEAR = 183 * 86400
_WEEK = 7 * 86400
_MOST_REFRESH_TOKENS = 100


def check_request(state: State, query: Mapping[str, str]) -> None:
    """Refuse a consent request that Google would answer with a page of its own.

    Raises:
        OAuthError: never told to the client, shown to the person.
    """
    if query.get("client_id") not in state.clients:
        raise OAuthError("invalid_client", "The OAuth client was not found.", 401)
    target = urlsplit(query.get("redirect_uri", ""))
    if target.scheme not in ("http", "https") or not target.netloc:
        raise OAuthError("redirect_uri_mismatch", "The redirect address is not registered.")
    if target.scheme == "http" and target.hostname not in ("127.0.0.1", "localhost", "::1"):
        raise OAuthError("redirect_uri_mismatch", "Only loopback addresses may do without https.")
    if query.get("response_type") != "code" or not query.get("scope", "").strip():
        raise OAuthError("invalid_request", "response_type or scope is missing.")
    if query.get("code_challenge") and query.get("code_challenge_method") != "S256":
        raise OAuthError("invalid_request", "Only S256 is played here.")


def consent(
    state: State, query: Mapping[str, str], person: str, decision: str, scopes: list[str] | None
) -> str:
    """Answer the consent page as the person; return where the browser goes next.

    Args:
        scopes: the ones left ticked, long or short; None for all.
    """
    check_request(state, query)
    back = {"state": query["state"]} if "state" in query else {}
    if decision != "allow":
        return _address(query["redirect_uri"], {"error": "access_denied"} | back)
    asked = query["scope"].split()
    ticked = (
        asked if scopes is None else [s for s in asked if s in scopes or s.removeprefix(PREFIX) in scopes]
    )
    code = state.token("4/0", 24)
    state.codes[code] = {
        "person": person,
        "client": query["client_id"],
        "scopes": ticked,
        "redirect_uri": query["redirect_uri"],
        "challenge": query.get("code_challenge", ""),
        "offline": query.get("access_type") == "offline",
        "fresh": "consent" in query.get("prompt", "").split(),
        "include": query.get("include_granted_scopes") == "true",
        "ends": state.now() + _CODE_SECONDS,
    }
    return _address(query["redirect_uri"], back | {"code": code, "scope": " ".join(ticked)})


def _address(redirect_uri: str, query: dict[str, str]) -> str:
    parts = urlsplit(redirect_uri)
    return parts._replace(query=urlencode(parse_qsl(parts.query) + list(query.items()))).geturl()


def token(state: State, form: Mapping[str, str], basic: tuple[str, str] | None) -> dict[str, Any]:
    """Answer the token endpoint; the client may name itself in the body or by Basic."""
    client_id, secret = basic or (form.get("client_id", ""), form.get("client_secret", ""))
    if client_id not in state.clients or state.clients[client_id] != secret:
        raise OAuthError("invalid_client", "The OAuth client was not found.", 401)
    kind = form.get("grant_type")
    if kind == "authorization_code":
        return _exchange(state, client_id, form)
    if kind == "refresh_token":
        return _refresh(state, client_id, form)
    raise OAuthError("unsupported_grant_type", "Invalid grant_type")


def _exchange(state: State, client: str, form: Mapping[str, str]) -> dict[str, Any]:
    code = state.codes.pop(form.get("code", ""), None)
    verifier = form.get("code_verifier", "").encode()
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier).digest()).decode().rstrip("=")
    if code is None or code["client"] != client or code["ends"] < state.now():
        raise OAuthError("invalid_grant", "Malformed auth code.")
    if code["redirect_uri"] != form.get("redirect_uri"):
        raise OAuthError("redirect_uri_mismatch", "Bad Request")
    if code["challenge"] and code["challenge"] != challenge:
        raise OAuthError("invalid_grant", "Invalid code verifier.")
    person = code["person"]
    grant = state.grant_of(client, person)
    first = grant is None
    if grant is None:
        grant = state.grants[f"{client} {person}"] = Grant(person, client, [])
    before = grant.scopes if code["include"] else []
    scopes = list(dict.fromkeys([*before, *code["scopes"]]))
    grant.scopes = list(dict.fromkeys([*grant.scopes, *scopes]))
    answer = _access(state, grant, scopes)
    if code["offline"] and (first or code["fresh"]):
        answer["refresh_token"] = _refresh_token(state, grant, scopes)
        if len(grant.refresh) > _MOST_REFRESH_TOKENS:
            _forget(grant, next(iter(grant.refresh)))
        if state.switches["testing_mode"] or state.switches["tells_refresh_lifetime"]:
            answer["refresh_token_expires_in"] = _WEEK
    return answer


def _refresh_token(state: State, grant: Grant, scopes: list[str]) -> str:
    made = state.token("1//0", 48)
    grant.refresh[made] = grant.made[made] = state.now()
    grant.opens[made] = list(scopes)
    return made


def _forget(grant: Grant, refresh_token: str) -> None:
    del grant.refresh[refresh_token], grant.made[refresh_token], grant.opens[refresh_token]


def _refresh(state: State, client: str, form: Mapping[str, str]) -> dict[str, Any]:
    sent = form.get("refresh_token", "")
    grant = next((g for g in state.grants.values() if g.client == client and sent in g.refresh), None)
    if grant is None or _too_old(state, grant, sent):
        raise OAuthError("invalid_grant", "Token has been expired or revoked.")
    opens = grant.opens[sent]
    wanted = form.get("scope", "").split() or opens
    if not set(wanted) <= set(opens):
        raise OAuthError("invalid_scope", "Bad Request")
    grant.refresh[sent] = state.now()
    answer = _access(state, grant, wanted)
    if state.switches["rotates_refresh_tokens"]:
        _forget(grant, sent)
        answer["refresh_token"] = _refresh_token(state, grant, opens)
    return answer


def _too_old(state: State, grant: Grant, sent: str) -> bool:
    unused = state.now() - grant.refresh[sent] > _HALF_A_YEAR
    return unused or (state.switches["testing_mode"] and state.now() - grant.made[sent] > _WEEK)


def _access(state: State, grant: Grant, scopes: list[str]) -> dict[str, Any]:
    made = state.token("ya29.", 48)
    state.access[made] = Access(grant.person, grant.client, list(scopes), state.now() + _ACCESS_SECONDS)
    return {
        "access_token": made,
        "expires_in": _ACCESS_SECONDS,
        "scope": " ".join(scopes),
        "token_type": "Bearer",
    }


def revoke(state: State, sent: str) -> None:
    """End the whole grant that a token belongs to: all that the person allowed the project."""
    access = state.access.get(sent)
    grant = state.grant_of(access.client, access.person) if access else None
    grant = grant or next((g for g in state.grants.values() if sent in g.refresh), None)
    if grant is None:
        raise OAuthError("invalid_token", "Token expired or revoked")
    _end(state, grant)


def revoke_person(state: State, person: str) -> None:
    """End all that a person granted, as if on their account's page."""
    for grant in [g for g in state.grants.values() if g.person == person]:
        _end(state, grant)


def _end(state: State, grant: Grant) -> None:
    """End a grant; the channels die with it."""
    whose = grant.person, grant.client
    del state.grants[f"{grant.client} {grant.person}"]
    state.access = {t: a for t, a in state.access.items() if (a.person, a.client) != whose}
    for channel in state.channels.values():
        channel.stopped = channel.stopped or (channel.person, channel.client) == whose


def token_info(state: State, sent: str) -> dict[str, Any]:
    """Return what a token opens; it names nobody, since no e-mail scope was granted."""
    access = state.access.get(sent)
    if access is None or access.ends < state.now():
        raise OAuthError("invalid_token", "Invalid Value")
    left = int(access.ends - state.now())
    return {
        "aud": access.client,
        "azp": access.client,
        "scope": " ".join(access.scopes),
        "expires_in": str(left),
    }


def authenticate(state: State, header: str, allowed: list[str]) -> Access:
    """Return the access token that opens a method.

    Raises:
        ApiError: 401 for a token that is not valid, 403 for one that does not open this method.
    """
    access = state.access.get(header.removeprefix("Bearer ").strip())
    if access is None or access.ends < state.now():
        raise ApiError(401, "authError", "Invalid Credentials", at="Authorization")
    if not set(allowed) & set(access.scopes):
        raise ApiError(403, "insufficientPermissions", "Insufficient Permission")
    return access
