"""The pages of the sandbox that people see and the OAuth end points that clients call.

The consent page is one form, as `hub.plugin.control` describes it.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Flask, Response, jsonify, redirect, render_template_string, request

from hub_google.sandbox import oauth
from hub_google.sandbox.failure import OAuthError
from hub_google.sandbox.state import State

_SCOPE_TEXT = {
    "calendar.events": "View and edit events on all your calendars",
    "calendar.calendarlist.readonly": "See the list of calendars you are subscribed to",
    "calendar.events.readonly": "View events on all your calendars",
    "calendar": "See, edit, share and delete all the calendars you can access",
    "calendar.readonly": "See and download any calendar you can access",
}

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }} – Google Calendar sandbox</title>
<style>
 :root { color-scheme: light dark; --ink: #1f1f1f; --soft: #5f6368; --line: #dadce0; --paper: #fff;
   --ground: #f0f4f9; --accent: #0b57d0; }
 @media (prefers-color-scheme: dark) { :root { --ink: #e3e3e3; --soft: #a8abb0; --line: #444746;
   --paper: #131314; --ground: #1e1f20; --accent: #a8c7fa; } }
 * { box-sizing: border-box }
 body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1rem; color: var(--ink);
   background: var(--ground); font: 16px/1.5 system-ui, sans-serif }
 main { width: 100%; max-width: 30rem; padding: 2rem; background: var(--paper); border-radius: 1.5rem }
 h1 { margin: 0 0 .25rem; font-size: 1.5rem; font-weight: 500 }
 p { margin: 0 0 1rem; color: var(--soft) }
 fieldset { margin: 0 0 1rem; padding: 0; border: 0 }
 legend { padding: 0; margin-bottom: .5rem; font-weight: 600 }
 label { display: flex; gap: .75rem; align-items: center; padding: .75rem 1rem; margin-bottom: .5rem;
   border: 1px solid var(--line); border-radius: .75rem; cursor: pointer }
 label small { color: var(--soft) }
 input { flex: none; width: 1.25rem; height: 1.25rem; accent-color: var(--accent) }
 footer { display: flex; gap: .75rem; justify-content: flex-end; flex-wrap: wrap }
 button { font: inherit; min-height: 2.75rem; padding: 0 1.5rem; border-radius: 1.5rem; cursor: pointer;
   border: 1px solid var(--line); background: none; color: var(--accent) }
 button.main { border-color: var(--accent); background: var(--accent); color: var(--paper) }
 :focus-visible { outline: 3px solid var(--accent); outline-offset: 2px }
</style>
</head>
<body><main>{% block body %}{{ body }}{% endblock %}</main></body>
</html>"""

_CONSENT = _PAGE.replace(
    "{% block body %}{{ body }}{% endblock %}",
    """
<h1>{{ title }}</h1>
<p>The hub wants to use a Google account of this sandbox. Nothing here leaves this computer.</p>
<form method="post">
{% for name, value in hidden %}<input type="hidden" name="{{ name }}" value="{{ value }}">
{% endfor %}<fieldset><legend>Choose an account</legend>
{% for p in people %}<label><input type="radio" name="person" value="{{ p.email }}" required
 {{- ' checked' if p.email == chosen }}><span>{{ p.name }}<br><small>{{ p.email }}</small></span></label>
{% endfor %}</fieldset>
<fieldset><legend>The hub may</legend>
{% for scope, words in scopes %}<label><input type="checkbox" name="scope" value="{{ scope }}" checked>
<span>{{ words }}</span></label>
{% endfor %}</fieldset>
<footer><button name="decision" value="deny" formnovalidate>Cancel</button>
<button class="main" name="decision" value="allow">Continue</button></footer>
</form>""",
)

_ERROR = _PAGE.replace(
    "{% block body %}{{ body }}{% endblock %}",
    "<h1>{{ title }}</h1><p>{{ text }}</p><p>Error 400: {{ code }}</p>",
)
_OWN_FIELDS = ("person", "scope", "decision")


def register(app: Flask, state: State) -> None:
    """Add the OAuth routes to the app."""
    blueprint = Blueprint("oauth", __name__)
    pages = _Pages(state)
    blueprint.add_url_rule("/o/oauth2/v2/auth", "consent", pages.consent, methods=["GET", "POST"])
    blueprint.add_url_rule("/token", "token", pages.token, methods=["POST"])
    blueprint.add_url_rule("/revoke", "revoke", pages.revoke, methods=["POST"])
    blueprint.add_url_rule("/tokeninfo", "tokeninfo", pages.token_info, methods=["GET", "POST"])
    blueprint.register_error_handler(OAuthError, _refuse)
    app.register_blueprint(blueprint)


def _refuse(error: Exception) -> tuple[Response, int]:
    assert isinstance(error, OAuthError)
    body = {"error": error.error}
    if error.description:
        body["error_description"] = error.description
    return jsonify(body), error.status


class _Pages:
    def __init__(self, state: State) -> None:
        self.state = state

    def consent(self) -> Any:
        """Show the consent page, and answer its form."""
        sent = request.args if request.method == "GET" else request.form
        query = {k: v for k, v in sent.items() if k not in _OWN_FIELDS or request.method == "GET"}
        if request.method == "POST":
            query["scope"] = sent.get("asked", "")
        try:
            with self.state.lock:
                if request.method == "GET":
                    oauth.check_request(self.state, query)
                    return self._form(query)
                return redirect(self._decide(query))
        except OAuthError as e:
            page = render_template_string(_ERROR, title="Access blocked", text=e.description, code=e.error)
            return page, 400

    def _form(self, query: dict[str, str]) -> str:
        asked = query["scope"].split()
        hidden = [(k, v) for k, v in query.items() if k != "scope"] + [("asked", query["scope"])]
        short = [(s, s.removeprefix(oauth.PREFIX)) for s in asked]
        people = list(self.state.people.values())
        hint = query.get("login_hint") or (people[0].email if people else "")
        return render_template_string(
            _CONSENT,
            title="Sign in to Coordinoter Hub",
            hidden=hidden,
            people=people,
            chosen=hint,
            scopes=[(s, _SCOPE_TEXT.get(name, name)) for s, name in short],
        )

    def _decide(self, query: dict[str, str]) -> str:
        person = request.form.get("person", "")
        decision = request.form.get("decision", "deny")
        if decision == "allow" and person not in self.state.people:
            raise OAuthError("invalid_request", "There is no such account.")
        return oauth.consent(self.state, query, person, decision, request.form.getlist("scope"))

    def token(self) -> Any:
        """Trade a code or refresh token for an access token."""
        auth = request.authorization
        basic = (auth.username or "", auth.password or "") if auth and auth.type == "basic" else None
        with self.state.lock:
            return jsonify(oauth.token(self.state, request.form, basic))

    def revoke(self) -> Any:
        """End a grant."""
        with self.state.lock:
            oauth.revoke(self.state, request.values.get("token", ""))
        return jsonify({})

    def token_info(self) -> Any:
        """Tell what an access token opens."""
        with self.state.lock:
            return jsonify(oauth.token_info(self.state, request.values.get("access_token", "")))
