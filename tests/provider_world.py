"""A hub between both real plugins: their sandboxes, the hub's own app and OAuth, all over HTTP on loopback.

The hub's clock runs with the sandboxes': real seconds, moved to a fixed date, so that the same days
are tested in every year.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import requests
from sqlalchemy import select
from werkzeug.test import Client

import hub_google.hooks
import hub_outlook.hooks
from hub.accounts import connect
from hub.domain.lens import pinned
from hub.domain.recurrence import occurrences
from hub.models import EventCopy, Link, ParkedChange, RemoteCalendar, User
from hub.models.view import lens_of
from hub.outbound import linking
from hub.plugin.codec import content_from_json, to_json
from hub.plugin.control import SandboxControl, serving
from hub.plugin.testing import free_port
from hub.plugin.types import EventContent, Sandbox, SandboxOptions
from tests.apps import app_over
from tests.world import START, HubWorld, TestClock

ANN = "ann@example.test"
PLUGINS = {"google": hub_google.hooks, "outlook": hub_outlook.hooks}
ZONE = "Europe/Berlin"
SPAN = (datetime(2026, 9, 10, tzinfo=UTC), datetime(2027, 12, 20, tzinfo=UTC))
"""What both providers' windows show at START."""
PATIENCE = 20.0


class MovedClock(TestClock):
    """Real time, moved so that it begins at START."""

    def __init__(self) -> None:
        self.offset = START - datetime.now(UTC)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.offset

    def advance(self, seconds: float) -> None:
        self.offset += timedelta(seconds=seconds)

    sleep = advance


class NearControl(SandboxControl):
    """Plays the person at a sandbox of this process past the network, which is for what the hub says to it.

    Args:
        base_url: where the hub finds the sandbox.
        app: what is served there.
    """

    def __init__(self, base_url: str, app: Any) -> None:
        super().__init__(base_url)
        self._client = Client(app, use_cookies=False)

    def _call(self, method: str, path: str, body: Any = None, **query: str) -> Any:
        answer = self._client.open(
            f"/_control/{path}", method=method, base_url=self.base_url, json=body, query_string=query
        )
        if answer.status_code >= 400:
            raise requests.HTTPError(f"{answer.status_code} of {method} {path}: {answer.text}")
        return answer.get_json() if answer.data else None


@dataclass
class Side:
    """One provider with the person's calendar there."""

    name: str
    control: SandboxControl
    calendar: str = ""
    account_id: str = ""
    link_id: str = ""
    project: Callable[[EventContent], Any] = field(default=lambda content: content)

    def events(self) -> dict[str, EventContent]:
        return self.control.events(ANN, self.calendar)

    def by_title(self) -> dict[str, EventContent]:
        return {content.title: content for content in self.events().values()}

    def find(self, title: str) -> str:
        """Return the remote id of the one event of that title."""
        (found,) = [remote_id for remote_id, c in self.events().items() if c.title == title]
        return found

    def create(self, content: EventContent) -> str:
        return self.control.create(ANN, self.calendar, content)

    def create_raw(self, **raw: Any) -> str:
        """Make an event from the provider's own JSON."""
        return self.control.create_raw(ANN, self.calendar, raw)

    def update_raw(self, remote_id: str, **raw: Any) -> None:
        self.control.update_raw(ANN, self.calendar, remote_id, raw)

    def raw(self, title: str) -> dict[str, Any]:
        """Return the one event of that title as the provider itself writes it."""
        return self.control.raw(ANN, self.calendar, self.find(title))

    def update(self, remote_id: str, **changes: Any) -> None:
        self.control.update(ANN, self.calendar, remote_id, **changes)

    def delete(self, remote_id: str) -> None:
        self.control.delete(ANN, self.calendar, remote_id)


