"""Push notifications: channels at Google, and what arrives through them.

Guide: https://developers.google.com/workspace/calendar/api/guides/push. A channel cannot be
prolonged: `renew` makes a new one and the hub ends the old.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hub.plugin.errors import PollOnlyError
from hub.plugin.types import (
    Call,
    Notification,
    ProviderRequest,
    Reception,
    RemoteCalendar,
    SubscribeRequest,
    Subscription,
)
from hub_google.client import Client
from hub_google.errors import About
from hub_google.wire import WireChannel

LONGEST = timedelta(days=7)


def subscribe(call: Call, calendar: RemoteCalendar, request: SubscribeRequest) -> Subscription:
    """Open a channel for a calendar; Google decides how long it lives."""
    if not calendar.can_watch:
        raise PollOnlyError("This calendar cannot be watched.")
    ends = min(request.expires_at, call.now + LONGEST)
    body = {
        "id": request.channel_id,
        "type": "web_hook",
        "address": request.callback_url,
        "token": request.secret,
        "expiration": str(int(ends.timestamp() * 1000)),
    }
    client = Client(call)
    channel: WireChannel = client.run(
        client.events.watch(calendarId=calendar.remote_id, body=body), About.CHANNEL
    )
    # Documented as a string of milliseconds, printed as a number in the guide, left out if endless.
    told = channel.get("expiration")
    expires_at = datetime.fromtimestamp(int(told) / 1000, UTC) if told else ends
    return Subscription(request.channel_id, channel["resourceId"], expires_at)


def unsubscribe(call: Call, subscription: Subscription) -> None:
    """Stop a channel."""
    client = Client(call)
    body = {"id": subscription.channel_id, "resourceId": subscription.remote_id}
    client.run(client.channels.stop(body=body), About.EVENT)


def receive(request: ProviderRequest) -> Reception:
    """Read the headers of a notification; the body is always empty and never looked at."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    channel_id = headers.get("x-goog-channel-id", "")
    state = headers.get("x-goog-resource-state", "").lower()
    if not channel_id or state in ("", "sync"):
        # `sync` only says that the channel is open, perhaps before watch answered; any other state is news.
        return Reception()
    notice = Notification(
        channel_id=channel_id,
        secret=headers.get("x-goog-channel-token", ""),
        remote_id=headers.get("x-goog-resource-id"),
    )
    return Reception((notice,))
