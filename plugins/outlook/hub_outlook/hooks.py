"""The hook implementations: each hands over to the file that does it.

Before them stands the hub's gateway, which calls them; after them stands Graph.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from hub.plugin import hookimpl
from hub.plugin.errors import RetryLaterError
from hub.plugin.types import (
    AuthorizationRequest,
    Call,
    ChangePage,
    CodeExchange,
    Coverage,
    EventContent,
    Limits,
    NewGrant,
    Projection,
    ProviderInfo,
    ProviderRequest,
    Push,
    PushAnswer,
    PushCreate,
    PushUpdate,
    Reception,
    RemoteCalendar,
    RemoteEvent,
    Sandbox,
    SandboxOptions,
    Setting,
    SubscribeRequest,
    Subscription,
    Tokens,
    Window,
)
from hub_outlook import calendars, changes, events, fidelity, oauth, people, push, subscriptions
from hub_outlook import project as projection
from hub_outlook.client import DEFAULT_API, Graph
from hub_outlook.translate import UnreadableError

SETTINGS = (
    Setting("API_URL", "Address of Microsoft Graph, with or without /v1.0.", DEFAULT_API),
    Setting(
        "AUTHORIZE_URL", "Consent page; /common/ lets work and personal accounts in.", oauth.DEFAULT_AUTHORIZE
    ),
    Setting("TOKEN_URL", "Token endpoint, with the same tenant as AUTHORIZE_URL.", oauth.DEFAULT_TOKEN),
    Setting("CLIENT_ID", "Application (client) ID of the app registration.", required=True),
    Setting("CLIENT_SECRET", "Value of a client secret of the app.", secret=True, required=True),
)


@hookimpl
def provider() -> ProviderInfo:
    """Say who we are, and how fast Graph may be called (Graph: throttling-limits)."""
    return ProviderInfo(
        name="outlook",
        label="Outlook Calendar",
        scopes=oauth.SCOPES,
        settings=SETTINGS,
        # Of 10,000 calls in ten minutes and four at once per mailbox.
        limits=Limits(per_account_per_minute=1000, per_project_per_minute=100_000, per_account_concurrency=3),
        coverage=Coverage.ACCOUNT,
        window_days=(90, 400),
        fidelity=fidelity.FIDELITY,
        setup_url="https://entra.microsoft.com/#view/Microsoft_AAD_RegisteredApps/ApplicationsListBlade",
    )


@hookimpl
def authorization_url(settings: Mapping[str, str], request: AuthorizationRequest) -> str:
    """Return the address of Microsoft's consent page."""
    return oauth.authorization_url(settings, request)


@hookimpl
def exchange_code(settings: Mapping[str, str], request: CodeExchange, now: datetime) -> NewGrant:
    """Exchange a code for tokens and find out who signed in."""
    return oauth.exchange_code(settings, request, now)


@hookimpl
def refresh_grant(
    settings: Mapping[str, str], refresh_token: str, scopes: tuple[str, ...], now: datetime
) -> Tokens:
    """Trade a refresh token for new tokens."""
    return oauth.refresh_grant(settings, refresh_token, scopes, now)


@hookimpl
def revoke_grant() -> None:
    """Do nothing: Microsoft has no way to give one app's grant back without ending all of a user's sessions.

    The README tells people where to take their consent back.
    """


@hookimpl
def list_calendars(call: Call) -> tuple[RemoteCalendar, ...]:
    """Return the calendars of all calendar groups."""
    return calendars.list_calendars(Graph.of(call))


@hookimpl
def subscribe(call: Call, calendar: RemoteCalendar, request: SubscribeRequest) -> Subscription:
    """Watch all events of the mailbox."""
    return subscriptions.subscribe(Graph.of(call), calendar, request)


@hookimpl
def renew(call: Call, subscription: Subscription, request: SubscribeRequest) -> Subscription:
    """Prolong a subscription under its own channel."""
    return subscriptions.renew(Graph.of(call), subscription, request)


@hookimpl
def unsubscribe(call: Call, subscription: Subscription) -> None:
    """End a subscription."""
    subscriptions.unsubscribe(Graph.of(call), subscription)


@hookimpl
def receive(request: ProviderRequest) -> Reception:
    """Answer Graph's handshake, or read its notices."""
    return subscriptions.receive(request)


@hookimpl
def fetch_changes(
    call: Call, calendar: RemoteCalendar, cursor: str | None, page: str | None, window: Window
) -> ChangePage:
    """Return a page of what changed."""
    return changes.fetch_changes(Graph.of(call), calendar, cursor, page, window)


@hookimpl
def get_event(call: Call, calendar: RemoteCalendar, remote_id: str) -> RemoteEvent:
    """Read one event or whole series."""
    return events.read_event(Graph.of(call), calendar.remote_id, remote_id)


@hookimpl
def push_event(call: Call, calendar: RemoteCalendar, push: Push) -> RemoteEvent | None:
    """Write one event; nobody is mailed unless the hub says so."""
    try:
        return _push(Graph.of(call), calendar, push)
    except UnreadableError as error:
        # That is no refusal: for all that is known the write was done.
        raise RetryLaterError(error.message) from error


@hookimpl
def project(content: EventContent) -> Projection:
    """Return what Outlook can hold of an event."""
    return projection.project(content)


@hookimpl
def sandbox(options: SandboxOptions) -> Sandbox:
    """Return a local stand-in of Graph and Microsoft's sign-in."""
    from hub_outlook.sandbox import make_sandbox

    return make_sandbox(options)


def _push(graph: Graph, calendar: RemoteCalendar, wish: Push) -> RemoteEvent | None:
    if isinstance(wish, PushCreate):
        return push.create(graph, calendar, wish)
    if isinstance(wish, PushUpdate):
        with push.telling_gone(graph, calendar, wish.remote_id):
            return push.update(graph, calendar, wish)
    if isinstance(wish, PushAnswer):
        return people.answer(graph, calendar, wish)
    with push.telling_gone(graph, calendar, wish.remote_id):
        push.delete(graph, wish)
    return None
