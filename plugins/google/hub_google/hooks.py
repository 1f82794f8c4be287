"""The hooks of the Google plugin: each a few lines over the files beside it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from hub.plugin import hookimpl
from hub.plugin.types import (
    AuthorizationRequest,
    Call,
    ChangePage,
    CodeExchange,
    EventContent,
    Limits,
    NewGrant,
    Projection,
    ProviderInfo,
    ProviderRequest,
    Push,
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
from hub_google import calendars, changes, client, fidelity, oauth, projection, series, subscriptions
from hub_google.push import push as write_event

SETTINGS = (
    Setting("API_URL", "Base address of the Calendar API.", client.API_URL),
    Setting("AUTHORIZE_URL", "Address of the consent page.", oauth.AUTHORIZE_URL),
    Setting("TOKEN_URL", "Address of the token endpoint.", oauth.TOKEN_URL),
    Setting("REVOKE_URL", "Address that tokens are given back to.", oauth.REVOKE_URL),
    Setting("CLIENT_ID", "OAuth client id of the hub at Google.", required=True),
    Setting("CLIENT_SECRET", "OAuth client secret of the hub at Google.", secret=True, required=True),
)


@hookimpl
def provider() -> ProviderInfo:
    """Name the provider, its settings and Google's quotas for projects made since May 2026."""
    return ProviderInfo(
        name="google",
        label="Google Calendar",
        scopes=oauth.SCOPES,
        settings=SETTINGS,
        limits=Limits(per_account_per_minute=600, per_project_per_minute=10_000, per_account_concurrency=2),
        fidelity=fidelity.FIDELITY,
        setup_url="https://console.cloud.google.com/auth/clients",
    )


@hookimpl
def authorization_url(settings: Mapping[str, str], request: AuthorizationRequest) -> str:
    """Return the address of the consent page."""
    return oauth.authorization_url(settings, request)


@hookimpl
def exchange_code(settings: Mapping[str, str], request: CodeExchange, now: datetime) -> NewGrant:
    """Trade a code for tokens and the account's address."""
    return oauth.exchange_code(settings, request, now)


@hookimpl
def refresh_grant(
    settings: Mapping[str, str], refresh_token: str, scopes: tuple[str, ...], now: datetime
) -> Tokens:
    """Trade the refresh token for a new access token."""
    return oauth.refresh(settings, refresh_token, scopes, now)


@hookimpl
def revoke_grant(settings: Mapping[str, str], tokens: Tokens) -> None:
    """Give the grant back."""
    oauth.revoke(settings, tokens)


@hookimpl
def list_calendars(call: Call) -> tuple[RemoteCalendar, ...]:
    """Return the account's calendar list."""
    return calendars.list_calendars(call)


@hookimpl
def subscribe(call: Call, calendar: RemoteCalendar, request: SubscribeRequest) -> Subscription:
    """Open a channel."""
    return subscriptions.subscribe(call, calendar, request)


@hookimpl
def renew(call: Call, calendar: RemoteCalendar, request: SubscribeRequest) -> Subscription:
    """Open a new channel beside the old one, since Google prolongs none."""
    return subscriptions.subscribe(call, calendar, request)


@hookimpl
def unsubscribe(call: Call, subscription: Subscription) -> None:
    """Stop a channel."""
    subscriptions.unsubscribe(call, subscription)


@hookimpl
def receive(request: ProviderRequest) -> Reception:
    """Read a notification's headers."""
    return subscriptions.receive(request)


@hookimpl
def fetch_changes(
    call: Call, calendar: RemoteCalendar, cursor: str | None, page: str | None, window: Window
) -> ChangePage:
    """Return one page of what changed, each series whole."""
    return changes.fetch(call, calendar, cursor, page, window)


@hookimpl
def get_event(call: Call, calendar: RemoteCalendar, remote_id: str) -> RemoteEvent:
    """Read one event, a series whole."""
    return series.whole(series.get_family(client.Client(call), calendar, remote_id), calendar)


@hookimpl
def push_event(call: Call, calendar: RemoteCalendar, push: Push) -> RemoteEvent | None:
    """Write one event without mailing anybody."""
    return write_event(call, calendar, push)


@hookimpl
def project(content: EventContent) -> Projection:
    """Return what Google would show of an event."""
    return projection.project(content)


@hookimpl
def sandbox(options: SandboxOptions) -> Sandbox:
    """Return Google Calendar played locally."""
    # Flask is needed here only: production processes do not load it with the plugin.
    from hub_google.sandbox import build

    return build(options)
