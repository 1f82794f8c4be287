"""Tells subscribers of changes: a thread of its own, so that no request waits for a webhook."""

from __future__ import annotations

import base64
import heapq
import threading
import time
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import Any

import requests

from hub_outlook.sandbox.endpoints import Endpoints
from hub_outlook.sandbox.model import Item, Model, Person
from hub_outlook.sandbox.subscriptions import Subscriptions, Watch

TIMEOUT = 10
FIRST_PAUSE = 0.5
MOST_TRIES = 14
"""With doubling pauses, about the four hours that Graph tries."""
GATHERED = 0.1
HELD = timedelta(hours=4)
"""So long notices wait for a subscription to be reauthorised."""
WARN_BEFORE = timedelta(hours=12)
UPKEEP_SECONDS = 1.0


@dataclass(order=True)
class _Delivery:
    due: float
    order: int
    url: str = field(compare=False)
    item: dict[str, Any] = field(compare=False)
    watch_id: str = field(compare=False)
    tries: int = field(default=0, compare=False)


class Notifier:
    """The queue of deliveries and the thread that empties it."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.subscriptions = Subscriptions(model)
        self.endpoints = Endpoints(model)
        self._queue: list[_Delivery] = []
        self._order = count()
        self._wake = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="outlook-sandbox-notifier", daemon=True)
        model.watch = self.changed

    def _now(self) -> float:
        """Return a time in seconds that is moved with the sandbox's clock."""
        return time.monotonic() + self.model.clock.offset.total_seconds()

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        with self._wake:
            self._closing = True
            self._wake.notify_all()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def wake(self) -> None:
        """Look what is due now that the clock was moved."""
        with self._wake:
            self._wake.notify_all()

    # --- what to tell ---

    def changed(self, item: Item, kind: str) -> None:
        """Queue the notices of one change: of a series they name its master."""
        person = self.model.people[item.person]
        if not self.model.switches["notify"] or self.model.folders[item.folder].owner != person.email:
            return
        more = ["updated"] * int(self.model.switches["extra_updates"]) if kind == "created" else []
        for watch in self.subscriptions.told(person.email):
            if watch.folder not in (None, item.folder):
                continue
            for told in [kind, *more]:
                if told in watch.kinds and not self._chance("drop_notifications"):
                    for _ in range(2 if self._chance("duplicate_notifications") else 1):
                        self._put(watch, watch.url, self._notice(item, watch, told))

    def _chance(self, switch: str) -> bool:
        percent = float(self.model.switches[switch])
        return percent > 0 and self.model.random.random() * 100 < percent

    def tell(self, person: Person, secret: str | None) -> None:
        """Queue a notice of no change to each subscription of a mailbox, with another secret if given."""
        items = [i for i in self.model.items.values() if i.person == person.email.casefold()]
        for watch in self.subscriptions.told(person.email):
            if items:
                notice = self._notice(items[-1], watch, "updated")
                self._put(watch, watch.url, notice | ({"clientState": secret} if secret is not None else {}))

    def _notice(self, item: Item, watch: Watch, kind: str) -> dict[str, Any]:
        event_id = self.model.event_id(item, watch.immutable)
        path = f"Users/{self.model.people[item.person].id}/Events/{event_id}"
        return (
            self._envelope(watch)
            | self._encrypted(watch)
            | {
                "changeType": kind,
                "resource": path,
                "resourceData": {
                    "@odata.type": "#Microsoft.Graph.Event",
                    "@odata.id": path,
                    "@odata.etag": f'W/"{item.change_key}"',
                    "id": event_id,
                },
            }
        )

    def _encrypted(self, watch: Watch) -> dict[str, Any]:
        """Return what a rich notice holds besides: of its right size, and nothing that can be decrypted."""
        if not watch.is_rich:
            return {}
        keys = ("data", "dataKey", "dataSignature")
        noise = {key: base64.b64encode(self.model.random.randbytes(256)).decode() for key in keys}
        return {"encryptedContent": noise | {"encryptionCertificateId": "1"}}

    def _envelope(self, watch: Watch) -> dict[str, Any]:
        return {
            "subscriptionId": watch.id,
            "subscriptionExpirationDateTime": watch.expires_at.isoformat(),
            "clientState": watch.client_state,
            "tenantId": self._tenant(watch),
        }

    def _tenant(self, watch: Watch) -> str:
        return self.model.tenant(self.model.people[watch.person.casefold()])

    def lifecycle(self, watch: Watch, event: str) -> None:
        """Queue a note about the subscription itself (Graph: change-notifications-lifecycle-events)."""
        if watch.lifecycle_url:
            note = self._envelope(watch) | {"lifecycleEvent": event, "resource": watch.resource}
            self._put(watch, watch.lifecycle_url, note)

    def consent_lost(self, email: str) -> None:
        """End a person's subscriptions."""
        for watch in self.subscriptions.of(email):
            del self.subscriptions.watches[watch.id]
            self.lifecycle(watch, "subscriptionRemoved")

    def upkeep(self) -> None:
        """Forget expired subscriptions, and warn before they expire."""
        with self.model.lock:
            self.model.drift()
            now = self.model.clock.now()
            for watch in list(self.subscriptions.watches.values()):
                if watch.expires_at <= now:
                    del self.subscriptions.watches[watch.id]
                elif watch.expires_at - now < WARN_BEFORE and self._is_to_be_warned(watch):
                    watch.warned_at = now
                    if watch.lifecycle_url:
                        watch.pending_since = watch.pending_since or now
                    self.lifecycle(watch, "reauthorizationRequired")
                if watch.missed and self.endpoints.state(watch.url) != "drop":
                    watch.missed = False
                    self.lifecycle(watch, "missed")

    def _is_to_be_warned(self, watch: Watch) -> bool:
        """Whether a subscription that ends soon is to be told so: once, and again while nobody heeds it."""
        if watch.warned_at is None:
            return True
        again = timedelta(seconds=float(self.model.switches["warn_again_seconds"]))
        is_over = self.model.clock.now() - watch.warned_at >= again
        return bool(again) and is_over and watch.pending_since is not None

    def _put(self, watch: Watch, url: str, item: dict[str, Any]) -> None:
        switches, state = self.model.switches, self.endpoints.state(url)
        if state == "drop" and "lifecycleEvent" not in item:
            watch.missed = True
            return
        wait = float(switches["notify_delay"]) + (float(switches["slow_delay"]) if state == "slow" else 0.0)
        order = next(self._order)
        if switches["shuffle_notifications"]:
            order = self.model.random.randrange(1 << 30)
        with self._wake:
            due = self._now() + wait
            if switches["shuffle_notifications"]:
                due = round(due + GATHERED, 1)  # So that some are due at once.
            heapq.heappush(self._queue, _Delivery(due, order, url, item, watch.id))
            self._wake.notify_all()

    def _fate(self, delivery: _Delivery) -> str:
        """Return `tell`; `hold` while its subscription waits to be reauthorised; after hours `lose`."""
        if "lifecycleEvent" in delivery.item or not self.model.switches["pause_while_pending"]:
            return "tell"
        with self.model.lock:
            watch = self.subscriptions.watches.get(delivery.watch_id)
            if watch is None or watch.pending_since is None:
                return "tell"
            if self.model.clock.now() - watch.pending_since <= HELD:
                return "hold"
            watch.missed = True
        return "lose"

    # --- telling it ---

    def _run(self) -> None:
        while True:
            batch = self._due()
            if batch is None:
                return
            if not batch:
                self.upkeep()
                continue
            fates = [(delivery, self._fate(delivery)) for delivery in batch]
            self._hold([delivery for delivery, fate in fates if fate == "hold"])
            if batch := [delivery for delivery, fate in fates if fate == "tell"]:
                self._tell(batch)

    def _hold(self, deliveries: list[_Delivery]) -> None:
        for delivery in deliveries:
            delivery.due = self._now() + UPKEEP_SECONDS
            with self._wake:
                heapq.heappush(self._queue, delivery)

    def _tell(self, batch: list[_Delivery]) -> None:
        begun = time.monotonic()
        if not _post(batch):
            self._again(batch)
        self.endpoints.note(batch[0].url, time.monotonic() - begun)

    def _due(self) -> list[_Delivery] | None:
        """Wait for what is due, all of one address; empty if it is time for upkeep, None at the end."""
        with self._wake:
            wait = self._queue[0].due - self._now() if self._queue else UPKEEP_SECONDS
            if wait > 0 and not self._closing:
                self._wake.wait(min(wait, UPKEEP_SECONDS))
            if self._closing:
                return None
            batch: list[_Delivery] = []
            while self._queue and self._queue[0].due <= self._now():
                if batch and self._queue[0].url != batch[0].url:
                    break
                batch.append(heapq.heappop(self._queue))
            return batch

    def _again(self, batch: list[_Delivery]) -> None:
        for delivery in batch:
            delivery.tries += 1
            if delivery.tries >= MOST_TRIES:
                self._missed(delivery)
                continue
            delivery.due = self._now() + FIRST_PAUSE * 2**delivery.tries
            with self._wake:
                heapq.heappush(self._queue, delivery)

    def _missed(self, delivery: _Delivery) -> None:
        with self.model.lock:
            watch = self.subscriptions.watches.get(delivery.watch_id)
            if watch and delivery.item.get("lifecycleEvent") != "missed":
                self.lifecycle(watch, "missed")


def _post(batch: list[_Delivery]) -> bool:
    try:
        body: dict[str, Any] = {"value": [d.item for d in batch]}
        if any("encryptedContent" in d.item for d in batch):
            body["validationTokens"] = ["eyJhbGciOiJSUzI1NiJ9.e30.none"]
        answer = requests.post(batch[0].url, json=body, timeout=TIMEOUT)
    except requests.RequestException:
        return False
    return answer.ok
