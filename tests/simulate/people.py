"""Who acts in a simulation: persons at their providers and applications that call the hub's API."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from hub.accounts import links
from hub.models import Actor, Calendar, Event, Link
from hub.models.content import content_of
from hub.outbound import edit
from hub.outbound.edit import Author
from tests.memory_provider import _Calendar, _Event
from tests.simulate import history
from tests.simulate.history import Step
from tests.simulate.kernel import Killed
from tests.simulate.ledger import Ledger, mark_of
from tests.simulate.worlds import SimWorld

GROUP = "cal_1"
CREATES = frozenset({"create", "create_series", "create_all_day"})


class People:
    """Plays the steps of a history and writes each of them into the ledger."""

    def __init__(self, world: SimWorld, ledger: Ledger) -> None:
        self.world = world
        self.ledger = ledger

    def play(self, step: Step) -> None:
        self.world.kernel.note(step)
        if step.kind == "relist":
            self._retried(lambda: self._relist(step))
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
            self.ledger.created(GROUP, content, at, step.place)
            return
        event = self._pick(calendar, step)
        if event is None:
            return
        if step.kind == "delete":
            self.ledger.deleted(event.content, at, step.place)
            service.remove(calendar, event.remote_id)
        elif step.kind == "other_calendar":
            self._move(step, calendar, event)
        else:
            content = history.edited(step, event.content)
            content = content and world.project(step.place, content)
            if content is not None and content != event.content:
                self.ledger.edited(event.content, content, at, step.place)
                service.write(calendar, event.remote_id, content)

    def _move(self, step: Step, calendar: _Calendar, event: _Event) -> None:
        service = self.world.services[step.place.partition(".")[0]]
        siblings = [n for n in self.world.links if n.startswith(service.name + ".") and n != step.place]
        if not siblings:
            return
        self.ledger.actions += 1
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
        before = dict(self._versions())
        undo: Callable[[], None] = lambda: None  # noqa: E731
        try:
            with self.world.db.transaction() as session:
                author = Author(Actor.API_KEY, "key_1", self.world.ids.new("req"))
                if step.kind in CREATES:
                    calendar = session.get_one(Calendar, GROUP)
                    content = history.new_content(step)
                    edit.create_event(session, self.world.ports, calendar, content, author)
                    undo = self._noted(lambda at: self.ledger.created(GROUP, content, at, "hub"))
                    return True
                ids = session.scalars(
                    select(Event.id).where(Event.deleted_at.is_(None)).order_by(Event.uid)
                ).all()
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
            if dict(self._versions()) != before:
                return True
            undo()
            return False
        except Killed:
            if dict(self._versions()) == before:
                undo()
            raise

    def _noted(self, write: Callable[[float], object]) -> Callable[[], None]:
        """Write into the ledger; return what takes it out again."""
        kept = self.ledger.snapshot()
        write(self.world.kernel.now)
        return lambda: self.ledger.restore(kept)

    def _versions(self) -> list[tuple[str, int]]:
        with self.world.look() as session:
            return [(i, v) for i, v in session.execute(select(Event.id, Event.version))]

    def _relist(self, step: Step) -> bool:
        """Press "sync now"."""
        try:
            with self.world.db.transaction() as session:
                link = session.get_one(Link, self.world.links[step.place])
                links.sync_now(session, self.world.ports, link, full=bool(step.n % 2))
            return True
        except OperationalError:
            return False
