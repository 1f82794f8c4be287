"""Consents and tokens of the sandbox's sign-in (Entra: v2-oauth2-auth-code-flow, refresh-tokens)."""

from __future__ import annotations

import base64
import hashlib
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from hub_outlook.sandbox.model import Model
from hub_outlook.sandbox.problems import GraphError

CODE_LIFE = timedelta(minutes=10)
IDLE_LIFE = timedelta(days=90)


@dataclass
class Code:
    """An authorization code: single use, ten minutes."""

    person: str
    scopes: list[str]
    redirect_uri: str
    challenge: str
    method: str
    expires_at: datetime
    used: bool = False


@dataclass
class Token:
    """An access or refresh token."""

    person: str
    scopes: list[str]
    expires_at: datetime


class OAuthError(Exception):
    """A refusal of the sign-in service."""

    def __init__(self, error: str, number: int, message: str, status: int = 400, claims: str = "") -> None:
        super().__init__(message)
        self.claims = claims
        self.error = error
        self.number = number
        self.message = message
        self.status = status


class Grants:
    """What was consented to, and the tokens of it."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.codes: dict[str, Code] = {}
        self.access: dict[str, Token] = {}
        self.refresh: dict[str, Token] = {}
        self.issued = 0

    def _secret(self, kind: str) -> str:
        self.issued += 1
        # Unlike ids, tokens differ between two runs of one seed: an old run's token must not fit.
        digest = hashlib.sha512(f"{kind} {self.issued} {uuid.uuid4()}".encode()).digest()
        return kind + base64.urlsafe_b64encode(digest).decode().rstrip("=")

    def consent(self, person: str, scopes: list[str], redirect_uri: str, challenge: str, method: str) -> str:
        """Return a code for what a person allowed."""
        code = self._secret("M.C5_")
        expires_at = self.model.clock.now() + CODE_LIFE
        self.codes[code] = Code(person.casefold(), scopes, redirect_uri, challenge, method, expires_at)
        return code

    def redeem(self, code: str, redirect_uri: str, verifier: str) -> dict[str, object]:
        found = self.codes.get(code)
        if found is None or found.expires_at < self.model.clock.now():
            raise OAuthError("invalid_grant", 70008, "The provided authorization code has expired.")
        if found.used:
            raise OAuthError("invalid_grant", 54005, "OAuth2 Authorization code was already redeemed.")
        if found.redirect_uri != redirect_uri:
            raise OAuthError(
                "invalid_grant", 50011, "The redirect URI does not match the one of the request."
            )
        if found.challenge and found.challenge != _challenge(verifier, found.method):
            raise OAuthError("invalid_grant", 501481, "The Code_Verifier does not match the code_challenge.")
        found.used = True
        again = self.model.switches["refresh_token_once"] and self._has_refresh_token(found.person)
        return self._answer(found.person, found.scopes, refreshable=not again)

    def _has_refresh_token(self, person: str) -> bool:
        return any(token.person == person for token in self.refresh.values())

    def renew(self, refresh_token: str, scopes: list[str]) -> dict[str, object]:
        """Return new tokens; the old refresh token goes on working, as at Microsoft."""
        found = self.refresh.get(refresh_token)
        if found is None:
            raise OAuthError(
                "invalid_grant", 50173, "The provided grant has expired due to it being revoked."
            )
        if found.expires_at < self.model.clock.now():
            raise OAuthError("invalid_grant", 700082, "The refresh token has expired due to inactivity.")
        low = {s.casefold() for s in found.scopes}
        if scopes and not {s.casefold() for s in scopes} <= low:
            raise OAuthError("invalid_grant", 65001, "The user has not consented to use the application.")
        found.expires_at = self.model.clock.now() + IDLE_LIFE
        if self.model.switches["single_use_refresh_tokens"]:
            del self.refresh[refresh_token]
        return self._answer(found.person, found.scopes)

    def _answer(self, person: str, scopes: list[str], *, refreshable: bool = True) -> dict[str, object]:
        now, life = self.model.clock.now(), int(self.model.switches["token_seconds"])
        access = self._secret("EwB")
        self.access[access] = Token(person, scopes, now + timedelta(seconds=life))
        named = [s for s in scopes if s.casefold() not in ("offline_access", "openid", "profile", "email")]
        if self.model.switches["qualified_scopes"]:
            named = [f"https://graph.microsoft.com/{s}" for s in named]
        body: dict[str, object] = {
            "token_type": "Bearer",
            "scope": " ".join(named),
            "expires_in": life,
            "ext_expires_in": life,
            "access_token": access,
        }
        if refreshable and "offline_access" in {s.casefold() for s in scopes}:
            refresh = self._secret("0.AX")
            self.refresh[refresh] = Token(person, scopes, now + IDLE_LIFE)
            body["refresh_token"] = refresh
        return body

    def check(self, token: str) -> tuple[str, set[str]]:
        """Return whose access token this is, and its scopes.

        Raises:
            GraphError: it is missing, unknown or expired.
        """
        found = self.access.get(token)
        if found is None or found.expires_at <= self.model.clock.now():
            message = (
                "Access token is empty." if not token else "Access token has expired or is not yet valid."
            )
            raise GraphError(
                401,
                "InvalidAuthenticationToken",
                message,
                headers={"WWW-Authenticate": 'Bearer realm="", error="invalid_token"'},
            )
        if self.model.switches["claims_challenge"]:
            told = 'Bearer realm="", error="insufficient_claims", claims="eyJhY2Nlc3NfdG9rZW4iOnt9fQ=="'
            message = "Continuous access evaluation resulted in challenge."
            raise GraphError(401, "InvalidAuthenticationToken", message, headers={"WWW-Authenticate": told})
        return found.person, set(found.scopes)

    def revoke(self, person: str) -> None:
        """End all of a person's grants."""
        for held in (self.access, self.refresh):
            for token in [t for t, grant in held.items() if grant.person == person.casefold()]:
                del held[token]


def _challenge(verifier: str, method: str) -> str:
    if method.casefold() == "plain":
        return verifier
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
