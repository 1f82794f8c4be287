"""Who visits the page, and the guards of every form: cookies, Host, Origin and the CSRF token."""

from __future__ import annotations

import hmac
from typing import cast
from urllib.parse import urlsplit

from flask import Blueprint, Response, abort, current_app, g, request

from hub.accounts import sessions
from hub.accounts.keys import find_local_user, local_user
from hub.models import Actor, User
from hub.outbound.edit import Author
from hub.ports import Ports
from hub.settings_values import is_loopback

blp = Blueprint("page", __name__)
OPEN_TO_ALL = frozenset({"page.sign_in", "page.redeem", "page.connect", "page.callback"})
"""Views that need nobody signed in: each checks a secret of its own."""


def ports() -> Ports:
    return cast(Ports, current_app.extensions["hub"])


def visitor() -> User:
    """Return the person who visits; a page that needs one is never reached without."""
    return cast(User, g.visitor)


def author() -> Author:
    return Author(Actor.PAGE, visitor().id, g.run_id)


def browser_secret() -> str:
    """Return what only this browser knows: binds sign-ins and forms to it."""
    return cast(str, g.browser)


def cookie_name(name: str) -> str:
    """Behind https the name itself forbids that another host or path sets the cookie."""
    return f"__Host-{name}" if _is_https() else name


def _is_https() -> bool:
    return ports().settings.public_url.startswith("https://")


def csrf_token() -> str:
    key = browser_secret() + g.get("session_secret", "")
    return hmac.new(key.encode(), b"csrf", "sha256").hexdigest()


@blp.before_request
def meet() -> None:
    """Find out who visits, and refuse what another site's page could have sent."""
    g.browser = request.cookies.get(cookie_name("hub_browser"), "")
    g.new_browser = len(g.browser) < 40
    if g.new_browser:
        g.browser = ports().ids.secret()
    g.session_secret = request.cookies.get(cookie_name("hub_session"), "")
    g.visitor = _find_visitor()
    _check_host()
    if request.method not in ("GET", "HEAD", "OPTIONS"):
        _check_form()
    if g.visitor is None and request.endpoint not in OPEN_TO_ALL:
        abort(401, "This page is for people who came by a sign-in link.")


def _find_visitor() -> User | None:
    """Return who came by a sign-in link; else, where the page is open, the user of this machine."""
    world = ports()
    with world.db.reading() as session:
        user = sessions.find_user(session, world, g.session_secret) if g.session_secret else None
        g.is_signed_in = user is not None
        if user is None and world.settings.open_pages:
            user = find_local_user(session)
    if user is None and world.settings.open_pages:
        with world.db.transaction() as session:
            user = local_user(session, world)
    return user


def _check_host() -> None:
    """An open page answers to its own names only, or any site could reach it by a name of its own
    that it lets point here (DNS rebinding)."""
    own = urlsplit(ports().settings.public_url).hostname
    host = urlsplit(f"//{request.host}").hostname
    if ports().settings.open_pages and host != own and not is_loopback(f"//{request.host}"):
        abort(403, "The hub is not called by this name.")


def _check_form() -> None:
    origin = request.headers.get("Origin")
    own = (ports().settings.public_url, request.host_url.rstrip("/"))
    if origin is not None and origin not in own:
        abort(403, "This form was sent from another site.")
    if not hmac.compare_digest(request.form.get("csrf", "").encode(), csrf_token().encode()):
        abort(403, "This form has grown old, or this browser keeps no cookies.")


@blp.after_request
def remember(response: Response) -> Response:
    if g.get("new_browser"):
        set_cookie(response, "hub_browser", browser_secret(), 365 * 24)
    return response


def set_cookie(response: Response, name: str, value: str, hours: int) -> None:
    response.set_cookie(
        cookie_name(name),
        value,
        max_age=hours * 3600,
        path="/",
        secure=_is_https(),
        httponly=True,
        samesite="Lax",
    )


@blp.app_context_processor
def for_templates() -> dict[str, object]:
    return {
        "csrf_token": csrf_token if "browser" in g else lambda: "",
        "visitor": g.get("visitor"),
        "is_signed_in": g.get("is_signed_in", False),
    }