class ProviderWorld(HubWorld):
    """Ann's calendars at Google and Outlook, and a hub that keeps them in step."""

    def __init__(self, url: str, home: Path, sandboxes: dict[str, SandboxControl], **settings: str) -> None:
        super().__init__(url, home, MovedClock(), PLUGINS, **settings)
        self.app = app_over(self.ports)
        self.sides = {name: Side(name, control) for name, control in sandboxes.items()}
        for name, side in self.sides.items():
            side.project = self._projector(name)
            side.control.advance((self.clock.now() - datetime.now(UTC)).total_seconds())

    def _projector(self, name: str) -> Callable[[EventContent], Any]:
        return lambda content: self.ports.gateway.plain(name, "project", content=content)

    @property
    def google(self) -> Side:
        return self.sides["google"]

    @property
    def outlook(self) -> Side:
        return self.sides["outlook"]

    @property
    def linked(self) -> list[Side]:
        return [side for side in self.sides.values() if side.link_id]

    # --- setting up ---

    def connect(self, name: str, user_id: str = "usr_1") -> str:
        """Connect Ann's account through the consent page for a user of the hub; return the account's id."""
        side = self.sides[name]
        side.calendar = next(
            calendar["remote_id"]
            for person in side.control.people()
            if person["email"] == ANN
            for calendar in person["calendars"]
            if calendar["primary"]
        )
        with self.ports.db.transaction() as session:
            begun = connect.begin(session, self.ports, session.get_one(User, user_id), name)
        back = side.control.consent(begun.authorization_url, ANN)
        return connect.complete(self.ports, name, dict(parse_qsl(urlsplit(back).query)), None).account_id

    def link_primary(self, name: str, **options: Any) -> None:
        account_id = self.connect(name)
        with self.ports.db.reading() as session:
            primary = select(RemoteCalendar.name).where(
                RemoteCalendar.account_id == account_id, RemoteCalendar.primary
            )
            remote_name = session.scalars(primary).one()
        self.sides[name].account_id = account_id
        self.sides[name].link_id = self.link(account_id, remote_name, **options)

    def link_both(self) -> None:
        for name in self.sides:
            self.link_primary(name)
        self.settle()

    # --- letting time pass ---

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        for side in self.sides.values():
            side.control.advance(seconds)

    def sync(self) -> None:
        """Pull both links once and run everything that follows, without waiting for notifications."""
        for _ in range(2):
            for side in self.sides.values():
                if side.link_id:
                    with self.ports.db.transaction() as session:
                        linking.ask_for_pull(session, self.ports, side.link_id)
            self.settle()

    def settle_until(self, test: Callable[[], bool], what: str) -> None:
        """Run what notifications ask for until `test` is true."""
        end = time.monotonic() + PATIENCE
        while not test():
            assert time.monotonic() < end, f"no notification brought {what}"
            self.settle()
            time.sleep(0.01)

    # --- looking ---

    def writes(self) -> list[str]:
        return [
            f"{side.name}: {call['method']} {call['path']} {call['status']}"
            for side in self.sides.values()
            for call in side.control.writes()
        ]

    def mails(self) -> list[Any]:
        return [mail for side in self.sides.values() for mail in side.control.mails()]

    def parked(self) -> dict[tuple[str, str], str]:
        """Return why events are parked, by provider and title."""
        names = {side.link_id: side.name for side in self.sides.values()}
        events = self.hub_events()
        with self.ports.db.reading() as session:
            copies = session.scalars(select(EventCopy).where(EventCopy.parked_at.is_not(None)))
            found = {
                (names[c.link_id], events[c.event_id].title): c.problem or ""
                for c in copies
                if c.event_id in events
            }
            for change in session.scalars(select(ParkedChange)):
                found[names[change.link_id], change.remote_id] = change.reason
            return found

    def hub_event(self, title: str) -> tuple[str, EventContent]:
        (found,) = [(i, c) for i, c in self.hub_events().items() if c.title == title]
        return found

    def disagreements(self) -> list[str]:
        """Compare the hub's events with what each provider holds, as far as it can hold them."""
        found: list[str] = []
        for side in self.linked:
            events = self.hub_events(self.get_link(side.link_id).calendar_id)
            shown = side.events()
            copied: set[str] = set()
            for copy in self.copies(side.link_id):
                if copy.removed_at is not None:
                    continue
                copied.add(copy.remote_id or "")
                ours = events.get(copy.event_id)
                theirs = shown.get(copy.remote_id or "")
                if copy.parked_at is not None:
                    continue
                if ours is None or theirs is None:
                    found.append(
                        f"{side.name}: {ours and ours.title} / {theirs and theirs.title} stands alone"
                    )
                    continue
                with self.ports.db.reading() as session:
                    link = session.get_one(Link, side.link_id)
                    lens, zone = lens_of(link), link.calendar.zone
                seen = lens.shown(pinned(to_json(ours), zone), copy.base, is_ours=copy.is_ours)
                found += self._differences(side, content_from_json(seen), theirs)
            left_out = {i for name, i in self.parked() if name == side.name}
            found += [
                f"{side.name}: {c.title!r} is not known"
                for i, c in shown.items()
                if i not in copied | left_out
            ]
            missing = events.keys() - {c.event_id for c in self.copies(side.link_id)}
            found += [f"{side.name}: {events[i].title!r} has no copy" for i in missing]
        return found

    def _differences(self, side: Side, ours: EventContent, theirs: EventContent) -> list[str]:
        wanted, held = side.project(ours).content, side.project(theirs).content
        found = [
            f"{side.name}: {ours.title!r}.{name} is {getattr(held, name)!r}, not {getattr(wanted, name)!r}"
            for name in EventContent.__dataclass_fields__
            if name != "description_html" and getattr(wanted, name) != getattr(held, name)
        ]
        if (at_hub := agenda(ours)) != (there := agenda(theirs)):
            found.append(f"{side.name}: {ours.title!r} takes place {there}, not {at_hub}")
        return found

    def assert_quiet(self, *, conflicts: int = 0, parked: Iterable[tuple[str, str]] = ()) -> None:
        """Everything agrees, and sweeps, time and full listings make the hub write and mail nothing."""
        self.sync()
        assert self.parked().keys() == set(parked), self.parked()
        assert self.disagreements() == []
        told = [(c.field, c.hub_value, c.provider_value) for c in self.conflicts()]
        assert len(told) == conflicts, told
        for side in self.sides.values():
            side.control.clear_ledger()
        before = self.hub_events()
        self.advance(2000)
        self.wait(0)
        self.relist()
        self.advance(2000)
        self.wait(0)
        self.relist()
        assert self.writes() == []
        assert self.mails() == []
        assert self.hub_events() == before
        assert self.disagreements() == []
        assert len(self.conflicts()) == conflicts
        for side in self.linked:
            link = self.get_link(side.link_id)
            assert (link.state, link.problem) == ("active", None)

    def relist(self) -> None:
        """Let all links list everything anew."""
        for side in self.linked:
            with self.ports.db.transaction() as session:
                linking.ask_for_pull(session, self.ports, side.link_id, fresh=True)
        self.settle()


