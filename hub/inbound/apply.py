"""One transaction a page: changes -> events, copies, tombstones; drop echoes; note conflicts; fan out.

Comes after pull has fetched (and confirmed) a page, inside the transaction that also stores the cursor
with the last page; its fan out makes the copies in the other links wanted. The rows are read
(`hub.inbound.rows`), what becomes of them is decided without the database (`hub.domain.page`), and
written. Applying a page twice does nothing the second time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta
from types import MappingProxyType

from sqlalchemy.orm import Session

from hub.db import forget
from hub.domain.drafts import Draft, EventDraft, is_leftover, plain_of
from hub.domain.merging import Terms
from hub.domain.page import Plan
from hub.domain.plain import Plain, days_by_start, with_days
from hub.domain.recurrence import fault_of, is_known_zone
from hub.inbound import guard, moves, rows, splits
from hub.inbound.pairing import Pair, Pairing
from hub.inbound.rows import Known, Rows
from hub.inbound.shapes import Shapes
from hub.log import get_logger
from hub.models import Actor, Detail, Direction, Event, EventCopy, Link, ParkedChange
from hub.models.view import lens_of
from hub.outbound import kept, singles
from hub.outbound.edit import Author, note_changes, revive_copies
from hub.outbound.lease import Lease
from hub.outbound.spread import spread
from hub.plugin.checking import fault_in
from hub.plugin.codec import content_from_json, to_json
from hub.plugin.types import RemoteChange, RemoteEvent
from hub.ports import Ports

log = get_logger()

LONGEST_ID = 1024
"""Bytes of an id or a UID: columns and their indexes take no more."""


def apply_page(
    session: Session,
    ports: Ports,
    link: Link,
    changes: Iterable[RemoteChange],
    lease: Lease,
    moved: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Apply one page of changes of a link.

    Args:
        lease: under which the link is held (`hub.outbound.lease.held`) in this transaction.
        moved: by remote id, the copies in other links that new events were before (`hub.inbound.moves`).
    """
    latest = {change.remote_id: change for change in changes if _is_storable(change.remote_id)}
    # What has come from elsewhere first: other changes may be of what it was before.
    for part in _parted(latest, moved):
        _Page(session, ports, link, lease, moved).apply(part)


class _Views:
    """How others see an event (`hub.domain.page.Views`).

    It knows nothing of the page: a circle of the two would keep all that a page holds until the garbage is
    searched for, and that search takes half as long as reading the page does.
    """

    def __init__(self, showing: Shapes) -> None:
        self._showing = showing

    def project(self, content: Plain) -> Plain:
        shown: Plain = to_json(self._showing.own(content_from_json(content)))
        return shown

    def shapes(self, content: Plain) -> list[Plain]:
        return [to_json(shape) for shape in self._showing.all(content_from_json(content))[1:]]


