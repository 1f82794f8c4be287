"""Signing in to the page by a link, and connecting an account: to the provider and back."""

from __future__ import annotations

from urllib.parse import urlencode, urlsplit

from flask import Response, abort, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from hub.accounts import sessions
from hub.accounts.connect import ConnectError, begin, complete
from hub.accounts.tickets import read_ticket
from hub.models import Account, Consent, User
from hub.plugin.errors import ProviderError
from hub.providers.manager import UnknownProviderError
from hub.web import errors
from hub.web.site import blp, browser_secret, ports, set_cookie

HOME = "/"


@blp.get("/sign-in")
def sign_in() -> str:
    """Ask for a click: programs that look at links in mails must not spend the ticket."""
    return render_template("sign_in.html", ticket=request.args.get("ticket", ""))


@blp.post("/sign-in")
def redeem() -> AnyResponse:
    with ports().db.transaction() as session:
        secret = sessions.redeem(session, ports(), request.form.get("ticket", ""))
    if secret is None:
        return errors.page(
            401,
            "This sign-in link was used already, or is older than ten minutes.",
            title="The link does not work any more",
        )
    response = redirect(HOME, 303)
    set_cookie(response, "hub_session", secret, ports().settings.session_hours)  # type: ignore[arg-type]
    return response


@blp.post("/sign-out")
def sign_out() -> AnyResponse:
    with ports().db.transaction() as session:
        sessions.end(session, g.session_secret)
    response = redirect(url_for("page.sign_in"), 303)
    set_cookie(response, "hub_session", "", 0)  # type: ignore[arg-type]
    return response


@blp.get("/connect/<provider>")
def connect(provider: str) -> AnyResponse:
    """Begin: by a connect link of the API, or by a visitor of the page."""
    world = ports()
    text = request.args.get("ticket")
    ticket = read_ticket(world, text) if text else None
    if text and (ticket is None or ticket.provider != provider):
        return errors.page(
            400,
            "This connect link is not valid, or is older than ten minutes.",
            title="The link does not work any more",
            advice="Go back to the application that sent you here and connect again.",
        )
    if ticket is None and g.visitor is None:
        abort(401, "Connecting needs a connect link, or a visitor who is signed in.")
    try:
        with world.db.transaction() as session:
            user = session.get(User, ticket.user_id if ticket else g.visitor.id)
            account_id = ticket.account_id if ticket else request.args.get("account")
            account = session.get(Account, account_id) if account_id else None
            if user is None or (account_id and (account is None or account.user_id != user.id)):
                abort(404)
            return_to = ticket.return_to if ticket else HOME
            begun = begin(
                session,
                world,
                user,
                provider,
                return_to=return_to,
                browser_secret=browser_secret(),
                account=account,
            )
    except UnknownProviderError:
        return errors.page(404, f"No provider called “{provider}” can be connected here.")
    except ProviderError as error:
        return errors.page(
            502, error.message, title="Connecting is not possible now", advice="Tell the hub's operator."
        )
    return redirect(begun.authorization_url, 303)


@blp.get("/connect/<provider>/callback")
def callback(provider: str) -> AnyResponse:
    """End: the provider sends the person back here."""
    try:
        connected = complete(ports(), provider, request.args.to_dict(), browser_secret())
    except UnknownProviderError:
        return errors.page(404, f"No provider called “{provider}” can be connected here.")
    except ConnectError as error:
        return _explain(error)
    if connected.return_to == HOME:
        return redirect(HOME, 303)
    if not connected.return_to:
        return Response(render_template("connected.html"))
    joint = "&" if urlsplit(connected.return_to).query else "?"
    return redirect(f"{connected.return_to}{joint}{urlencode({'account_id': connected.account_id})}", 303)


def _explain(error: ConnectError) -> Response:
    consent = error.consent
    return errors.page(
        400,
        error.message,
        title="Not connected",
        advice=error.advice,
        again=_again(consent) if consent is not None else None,
        back=(consent.return_to if consent is not None else "") or HOME,
    )


def _again(consent: Consent) -> str | None:
    """Return where a visitor of the page can try the same again."""
    if g.visitor is None or g.visitor.id != consent.user_id:
        return None
    return url_for("page.connect", provider=consent.provider, account=consent.account_id)
