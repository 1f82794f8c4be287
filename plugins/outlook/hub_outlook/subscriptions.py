"""Change notifications: one subscription for a mailbox, its renewal, and what it sends us.

Graph: resources/subscription, change-notifications-delivery-webhooks, change-notifications-lifecycle-events.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from kiota_abstractions.method import Method

from hub.plugin.errors import GoneError, PollOnlyError, ProviderError, RefusedError, RetryLaterError
from hub.plugin.types import (
    HttpAnswer,
    Notification,
    NotificationKind,
    ProviderRequest,
    Reception,
    RemoteCalendar,
    SubscribeRequest,
    Subscription,
)
from hub_outlook.client import Graph
from hub_outlook.errors import About, ConflictError

RESOURCE = "me/events"
LONGEST_MINUTES = 10_000
"""Documentation says 10,080 minutes, the service refuses more than 10,070."""
SHORTEST_MINUTES = 60
LONGEST = timedelta(minutes=LONGEST_MINUTES)
LONGEST_TOKEN = 4096
KINDS = {
    "missed": NotificationKind.MISSED,
    "subscriptionremoved": NotificationKind.REMOVED,
    "reauthorizationrequired": NotificationKind.REAUTHORIZE,
}


def subscribe(graph: Graph, calendar: RemoteCalendar, request: SubscribeRequest) -> Subscription:
    """Watch the account's events; one earlier subscription of ours may stand in the way."""
    if not calendar.can_watch:
        raise PollOnlyError("Outlook does not notify of changes in a calendar that someone else shares.")
    minutes, cleared = LONGEST_MINUTES, False
    while True:
        expires_at = _expiry(graph, request, minutes)
        body = {
            "changeType": "created,updated,deleted",
            "notificationUrl": request.callback_url,
            "lifecycleNotificationUrl": request.callback_url,
            "resource": RESOURCE,
            "expirationDateTime": _stamp(expires_at),
            "clientState": f"{request.channel_id}.{request.secret}",
        }
        try:
            made = graph.write(Method.POST, graph.sdk.subscriptions, About.SUBSCRIPTION, body)
            return Subscription(request.channel_id, made["id"], _end(made, expires_at))
        except RefusedError as error:
            shorter = _shorter(minutes, error)
            if shorter is None:
                raise _unvalidated(error) from None
            minutes = shorter
        except ConflictError as error:
            if cleared:
                raise
            cleared = True
            _clear(graph, error.message)


def renew(graph: Graph, subscription: Subscription, request: SubscribeRequest) -> Subscription:
    """Move the end of a subscription."""
    builder = graph.sdk.subscriptions.by_subscription_id(subscription.remote_id)
    minutes = LONGEST_MINUTES
    while True:
        expires_at = _expiry(graph, request, minutes)
        body = {"expirationDateTime": _stamp(expires_at)}
        try:
            made = graph.write(Method.PATCH, builder, About.SUBSCRIPTION, body)
            return Subscription(subscription.channel_id, subscription.remote_id, _end(made, expires_at))
        except RefusedError as error:
            shorter = _shorter(minutes, error)
            if shorter is None:
                raise
            minutes = shorter


def unsubscribe(graph: Graph, subscription: Subscription) -> None:
    """End a subscription; one that is gone is a GoneError, which counts as success."""
    builder = graph.sdk.subscriptions.by_subscription_id(subscription.remote_id)
    graph.write(Method.DELETE, builder, About.SUBSCRIPTION)


def _clear(graph: Graph, message: str) -> None:
    """Delete what stands in the way: the one that a conflict names, else all of ours that watch the same."""
    named = re.search(r"Subscription Id <?([0-9A-Za-z-]{8,64})>?", message)
    if named:
        _delete(graph, named[1])
        return
    listed = graph.get(graph.sdk.subscriptions, About.SUBSCRIPTION).get("value") or []
    for item in listed:
        if str(item.get("resource")).strip("/").casefold() == RESOURCE and isinstance(item.get("id"), str):
            _delete(graph, item["id"])


def _delete(graph: Graph, remote_id: str) -> None:
    try:
        graph.write(Method.DELETE, graph.sdk.subscriptions.by_subscription_id(remote_id), About.SUBSCRIPTION)
    except GoneError:
        pass


def _expiry(graph: Graph, request: SubscribeRequest, minutes: int) -> datetime:
    return min(request.expires_at, graph.now + timedelta(minutes=minutes))


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _end(made: dict[str, Any], asked: datetime) -> datetime:
    """Return when a subscription ends: as the answer says, which may be sooner than was asked for."""
    try:
        end = datetime.fromisoformat(made["expirationDateTime"])
    except (KeyError, TypeError, ValueError):
        return asked
    end = (end if end.tzinfo else end.replace(tzinfo=UTC)).replace(microsecond=0)
    return end.astimezone(UTC) if end > asked - LONGEST else asked


def _shorter(minutes: int, error: ProviderError) -> int | None:
    """Return for how long to ask after a refusal, which names the limit if the time was too long:
    "Subscription expiration can only be 10070 minutes …". None: it was refused for something else."""
    found = re.search(r"can only be (\d{1,9}) minutes", error.message)
    if found is None or minutes <= SHORTEST_MINUTES:
        return None
    named = int(found[1]) - 1  # Clocks are never quite the same.
    # Where less was asked for already, the service's clock is behind ours.
    return named if named < minutes else minutes // 2


def _unvalidated(error: RefusedError) -> ProviderError:
    """Our own address did not answer the handshake: that may pass."""
    if "validation" in f"{error.code} {error.message}".casefold():
        return RetryLaterError("Outlook could not validate the hub's webhook address.", code=error.code)
    return error


# --- what comes in ---


def receive(request: ProviderRequest) -> Reception:
    """Answer the handshake, or read the notices of one delivery."""
    token = request.query.get("validationToken")
    if token is not None:
        # Graph's tokens are plain; what looks like markup must not be served from our own address.
        if len(token) > LONGEST_TOKEN or re.search(r"[<>\x00-\x08\x0e-\x1f]", token):
            return Reception()
        return Reception(answer=HttpAnswer(200, token, "text/plain"))
    try:
        items = json.loads(request.body)["value"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return Reception()
    if not isinstance(items, list):
        return Reception()
    return Reception(tuple(n for n in map(_notification, items) if n))


def _notification(item: Any) -> Notification | None:
    if not isinstance(item, dict):
        return None
    channel_id, dot, secret = str(item.get("clientState") or "").partition(".")
    if not dot or not channel_id or not secret:
        return None
    kind = KINDS.get(str(item.get("lifecycleEvent") or "").casefold(), NotificationKind.CHANGED)
    remote_id = item.get("subscriptionId")
    return Notification(channel_id, secret, kind, remote_id if isinstance(remote_id, str) else None)
