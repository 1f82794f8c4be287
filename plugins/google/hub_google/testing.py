"""A person and the hub at the sandbox, for tests and demonstrations: by raw requests and by the hooks."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import requests

from hub.plugin.control import SandboxControl
from hub.plugin.types import (
    AuthorizationRequest,
    Call,
    ChangePage,
    CodeExchange,
    EventContent,
    NewGrant,
    PushCreate,
    PushUpdate,
    RemoteCalendar,
    RemoteChange,
    RemoteEvent,
    Window,
    changed_fields,
)
from hub_google import hooks

ANN = "ann@example.test"
VERIFIER = "v" * 64
CALLBACK = "http://127.0.0.1:9/connect/callback"
WINDOW = Window(datetime(2026, 12, 1, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC))


@dataclass
class Google:
    """Ann at the sandbox, and the hub at its plugin."""

    url: str
    control: SandboxControl
    settings: dict[str, str]
    grant: NewGrant
    now: datetime

    # --- raw ---

    def api(self, method: str, path: str, body: Any = None, **more: Any) -> requests.Response:
        """Call the Calendar API as any client would; `headers`, and query parameters by name."""
        headers = {"Authorization": f"Bearer {self.grant.tokens.access_token}"} | more.pop("headers", {})
        return requests.request(
            method, f"{self.url}/calendar/v3/{path}", json=body, headers=headers, params=more, timeout=10
        )

    def events(self, tail: str = "", calendar: str = ANN) -> str:
        """Return the path of a calendar's events, or of what is below them."""
        return f"calendars/{quote(calendar)}/events{tail}"

    def insert(self, **body: Any) -> dict[str, Any]:
        """Make an event as Ann's other programs do."""
        sent = {
            "start": {"dateTime": "2027-01-04T09:00:00", "timeZone": "Europe/Berlin"},
            "end": {"dateTime": "2027-01-04T10:00:00", "timeZone": "Europe/Berlin"},
        } | body
        answer = self.api("POST", self.events(), sent)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def listed(self, **query: Any) -> dict[str, Any]:
        """Return one page of the primary calendar."""
        answer = self.api("GET", self.events(), **query)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def role(self, person: str, role: str, calendar: str = ANN) -> None:
        """Change what a person may do with a calendar."""
        body = {"person": person, "calendar": calendar, "role": role}
        requests.post(f"{self.url}/_control/roles", json=body, timeout=10).raise_for_status()

    def as_person(self, person: str = ANN, **more: Any) -> Google:
        """Return another person at the sandbox, who is made if need be, or the same with more rights."""
        self.control.add_person(person)
        grant = connect(self.control, self.settings, person, **more)
        return dataclasses.replace(self, grant=grant)

    # --- by hooks ---

    @property
    def call(self) -> Call:
        """Return what the gateway would hand in."""
        return Call(self.grant.tokens.access_token, self.grant.account, self.settings, self.now, 8.0)

    @property
    def calendar(self) -> RemoteCalendar:
        """Return the primary calendar."""
        return next(c for c in hooks.list_calendars(self.call) if c.primary)

    def fetch(self, cursor: str | None = None, page: str | None = None) -> ChangePage:
        """Fetch one page."""
        return hooks.fetch_changes(self.call, self.calendar, cursor, page, WINDOW)

    def changes(self, cursor: str | None = None) -> tuple[list[RemoteChange], str]:
        """Fetch to the end; return the changes and the new cursor."""
        found: list[RemoteChange] = []
        page = self.fetch(cursor)
        found += page.changes
        while page.next_cursor is None:
            page = self.fetch(cursor, page.next_page)
            found += page.changes
        return found, page.next_cursor

    def create(self, content: EventContent, create_id: str = "a" * 32, tag: str = "tag-1") -> RemoteEvent:
        """Push a new event."""
        event = hooks.push_event(self.call, self.calendar, PushCreate(create_id, tag, content))
        assert event is not None
        return event

    def update(self, event: RemoteEvent, content: EventContent) -> RemoteEvent:
        """Push an event's changes."""
        fields = changed_fields(event.content, content)
        push = PushUpdate(event.remote_id, event.version, content, event.content, fields)
        result = hooks.push_event(self.call, self.calendar, push)
        assert result is not None
        return result


def reason(answer: requests.Response) -> tuple[int, str]:
    """Return the status and the reason of a refusal."""
    return answer.status_code, answer.json()["error"]["errors"][0]["reason"]


def ids(page: dict[str, Any]) -> set[str]:
    """Return the ids of what a page lists."""
    return {item["id"] for item in page["items"]}


def connect(
    control: SandboxControl,
    settings: dict[str, str],
    person: str = ANN,
    extra_scope: str = "",
    *,
    incremental: bool = True,
    **more: Any,
) -> NewGrant:
    """Consent as the person and exchange the code.

    Args:
        extra_scope: one that is asked for besides what the plugin asks.
        incremental: ask for what was granted earlier, too, as the plugin does.
        more: what the person decides.
    """
    digest = hashlib.sha256(VERIFIER.encode()).digest()
    challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    request = AuthorizationRequest(CALLBACK, "state-1", challenge, force_consent=True)
    url = hooks.authorization_url(settings, request)
    if extra_scope:
        url = url.replace("scope=", f"scope=https://www.googleapis.com/auth/{extra_scope}+", 1)
    if not incremental:
        url = url.replace("include_granted_scopes=true&", "")
    code = parse_qs(urlsplit(control.consent(url, person, **more)).query)["code"][0]
    return hooks.exchange_code(settings, CodeExchange(code, CALLBACK, VERIFIER), datetime.now(UTC))
