"""The sign-in pages and token endpoint: /{tenant}/oauth2/v2.0/…"""

from __future__ import annotations

import hmac
import uuid
from collections.abc import Mapping
from urllib.parse import urlencode

from flask import Blueprint, Response, jsonify, redirect, render_template, request
from flask.typing import ResponseReturnValue

from hub.plugin.types import SandboxOptions
from hub_outlook.sandbox.grants import Grants, OAuthError
from hub_outlook.sandbox.model import Model

MEANING = {
    "calendars.readwrite": "Read and change your calendars",
    "calendars.read": "Read your calendars",
    "user.read": "See your name and e-mail address",
    "offline_access": "Keep this access until you take it back",
}
PREFIX = "https://graph.microsoft.com/"


class Refusal(Exception):
    """A consent request that cannot be answered by a redirect."""


class Login:
    """Microsoft's sign-in, played."""

    def __init__(self, model: Model, grants: Grants, options: SandboxOptions) -> None:
        self.model = model
        self.grants = grants
        self.options = options
        self.blueprint = Blueprint("login", __name__, template_folder="templates")
        path = "/<tenant>/oauth2/v2.0"
        self.blueprint.add_url_rule(f"{path}/authorize", view_func=self.authorize, methods=["GET", "POST"])
        self.blueprint.add_url_rule(f"{path}/token", view_func=self.token, methods=["POST"])

    def authorize(self, tenant: str) -> ResponseReturnValue:
        asked = request.form if request.method == "POST" else request.args
        try:
            if request.method == "POST":
                scopes = request.form.getlist("scope")
                person, decision = asked.get("person", ""), asked.get("decision", "")
                return redirect(self.decide(tenant, asked, person, decision, scopes))
            self.check(asked)
        except Refusal as error:
            return Response(str(error), 400, content_type="text/plain; charset=utf-8")
        with self.model.lock:
            people = list(self.model.people.values())
        hidden = {k: v for k, v in asked.items() if k != "scope"} | {"asked": asked["scope"]}
        wanted = [(s, MEANING.get(s.casefold(), s)) for s in _scopes(asked["scope"])]
        return render_template(
            "consent.html",
            hidden=hidden,
            scopes=wanted,
            people=people,
            tenant=tenant,
            hint=asked.get("login_hint", ""),
        )

    def check(self, asked: Mapping[str, str]) -> None:
        """Refuse what Microsoft shows an error page for.

        Raises:
            Refusal: the client or its address is not known.
        """
        if asked.get("client_id") != self.options.client_id:
            raise Refusal("AADSTS700016: Application was not found in the directory.")
        back, registered = asked.get("redirect_uri", ""), self.model.switches["redirect_uris"]
        if not back.startswith(("http://", "https://")) or (registered and back not in registered):
            raise Refusal("AADSTS50011: The redirect URI is not valid.")
        if asked.get("response_type", "code") != "code" or not (asked.get("scope") or asked.get("asked")):
            raise Refusal("AADSTS900144: The request must contain response_type=code and a scope.")

    def decide(
        self, tenant: str, asked: Mapping[str, str], person: str, decision: str, scopes: list[str] | None
    ) -> str:
        """Return the address that the browser is sent to.

        Raises:
            Refusal: as in `check`, or nobody has that e-mail address, or not in that tenant.
        """
        self.check(asked)
        back = {"state": asked["state"]} if "state" in asked else {}
        with self.model.lock:
            if decision != "allow":
                back |= {
                    "error": "access_denied",
                    "error_description": "AADSTS65004: User declined to consent.",
                }
            elif person.casefold() not in self.model.people:
                raise Refusal("AADSTS50034: The user account does not exist in this directory.")
            elif not self._is_in(tenant, person):
                raise Refusal(f"AADSTS50020: The user account does not exist in tenant '{tenant}'.")
            else:
                allowed = scopes if scopes is not None else _scopes(asked.get("scope") or asked["asked"])
                back["code"] = self.grants.consent(
                    person,
                    allowed,
                    asked["redirect_uri"],
                    asked.get("code_challenge", ""),
                    asked.get("code_challenge_method", "plain"),
                )
        joint = "&" if "?" in asked["redirect_uri"] else "?"
        return f"{asked['redirect_uri']}{joint}{urlencode(back)}"

    def _is_in(self, tenant: str, email: str) -> bool:
        """Whether a person may sign in by an address of that tenant: one of three words, or its id."""
        person = self.model.people[email.casefold()]
        words = {"common", "consumers" if person.is_personal else "organizations"}
        return tenant.casefold() in words | {self.model.tenant(person)}

    def token(self, tenant: str) -> ResponseReturnValue:  # noqa: ARG002
        try:
            with self.model.lock:
                return jsonify(self._token())
        except OAuthError as error:
            trace = str(uuid.uuid4())
            body = {
                "error": error.error,
                "error_description": f"AADSTS{error.number}: {error.message} Trace ID: {trace}",
                "error_codes": [error.number],
                "timestamp": self.model.clock.now().strftime("%Y-%m-%d %H:%M:%SZ"),
                "trace_id": trace,
                "correlation_id": trace,
            } | ({"claims": error.claims} if error.claims else {})
            return jsonify(body), error.status

    def _token(self) -> dict[str, object]:
        form = request.form
        self._refuse_by_switch()
        if form.get("client_id") != self.options.client_id:
            raise OAuthError("unauthorized_client", 700016, "Application was not found in the directory.")
        if not hmac.compare_digest(form.get("client_secret", ""), self.options.client_secret):
            raise OAuthError("invalid_client", 7000215, "Invalid client secret provided.", 401)
        if form.get("grant_type") == "authorization_code":
            return self.grants.redeem(
                form.get("code", ""), form.get("redirect_uri", ""), form.get("code_verifier", "")
            )
        if form.get("grant_type") == "refresh_token":
            return self.grants.renew(form.get("refresh_token", ""), _scopes(form.get("scope", "")))
        raise OAuthError("unsupported_grant_type", 70003, "The app requested an unsupported grant type.")

    def _refuse_by_switch(self) -> None:
        error = self.model.switches["tenant_error"]
        numbers = {"interaction_required": 50076, "invalid_client": 7000222, "invalid_grant": 70008}
        if error:
            status = {"temporarily_unavailable": 503, "invalid_client": 401}.get(error, 400)
            claims = (
                '{"access_token":{"polids":{"essential":true}}}' if error == "interaction_required" else ""
            )
            message = "Refused by a switch of the sandbox."
            raise OAuthError(error, numbers.get(error, 90033), message, status, claims)


def _scopes(text: str) -> list[str]:
    return [s[len(PREFIX) :] if s.casefold().startswith(PREFIX) else s for s in text.split()]
