"""The onlooker: checks while a simulation runs what the oracle cannot see at its end any more.

It looks at calls when they begin, and at random moments at what people would be told of their links.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Row, bindparam, select
from sqlalchemy.orm import Session

from hub.accounts.health import health_of
from hub.models import Direction, Event, EventCopy, Link
from hub.models.content import content_of
from hub.plugin.types import CONTENT_FIELDS
from tests.simulate.faults import LIES
from tests.simulate.ledger import mark_of
from tests.simulate.wire import THROTTLED
from tests.simulate.worlds import SimWorld

NO_END = 1000
"""After so many calls the hub is taken to make them for ever."""
GRACE = 1.0
"""Seconds within which a call may begin that was decided upon before it became unwelcome."""
SWIFT = frozenset({"throttled", "lost", "doubled", "busy", "cut_before", "cut_after", "version_moved"})
"""Faults that delay no process between its decision to call and the call."""
OF_A_LINK = frozenset({"fetch_changes", "push_create", "push_update", "push_delete"})
UNTRUE = LIES | {"stale", "half_written"}
"""After these a provider may hold something else than what it has told."""


_LINKS = select(Link)
_EVENTS = select(Event)
_COPIES = select(EventCopy.link_id, EventCopy.event_id, EventCopy.remote_id, EventCopy.remote_version).where(
    EventCopy.link_id.in_(bindparam("link_ids", expanding=True))
)


class Onlooker:
    """Watches one world."""

    def __init__(self, world: SimWorld, fail: Callable[[str], None]) -> None:
        self._world = world
        self._fail = fail
        self.calls = 0
        """How many have begun."""
        self._refreshing: dict[str, float] = {}
        world.wire.asked.append(self._called)
        world.wire.seen.append(self._answered)

    # --- calls ---

    def _called(self, provider: str, boundary: str, arguments: Mapping[str, Any]) -> None:
        self.calls += 1
        world = self._world
        if self.calls > NO_END:
            self._fail(f"C8: more than {NO_END} provider calls")
            world.kernel.end()
        now, played = world.kernel.now, set(world.faults.played.values())
        if world.wire.poison is not None and world.wire.poison[0] == provider:
            played.add(world.wire.poison[1])
        if not played <= SWIFT:
            return
        asked_at = world.wire.asked_to_wait.get(provider)
        is_unwelcome = asked_at is not None and asked_at + GRACE < now < asked_at + THROTTLED - 0.1
        if is_unwelcome and boundary not in ("refresh_grant", "exchange_code"):
            self._fail(f"C8: {provider} was called again after it had asked the account to wait")
        if boundary == "refresh_grant":
            is_sure = provider not in world.revoked and not any(
                place == "refresh_grant" for place, _ in world.faults.played
            )
            if is_sure and now < self._refreshing.get(provider, -GRACE) + GRACE / 2:
                self._fail(f"C8: a sign-in at {provider} is renewed twice at once")
            self._refreshing[provider] = now
        if boundary in OF_A_LINK:
            place = world.place_of(provider, arguments["calendar"].remote_id)
            paused_at = world.paused.get(place)
            if paused_at is not None and paused_at + GRACE < now:
                self._fail(f"C5: {boundary} at {place}, which a person had paused")
            if boundary != "fetch_changes" and world.direction_of(place) == "import":
                self._fail(f"C5: {boundary} at {place}, which the hub was to read only")

    def _answered(self, provider: str, boundary: str, arguments: Mapping[str, Any], answer: Any) -> None:
        if boundary == "refresh_grant":
            self._refreshing.pop(provider, None)

    # --- what people are told ---

    def glance(self) -> None:
        """Check that whoever is told to be in sync is, as far as the hub can know (C12)."""
        world = self._world
        with world.look() as session:
            links = {link.id: link for link in session.scalars(_LINKS)}
            health = health_of(session, world.ports, list(links.values()))
            told = [name for name, link_id in world.links.items() if health[link_id].state == "in_sync"]
            if not told:
                return
            self._listings(told, links)
            if not UNTRUE & set(world.faults.played.values()):
                self._copies(session, told, links)

    def _listings(self, told: list[str], links: dict[str, Link]) -> None:
        for name in told:
            cursor = links[self._world.links[name]].cursor
            if self._world.accepted.get(name, 0) > int((cursor or ":0").partition(":")[2]):
                self._fail(f"C12: {name} was told to be in sync when a notification was not listed yet")

    def _copies(self, session: Session, told: list[str], links: dict[str, Link]) -> None:
        world = self._world
        names = {world.links[name]: name for name in told}
        events = session.scalars(_EVENTS).all()
        copies = {
            (copy.link_id, copy.event_id): copy
            for copy in session.connection().execute(_COPIES, {"link_ids": list(names)})
        }
        for event in events:
            for link_id, name in names.items():
                link = links[link_id]
                if link.direction == Direction.TWO_WAY and link.calendar_id == event.calendar_id:
                    self._copy(name, event, copies.get((link_id, event.id)))

    def _copy(self, name: str, event: Event, copy: Row[str, str, str | None, str] | None) -> None:
        content = content_of(event)
        mark, is_deleted = mark_of(content), event.deleted_at is not None
        if self._world.leaves_out(name, content):
            return
        if copy is None or copy.remote_id is None:
            if not is_deleted:
                self._fail(f"C12: {name} was told to be in sync when event {mark} was still to be written")
            return
        remote = self._world.remote_calendar(name).events[copy.remote_id]
        if str(remote.version) != copy.remote_version:
            link_knows = remote.seq <= self._world.accepted.get(name, 0)
            if remote.deleted and not is_deleted and link_knows:
                self._fail(f"C12: {name} was told to be in sync when it had lost event {mark}")
        elif is_deleted:
            self._fail(f"C12: {name} was told to be in sync when event {mark} was still to be deleted")
        else:
            wanted = self._world.shown_at(name, content)
            if any(getattr(remote.content, f) != getattr(wanted, f) for f in CONTENT_FIELDS):
                self._fail(f"C12: {name} was told to be in sync when event {mark} was still to be written")