class _Page:
    def __init__(
        self, session: Session, ports: Ports, link: Link, lease: Lease, moved: Mapping[str, str]
    ) -> None:
        forget(session, Event, EventCopy)
        self.session = session
        self.connection = session.connection()
        self.ports = ports
        self.link = link
        self.moved = moved
        self.settled: list[tuple[str, str]] = []
        """Copies in other links, and what their events go on as here."""
        self.author = Author(Actor.PROVIDER, link.id, lease.run_id)
        self.lease = lease
        self.showing = Shapes(session, ports, link, lease.provider)
        self.plan = Plan(self._terms(), ports.ids, _Views(self.showing))

    def _terms(self) -> Terms:
        link, now = self.link, self.ports.clock.now()
        return Terms(
            link_id=link.id,
            direction=link.direction,
            lens=lens_of(link),
            policy=link.policy,
            generation=link.generation,
            zone=self.lease.term.zone,
            provider=self.lease.provider,
            now=now,
            oldest=(link.planned_at or now) - timedelta(days=link.past_days),
        )

    def apply(self, changes: dict[str, RemoteChange]) -> None:
        copies = rows.known(self.connection, self.link.id, changes)
        faults = _faults(changes)
        for remote_id, reason in faults.items():
            self._park(remote_id, reason)
            if remote_id in copies and copies[remote_id].removed_at is None:
                self.plan.listed(rows.draft_of(copies[remote_id]))
        sound = [change for change in changes.values() if change.remote_id not in faults]
        suspects = self._sort_out(copies, sound)
        if self.link.singles_id is not None:
            ids = [copy.event_id for _, copy in suspects]
            singles.follow_parts(self.session, self.ports, self.link, ids)
            forget(self.session, Event, EventCopy)
            suspects = [(change, copy._replace(step=None)) for change, copy in suspects]
        new = [change.event for change in sound if change.event and change.remote_id not in copies]
        gone = {copy.id for change, copy in suspects if change.event is None}
        pairs = self._pairs(new, gone)
        if self.moved:
            moved = {r.remote_id: self.moved[r.remote_id] for r in new if r.remote_id in self.moved}
            pairs = moves.heirs_here(self.connection, self.link, moved) | pairs
        beside = self._beside(pairs.values())
        self._lock(suspects, beside)
        suspects = self._follow(suspects, {event_id for _, event_id in beside})
        read = self._read([(copy.id, copy.event_id) for _, copy in suspects] + beside)
        self._read_heirs(read)
        for change, known in suspects:
            self._judge(read, known, change)
        self.plan.expect(len(new) - len(pairs))
        for remote in new:
            self._bring_in(read, remote, pairs.get(remote.remote_id))
        self._write([change.remote_id for change in sound])

    # --- reading ---

    def _sort_out(
        self, copies: dict[str, Known], changes: list[RemoteChange]
    ) -> list[tuple[RemoteChange, Known]]:
        """Note what is no news, by its version alone; return the changes that have to be looked at."""
        suspects = []
        for change in changes:
            known = copies.get(change.remote_id)
            if known is None or (change.event is None and known.removed_at is not None):
                continue
            if _has_version(known.remote_version, change.event):
                copy = rows.draft_of(known)
                if not copy["replaced"] and not is_leftover(copy):
                    self.plan.seen(copy)
                    continue
            suspects.append((change, known))
        return suspects

    def _pairs(self, remotes: list[RemoteEvent], gone: Collection[str]) -> dict[str, Pair]:
        if not remotes:
            return {}
        pairing = Pairing(self.connection, self.link, self.lease.term.zone, self.showing)
        return pairing.find(remotes, first=self.link.imported_at is None, gone=gone)

    def _beside(self, pairs: Iterable[Pair]) -> list[tuple[str, str]]:
        """Return what the page touches beside what it names: copies, or "", with their events."""
        moved = rows.events_of(self.connection, self.moved.values()) if self.moved else []
        return [(pair.copy_id or "", pair.event_id) for pair in pairs] + moved

    def _lock(self, suspects: Iterable[tuple[RemoteChange, Known]], beside: list[tuple[str, str]]) -> None:
        """Let no one else change what may be changed."""
        wanted = [(copy.id, copy.event_id) for _, copy in suspects] + beside
        seen = [copy["id"] for copy in self.plan.writes.copies]
        copy_ids = [copy_id for copy_id, _ in wanted if copy_id]
        rows.lock(self.connection, (event_id for _, event_id in wanted), [*copy_ids, *seen])

    def _read(self, wanted: list[tuple[str, str]]) -> Rows:
        copy_ids = [copy_id for copy_id, _ in wanted if copy_id]
        return rows.read(self.connection, copy_ids, [event_id for _, event_id in wanted])

    def _read_heirs(self, read: Rows) -> None:
        """Read, locked, what deleted events go on as in other calendars."""
        asked: set[str] = set()
        while wanted := {h for e in read.events.values() if (h := _heir_id(e))} - read.events.keys() - asked:
            rows.lock(self.connection, wanted, ())
            read.events.update(rows.read(self.connection, (), wanted).events)
            asked |= wanted

    # --- deciding ---

    def _follow(
        self, suspects: list[tuple[RemoteChange, Known]], beside: Collection[str]
    ) -> list[tuple[RemoteChange, Known]]:
        """Take over what takes no more than that; return the changes that have to be looked at.

        Args:
            beside: events that the page touches in other ways, too.
        """
        named = [copy for change, copy in suspects if change.event and copy.event_id not in beside]
        in_step, left = rows.in_step(self.connection, named), []
        for change, copy in suspects:
            known, remote = in_step.get(copy.id), change.event
            if not (known and remote and self.plan.follows(known, remote, plain_of(remote, None))):
                left.append((change, copy))
        return left

    def _judge(self, read: Rows, known: Known, change: RemoteChange) -> None:
        copy, event = read.copies[known.id]
        remote = change.event
        if remote is None:
            self.plan.removed(copy, event)
            return
        theirs = plain_of(remote, copy["base"])
        if copy["read_only"] and copy["base"]:
            theirs = self._without_absence(copy, theirs)
        if _has_version(copy["remote_version"], remote) and theirs == copy["base"] and not is_leftover(copy):
            self.plan.seen(copy)
        else:
            heir = _heir(read, event)
            self.plan.changed(copy, event, remote, theirs, heir=None if heir is event else heir)

    def _without_absence(self, copy: Draft, theirs: Plain) -> Plain:
        """Return somebody else's meeting without the days that a guest has taken out of the own calendar.

        They take place where the meeting stands by itself in another calendar (`hub.inbound.guard`).
        """
        was, now = (days_by_start(content["when"]) for content in (copy["base"], theirs))
        left = [d for d, day in now.items() if day.get("cancelled") and not was.get(d, {}).get("cancelled")]
        if not left or not guard.other_sources(self.session, self.link, [copy["id"]]):
            return theirs
        kept = {d: day for d, day in now.items() if d not in left} | {d: was[d] for d in left if d in was}
        return theirs | {"when": with_days(theirs["when"], [kept[d] for d in sorted(kept)])}

    def _bring_in(self, read: Rows, remote: RemoteEvent, pair: Pair | None) -> None:
        theirs = plain_of(remote, None)
        event = read.events.get(pair.event_id) if pair else None
        copy = read.copies[pair.copy_id][0] if pair and pair.copy_id else None
        moved_from = self.moved.get(remote.remote_id)
        if pair is None or event is None or (copy is None and event.row["deleted_at"] is not None):
            if moved_from is not None and self.link.direction != Direction.EXPORT:
                self._move_here(read, moved_from, remote, theirs)
            else:
                self.plan.create(remote, theirs)
            return
        synced = pair.synced if pair.base else {}
        if copy is not None and pair.is_superseded:
            self.plan.supersede(copy)
        if copy is not None and copy["base"] and not pair.base:
            self.plan.changed(copy, event, remote, theirs, is_ours=pair.is_ours)
        else:
            self.plan.pair(copy, event, remote, theirs, pair.base, synced, is_ours=pair.is_ours)
        if moved_from is not None:
            self.settled.append((moved_from, event.id))

    def _move_here(self, read: Rows, copy_id: str, remote: RemoteEvent, theirs: Plain) -> None:
        """Take an event over from another calendar of the account."""
        copy, old = read.copies[copy_id]
        heir = _heir(read, old)
        if heir.row["deleted_at"] is None:
            old = heir
        elif heir is old and copy["removed_at"] != old.row["deleted_at"]:
            # It was deleted, and not because it was missed where it had been.
            self.settled.append((copy_id, self.plan.moved_late(copy, remote, theirs)))
            return
        detail = self.session.get_one(Link, copy["link_id"]).detail
        if self.link.detail == detail == Detail.FULL:
            event_id = self.plan.move_here(copy, old, remote, theirs)
        else:
            event_id = self.plan.bring_here(remote, theirs)
        self.settled.append((copy_id, event_id))

    # --- writing ---

    def _write(self, remote_ids: Collection[str]) -> None:
        writes = self.plan.writes
        if self.lease.term.has_parked:
            rows.unpark(self.connection, self.link.id, remote_ids)
        parts = {event.id: event.fields for event in writes.events if event.row.get("part_of")}
        if parts:
            writes.log = [line for line in writes.log if line["event_id"] not in parts]
            writes.touched = [event_id for event_id in writes.touched if event_id not in parts]
        split = splits.recognise(self.session, self.ports, self.link, writes.log) if writes.log else {}
        rows.write(self.connection, self.link, writes)
        if split:
            splits.tell(self.session, self.ports, split, writes.log, self.author)
        if writes.log:
            ids = self.link.tenant_id, self.link.calendar_id
            note_changes(self.session, self.ports, *ids, self.author, writes.log)
        if parts:
            singles.came_back(self.session, self.ports, self.link, parts, self.author)
        for event_id, version, deleted_at in writes.revived:
            revive_copies(self.session, self.ports, event_id, version, deleted_at)
        touched, new = dict.fromkeys(writes.touched), [e for e in writes.new_events if e.deleted_at is None]
        spread(self.session, self.ports, self.link.calendar_id, touched, source=self.link.id, new=new)
        for moved_from, event_id in self.settled:
            moves.settle_source(self.session, self.ports, moved_from, event_id, self.author)
        for event_id, content in writes.passed_on:
            moves.pass_on(self.session, self.ports, event_id, content, self.author)
        for copy_id, event_id, fields in writes.unkept:
            copy = self.session.get_one(EventCopy, copy_id, populate_existing=True)
            event = self.session.get_one(Event, event_id, populate_existing=True)
            kept.not_kept(self.session, self.ports, self.link, copy, event, fields)

    def _park(self, remote_id: str, reason: str) -> None:
        self.session.merge(
            ParkedChange(link_id=self.link.id, remote_id=remote_id, reason=reason, at=self.ports.clock.now())
        )
        log.warning("remote_event_parked", link_id=self.link.id, remote_id=remote_id, reason=reason)