def agenda(content: EventContent) -> list[tuple[datetime, datetime]]:
    """Return when an event takes place: from its rule alone, by the hub's own reading of it."""
    return [(o.starts_at, o.ends_at) for o in occurrences(content.when, *SPAN, ZONE, limit=500)]


@contextmanager
def provider_world(
    url: str, home: Path, front: Callable[[str, Any], Any] = lambda _name, app: app, **settings: str
) -> Iterator[ProviderWorld]:
    """Serve both sandboxes and the hub's app while the block runs.

    Args:
        front: puts something before the app of a provider's sandbox.
    """
    with ExitStack() as stack:
        controls: dict[str, SandboxControl] = {}
        for name, plugin in PLUGINS.items():
            port = free_port()
            sandbox = plugin.sandbox(SandboxOptions(f"http://127.0.0.1:{port}", seed=7, checked=True))
            app = front(name, sandbox.app)
            stack.enter_context(serving(Sandbox(app, sandbox.settings, sandbox.close), port))
            controls[name] = NearControl(f"http://127.0.0.1:{port}", app)
            settings |= {f"{name}_{key.lower()}": value for key, value in sandbox.settings.items()}
        hub_port = free_port()
        settings["public_url"] = f"http://127.0.0.1:{hub_port}"
        world = ProviderWorld(url, home, controls, **settings)
        stack.enter_context(serving(Sandbox(world.app, {}, lambda: None), hub_port))
        yield world


class Interrupted:
    """Lets something happen before one of the calls that reach a provider's sandbox.

    Args:
        app: what is served there.
    """

    def __init__(self, app: Any) -> None:
        self.app = app
        self.happens: Callable[[], None] | None = None
        self.calls_before = 0
        self.error: Exception | None = None
        self.is_away = False
        """Set: each call is answered with 503."""

    def arm(self, happens: Callable[[], None], calls_before: int) -> None:
        """Let something happen once, after so many more calls."""
        self.happens, self.calls_before = happens, calls_before

    def disarm(self) -> bool:
        """Return whether what was to happen has not; it will not any more.

        Raises:
            Exception: what went wrong when it happened.
        """
        waits, self.happens = self.happens is not None, None
        if self.error is not None:
            raise self.error
        return waits

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        if self.happens is not None and not environ["PATH_INFO"].startswith("/_control"):
            if self.calls_before == 0:
                happens, self.happens = self.happens, None
                try:
                    happens()
                except Exception as error:
                    self.error = error
            self.calls_before -= 1
        if self.is_away and not environ["PATH_INFO"].startswith("/_control"):
            start_response("503 Service Unavailable", [("Content-Type", "application/json")])
            return [b"{}"]
        return self.app(environ, start_response)


@contextmanager
def interrupted_world(url: str, home: Path) -> Iterator[tuple[ProviderWorld, dict[str, Interrupted]]]:
    """Serve as `provider_world` does; give also, by provider, what can interrupt the calls to its sandbox."""
    fronts: dict[str, Interrupted] = {}
    with provider_world(url, home, lambda name, app: fronts.setdefault(name, Interrupted(app))) as world:
        yield world, fronts
