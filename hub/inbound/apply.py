"""One transaction a page: changes -> events, copies, tombstones; drop echoes; note conflicts; fan out.

Comes after pull has fetched (and confirmed) a page, inside the transaction that also stores the cursor
with the last page; its fan out makes the copies in the other links wanted. Applying a page twice does
nothing the second time.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType

from sqlalchemy import delete, select
from sqlalchemy.orm import Session, selectinload

from hub.domain.fingerprint import fingerprints
from hub.domain.merge import Clash, Merged, Side, merge
from hub.domain.recurrence import RecurrenceError, span, starts, with_details
from hub.inbound import moves
from hub.inbound.pairing import Pair, Pairing
from hub.inbound.shapes import Shapes
from hub.log import get_logger
from hub.models import (
    Actor,
    Calendar,
    ChangeKind,
    Detail,
    Direction,
    Event,
    EventCopy,
    Link,
    ParkedChange,
    Policy,
)
from hub.models.content import content_of, exception_row, write_content
from hub.outbound import kept
from hub.outbound.conflicts import note
from hub.outbound.edit import Author, beginning, differences, fan_out, new_copy, record, revive
from hub.outbound.outbox import recreate, show, visible
from hub.plugin.codec import content_from_json, to_json
from hub.plugin.types import EventContent, RemoteChange, RemoteEvent
from hub.ports import Ports

log = get_logger()

BUSY_ONLY_FIELDS = frozenset({"when", "show_as", "status"})
"""What a busy-only calendar may change: the rest of it is not the event's own."""