def _heir_id(event: EventDraft) -> str | None:
    """Return what an event goes on as in another calendar, if it was moved there."""
    is_deleted = event.row["deleted_at"] is not None
    return event.row["moved_to"] if is_deleted else None


def _heir(read: Rows, event: EventDraft) -> EventDraft:
    """Return what an event goes on as in the end; the event itself if it was not moved."""
    heir, passed = event, set()
    while (heir_id := _heir_id(heir)) and heir_id in read.events and heir_id not in passed:
        passed.add(heir_id)
        heir = read.events[heir_id]
    return heir


def _parted(changes: dict[str, RemoteChange], moved: Mapping[str, str]) -> list[dict[str, RemoteChange]]:
    """Return those that were moved, and the rest; without any that is empty."""
    if not moved:
        return [changes] if changes else []
    parts = [{r: c for r, c in changes.items() if (r in moved) is has_moved} for has_moved in (True, False)]
    return [part for part in parts if part]


def _has_version(version: str, event: RemoteEvent | None) -> bool:
    """Whether that is what we hold: a replay, an echo, or old news of a deleted event."""
    return event is not None and event.version == version != ""


def _faults(changes: dict[str, RemoteChange]) -> dict[str, str]:
    """Return why items cannot be taken in: the plugin could not read them, or the rule makes no sense."""
    faults: dict[str, str] = {}
    for remote_id, change in changes.items():
        fault = change.fault or (_fault_of(change.event) if change.event is not None else None)
        if fault:
            faults[remote_id] = fault
    return faults


def _fault_of(event: RemoteEvent) -> str | None:
    """Return why an event cannot be stored; each would cost the whole page."""
    fault = fault_in(event)
    if fault:
        return f"What the provider shows makes no sense: {fault[:200]}."
    when = event.content.when
    if not is_known_zone(when.start_zone) or not is_known_zone(when.end_zone):
        return f"The time zone {when.start_zone or when.end_zone} is not known here."
    if len((event.uid or "").encode()) > LONGEST_ID:
        return "Its UID is longer than any."
    return fault_of(when) if when.is_series else None


def _is_storable(remote_id: str) -> bool:
    """Whether an id can stand in a row: nothing can be noted of an event without one."""
    return "" != remote_id.strip("\0") == remote_id and len(remote_id.encode(errors="replace")) <= LONGEST_ID
