"""Notification channels, and the threads that deliver: in order per channel, again later if told so.

https://developers.google.com/workspace/calendar/api/guides/push
"""

from __future__ import annotations

import hashlib
import heapq
import re
import threading
import time
from collections import deque
from email.utils import formatdate
from typing import Any
from urllib.parse import urlsplit

import requests

from hub_google.sandbox.failure import ApiError, invalid, not_found
from hub_google.sandbox.state import Access, ChannelState, State

_ID = re.compile(r"[A-Za-z0-9\-_+/=]{1,64}")
_AGAIN = (500, 502, 503, 504)
_WORKERS = 4
AGENT = "APIs-Google; (+https://developers.google.com/webmasters/APIs-Google.html)"


def watch(
    state: State, access: Access, calendar_id: str | None, body: Any, kinds: list[str]
) -> tuple[dict[str, Any], ChannelState]:
    """Open a channel for a calendar's events, or (None) for the person's calendar list."""
    person = access.person
    channel_id, address = str(body.get("id", "")), str(body.get("address", ""))
    if body.get("type") not in ("web_hook", "webhook"):
        raise invalid("Unknown channel type.", "type")
    if not _ID.fullmatch(channel_id):
        raise invalid("Invalid channel id.", "id")
    if calendar_id and calendar_id.endswith("@group.v.calendar.google.com"):
        message = "Push notifications are not supported by this resource."
        raise ApiError(400, "pushNotSupportedForRequestedResource", message)
    target = urlsplit(address)
    if target.scheme != "https" and target.hostname not in ("127.0.0.1", "localhost", "::1"):
        raise ApiError(400, "push.webhookUrlNotHttps", f"WebHook callback must be HTTPS: {address}")
    if status := state.switches["webhook_unauthorized"]:
        message = f"Unauthorized WebHook callback channel: {address}"
        raise ApiError(int(status), "push.webhookUrlUnauthorized", message)
    if channel_id in state.channels:
        raise ApiError(400, "channelIdNotUnique", f"Channel id {channel_id} not unique")
    live = [c for c in state.channels.values() if not c.stopped and c.ends > state.now()]
    most = state.switches["most_channels"]
    if most and len([c for c in live if c.person == person]) >= most:
        raise ApiError(403, "quotaExceeded", "Too many channels.", "usageLimits")
    token = body.get("token")
    if token is not None and len(str(token)) > 256:
        raise invalid("Invalid channel token.", "token")
    what = calendar_id or f"list:{person}"
    resource = state.channels[channel_id] = ChannelState(
        id=channel_id,
        person=person,
        client=access.client,
        resource=_resource_id(what),
        calendar=calendar_id,
        address=address,
        token=None if token is None else str(token),
        ends=_end(state, body),
        kinds=kinds,
    )
    return _view(state, resource), resource


def _resource_id(what: str) -> str:
    return hashlib.sha256(what.encode()).hexdigest()[:26]


def _end(state: State, body: Any) -> float:
    longest = state.now() + state.switches["channel_seconds"]
    try:
        asked = [int(body["expiration"]) / 1000] if body.get("expiration") else []
        if ttl := (body.get("params") or {}).get("ttl"):
            asked.append(state.now() + int(ttl))
    except (ValueError, TypeError):
        raise invalid("Invalid expiration.", "expiration") from None
    return float(int(min([longest, *asked])))


def _view(state: State, channel: ChannelState) -> dict[str, Any]:
    view = {
        "kind": "api#channel",
        "id": channel.id,
        "resourceId": channel.resource,
        "resourceUri": _uri(state, channel),
        "expiration": str(int(channel.ends * 1000)),
    }
    return view | ({"token": channel.token} if channel.token is not None else {})


def _uri(state: State, channel: ChannelState) -> str:
    path = f"calendars/{channel.calendar}/events" if channel.calendar else "users/me/calendarList"
    return f"{state.base_url}/calendar/v3/{path}?maxResults=250&alt=json"


def stop(state: State, access: Access, body: Any) -> None:
    """Close a channel; only the person who opened it may, through the same project."""
    channel = state.channels.get(str(body.get("id", "")))
    if channel is None or channel.ends < state.now():
        raise not_found()
    if channel.stopped and not state.switches["stops_again"]:
        raise not_found()
    if (channel.person, channel.client) != (access.person, access.client):
        raise not_found()
    if channel.resource != body.get("resourceId"):
        raise not_found()
    channel.stopped = True


