"""The worlds that are simulated: which calendars there are, how they are linked, and what providers can hold.

A world is built once in each process and set back to its beginning for every seed, so that a seed costs
what its history costs.
"""

from __future__ import annotations

import dataclasses
import pickle
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

import hub.models  # noqa: F401
from hub.accounts import calendars
from hub.db import Base
from hub.inbound import webhook
from hub.models import Account, Calendar, EventCopy, Link, RemoteCalendar, Tenant, User
from hub.outbound import linking
from hub.plugin.types import EventContent, Notification, SeriesException, Tokens
from hub.ports import Ports
from hub.providers.gateway import ProviderGateway
from hub.providers.grants import save_tokens
from hub.providers.manager import LoadedProvider, Providers
from hub.providers.throttle import Throttle
from hub.settings import Settings
from hub.vault import Vault
from tests.memory_provider import SERVICES, MemoryPlugin, MemoryService, _Calendar
from tests.simulate.broker import SimQueue
from tests.simulate.faults import Faults
from tests.simulate.kernel import Kernel, Killed
from tests.simulate.ports import START, Rows, SimClock, SimDatabase, SimIds, SimPulse, memory_engine
from tests.simulate.wire import SimHooks, Wire

SWEEP = 30.0
ANN = "ann@example.test"

_LINKS = select(Link.id, Link.state, Link.held_at, Link.imported_at)


@dataclass(frozen=True)
class Place:
    """One linked remote calendar."""

    provider: str
    calendar: str = "Main"
    direction: str = "two_way"
    edited: bool = True
    """Whether people edit here."""
    hub: str = "cal_1"
    """The hub's calendar that it is linked to."""
    detail: str = "full"
    all_day: bool = True
    """Whether all-day events are copied to it."""


@dataclass(frozen=True)
class Topology:
    """Calendars and links around one calendar of the hub."""

    places: tuple[Place, ...]
    lossy: tuple[str, ...] = ()
    """Fields that the last provider cannot hold."""
    api: bool = True
    """Whether applications edit in the hub, too."""

    def names(self) -> list[str]:
        return [f"{p.provider}.{p.calendar}" for p in self.places]


TOPOLOGIES = {
    "pair": Topology((Place("left"), Place("right"))),
    "lossy": Topology((Place("left"), Place("right")), lossy=("location", "categories")),
    "star": Topology((Place("left"), Place("right"), Place("third"))),
    "two_of_one": Topology((Place("left"), Place("left", "Team"), Place("right"))),
    "export": Topology((Place("left"), Place("right", direction="export", edited=False))),
    "import": Topology((Place("left", direction="import"), Place("right", edited=False)), api=False),
    "single": Topology((Place("left"),)),
    "two_hubs": Topology(
        (
            Place("left"),
            Place("left", "Team", hub="cal_2"),
            Place("right"),
            Place("right", "Team", hub="cal_2"),
        )
    ),
    "busy": Topology((Place("left"), Place("right", edited=False, detail="busy_only"))),
    "filtered": Topology((Place("left"), Place("right", all_day=False))),
}


