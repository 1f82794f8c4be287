"""A hub and in-memory providers in one process: the real drivers over a real database, hints run in turn.

Nothing of the hub is patched: the ports are the real ones but for the queue (which keeps hints until
`settle` runs them) and the clock (which the test moves).
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import Any

from sqlalchemy import select

from hub.accounts import calendars
from hub.ids import SystemIds, digest
from hub.inbound.pull import pull_link
from hub.keeping import subscriptions, sweep
from hub.models import (
    Account,
    Actor,
    Calendar,
    Channel,
    Conflict,
    Event,
    EventCopy,
    Link,
    RemoteCalendar,
    Tenant,
    User,
)
from hub.models.content import content_of
from hub.outbound import edit, linking, undo
from hub.outbound.edit import Author
from hub.outbound.push import push_link
from hub.planning.reading import read_plan
from hub.plugin.types import EventContent, Tokens
from hub.ports import Ports
from hub.providers.gateway import ProviderGateway
from hub.providers.grants import save_tokens
from hub.providers.manager import Providers
from hub.settings import Settings
from hub.vault import Vault
from tests.databases import opened
from tests.memory_provider import MemoryPlugin, MemoryService

TESTER = Author(Actor.API_KEY, "key_test")
START = datetime(2026, 12, 1, 8, tzinfo=UTC)


class TestClock:
    """A clock that stands still until it is moved."""

    __test__ = False

    def __init__(self) -> None:
        self.at = START

    def now(self) -> datetime:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)

    def advance(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


class HintQueue:
    """Keeps hints until they are run; can be told to lose them."""

    def __init__(self) -> None:
        self.hints: deque[tuple[str, tuple[str, ...]]] = deque()
        self.lossy = False
        self._lock = Lock()

    def hint(self, task: str, *arguments: str) -> None:
        with self._lock:
            if not self.lossy and (task, arguments) not in self.hints:
                self.hints.append((task, arguments))


class HubWorld:
    """A hub with one user and one calendar, whatever its providers are.

    Args:
        url: the database, with its tables.
        plugins: what speaks for each provider, by its name.
    """

    def __init__(
        self, url: str, home: Path, clock: TestClock, plugins: Mapping[str, Any], **settings: str
    ) -> None:
        environ = {"HUB_DATABASE_URL": url, "HUB_HOME": str(home), "HUB_PUBLIC_URL": "http://hub.test"}
        environ |= {f"HUB_{name.upper()}": value for name, value in settings.items()}
        loaded_settings = Settings.load(environ)
        self.clock = clock
        self.queue = HintQueue()
        loaded = Providers()
        for name, plugin in plugins.items():
            loaded.add(name, "tests", plugin, loaded_settings)
        db = opened(url)
        ids = SystemIds(self.clock)
        vault = Vault({key.id: key.key for key in loaded_settings.secret_keys})
        gateway = ProviderGateway(
            loaded, loaded_settings, db, self.clock, ids, vault, run=lambda work, seconds: work()
        )
        self.ports = Ports(loaded_settings, self.clock, ids, db, vault, gateway, self.queue)
        self.tasks: dict[str, Callable[..., Any]] = {
            "pull": pull_link,
            "push": push_link,
            "import": pull_link,
            "export": push_link,
            "undo": undo.carry_on,
            "plan": read_plan,
            "subscribe": subscriptions.subscribe_link,
            "renew": subscriptions.keep_channels,
            "refresh_calendars": calendars.keep_fresh,
        }
        self._make_user()

    def _make_user(self) -> None:
        now = self.clock.now()
        with self.ports.db.transaction() as session:
            session.add(Tenant(id="tnt_1", name="Tests", created_at=now))
            session.flush()
            session.add(User(id="usr_1", tenant_id="tnt_1", external_id="me", created_at=now))
        self.add_calendar("cal_1")

    # --- setting up ---

    def add_calendar(self, calendar_id: str, user_id: str = "usr_1") -> None:
        """Give a user of the hub another calendar."""
        with self.ports.db.transaction() as session:
            session.add(
                Calendar(
                    id=calendar_id,
                    tenant_id="tnt_1",
                    user_id=user_id,
                    name="Hub",
                    zone="Europe/Berlin",
                    created_at=self.clock.now(),
                )
            )

    def link(self, account_id: str, name: str = "Main", calendar_id: str = "cal_1", **options: Any) -> str:
        """Link one of an account's calendars to a calendar of the hub; return the link's id."""
        with self.ports.db.transaction() as session:
            remote = session.scalars(
                select(RemoteCalendar).where(
                    RemoteCalendar.account_id == account_id, RemoteCalendar.name == name
                )
            ).one()
            calendar = session.get_one(Calendar, calendar_id)
            return linking.create_link(session, self.ports, calendar, remote, **options).id

    # --- letting time pass ---

    def settle(self, most: int = 2000) -> int:
        """Run hints until none is left; return how many ran."""
        ran = 0
        while self.queue.hints:
            task, arguments = self.queue.hints.popleft()
            self.tasks[task](self.ports, *arguments)
            ran += 1
            assert ran < most, f"the hub does not come to rest: {task}{arguments}"
        return ran

    def wait(self, seconds: float = 1000, steps: int = 1) -> None:
        """Let time pass with a sweep at the end of each step, and run what it finds."""
        for _ in range(steps):
            self.clock.advance(seconds)
            sweep.sweep(self.ports)
            self.settle()

    # --- looking ---

    def hub_events(self, calendar_id: str | None = None) -> dict[str, EventContent]:
        """Return the live events of the hub, or of one of its calendars."""
        query = select(Event.id).where(Event.deleted_at.is_(None))
        if calendar_id is not None:
            query = query.where(Event.calendar_id == calendar_id)
        with self.ports.db.reading() as session:
            ids = session.scalars(query).all()
            found = [edit.get_event(session, event_id) for event_id in ids]
            return {event.id: content_of(event) for event in found if event}

    def hub_titles(self) -> list[str]:
        return sorted(content.title for content in self.hub_events().values())

    def conflicts(self) -> list[Conflict]:
        with self.ports.db.reading() as session:
            return list(session.scalars(select(Conflict).order_by(Conflict.id)))

    def get_link(self, link_id: str) -> Link:
        with self.ports.db.reading() as session:
            return session.get_one(Link, link_id)

    def copies(self, link_id: str) -> list[EventCopy]:
        with self.ports.db.reading() as session:
            return list(session.scalars(select(EventCopy).where(EventCopy.link_id == link_id)))

    # --- acting ---

    def api_creates(self, content: EventContent, calendar_id: str = "cal_1") -> str:
        with self.ports.db.transaction() as session:
            calendar = session.get_one(Calendar, calendar_id)
            return edit.create_event(session, self.ports, calendar, content, TESTER).id

    def api_updates(self, event_id: str, content: EventContent) -> None:
        with self.ports.db.transaction() as session:
            event = edit.get_event(session, event_id, lock=True)
            assert event is not None
            edit.update_event(session, self.ports, event, content, TESTER)

    def api_deletes(self, event_id: str) -> None:
        with self.ports.db.transaction() as session:
            event = edit.get_event(session, event_id, lock=True)
            assert event is not None
            edit.delete_event(session, self.ports, event, TESTER)


class World(HubWorld):
    """A hub whose user has an account at each of several in-memory providers."""

    def __init__(self, url: str, home: Path, *plugins: MemoryPlugin, **settings: str) -> None:
        plugins = plugins or (MemoryPlugin("left"), MemoryPlugin("right"))
        super().__init__(url, home, TestClock(), {plugin.name: plugin for plugin in plugins}, **settings)
        self.services = {p.name: MemoryService(p.name) for p in plugins}
        for service in self.services.values():
            service.clock = self.clock.now
            service.deliver = self._deliver

    def _deliver(self, url: str, headers: dict[str, str]) -> None:
        """Play the webhook for a notification of a memory provider."""
        with self.ports.db.transaction() as session:
            channel = session.get(Channel, headers["X-Channel"])
            if channel and channel.link_id and channel.secret_digest == digest(headers["X-Secret"]):
                linking.ask_for_pull(session, self.ports, channel.link_id)

    def connect(self, provider: str, email: str = "ann@example.test") -> str:
        """Connect a person's account; return its id."""
        service = self.services[provider]
        service.add_person(email, "Ann", [{"name": "Team"}])
        account_id = f"acc_{provider}_{email.split('@')[0]}"
        now = self.clock.now()
        tokens = Tokens(
            f"access-{account_id}", now + timedelta(hours=1), ("events",), f"refresh-{account_id}"
        )
        service.access[tokens.access_token] = (email, tokens.expires_at)
        service.refresh[tokens.refresh_token or ""] = email
        with self.ports.db.transaction() as session:
            session.add(
                Account(
                    id=account_id,
                    tenant_id="tnt_1",
                    user_id="usr_1",
                    provider=provider,
                    remote_id=email,
                    email=email,
                    created_at=now,
                )
            )
            session.flush()
            save_tokens(session, self.ports.vault, self.clock, account_id, tokens)
        calendars.refresh(self.ports, account_id)
        return account_id

    def linked_pair(self) -> tuple[str, str]:
        """Connect and link the main calendars of `left` and `right`, and let the first listings end."""
        links = self.link(self.connect("left")), self.link(self.connect("right"))
        self.settle()
        return links

    def remote(self, provider: str, calendar: str = "ann@example.test") -> dict[str, EventContent]:
        """Return what a provider's calendar holds, by remote id."""
        events = self.services[provider].people["ann@example.test"].calendars[calendar].events.values()
        return {e.remote_id: e.content for e in events if not e.deleted}

    def titles(self, provider: str) -> list[str]:
        return sorted(content.title for content in self.remote(provider).values())

    def writes(self) -> int:
        """Return how many writes the hub has made at all providers."""
        return sum(call["write"] for service in self.services.values() for call in service.calls)

    def person_creates(self, provider: str, content: EventContent) -> str:
        service = self.services[provider]
        calendar = service.calendar("ann@example.test", "ann@example.test")
        return service.write(calendar, f"p{service.count()}", content).remote_id

    def person_updates(self, provider: str, remote_id: str, content: EventContent) -> None:
        service = self.services[provider]
        service.write(service.calendar("ann@example.test", "ann@example.test"), remote_id, content)

    def person_moves(self, provider: str, remote_id: str, source: str, target: str, new_id: str = "") -> None:
        """Drag an event to another calendar of the person; some providers give it another id there."""
        service = self.services[provider]
        here, there = (service.calendar("ann@example.test", name) for name in (source, target))
        event = here.events[remote_id]
        uid = event.uid or f"{remote_id}@memory"
        moved = dataclasses.replace(event, remote_id=new_id or remote_id, uid=uid, version=event.version + 1)
        moved.seq, moved.at = service.count(), service.now()
        there.events[moved.remote_id] = moved
        service.remove(here, remote_id)
        service.notify(there)

    def person_deletes(self, provider: str, remote_id: str) -> None:
        service = self.services[provider]
        service.remove(service.calendar("ann@example.test", "ann@example.test"), remote_id)