class Sender:
    """Delivers notifications from threads of its own, so that no API call waits for a webhook."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._ready: list[tuple[float, int, str]] = []
        self._waiting: dict[str, deque[tuple[str, str | None, int]]] = {}
        self._tries: dict[str, int] = {}
        self._number = 0
        self._open = True
        self._wake = threading.Condition()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(_WORKERS)]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """End the threads; what is not delivered is lost, as Google warns."""
        with self._wake:
            self._open = False
            self._wake.notify_all()
        for thread in self._threads:
            thread.join(timeout=5)

    def flush(self) -> None:
        """Queue a notification for every channel of what changed; the caller holds the state's lock."""
        touched, self._state.touched = self._state.touched, {}
        if not touched:
            return
        for channel in self._state.channels.values():
            what = channel.calendar or ("list", channel.person)
            open_still = not channel.stopped or self._state.switches["deliver_after_stop"]
            about = what in touched and (not channel.kinds or bool(touched[what] & set(channel.kinds)))
            if about and open_still and not self._chance("drop_notifications"):
                self.put(channel, "exists")
                if self._chance("duplicate_notifications"):
                    self.put(channel, "exists")

    def _chance(self, switch: str) -> bool:
        percent = float(self._state.switches[switch])
        return percent > 0 and self._state.random.random() * 100 < percent

    def put(self, channel: ChannelState, resource_state: str, secret: str | None = None) -> None:
        """Queue one notification; `secret` is told instead of the channel's own."""
        with self._wake:
            queue = self._waiting.setdefault(channel.id, deque())
            first = resource_state == "sync"
            channel.number = 1 if first else max(channel.number, 1) + self._state.random.randint(1, 9)
            told = resource_state, secret, channel.number
            if self._state.switches["reorder_notifications"] and len(queue) > 1:
                queue.insert(1, told)
            else:
                queue.append(told)
            if len(queue) == 1:
                self._schedule(channel.id, float(self._state.switches["notify_delay"]))

    def _schedule(self, channel_id: str, seconds: float) -> None:
        self._number += 1
        heapq.heappush(self._ready, (time.monotonic() + seconds, self._number, channel_id))
        self._wake.notify()

    def _take(self) -> tuple[str, tuple[str, str | None, int]] | None:
        """Wait for a channel whose next notification is due; None at the end."""
        with self._wake:
            while self._open:
                left = self._ready[0][0] - time.monotonic() if self._ready else None
                if left is not None and left <= 0:
                    channel_id = heapq.heappop(self._ready)[2]
                    return channel_id, self._waiting[channel_id][0]
                self._wake.wait(left)
            return None

    def _work(self) -> None:
        with requests.Session() as session:
            while (taken := self._take()) is not None:
                channel_id, told = taken
                again = self._deliver(session, channel_id, *told)
                self._settle(channel_id, again)

    def _settle(self, channel_id: str, again: bool) -> None:
        with self._wake:
            tries = self._tries.get(channel_id, 0) + 1
            if again and tries < self._state.switches["delivery_tries"]:
                self._tries[channel_id] = tries
                self._schedule(channel_id, self._state.switches["delivery_backoff"] * 2 ** (tries - 1))
                return
            self._tries.pop(channel_id, None)
            queue = self._waiting[channel_id]
            queue.popleft()
            if queue:
                self._schedule(channel_id, 0)
            else:
                del self._waiting[channel_id]
                self._wake.notify_all()

    def wait(self, channel_id: str) -> None:
        """Wait until a channel's messages have been delivered, or for a few seconds in vain."""
        with self._wake:
            self._wake.wait_for(lambda: channel_id not in self._waiting, timeout=5)

    def _deliver(
        self, session: requests.Session, channel_id: str, resource_state: str, secret: str | None, number: int
    ) -> bool:
        """Send one notification; return whether Google would send it again."""
        with self._state.lock:
            channel = self._state.channels.get(channel_id)
            late = self._state.switches["deliver_after_stop"]
            if channel is None or channel.ends < self._state.now() or (channel.stopped and not late):
                return False
            headers = self._headers(channel, resource_state, number)
            if secret is not None:
                headers["X-Goog-Channel-Token"] = secret
            address, patience = channel.address, float(self._state.switches["delivery_timeout"])
        try:
            answer = session.post(address, headers=headers, timeout=patience, allow_redirects=False)
        except requests.RequestException:
            return True
        return answer.status_code in _AGAIN

    def _headers(self, channel: ChannelState, resource_state: str, number: int) -> dict[str, str]:
        """Return the headers of a delivery; message numbers rise with gaps."""
        headers = {
            "X-Goog-Channel-ID": channel.id,
            "X-Goog-Message-Number": str(number),
            "X-Goog-Resource-ID": channel.resource,
            "X-Goog-Resource-State": resource_state,
            "X-Goog-Resource-URI": _uri(self._state, channel),
            "X-Goog-Channel-Expiration": formatdate(channel.ends, usegmt=True),
            "User-Agent": AGENT,
            "Accept": "*/*",
            "Accept-Encoding": "gzip,deflate,br",
            "Content-Length": "0",
        }
        return headers | ({"X-Goog-Channel-Token": channel.token} if channel.token is not None else {})
