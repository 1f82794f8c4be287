"""The oracle: sees the hub and all providers, and checks the invariants C1 to C12 of the design."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from hub.accounts.health import health_of
from hub.domain.fingerprint import fingerprint
from hub.domain.page import UNSEEN
from hub.models import Conflict, Event, EventCopy, Link, ParkedChange
from hub.models.content import content_of
from hub.plugin.types import CONTENT_FIELDS, EventContent, Push, PushCreate, PushDelete, PushUpdate
from tests.memory_provider import SERVICES
from tests.simulate.ledger import FIELDS, Deletion, Ledger, mark_of
from tests.simulate.worlds import ANN, SimWorld

_LIVE = select(Event).where(Event.deleted_at.is_(None))
_LINKS = select(Link).order_by(Link.id)
_PARKED = select(EventCopy.problem).where(EventCopy.parked_at.is_not(None))
_UNREAD = select(ParkedChange.reason)
_CONFLICTS = select(Conflict, Event).join(Event, Event.id == Conflict.event_id)
_CONFLICT_FIELDS = select(Conflict.field)


class Oracle:
    """Judges one world.

    Attributes:
        violations: what was found, each beginning with the property's name.
    """

    def __init__(self, world: SimWorld, ledger: Ledger) -> None:
        self.world = world
        self.ledger = ledger
        self.violations: list[str] = []
        self._stands: list[tuple[str, str, str]] = []
        """Values that conflicts say to stand, by mark and field, and that do not."""
        self._lost: set[tuple[str, str, str]] = set()
        """Values that conflicts say to have lost."""
        world.wire.seen.append(self.watch)

    def fail(self, text: str) -> None:
        self.violations.append(text)
        self.world.kernel.note("VIOLATION", text)

    # --- while it happens ---

    def _is_to_go(self, name: str, remote_id: str, tag: str | None) -> bool:
        """Whether what a provider holds is of an event that the hub has deleted, and has yet to take away.

        The create of such an event is repeated only to find what it made.
        """
        is_known = (EventCopy.link_id == self.world.links[name]) & (EventCopy.remote_id == remote_id)
        query = select(Event.deleted_at).join(EventCopy, EventCopy.event_id == Event.id)
        with self.world.look() as session:
            return session.scalar(query.where(is_known | (EventCopy.id == tag))) is not None

    def watch(self, provider: str, boundary: str, arguments: Mapping[str, Any], answer: Any) -> None:
        """Look at each write of the hub at the moment when a provider has carried it out."""
        push = arguments.get("push")
        if push is None:
            return
        name = self.world.place_of(provider, arguments["calendar"].remote_id)
        if self.world.place(name).detail != "full":
            self._check_masked(name, push)
            return
        if isinstance(push, PushCreate):
            if push.attempt == 0 and self.world.leaves_out(name, push.content):
                self.fail(f"C1: {name} was given event {mark_of(push.content)}, which its link leaves out")
            calendar = SERVICES[provider].calendar(ANN, arguments["calendar"].remote_id)
            mark = mark_of(push.content)
            alike = [e for e in calendar.events.values() if not e.deleted and mark_of(e.content) == mark]
            if len(alike) > 1 and sum(not self._is_to_go(name, e.remote_id, e.tag) for e in alike) > 1:
                self.fail(f"C7: {provider} was given a second copy of event {mark}")
        elif isinstance(push, PushDelete):
            calendar = SERVICES[provider].calendar(ANN, arguments["calendar"].remote_id)
            mark = mark_of(calendar.events[push.remote_id].content)
            is_left_out = mark in self.ledger.all_day and not self.world.place(name).all_day
            if not self.ledger.may_delete(mark) and not (is_left_out and self._made_by_hub(name, mark)):
                self.fail(f"C4: the hub deleted event {mark} at {provider}, which nobody had told it to")

    def _check_masked(self, name: str, push: Push) -> None:
        """Check that a busy-only calendar is shown nothing of an event but when it is."""
        if isinstance(push, PushCreate | PushUpdate):
            content = push.content
            bare = EventContent(content.when, "Busy", show_as=content.show_as, status=content.status)
            if content != bare or content != self.world.shown_at(name, content):
                self.fail(f"C1: {name} was shown more of an event than when it is: {content!r}")

    def _made_by_hub(self, name: str, mark: str) -> bool:
        """Whether an event has come to a place from elsewhere."""
        return self.ledger.edits[mark, "title"][0].place != name

    # --- at the end ---

    def hub(self) -> dict[str, EventContent]:
        """Return the hub's live events by mark."""
        with self.world.look() as session:
            events = session.scalars(_LIVE).all()
            homes = [(content_of(event), event.calendar_id) for event in events]
        contents = [content for content, _ in homes]
        self._check_unique("the hub", contents)
        for content, home in homes:
            mark = mark_of(content)
            if self.ledger.marks.get(mark, home) != home:
                self.fail(f"C1: the hub holds event {mark} in {home}, not in {self.ledger.marks[mark]}")
        return {mark_of(c): c for c in contents}

    def _check_unique(self, where: str, contents: list[EventContent]) -> None:
        for mark, count in Counter(mark_of(c) for c in contents).items():
            if count > 1:
                self.fail(f"C7: {where} holds event {mark} {count} times")
            if mark not in self.ledger.marks:
                self.fail(f"C7: {where} holds an event that nobody made: {mark!r}")

    def judge(self) -> dict[str, EventContent]:
        """Check everything that must hold when edits and faults have stopped; return what `hub` does."""
        hub = self.hub()
        self._convergence(hub, list(self.world.links))
        self._status()
        conflicts = self._conflicts()
        for mark in self.ledger.marks:
            if mark in hub:
                self._alive(mark, hub[mark], conflicts)
            else:
                self._absent(mark, conflicts)
        return hub

    def strays(self, poisoned: str) -> list[str]:
        """Return in what the others are not in step while one provider does not answer as it should (C11)."""
        names = [name for name in self.world.links if not name.startswith(f"{poisoned}.")]
        others = Oracle(self.world, self.ledger)
        self.world.wire.seen.remove(others.watch)
        others._convergence(others.hub(), names)
        return [f"C11: while {poisoned} does not answer, {v.partition(': ')[2]}" for v in others.violations]

    def _convergence(self, hub: dict[str, EventContent], names: list[str]) -> None:
        for name in names:
            place = self.world.place(name)
            here = {
                mark: content for mark, content in hub.items() if self.ledger.marks.get(mark) == place.hub
            }
            remote = list(self.world.remote(name).values())
            if place.detail != "full":
                self._masks(name, list(here.values()), remote)
                continue
            self._check_unique(name, remote)
            found = {mark_of(c): c for c in remote}
            for mark in sorted(here.keys() - found.keys() if place.direction != "import" else ()):
                may_lack = place.direction == "export" and self.ledger.may_delete(mark)
                if not may_lack and self._is_copied(name, mark, here[mark]) is not False:
                    self.fail(f"C1: {name} lacks event {mark} ({hub[mark].title})")
            for mark in sorted(found.keys() - here.keys()):
                self.fail(f"C1: {name} holds event {mark} ({found[mark].title}), the hub does not")
            for mark in sorted(found.keys() & here.keys()):
                if self._is_copied(name, mark, here[mark]) is False and not self.ledger.deletions[mark]:
                    self.fail(f"C1: {name} holds event {mark}, which its link leaves out")
                wanted = self.world.project(name, here[mark])
                for field in CONTENT_FIELDS:
                    if getattr(found[mark], field) != getattr(wanted, field):
                        self.fail(
                            f"C1: {name} shows {field}={getattr(found[mark], field)!r} of event {mark}, "
                            f"the hub {getattr(wanted, field)!r}"
                        )

    def _is_copied(self, name: str, mark: str, content: EventContent) -> bool:
        """Whether an event belongs to a place: what people have made there stays, whatever becomes of it."""
        if not self.world.leaves_out(name, content):
            return True
        return not self._made_by_hub(name, mark) and not self.ledger.deletions[mark]

    def _masks(self, name: str, contents: list[EventContent], remote: list[EventContent]) -> None:
        wanted = Counter(repr(self.world.shown_at(name, content)) for content in contents)
        found = Counter(map(repr, remote))
        for lacking in wanted - found:
            self.fail(f"C1: {name} lacks {lacking}")
        for more in found - wanted:
            self.fail(f"C1: {name} holds {more}, the hub does not")

    def _status(self) -> None:
        with self.world.look() as session:
            links = session.scalars(_LINKS).all()
            health = health_of(session, self.world.ports, links)
            parked = session.connection().execute(_PARKED).scalars().all()
            unread = session.connection().execute(_UNREAD).scalars().all()
        for problem in parked:
            self.fail(f"C9: a copy is parked: {problem}")
        for reason in unread:
            self.fail(f"C9: a change is parked: {reason}")
        names = {link_id: name for name, link_id in self.world.links.items()}
        for link in links:
            if health[link.id].delivery != "push":
                self.fail(f"C9: nothing tells the hub of what changes in {names[link.id]} any more")
            if health[link.id].state != "in_sync":
                self.fail(
                    f"C12: {names[link.id]} is {health[link.id].state} at the end: "
                    f"{health[link.id].problem or health[link.id].waiting}"
                )

    def _conflicts(self) -> dict[tuple[str, str], set[str]]:
        """Return the fingerprints that conflicts keep, by mark and field; `deleted` among the fields."""
        kept: dict[tuple[str, str], set[str]] = {}
        with self.world.look() as session:
            rows = session.execute(_CONFLICTS).all()
            for conflict, event in rows:
                content = content_of(event)
                mark = mark_of(content)
                if conflict.field in FIELDS:
                    self._told_right(conflict, mark, content, event.deleted_at is not None)
                for value in (conflict.hub_value["value"], conflict.provider_value["value"]):
                    kept.setdefault((mark, conflict.field), set()).add(fingerprint(value))
                    if conflict.field == "deleted" and value:
                        for name in FIELDS:
                            kept.setdefault((mark, name), set()).add(fingerprint(value.get(name)))
        for mark, field, _ in [stood for stood in self._stands if stood not in self._lost]:
            self.fail(f"C2: a conflict tells of a {field} of event {mark} that stands, and it does not")
        return kept

    def _told_right(self, conflict: Conflict, mark: str, content: EventContent, is_deleted: bool) -> None:
        """Check what a conflict says: who disagreed, and whose value stands."""
        name = next(n for n, link_id in self.world.links.items() if link_id == conflict.link_id)
        policy, field = self.world.policies[name], conflict.field
        edits = self.ledger.edits[mark, field]
        theirs = fingerprint(conflict.provider_value["value"])
        if conflict.reason == UNSEEN and theirs in {e.replaced for e in edits}:
            return  # It came back.
        if conflict.kept != policy != "newest" and conflict.reason != UNSEEN:
            self.fail(f"C2: by the rule of {name} the {policy}'s {field} of event {mark} should stand")
        if theirs not in {e.value for e in edits if e.place == name}:
            self.fail(f"C5: a conflict about the {field} of event {mark} that nobody at {name} has edited")
        stands = conflict.hub_value if conflict.kept == "hub" else conflict.provider_value
        told = fingerprint(stands["value"])
        loser = conflict.provider_value if conflict.kept == "hub" else conflict.hub_value
        self._lost.add((mark, field, fingerprint(loser["value"])))
        is_overruled = told in {e.replaced for e in edits} or is_deleted
        if told != fingerprint(getattr(content, field)) and not is_overruled:
            self._stands.append((mark, field, told))

    def conflict_fields(self) -> Counter[str]:
        """Return how many conflicts were recorded, by their field."""
        with self.world.look() as session:
            fields = session.connection().execute(_CONFLICT_FIELDS).scalars()
            return Counter(f"conflict about {field}" for field in fields)

    def _alive(self, mark: str, content: EventContent, conflicts: dict[tuple[str, str], set[str]]) -> None:
        for name in FIELDS:
            edits = self.ledger.edits[mark, name]
            end = fingerprint(getattr(content, name))
            replaced = {e.replaced for e in edits}
            if end not in {e.value for e in edits}:
                self.fail(
                    f"C2: event {mark} ends with a {name} that nobody gave it: {getattr(content, name)!r}"
                )
            deleted = set().union(*(self.ledger.known_to(d, name) for d in self.ledger.deletions[mark]))
            kept = {end} | replaced | deleted | conflicts.get((mark, name), set())
            for e in edits:
                if e.value not in kept:
                    self.fail(f"C2: the {name} that {e.place} gave event {mark} at {e.at:.3f} is lost")
        told = (mark, "deleted") in conflicts
        for deletion in self.ledger.deletions[mark]:
            excused = deletion.void or (deletion.unsure and told) or self._is_moved_away(deletion)
            if not excused and not self._unseen(mark, deletion):
                self.fail(f"C3: event {mark}, deleted at {deletion.place} after its last edit, is back")
        sure = [d for d in self.ledger.deletions[mark] if not d.void and not self._may_be_ours(d, content)]
        if sure and not told:
            self.fail(f"C2: nobody was told that the deletion of event {mark} was overruled")

    def _may_be_ours(self, deletion: Deletion, content: EventContent) -> bool:
        """Whether, after a fault, the hub may take a deletion for its own: it was to take the event away."""
        is_left_out = deletion.place in self.world.links and self.world.leaves_out(deletion.place, content)
        return self._is_moved_away(deletion) or (is_left_out and bool(self.world.faults.played))

    def _is_moved_away(self, deletion: Deletion) -> bool:
        """Whether the event went to another calendar, so that it was to go from there anyway.

        The hub hears of the move first, perhaps; or it was moved where the hub had yet to delete it, and was
        a new event of the other calendar from then on.
        """
        if deletion.place not in self.world.links:
            return False
        return self.ledger.went_from(deletion.mark, self.world.place(deletion.place).hub, deletion.at)

    def _unseen(self, mark: str, deletion: Any) -> bool:
        """Whether an edit was made without knowledge of the deletion, or later."""
        return any(
            e.value not in self.ledger.known_to(deletion, name)
            for name in FIELDS
            for e in self.ledger.edits[mark, name]
        )

    def _hides(self, place: str, name: str) -> bool:
        """Whether people cannot see a field at a place, so that no edit of it can stop their deletion."""
        topology = self.world.topology
        return place == topology.names()[-1] and name in topology.lossy

    def _absent(self, mark: str, conflicts: dict[tuple[str, str], set[str]]) -> None:
        deletions = [d for d in self.ledger.deletions[mark] if not d.void]
        if not deletions:
            self.fail(f"C4: event {mark} is gone, and nobody has deleted it")
            return
        for name in FIELDS:
            if any(self._hides(d.place, name) for d in deletions):
                continue
            known = set().union(*(self.ledger.known_to(d, name) for d in deletions))
            for e in self.ledger.edits[mark, name]:
                later = e.value not in known and all(e.at > d.at for d in deletions)
                if later and e.value not in conflicts.get((mark, name), set()):
                    self.fail(f"C2: event {mark} was deleted although {e.place} edited its {name} after that")
