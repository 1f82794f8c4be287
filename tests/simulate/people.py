"""Who acts in a simulation: persons at their providers and applications that call the hub's API."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from urllib.parse import parse_qsl, urlsplit

from sqlalchemy import bindparam, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from hub.accounts import connect, links
from hub.models import Account, Actor, Calendar, Event, EventCopy, Link, LinkState, User, Verdict
from hub.models.content import content_of
from hub.outbound import edit, linking
from hub.outbound.edit import Author
from tests.memory_provider import _Calendar, _Event, consent, revoke
from tests.simulate import history
from tests.simulate.history import Step
from tests.simulate.kernel import Killed
from tests.simulate.ledger import Deletion, Ledger, mark_of
from tests.simulate.worlds import ANN, SimWorld

GROUP = "cal_1"
CREATES = frozenset({"create", "create_series", "create_all_day"})


_LIVE = select(Event.id).where(Event.deleted_at.is_(None)).order_by(Event.uid)
_VERSIONS = select(Event.id, Event.version).order_by(Event.id)
_TRIED = select(EventCopy.tried).where(
    EventCopy.link_id == bindparam("link_id"), EventCopy.remote_id == bindparam("remote_id")
)


class People:
    """Plays the steps of a history and writes each of them into the ledger."""

    def __init__(self, world: SimWorld, ledger: Ledger, alone: frozenset[int] = frozenset()) -> None:
        self.world = world
        self.ledger = ledger
        self.alone = alone
        """Numbers of steps with nothing else near them: what comes of them is known for sure."""

    def play(self, step: Step) -> None:
        self.world.kernel.note(step)
        if step.kind == "relist":
            self._retried(
                lambda: self._on_link(step.place, lambda session, link: self._relist(session, link, step))
            )
        elif step.kind == "pause":
            self._retried(lambda: self._on_link(step.place, lambda session, link: linking.pause(link)))
            if self.world.link_rows()[step.place].state == LinkState.PAUSED:
                self.world.paused[step.place] = self.world.kernel.now
            self.world.kernel.wait(8.0)
            self.world.paused.pop(step.place, None)
            self.resume(step.place)
        elif step.kind == "revoke":
            provider = step.place.partition(".")[0]
            self.world.revoked.add(provider)
            self.world.withdrawn.add(provider)
            revoke(self.world.services[provider], ANN)
            self.world.kernel.wait(8.0)
            self.reconnect(provider)
        elif step.kind == "clear":
            self._clear(step)
        elif step.place == "hub":
            self._retried(lambda: self._call_api(step))
        else:
            self._at_provider(step)

    # --- a person at a provider ---

    def _at_provider(self, step: Step) -> None:
        world, at = self.world, self.world.kernel.now
        service = world.services[step.place.partition(".")[0]]
        calendar = world.remote_calendar(step.place)
        if step.kind in CREATES:
            content = world.project(step.place, history.new_content(step))
            service.write(calendar, f"p{step.n}", content)
            self.ledger.created(world.place(step.place).hub, content, at, step.place)
            return
        event = self._pick(calendar, step)
        if event is None:
            return
        if step.kind == "delete":
            self._delete(step.place, calendar, event)
        elif step.kind == "other_calendar":
            self._move(step, calendar, event)
        else:
            content = history.edited(step, event.content)
            content = content and world.project(step.place, content)
            if content is not None and content != event.content:
                self.ledger.edited(event.content, content, at, step.place)
                service.write(calendar, event.remote_id, content)

    def _clear(self, step: Step) -> None:
        """Delete all that a calendar holds."""
        calendar = self.world.remote_calendar(step.place)
        live = [e for e in calendar.events.values() if not e.deleted]
        is_held = step.n in self.alone and len(live) > self.world.settings.guard_least
        for event in live:
            self._delete(step.place, calendar, event).held = is_held

    def _delete(self, place: str, calendar: _Calendar, event: _Event) -> Deletion:
        world = self.world
        with world.look() as session:
            copy = {"link_id": world.links[place], "remote_id": event.remote_id}
            tried = session.connection().execute(_TRIED, copy).scalar_one_or_none()
        unsure = tried is None or bool(tried)
        deletion = self.ledger.deleted(event.content, world.kernel.now, place, unsure=unsure)
        world.services[place.partition(".")[0]].remove(calendar, event.remote_id)
        return deletion

    def _move(self, step: Step, calendar: _Calendar, event: _Event) -> None:
        service = self.world.services[step.place.partition(".")[0]]
        siblings = [n for n in self.world.links if n.startswith(service.name + ".") and n != step.place]
        if not siblings:
            return
        self.ledger.went(mark_of(event.content), self.world.place(siblings[0]).hub, self.world.kernel.now)
        target = self.world.remote_calendar(siblings[0])
        calendar.events[event.remote_id] = dataclasses.replace(
            event, deleted=True, seq=service.count(), version=event.version + 1
        )
        service.write(target, event.remote_id, event.content, event.tag)
        service.notify(calendar)

    @staticmethod
    def _pick(calendar: _Calendar, step: Step) -> _Event | None:
        live = sorted((e for e in calendar.events.values() if not e.deleted), key=lambda e: e.remote_id)
        live = [e for e in live if mark_of(e.content)]
        return live[step.pick % len(live)] if live else None

    # --- an application ---

    def _retried(self, request: Callable[[], bool]) -> None:
        """Ask again after an error, as a client does that cannot know what became of its request."""
        for pause in (0.5, 2.0, 4.0, 8.0):
            if request():
                return
            self.world.kernel.wait(pause)

    def _call_api(self, step: Step) -> bool:
        """Make one request; False if it failed and was not carried out."""
        before: list[tuple[str, int]] = []
        undo: Callable[[], None] = lambda: None  # noqa: E731
        try:
            with self.world.db.transaction() as session:
                before = self._versions(session)
                author = Author(Actor.API_KEY, "key_1", self.world.ids.new("req"))
                if step.kind in CREATES:
                    calendar = session.get_one(Calendar, GROUP)
                    content = history.new_content(step)
                    edit.create_event(session, self.world.ports, calendar, content, author)
                    undo = self._noted(lambda at: self.ledger.created(GROUP, content, at, "hub"))
                    return True
                ids = session.connection().execute(_LIVE).scalars().all()
                event = edit.get_event(session, ids[step.pick % len(ids)], lock=True) if ids else None
                if event is None:
                    return True
                old = content_of(event)
                if step.kind == "delete":
                    edit.delete_event(session, self.world.ports, event, author)
                    undo = self._noted(lambda at: self.ledger.deleted(old, at, "hub"))
                elif (new := history.edited(step, old)) is not None:
                    edit.update_event(session, self.world.ports, event, new, author)
                    undo = self._noted(lambda at: self.ledger.edited(old, new, at, "hub"))
            return True
        except OperationalError:
            if self._was_carried_out(before):
                return True
            undo()
            return False
        except Killed:
            if not self._was_carried_out(before):
                undo()
            raise

    def _was_carried_out(self, before: list[tuple[str, int]]) -> bool:
        """Look whether a request whose outcome nobody knows was committed."""
        with self.world.look() as session:
            return bool(before) and self._versions(session) != before

    def _noted(self, write: Callable[[float], object]) -> Callable[[], None]:
        """Write into the ledger; return what takes it out again."""
        kept = self.ledger.snapshot()
        write(self.world.kernel.now)
        return lambda: self.ledger.restore(kept)

    @staticmethod
    def _versions(session: Session) -> list[tuple[str, int]]:
        return [("", 0), *(tuple(row) for row in session.connection().execute(_VERSIONS))]

    def _on_link(self, place: str, act: Callable[[Session, Link], None]) -> bool:
        """Do something to a link through the API; False if it failed."""
        try:
            with self.world.db.transaction() as session:
                act(session, session.get_one(Link, self.world.links[place], with_for_update=True))
            return True
        except OperationalError:
            return False

    def _relist(self, session: Session, link: Link, step: Step) -> None:
        links.sync_now(session, self.world.ports, link, full=bool(step.n % 2))

    def resume(self, place: str) -> None:
        """Set a link to work again, if it rests."""
        self._retried(lambda: self._on_link(place, self._resume))

    def _resume(self, session: Session, link: Link) -> None:
        if link.state != LinkState.ACTIVE:
            linking.resume(session, self.world.ports, link)

    def reconnect(self, provider: str) -> None:
        """Give a new consent, until the account is connected."""
        ports = self.world.ports
        for pause in (1.0, 2.0, 4.0, 8.0):
            try:
                with self.world.db.transaction() as session:
                    account = session.get_one(Account, f"acc_{provider}")
                    user = session.get_one(User, account.user_id)
                    begun = connect.begin(session, ports, user, provider, account=account)
                back = consent(self.world.services[provider], begun.authorization_url, ANN)
                connect.complete(ports, provider, dict(parse_qsl(urlsplit(back).query)), None)
                self.world.withdrawn.discard(provider)
                return
            except (OperationalError, connect.ConnectError):
                self.world.kernel.wait(pause)

    def decide(self, place: str, verdict: Verdict) -> None:
        """Say what becomes of deletions that the hub holds back."""
        world = self.world
        with world.look() as session:
            link = session.get_one(Link, world.links[place])
            missing = session.scalars(
                select(Event)
                .join(EventCopy, EventCopy.event_id == Event.id)
                .where(EventCopy.link_id == link.id, EventCopy.missing_at.is_not(None))
            ).all()
            marks = [mark_of(content_of(event)) for event in missing]
        for mark in marks:
            for deletion in self.ledger.deletions[mark]:
                if deletion.place == place:
                    deletion.held = False
                    deletion.void = deletion.void or verdict == Verdict.REJECT
        with world.db.transaction() as session:
            links.decide(session, world.ports, session.get_one(Link, world.links[place]), verdict)