def apply_page(
    session: Session,
    ports: Ports,
    link: Link,
    changes: Iterable[RemoteChange],
    run_id: str,
    moved: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Apply one page of changes of a link that the caller holds.

    Args:
        moved: by remote id, the copies in other links that new events were before (`hub.inbound.moves`).
    """
    latest = {change.remote_id: change for change in changes}
    _Page(session, ports, link, run_id, moved).apply(latest)


class _Page:
    def __init__(
        self, session: Session, ports: Ports, link: Link, run_id: str, moved: Mapping[str, str]
    ) -> None:
        self.session = session
        self.ports = ports
        self.link = link
        self.author = Author(Actor.PROVIDER, link.id, run_id)
        self.calendar = session.get_one(Calendar, link.calendar_id)
        self.shapes = Shapes(session, ports, link)
        self.now = ports.clock.now()
        self.moved = moved
        self.touched: list[Event] = []
        self.parked: set[str] = set()

    def apply(self, changes: dict[str, RemoteChange]) -> None:
        copies = self._copies(changes)
        events = self._events(
            copy.event_id
            for copy in copies.values()
            if not self._is_known(copy, changes[copy.remote_id or ""])
        )
        if events:
            copies = self._copies(
                changes
            )  # Now that no one else can edit the events: what is wanted of them.
        unknown: list[RemoteEvent] = []
        for remote_id, change in changes.items():
            copy = copies.get(remote_id)
            fault = change.fault or (change.event and _unusable(change.event.content))
            if fault:
                self._park(remote_id, fault)
            elif change.event is None:
                if copy is not None and copy.removed_at is None:
                    self._removed(copy, events[copy.event_id])
            elif copy is None:
                unknown.append(change.event)
            elif not self._is_known(copy, change):
                self._changed(copy, events[copy.event_id], change.event)
            else:
                copy.seen_generation, copy.missing_at = self.link.generation, None
                copy.doubted = False
                if copy.replaced:
                    copy.replaced, copy.unkept = {}, 0
        self._add(unknown)
        self._unpark([r for r in changes if r not in self.parked])
        self.session.flush()
        fan_out(self.session, self.ports, self.touched, source=self.link)
        self.session.flush()

    @staticmethod
    def _is_known(copy: EventCopy, change: RemoteChange) -> bool:
        """Whether the change is what we already hold: a replay, an echo, or old news of a deleted event."""
        event = change.event
        if event is None or not event.version == copy.remote_version != "":
            return False
        return not copy.replaced or to_json(event.content) == copy.base

    def _copies(self, changes: dict[str, RemoteChange]) -> dict[str, EventCopy]:
        query = (
            select(EventCopy)
            .where(EventCopy.link_id == self.link.id, EventCopy.remote_id.in_(list(changes)))
            .execution_options(populate_existing=True)
        )
        return {copy.remote_id or "": copy for copy in self.session.scalars(query)}

    def _events(self, ids: Iterable[str]) -> dict[str, Event]:
        query = (
            select(Event)
            .where(Event.id.in_(sorted(set(ids))))
            .options(selectinload(Event.exceptions))
            .order_by(Event.id)
            .with_for_update(of=Event)
        )
        return {event.id: event for event in self.session.scalars(query)}

    # --- what the hub knows already ---

    def _changed(self, copy: EventCopy, event: Event, remote: RemoteEvent) -> None:
        """Merge what the provider shows now into an event that has a copy here."""
        # Without a common ground (`compare_anew`) both sides meet as if for the first time.
        base = content_from_json(copy.base) if copy.base and copy.synced else None
        was_removed = copy.removed_at is not None
        theirs, tried = remote.content, copy.tried
        if base is not None and event.deleted_at is None and self._is_no_news(copy, remote):
            lost = kept.lost_later(copy, base, theirs)
            if lost:
                show(copy, remote)
                kept.not_kept(self.session, self.ports, self.link, copy, event, lost)
            if lost or remote.version == copy.remote_version:
                copy.seen_generation, copy.missing_at = self.link.generation, None
                return
        show(copy, remote)
        copy.seen_generation = self.link.generation
        copy.replaced, copy.unkept = {}, 0
        if event.deleted_at is not None and base == theirs and not was_removed:
            copy.due_at = None
            return
        ours = content_of(event)
        merged = self._merge(base, theirs, ours, copy.synced, tried, event, remote)
        if self.link.direction == Direction.EXPORT:
            return
        if event.deleted_at is not None:
            self._restore(event, copy)
        self._take(event, copy, ours, merged, remote)

    @staticmethod
    def _is_no_news(copy: EventCopy, remote: RemoteEvent) -> bool:
        """Whether this is not later than what our own write was answered with."""
        if remote.version == copy.remote_version != "":
            return True
        return bool(remote.updated_at and copy.shown_at and remote.updated_at <= copy.shown_at)

    def _merge(
        self,
        base: EventContent | None,
        theirs: EventContent,
        ours: EventContent,
        synced: dict[str, str],
        tried: dict[str, list[str]],
        event: Event,
        remote: RemoteEvent,
    ) -> Merged:
        own = visible(ours, self.link.detail)
        if self.link.detail == Detail.BUSY_ONLY:
            theirs = _only(BUSY_ONLY_FIELDS, theirs, own)
            base = base and _only(BUSY_ONLY_FIELDS, base, own)
        shapes = self.shapes.all(theirs)[1:] if base is None else []
        merged = merge(
            base, theirs, own, synced, self.shapes.own(own), self._winner(event, remote), tried, shapes
        )
        if own is not ours:
            content = _only(merged.taken, merged.content, ours)
            when = with_details(content.when, ours.when)
            merged = dataclasses.replace(merged, content=dataclasses.replace(content, when=when))
        return merged

    def _winner(self, event: Event, remote: RemoteEvent) -> Side:
        if self.link.policy == Policy.PROVIDER:
            return "provider"
        if self.link.policy == Policy.HUB:
            return "hub"
        return "provider" if self._edited_at(remote) >= event.updated_at else "hub"

    def _edited_at(self, remote: RemoteEvent) -> datetime:
        """When the person made the edit, as far as the provider tells; never in the future."""
        return min(remote.updated_at or self.now, self.now)

    def _take(
        self, event: Event, copy: EventCopy, ours: EventContent, merged: Merged, remote: RemoteEvent
    ) -> None:
        """Store what came of a merge; the copy stays wanted for what the provider still lacks."""
        if merged.taken:
            write_content(event, merged.content, self.calendar.zone)
            event.version += 1
            event.updated_at = max(event.updated_at, self._edited_at(remote))
            if event.deleted_at is None:
                fields = differences(ours, merged.content)
                record(self.session, self.ports, event, ChangeKind.UPDATED, fields, self.author)
                self.touched.append(event)
        for clash in merged.clashes:
            self._note(event, clash, ours, remote)
        copy.synced = merged.synced
        copy.uncertain, copy.create_id = False, None
        copy.wanted_version = event.version
        if merged.owed and self.link.direction != Direction.IMPORT:
            copy.pushed_version = min(copy.pushed_version, event.version - 1)
            copy.due_at = None
        else:
            copy.pushed_version = event.version
            copy.attempts, copy.problem, copy.parked_at, copy.due_at = 0, None, None, None

    def _note(self, event: Event, clash: Clash, ours: EventContent, remote: RemoteEvent) -> None:
        loser = "provider" if clash.kept == "hub" else "hub"
        # The hub's own value, whole: a busy-only calendar is shown less of it.
        hub_value, provider_value = {"value": getattr(ours, clash.field)}, {"value": clash.provider_value}
        if clash.field == "description":
            hub_value["html"] = ours.description_html
            provider_value["html"] = remote.content.description_html
        reason = (
            f"Both sides changed it; by the rule {self.link.policy!r} the {clash.kept}'s value stands, "
            f"the {loser}'s is kept here."
        )
        note(
            self.session,
            self.ports,
            self.link,
            event,
            clash.field,
            clash.kept,
            hub_value,
            provider_value,
            reason,
        )

    def _restore(self, event: Event, copy: EventCopy) -> None:
        """Bring a deleted event back, since a person edited it without knowing of the deletion."""
        revive(self.session, self.ports, event)
        copy.parked_at = copy.due_at = None
        record(self.session, self.ports, event, ChangeKind.RESTORED, beginning(event), self.author)
        note(
            self.session,
            self.ports,
            self.link,
            event,
            "deleted",
            "provider",
            {"value": None},
            {"value": copy.base},
            "It was deleted in the hub and edited at the provider: the edit wins, it was restored.",
        )
        self.touched.append(event)

    def _removed(self, copy: EventCopy, event: Event) -> None:
        """The provider holds the event no more: the guard decides whether that deletes it here."""
        if event.deleted_at is None and kept.may_be_ours(copy):
            recreate(self.ports, copy)
            copy.wanted_version = event.version
            return
        if event.deleted_at is None and self.link.direction != Direction.EXPORT:
            copy.missing_at = copy.missing_at or self.now
            return
        copy.removed_at, copy.missing_at = self.now, None
        copy.attempts, copy.problem, copy.parked_at, copy.due_at = 0, None, None, None
        copy.wanted_version = copy.pushed_version = event.version

    # --- what the hub does not know yet ---

    def _add(self, remotes: list[RemoteEvent]) -> None:
        """Pair new remote events with events that the hub has already, and bring in the others."""
        if not remotes:
            return
        pairing = Pairing(self.session, self.link, self.shapes)
        pairs = pairing.find(remotes, first=self.link.imported_at is None)
        for remote in remotes:
            pair = pairs.get(remote.remote_id)
            if pair is not None and pair.copy is not None and pair.copy.base:
                self._changed(pair.copy, pair.event, remote)
            elif pair is not None:
                self._pair(pair, remote)
            elif remote.remote_id in self.moved and self.link.direction != Direction.EXPORT:
                self._move_here(remote, self.moved[remote.remote_id])
            elif self.link.direction != Direction.EXPORT and not self._is_past(remote.content):
                self._create(remote, remote.content)

    def _pair(self, pair: Pair, remote: RemoteEvent) -> None:
        event, copy, former = pair.event, pair.copy, pair.former
        if copy is None:
            copy = new_copy(self.ports, self.link, event, create_id=None)
            self.session.add(copy)
        tried = copy.tried or {}
        show(copy, remote)
        copy.seen_generation = self.link.generation
        ours = content_of(event)
        base = content_from_json(former.base) if former and former.base else None
        synced = former.synced if former and base else {}
        merged = self._merge(base, remote.content, ours, synced, tried, event, remote)
        if self.link.direction == Direction.EXPORT:
            merged = dataclasses.replace(
                merged, content=ours, taken=frozenset(), clashes=(), owed=merged.owed | merged.taken
            )
        self._take(event, copy, ours, merged, remote)
        if remote.remote_id in self.moved:
            moved_from = self.moved[remote.remote_id]
            moves.settle_source(self.session, self.ports, moved_from, event.id, self.author)

    def _move_here(self, remote: RemoteEvent, copy_id: str) -> None:
        """Take an event over from another calendar of the account, with all that the hub knows of it."""
        copy, old, link = moves.source_of(self.session, copy_id)
        if self.link.detail == link.detail == Detail.FULL:
            base, ours = content_from_json(copy.base), content_of(old)
            merged = self._merge(base, remote.content, ours, copy.synced, copy.tried, old, remote)
            event, here = self._create(remote, merged.content)
            event.extra, here.synced = dict(old.extra), merged.synced
            if merged.owed and self.link.direction != Direction.IMPORT:
                here.pushed_version = 0
            for clash in merged.clashes:
                self._note(event, clash, ours, remote)
        else:
            event, _ = self._create(remote, remote.content)
        moves.settle_source(self.session, self.ports, copy_id, event.id, self.author)

    def _is_past(self, content: EventContent) -> bool:
        _, ends_at = span(content.when, self.calendar.zone)
        now = self.link.planned_at or self.now
        return ends_at is not None and ends_at < now - timedelta(days=self.link.past_days)

    def _create(self, remote: RemoteEvent, content: EventContent) -> tuple[Event, EventCopy]:
        event = Event(
            id=self.ports.ids.new("evt"),
            tenant_id=self.link.tenant_id,
            calendar_id=self.link.calendar_id,
            uid=remote.uid or f"{remote.remote_id}@{self.shapes.provider}",
            version=1,
            extra={},
            created_at=self.now,
            updated_at=self._edited_at(remote),
            has_exceptions=bool(content.when.exceptions),
            exceptions=[exception_row(e) for e in content.when.exceptions],
        )
        write_content(event, content, self.calendar.zone)
        copy = new_copy(
            self.ports,
            self.link,
            event,
            create_id=None,
            synced=fingerprints(content),
            wanted_version=1,
            pushed_version=1,
            seen_generation=self.link.generation,
        )
        show(copy, remote)
        self.session.add_all((event, copy))
        fields = {name: {"after": value} for name, value in to_json(content).items()}
        record(self.session, self.ports, event, ChangeKind.CREATED, fields, self.author)
        self.touched.append(event)
        return event, copy

    # --- what could not be understood ---

    def _park(self, remote_id: str, reason: str) -> None:
        self.parked.add(remote_id)
        self.session.merge(
            ParkedChange(link_id=self.link.id, remote_id=remote_id, reason=reason, at=self.now)
        )
        log.warning("remote_event_parked", link_id=self.link.id, remote_id=remote_id, reason=reason)

    def _unpark(self, remote_ids: list[str]) -> None:
        self.session.execute(
            delete(ParkedChange).where(
                ParkedChange.link_id == self.link.id, ParkedChange.remote_id.in_(remote_ids)
            )
        )


def _only(names: Iterable[str], changed: EventContent, rest: EventContent) -> EventContent:
    """Return `rest` with the named fields of `changed`."""
    return dataclasses.replace(rest, **{name: getattr(changed, name) for name in names})


def _unusable(content: EventContent) -> str | None:
    """Return why an event cannot be taken in, if its rule makes no sense."""
    if not content.when.is_series:
        return None
    try:
        next(starts(content.when), None)
    except RecurrenceError as error:
        return str(error)
    return None
