"""The hooks: what the hub asks of a plugin. Each is answered by the one plugin that owns the account.

All arguments are passed by keyword; arguments may be added later, never changed. Hooks run in worker
processes and may run twice after a crash: each says what that means for it. They raise the errors of
`hub.plugin.errors`, keep nothing between calls but caches, read no clock but `Call.now`, and finish
within `Call.deadline`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from hub.plugin import hookspec
from hub.plugin.types import (
    AuthorizationRequest,
    Call,
    ChangePage,
    CodeExchange,
    EventContent,
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
    SubscribeRequest,
    Subscription,
    Tokens,
    Window,
)


@hookspec(firstresult=True)
def provider() -> ProviderInfo:
    """Say who you are. Called once at start; must not reach the network."""


@hookspec(firstresult=True)
def authorization_url(settings: Mapping[str, str], request: AuthorizationRequest) -> str:
    """Return the address of the provider's consent page. Pure; called when a person clicks Connect."""


@hookspec(firstresult=True)
def exchange_code(settings: Mapping[str, str], request: CodeExchange, now: datetime) -> NewGrant:
    """Exchange the code of a callback for tokens, and find out who signed in.

    A code works once: the hub never repeats this call. Return the scopes that were granted, even if
    they are fewer than asked; the hub decides.

    Raises:
        GrantLostError: the code is spent, expired or of another verifier; or the account has no calendar.
        MisconfiguredError: client id, secret or redirect address are wrong.
        RetryLaterError: the provider did not answer.
    """


@hookspec(firstresult=True)
def refresh_grant(
    settings: Mapping[str, str], refresh_token: str, scopes: tuple[str, ...], now: datetime
) -> Tokens:
    """Trade the refresh token for a new access token. The hub makes one such call per account at a time.

    `scopes` are those granted so far; never ask for more. May be called twice with one refresh token
    after a crash.

    Raises:
        GrantLostError: only when the provider says for certain that the grant is dead.
        MisconfiguredError, RetryLaterError: as above.
    """


@hookspec(firstresult=True)
def revoke_grant(settings: Mapping[str, str], tokens: Tokens) -> None:
    """Give the grant back, if the provider has a way to. Best effort; may be called twice."""


@hookspec(firstresult=True)
def list_calendars(call: Call) -> tuple[RemoteCalendar, ...]:
    """Return every calendar that the account can see, hidden ones too, over all pages."""


@hookspec(firstresult=True)
def subscribe(call: Call, calendar: RemoteCalendar, request: SubscribeRequest) -> Subscription:
    """Ask the provider to notify `request.callback_url` of changes.

    The hub has committed the channel before the call, so a handshake or a notification that comes
    before this returns is already understood. May be called twice after a crash, with a new channel.

    Raises:
        PollOnlyError: the provider does not notify for this calendar.
        CalendarLostError: the calendar is out of reach.
    """


@hookspec(firstresult=True)
def renew(
    call: Call, calendar: RemoteCalendar, subscription: Subscription, request: SubscribeRequest
) -> Subscription:
    """Keep notifications coming beyond `subscription.expires_at`.

    Return the same `channel_id` if the provider prolonged it, or `request.channel_id` if a new one was
    made; the hub then keeps both for a while and unsubscribes the old.

    Raises:
        GoneError: the provider has forgotten it; the hub subscribes anew and pulls.
    """


@hookspec(firstresult=True)
def unsubscribe(call: Call, subscription: Subscription) -> None:
    """End notifications. GoneError counts as success; may be called twice."""


@hookspec(firstresult=True)
def receive(settings: Mapping[str, str], request: ProviderRequest) -> Reception:
    """Make sense of one HTTP request to the callback address. Pure, quick, no network.

    Return the literal answer of a handshake, or the notices in it with the secrets that came along:
    the hub checks those. What cannot be understood is an empty Reception, never an exception.
    """


@hookspec(firstresult=True)
def fetch_changes(
    call: Call,
    calendar: RemoteCalendar,
    cursor: str | None,
    page: str | None,
    window: Window,
) -> ChangePage:
    """Return one page of what changed since `cursor`, or of everything when it is None.

    A change of a series comes as the whole series: rule plus all exceptions. An item that cannot be
    read comes as a `RemoteChange` with a `fault`. The same page may be asked for twice.

    Args:
        cursor: what an earlier listing ended with; None for a full listing.
        page: `next_page` of the page before; None for the first.
        window: the span that a full listing should cover; events that end before it may be left out.

    Raises:
        CursorExpiredError: start over with `cursor=None`.
        CalendarLostError: the calendar is out of reach.
    """


@hookspec(firstresult=True)
def get_event(call: Call, calendar: RemoteCalendar, remote_id: str) -> RemoteEvent:
    """Read one event (or whole series). A cancelled one, and one in another calendar, is a GoneError."""


@hookspec(firstresult=True)
def push_event(call: Call, calendar: RemoteCalendar, push: Push) -> RemoteEvent | None:
    """Write one event; return it as this push has left it at the provider (None after a deletion).

    Where that takes several calls, a person may edit the event between them: what is read again at the end
    is not to be taken for the push's own doing (`hub.plugin.between` tells them apart), or the edit would
    never reach the hub.

    Nobody is mailed: the event's guests are data, which no copy carries; only a push with `notify` is told
    to them. May be repeated after a crash: a `PushCreate` by its `create_id`, a `PushAnswer` by what is
    answered, the others by their `version`.

    Raises:
        VersionMovedError: the event was changed meanwhile; nothing was written.
        GoneError: there is no such event (for a deletion: success; for a creation: an earlier try has made
            it, and somebody has deleted it since. What was never made cannot be gone).
        RefusedError: the provider will not take it; the hub parks it with the reason.
    """


@hookspec(firstresult=True)
def project(content: EventContent) -> Projection:
    """Return what of `content` this provider would show after a push. Pure.

    `project(project(x).content) == project(x)` without losses; what is lost is declared.
    """


@hookspec(firstresult=True)
def sandbox(options: SandboxOptions) -> Sandbox:
    """Return a stand-in of the provider as a WSGI app with the control API of `hub.plugin.testing`."""