class SimWorld:
    """One hub with its providers, which can be set back to its beginning."""

    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        self.kernel = Kernel(Random(0))
        self.faults = Faults(None)
        self.db = SimDatabase(memory_engine())
        self.clock = SimClock(self.kernel)
        self.ids = SimIds(Random(0), self.clock)
        self.wire = Wire(self.kernel, Random(0))
        self.queue = SimQueue(self)
        self.wire.hid.append(self._hidden)
        self._numbers = 0
        self.links: dict[str, str] = {}
        """Link ids by place."""
        self.silenced = False
        """Whether a notification has never reached the hub: only a look at the silent calendar helps."""
        self.policies: dict[str, str] = {}
        """Whose value stands in a conflict, by place."""
        self.revoked: set[str] = set()
        """Providers where the person has withdrawn a consent: each of its tokens is refused from then on."""
        self.withdrawn: set[str] = set()
        """Providers where the person has not consented again yet."""
        self.paused: dict[str, float] = {}
        """Since when people have links paused, by place."""
        self.unseen: set[str] = set()
        """Places whose full listing left out an event that the hub does not know: none but a person can tell
        that it is there, who asks that all be read anew."""
        self.accepted: dict[str, int] = {}
        """By place, up to which of its calendar's changes notifications were accepted."""
        self._build()

    def count(self) -> int:
        self._numbers += 1
        return self._numbers

    # --- building ---

    def _build(self) -> None:
        environ = {
            "HUB_DATABASE_URL": "sqlite:////nonexistent/hub.db",
            "HUB_HOME": tempfile.gettempdir(),
            "HUB_PUBLIC_URL": "http://hub.test",
            "HUB_SWEEP_INTERVAL": str(SWEEP),
            "HUB_POLL_INTERVAL": "600",
            "HUB_RETRY_BASE": "1",
            "HUB_RETRY_MAX": "20",
            "HUB_GUARD_LEAST": "3",
            "HUB_SECRET_KEYS": "k1:" + "A" * 43 + "=",
        }
        self.settings = Settings.load(environ)
        self._bind_ports()
        loaded = Providers()
        names = list(dict.fromkeys(p.provider for p in self.topology.places))
        self.services: dict[str, MemoryService] = {}
        for name in names:
            lossy = self.topology.lossy if name == names[-1] else ()
            plugin = MemoryPlugin(name, lossy)
            loaded.add(name, "tests", plugin, self.settings)
            real = loaded.get(name)
            loaded._loaded[name] = LoadedProvider(
                real.info, SimHooks(name, real.hooks, self.wire), real.settings
            )
            service = MemoryService(name)
            service.deliver = self._deliver
            self.services[name] = service
        vault = Vault({key.id: key.key for key in self.settings.secret_keys})
        self.gateway = ProviderGateway(
            loaded, self.settings, self.db, self.clock, self.ids, vault,
            run=lambda work, seconds: work(), pulse=SimPulse(self.kernel, 4.0),
        )  # fmt: skip
        self.ports = Ports(
            self.settings, self.clock, self.ids, self.db, vault, self.gateway, self.queue,
            SimPulse(self.kernel, 4.0),
        )  # fmt: skip
        self._rebind()
        sqlite3.connect(":memory:").backup(self._raw())
        Base.metadata.create_all(self.db.engine)
        self._populate()
        self._save()

    def _bind_ports(self) -> None:
        self.db.kernel = self.clock.kernel = self.wire.kernel = self.kernel
        self.db.faults = self.wire.faults = self.faults

    def _rebind(self) -> None:
        self._bind_ports()
        for pulse in (self.ports.pulse, self.gateway.grants._pulse):
            pulse._kernel = self.kernel  # type: ignore[attr-defined]
        for service in self.services.values():
            service.clock = self.provider_clock(0.0)

    def provider_clock(self, skew: float) -> Callable[[], Any]:
        return lambda: START + timedelta(seconds=self.kernel.now + skew)

    def _populate(self) -> None:
        now = self.clock.now()
        with self.db.transaction() as session:
            session.add(Tenant(id="tnt_1", name="Tests", created_at=now))
            session.flush()
            session.add(User(id="usr_1", tenant_id="tnt_1", external_id="me", created_at=now))
            session.flush()
            for calendar_id in sorted({place.hub for place in self.topology.places}):
                session.add(
                    Calendar(
                        id=calendar_id, tenant_id="tnt_1", user_id="usr_1", name="Hub", zone="Europe/Berlin",
                        created_at=now,
                    )
                )  # fmt: skip
        for name in self.services:
            self._connect(name)
        for place, name in zip(self.topology.places, self.topology.names(), strict=True):
            with self.db.transaction() as session:
                remote = session.scalars(
                    select(RemoteCalendar).where(
                        RemoteCalendar.account_id == f"acc_{place.provider}",
                        RemoteCalendar.name == place.calendar,
                    )
                ).one()
                link = linking.create_link(
                    session,
                    self.ports,
                    session.get_one(Calendar, place.hub),
                    remote,
                    direction=place.direction,
                    detail=place.detail,
                    filters={"all_day": place.all_day},
                )
                self.links[name] = link.id
            self.queue.run_here()

    def _connect(self, provider: str) -> None:
        service = self.services[provider]
        service.add_person(ANN, "Ann", [{"name": "Team"}])
        account_id = f"acc_{provider}"
        now = self.clock.now()
        tokens = Tokens(f"access-{provider}", now + timedelta(hours=1), ("events",), f"refresh-{provider}")
        service.access[tokens.access_token] = (ANN, tokens.expires_at)
        service.refresh[tokens.refresh_token or ""] = ANN
        with self.db.transaction() as session:
            session.add(
                Account(
                    id=account_id, tenant_id="tnt_1", user_id="usr_1", provider=provider, remote_id=ANN,
                    email=ANN, created_at=now,
                )
            )  # fmt: skip
            session.flush()
            save_tokens(session, self.ports.vault, self.clock, account_id, tokens)
        calendars.refresh(self.ports, account_id)

    def _save(self) -> None:
        self._kept = Rows(self._raw())
        self._kept_at = self.kernel.now
        self._kept_services = {name: _state(service) for name, service in self.services.items()}

    def _raw(self) -> Any:
        connection = self.db.engine.raw_connection()
        try:
            return connection.driver_connection
        finally:
            connection.close()

    def reset(self, kernel: Kernel, faults: Faults, rng: Random, *, started: float = 0.0) -> None:
        """Set everything back to the beginning, for a seed of its own that starts so many seconds later."""
        self.kernel, self.faults = kernel, faults
        kernel.now = self._kept_at + started
        self.ids.rng = Random(rng.random())
        self.wire.reset(Random(rng.random()))
        self.clock.skew = 0.0
        self.silenced = False
        self.paused.clear()
        self.revoked.clear()
        self.withdrawn.clear()
        self.unseen.clear()
        self.accepted.clear()
        self.queue.clear()
        self._numbers = 0
        self._kept.put_back(self._raw())
        for name, service in self.services.items():
            SERVICES[name] = service
            vars(service).update(pickle.loads(self._kept_services[name]))
            service.faults.clear()
            service.calls.clear()
            service.page_size = 50
        self.gateway._throttle = Throttle(1.0)
        self._rebind()

    # --- notifications ---

    def _deliver(self, url: str, headers: dict[str, str]) -> None:
        """Play a provider that notifies the hub's webhook."""
        if self.kernel.actor is None and not self.faults.on:
            return
        fault = self.faults.at("notice")
        notification = Notification(headers["X-Channel"], headers["X-Secret"])
        if fault in ("lost", "forged"):
            self.silenced = True
        if fault == "lost":
            return
        if fault == "forged":
            notification = Notification(headers["X-Channel"], "x" * 43)
        times = {"doubled": 2, "storm": 12}.get(fault or "", 1)
        for n in range(times):
            after = (50.0 if fault == "late" else 0.01) + 0.003 * n
            self.kernel.spawn("notice", lambda: self._receive(notification, fault == "late"), after)

    def _receive(self, notification: Notification, is_late: bool) -> None:
        for pause in (2.0, 4.0, 8.0):
            there = self._newest(notification.channel_id)
            try:
                if webhook.accept(self.ports, [notification]):
                    self.accepted.update(there)
                elif is_late:
                    self.silenced = True  # Its channel may have ended meanwhile.
                return
            except SQLAlchemyError:
                self.kernel.wait(pause)
            except Killed:
                break
        self.silenced = True

    def _newest(self, channel_id: str) -> dict[str, int]:
        """Return the number of the newest change in a channel's calendar, by its place."""
        for name, service in self.services.items():
            if channel_id in service.channels:
                place = self.place_of(name, service.channels[channel_id][2])
                return {place: max(e.seq for e in self.remote_calendar(place).events.values())}
        return {}

    # --- looking, without faults or time ---

    @contextmanager
    def look(self) -> Iterator[Session]:
        with self.db._open(writing=False) as session:
            yield session

    def _hidden(self, provider: str, arguments: Mapping[str, Any], remote_ids: set[str]) -> None:
        name = self.place_of(provider, arguments["calendar"].remote_id)
        query = select(EventCopy.remote_id).where(EventCopy.link_id == self.links[name])
        with self.look() as session:
            known = set(session.scalars(query))
        if remote_ids - known:
            self.unseen.add(name)

    def place(self, name: str) -> Place:
        return dict(zip(self.links, self.topology.places, strict=True))[name]

    def remote_calendar(self, name: str) -> _Calendar:
        provider, _, calendar = name.partition(".")
        found = self.services[provider].people[ANN].calendars.values()
        return next(c for c in found if c.name == calendar)

    def place_of(self, provider: str, remote_id: str) -> str:
        return f"{provider}.{self.services[provider].calendar(ANN, remote_id).name}"

    def direction_of(self, name: str) -> str:
        return self.topology.places[self.topology.names().index(name)].direction

    def remote(self, name: str) -> dict[str, EventContent]:
        """Return what a place holds, by remote id."""
        return {e.remote_id: e.content for e in self.remote_calendar(name).events.values() if not e.deleted}

    def link_rows(self) -> dict[str, Row[str, str, datetime | None, datetime | None]]:
        """Return how the links stand, by place."""
        with self.look() as session:
            rows = {row.id: row for row in session.connection().execute(_LINKS)}
        return {name: rows[link_id] for name, link_id in self.links.items()}

    def project(self, name: str, content: EventContent) -> EventContent:
        provider = name.partition(".")[0]
        projected: EventContent = self.gateway.plain(provider, "project", content=content).content
        return projected

    def shown_at(self, name: str, content: EventContent) -> EventContent:
        """Return what a place is to show of an event that is copied there."""
        if self.place(name).detail == "full":
            return self.project(name, content)
        times = [
            SeriesException(e.original_start, e.cancelled, e.start, e.end, e.start_zone, e.end_zone)
            for e in content.when.exceptions
        ]
        times = [e for e in times if e != SeriesException(e.original_start)]
        when = dataclasses.replace(content.when, exceptions=tuple(times))
        return self.project(name, EventContent(when, "Busy", show_as=content.show_as, status=content.status))

    def leaves_out(self, name: str, content: EventContent) -> bool:
        """Whether no copy of such an event is to be made at a place."""
        return content.when.all_day and not self.place(name).all_day

    def writes(self) -> int:
        return sum(call["write"] for service in self.services.values() for call in service.calls)

    def calls(self) -> int:
        return sum(len(service.calls) for service in self.services.values())


def _state(service: MemoryService) -> bytes:
    names = ("people", "codes", "access", "refresh", "channels", "_counter")
    return pickle.dumps({name: getattr(service, name) for name in names})
