"""Subscriptions of the sandbox: who is told, checked as Graph does (Graph: resources/subscription)."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import requests

from hub_outlook.sandbox.model import Model, Person
from hub_outlook.sandbox.problems import GraphError

RESOURCE = re.compile(
    r"/?(me|users/[^/]+)(/calendar|/calendars/(?P<calendar>[^/?]+))?/events(\?\$select=[\w,]+)?$",
    re.IGNORECASE,
)
SHORTEST = timedelta(minutes=45)
"""Shorter lives are raised to this without a word."""
RICH_MINUTES = 1440
"""The longest life of a subscription whose notices hold the events."""
KINDS = frozenset({"created", "updated", "deleted"})
Answer = tuple[int, dict[str, Any] | None]


@dataclass
class Watch:
    """One subscription."""

    id: str
    person: str
    kinds: list[str]
    url: str
    lifecycle_url: str | None
    client_state: str | None
    expires_at: datetime
    immutable: bool
    resource: str
    warned_at: datetime | None = None
    """When it was last told that it is to be reauthorised; None: not since it was made or prolonged."""
    pending_since: datetime | None = None
    """Since when it waits to be reauthorised."""
    folder: str | None = None
    """The calendar that it is of; None: all of the mailbox."""
    is_rich: bool = False
    """Its notices hold the events, encrypted."""
    missed: bool = False
    """Notices were dropped since its owner was last told so."""

    def shown(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "resource": self.resource,
            "changeType": ",".join(self.kinds),
            "notificationUrl": self.url,
            "lifecycleNotificationUrl": self.lifecycle_url,
            "clientState": self.client_state,
            "expirationDateTime": self.expires_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "applicationId": "hub",
            "notificationContentType": None,
        }


class Subscriptions:
    """All subscriptions, by id."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.watches: dict[str, Watch] = {}
        self.stopped: dict[str, Watch] = {}
        """Ended by their owners; some services go on telling them for a while."""

    def answer(
        self, person: Person, method: str, parts: list[str], body: dict[str, Any], immutable: bool
    ) -> Answer:
        """Answer /subscriptions. The handshake runs without the lock: it waits for the hub."""
        if method == "POST" and not parts:
            return self._create(person, body, immutable)
        with self.model.lock:
            if method == "GET" and not parts:
                return 200, {"value": [w.shown() for w in self.of(person.email)]}
            watch = self.watches.get(parts[0]) if len(parts) in (1, 2) else None
            if len(parts) == 2 and (method, parts[1].casefold()) != ("POST", "reauthorize"):
                watch = None
            if watch is None or watch.person != person.email or self._over(watch):
                raise GraphError(404, "ResourceNotFound", "The object was not found.")
            if len(parts) == 2:
                watch.pending_since = None
                return 204, None
            if method == "PATCH":
                watch.expires_at = self._expiry(body)
                watch.warned_at, watch.pending_since = None, None
            if method == "DELETE":
                del self.watches[watch.id]
                self.stopped[watch.id] = watch
                return 204, None
            return 200, watch.shown()

    def of(self, email: str) -> list[Watch]:
        return [w for w in self.watches.values() if w.person == email and not self._over(w)]

    def told(self, email: str) -> list[Watch]:
        """Return the subscriptions of a mailbox that changes are told to."""
        late = self.stopped.values() if self.model.switches["deliver_after_stop"] else ()
        return [*self.of(email), *(w for w in late if w.person == email and not self._over(w))]

    def _over(self, watch: Watch) -> bool:
        return watch.expires_at <= self.model.clock.now()

    def _create(self, person: Person, body: dict[str, Any], immutable: bool) -> Answer:
        with self.model.lock:
            watch = self._checked(person, body, immutable)
        for url in filter(None, (watch.url, watch.lifecycle_url)):
            self._shake_hands(url)
        with self.model.lock:
            self._refuse_second(watch)
            self.watches[watch.id] = watch
        return 201, watch.shown()

    def _checked(self, person: Person, body: dict[str, Any], immutable: bool) -> Watch:
        kinds = [k.strip() for k in str(body.get("changeType") or "").split(",") if k.strip()]
        url, resource = str(body.get("notificationUrl") or ""), str(body.get("resource") or "")
        state = body.get("clientState")
        found = RESOURCE.match(resource)
        of_calendar = found and found["calendar"]
        if of_calendar and not self.model.switches["calendar_subscriptions"]:
            found = None
        if not kinds or not set(kinds) <= KINDS or not url or not found:
            raise self._invalid("changeType, notificationUrl or resource is not valid.")
        if state is not None and len(str(state)) > 128:
            raise self._invalid("clientState must not be longer than 128 characters.")
        for address in (url, body.get("lifecycleNotificationUrl") or "https:"):
            if not self.model.switches["http_callbacks"] and not address.startswith("https:"):
                raise self._invalid("Subscription notification url must begin with https.")
        folder = self.model.folder(person, of_calendar).id if of_calendar else None
        watch = Watch(
            str(uuid.uuid4()),
            person.email,
            kinds,
            url,
            body.get("lifecycleNotificationUrl"),
            state,
            self._expiry(body),
            immutable,
            resource,
            folder=folder,
            is_rich=bool(body.get("includeResourceData")),
        )
        if watch.is_rich and not body.get("encryptionCertificate"):
            raise self._invalid("encryptionCertificate is missing.")
        if len(self.of(person.email)) >= int(self.model.switches["subscriptions_per_mailbox"]):
            raise GraphError(403, "Forbidden", "The mailbox has reached its limit of active subscriptions.")
        self._refuse_second(watch)
        return watch

    def _invalid(self, message: str) -> GraphError:
        return GraphError(400, str(self.model.switches["validation_code"]), message)

    def _refuse_second(self, watch: Watch) -> None:
        switches = self.model.switches
        for other in self.of(watch.person) if switches["refuse_second"] else ():
            if (other.resource, sorted(other.kinds)) == (watch.resource, sorted(watch.kinds)):
                named = f" <{other.id}>" if switches["conflict_names_id"] else ""
                message = f"Subscription Id{named} already exists for the requested combination"
                raise GraphError(409, "Conflict", message)

    def _shake_hands(self, url: str) -> None:
        """Ask an address to echo a token (Graph: change-notifications-delivery-webhooks).

        Raises:
            GraphError: it did not, within ten seconds.
        """
        switches = self.model.switches
        token = str(switches["handshake_token"]).format(uuid.uuid4())
        joint = "&" if "?" in url else "?"
        try:
            answer = requests.post(
                f"{url}{joint}{urlencode({'validationToken': token})}",
                headers={"Content-Type": "text/plain; charset=utf-8"},
                timeout=float(switches["handshake_seconds"]),
            )
        except requests.RequestException:
            raise self._invalid(str(switches["handshake_failure"]).format("timed out")) from None
        plain = answer.headers.get("Content-Type", "").startswith("text/plain")
        if answer.status_code != 200 or answer.content.decode(errors="replace") != token or not plain:
            raise self._invalid(str(switches["handshake_failure"]).format("failed"))

    def _expiry(self, body: dict[str, Any]) -> datetime:
        try:
            at = datetime.fromisoformat(str(body.get("expirationDateTime")))
        except ValueError:
            raise self._invalid("expirationDateTime is not valid.") from None
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        now, most = self.model.clock.now(), int(self.model.switches["subscription_minutes"])
        most = min(most, RICH_MINUTES) if body.get("includeResourceData") else most
        if at <= now:
            raise GraphError(400, "ExtensionError", "Subscription expiration must be in the future.")
        if at > now + timedelta(minutes=most):
            message = f"Subscription expiration can only be {most} minutes in the future."
            raise GraphError(400, "ExtensionError", message)
        if shorter := int(self.model.switches["shorter_subscriptions"]):
            return min(at, now + timedelta(minutes=shorter))
        return max(at, now + SHORTEST)
