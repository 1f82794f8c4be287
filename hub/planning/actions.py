"""What a rehearsal shows: one action for each thing that would happen, or would be left, and the sums.

What happens in the hub is read from the rehearsal's change log, what would be written at a provider from
its outbox; nothing is worked out a second time here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from enum import StrEnum
from itertools import chain
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from hub.models import (
    Account,
    Change,
    ChangeKind,
    Conflict,
    Direction,
    Event,
    EventCopy,
    Link,
    ParkedChange,
    PlannedLink,
    PlannedPage,
    RemoteCalendar,
)
from hub.models.view import lens_of
from hub.outbound import singles
from hub.outbound.lease import border_calendar
from hub.outbound.outbox import Work, plan_push
from hub.outbound.owed import UNWRITTEN
from hub.outbound.window import window_of
from hub.planning.rehearsal import Rehearsed
from hub.plugin import types
from hub.plugin.codec import from_json, to_json
from hub.plugin.types import ChangePage, EventContent, Loss, PushCreate, PushDelete, PushUpdate

BATCH = 500


class Kind(StrEnum):
    """What would happen to an event."""

    CREATE = "create"
    CHANGE = "change"
    DELETE = "delete"
    RESTORE = "restore"
    """It was deleted in the hub, and comes back since a person has edited it at the provider."""
    PAIR = "pair"
    """Both sides hold it: it is taken as one."""
    CONFLICT = "conflict"
    """Both sides hold another value of one field; the loser's is kept as a conflict."""
    REFUSE = "refuse"
    """It would be wanted at the provider and cannot be written there: parked with its reason."""
    UNREADABLE = "unreadable"
    """The provider shows it in a way that makes no sense: left alone there."""
    HOLD = "hold"
    """It is missing at the provider; so many are that a person has to decide."""
    STAY = "stay"
    """It is on this side only and stays so."""


@dataclass(frozen=True, slots=True)
class Action:
    """One line of a plan; see `hub.models.PlannedAction`."""

    side: str
    kind: Kind
    remote_calendar_id: str | None
    title: str
    start: str | None = None
    event_id: str | None = None
    remote_id: str | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    losses: tuple[Loss, ...] = ()
    reason: str | None = None

    def row(self) -> dict[str, Any]:
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return values | {"kind": str(self.kind), "losses": [asdict(loss) for loss in self.losses]}


@dataclass(slots=True)
class Summary:
    """The sums of a plan."""

    counts: Counter[tuple[str, str, str | None]] = field(default_factory=Counter)
    losses: Counter[tuple[str | None, str, str]] = field(default_factory=Counter)
    same: int = 0

    def add(self, action: Action) -> None:
        self.counts[action.side, str(action.kind), action.remote_calendar_id] += 1
        self.losses.update((action.remote_calendar_id, loss.field, loss.reason) for loss in action.losses)
        self.same += action.kind is Kind.PAIR and not action.fields

    def to_json(self) -> dict[str, Any]:
        counts = [
            {"side": side, "kind": kind, "remote_calendar_id": remote, "count": n}
            for (side, kind, remote), n in sorted(self.counts.items(), key=str)
        ]
        losses = [
            {"remote_calendar_id": remote, "field": name, "reason": reason, "count": n}
            for (remote, name, reason), n in sorted(self.losses.items(), key=str)
        ]
        return {"counts": counts, "losses": losses, "same": self.same}


DEEDS = frozenset({Kind.CREATE, Kind.CHANGE, Kind.DELETE, Kind.RESTORE})


def does_nothing(summary: dict[str, Any]) -> bool:
    """Whether a plan of this summary changes nothing on any side."""
    return not any(line["kind"] in DEEDS for line in summary["counts"])


def actions_of(rehearsed: Rehearsed) -> Iterator[Action]:
    """Yield what would happen: in the hub, at each provider, then what would be left."""
    with rehearsed.ports.db.reading() as session:
        yield from _Reader(session, rehearsed).read()


class _Reader:
    def __init__(self, session: Session, rehearsed: Rehearsed) -> None:
        self.session = session
        self.rehearsed = rehearsed
        query = select(Link).where(Link.calendar_id == rehearsed.calendar_id, Link.deleted_at.is_(None))
        self.links = {link.id: link for link in session.scalars(query.order_by(Link.created_at, Link.id))}
        self.planned = [self.links[link_id] for link_id in rehearsed.links]
        made = select(Change.event_id, Change.actor_id).where(Change.kind == ChangeKind.CREATED)
        self.created = {row.event_id: row.actor_id for row in session.execute(made)}
        """By event that the hub does not have yet, the link that brings it in."""
        self.touched: dict[str, set[str]] = {}
        """By event that both sides hold, the fields in which they differ."""

    def read(self) -> Iterator[Action]:
        yield from self._in_the_hub()
        for link in self.links.values():
            yield from self._at_the_provider(link)
        yield from self._conflicts()
        for link in self.planned:
            yield from chain(
                self._pairs(link), self._unreadable(link), self._held(link), self._unknown_there(link)
            )
            yield from self._only_here(link)

    def _in_the_hub(self) -> Iterator[Action]:
        kinds = {
            ChangeKind.CREATED: Kind.CREATE,
            ChangeKind.UPDATED: Kind.CHANGE,
            ChangeKind.DELETED: Kind.DELETE,
            ChangeKind.RESTORED: Kind.RESTORE,
        }
        query = (
            select(Change, Event, EventCopy.remote_id)
            .join(Event, Event.id == Change.event_id)
            .outerjoin(
                EventCopy, (EventCopy.event_id == Change.event_id) & (EventCopy.link_id == Change.actor_id)
            )
            .order_by(Change.seq)
        )
        for change, event, remote_id in self._stream(query):
            self.touched.setdefault(event.id, set()).update(change.fields)
            yield Action(
                "hub",
                kinds[change.kind],
                self._remote(change.actor_id),
                event.title,
                _start(event.when.start),
                self._known(event.id),
                remote_id,
                change.fields,
            )

    def _at_the_provider(self, link: Link) -> Iterator[Action]:
        if link.direction == Direction.IMPORT:
            return
        account = self.session.get_one(Account, link.account_id)
        calendar = border_calendar(self.session.get_one(RemoteCalendar, link.remote_calendar_id))
        query = (
            select(EventCopy, Event)
            .join(Event, Event.id == EventCopy.event_id)
            .where(EventCopy.link_id == link.id, *UNWRITTEN)
            .order_by(Event.starts_at, Event.id)
        )
        for copy, event in self._stream(query):
            if self.rehearsed.owed_before.get(copy.id) == copy.wanted_version:
                continue
            work = plan_push(self.rehearsed.ports, account.provider, link, copy, event)
            if work.push is not None:
                yield self._write(link, account.provider, calendar, work, event, copy.remote_id)

    def _write(
        self,
        link: Link,
        provider: str,
        calendar: types.RemoteCalendar,
        work: Work,
        event: Event,
        remote_id: str | None,
    ) -> Action:
        refusal = work.refusal
        if refusal and isinstance(work.push, PushCreate):
            helps = singles.remedy(self.rehearsed.ports, provider, link, work.content)
            refusal = f"{refusal} {helps}" if helps else refusal
        if not calendar.writable:
            refusal = f"{calendar.name!r} is read-only for this account."
        fields: dict[str, Any] = {}
        losses: tuple[Loss, ...] = ()
        kind = Kind.DELETE
        if not isinstance(work.push, PushDelete):
            gateway = self.rehearsed.ports.gateway
            losses = gateway.plain(provider, "project", content=work.content).losses
            kind = Kind.CREATE
            fields = {name: {"after": value} for name, value in to_json(work.shown).items()}
        if isinstance(work.push, PushUpdate):
            kind = Kind.CHANGE
            fields = _differences(work.push, work.shown)
            losses = tuple(loss for loss in losses if loss.field in work.push.fields)
            self.touched.setdefault(event.id, set()).update(fields)
        return Action(
            "remote",
            Kind.REFUSE if refusal else kind,
            link.remote_calendar_id,
            event.title,
            _start(work.content.when.start),
            self._known(event.part_of or event.id),
            remote_id,
            fields,
            losses,
            refusal or work.withheld,
        )

    def _conflicts(self) -> Iterator[Action]:
        query = select(Conflict, Event).join(Event, Event.id == Conflict.event_id).order_by(Conflict.id)
        for conflict, event in self._stream(query):
            values = {
                "hub": conflict.hub_value["value"],
                "provider": conflict.provider_value["value"],
                "kept": conflict.kept,
            }
            yield Action(
                "hub",
                Kind.CONFLICT,
                self._remote(conflict.link_id),
                event.title,
                _start(event.when.start),
                self._known(event.id),
                None,
                {conflict.field: values},
                reason=conflict.reason,
            )

    def _pairs(self, link: Link) -> Iterator[Action]:
        twin = aliased(EventCopy)
        same_uid = select(twin.id).where(
            twin.event_id == Event.id, twin.uid == EventCopy.uid, twin.id != EventCopy.id
        )
        query = (
            select(EventCopy, Event, same_uid.exists())
            .join(Event, Event.id == EventCopy.event_id)
            .where(EventCopy.link_id == link.id, EventCopy.remote_id.is_not(None))
            .order_by(Event.starts_at, Event.id)
        )
        for copy, event, has_twin in self._stream(query):
            if copy.id in self.rehearsed.copies_before or self._is_made_by(event.id, link):
                continue
            by_uid = has_twin or copy.uid == event.uid
            yield Action(
                "hub",
                Kind.PAIR,
                link.remote_calendar_id,
                event.title,
                _start(event.when.start),
                self._known(event.id),
                copy.remote_id,
                {name: {} for name in sorted(self.touched.get(event.id, ()))},
                reason=f"Both sides hold it: the same {'UID' if by_uid else 'title and time'}.",
            )

    def _is_made_by(self, event_id: str, link: Link) -> bool:
        """Whether the rehearsal brought an event in from this link, so that it is no pair of two."""
        return self.created.get(event_id) == link.id

    def _unreadable(self, link: Link) -> Iterator[Action]:
        query = select(ParkedChange).where(ParkedChange.link_id == link.id).order_by(ParkedChange.remote_id)
        for (parked,) in self._stream(query):
            yield Action(
                "remote",
                Kind.UNREADABLE,
                link.remote_calendar_id,
                "",
                remote_id=parked.remote_id,
                reason=parked.reason,
            )

    def _held(self, link: Link) -> Iterator[Action]:
        query = (
            select(EventCopy, Event)
            .join(Event, Event.id == EventCopy.event_id)
            .where(
                EventCopy.link_id == link.id,
                EventCopy.missing_at.is_not(None),
                EventCopy.removed_at.is_(None),
            )
        )
        for copy, event in self._stream(query.order_by(Event.starts_at, Event.id)):
            yield Action(
                "hub",
                Kind.HOLD,
                link.remote_calendar_id,
                event.title,
                _start(event.when.start),
                self._known(event.id),
                copy.remote_id,
                reason="It is missing at the provider, with so many others that a person has to decide.",
            )

    def _unknown_there(self, link: Link) -> Iterator[Action]:
        """Yield what the remote calendar holds and the hub will not have."""
        copied = select(EventCopy.remote_id).where(EventCopy.link_id == link.id)
        is_left = (Event.deleted_at.is_not(None)) & (EventCopy.wanted_version <= EventCopy.pushed_version)
        deleted = set(self.session.scalars(copied.join(Event, Event.id == EventCopy.event_id).where(is_left)))
        parked = select(ParkedChange.remote_id).where(ParkedChange.link_id == link.id)
        known = {*self.session.scalars(copied), *self.session.scalars(parked)} - deleted
        for remote_id, content in self._listed(link):
            if remote_id in known:
                continue
            if remote_id in deleted:
                reason = "It was deleted in the hub while the link did not write: it stays there."
            elif link.direction == Direction.EXPORT:
                reason = "The link only writes: it is not brought in."
            else:
                reason = f"It ended more than {link.past_days} days ago: it is not brought in."
            start = _start(content.when.start)
            yield Action(
                "remote",
                Kind.STAY,
                link.remote_calendar_id,
                content.title,
                start,
                None,
                remote_id,
                reason=reason,
            )

    def _listed(self, link: Link) -> Iterator[tuple[str, EventContent]]:
        planned_id = select(PlannedLink.id).where(PlannedLink.link_id == link.id).scalar_subquery()
        pages = select(PlannedPage).where(PlannedPage.planned_id == planned_id).order_by(PlannedPage.number)
        for (page,) in self._stream(pages, batch=10):
            for change in from_json(ChangePage, page.content).changes:
                if change.event is not None:
                    yield change.remote_id, change.event.content

    def _only_here(self, link: Link) -> Iterator[Action]:
        """Yield what the hub holds and the remote calendar will not have."""
        copies = select(EventCopy.id).where(
            EventCopy.event_id == Event.id, EventCopy.link_id == link.id, EventCopy.removed_at.is_(None)
        )
        there = copies.where(EventCopy.remote_id.is_not(None)).exists()
        query = select(Event, copies.exists()).where(
            Event.calendar_id == link.calendar_id, Event.deleted_at.is_(None), ~there
        )
        oldest, _ = window_of(self.session, self.rehearsed.ports, link)
        lens = lens_of(link)
        for event, is_wanted in self._stream(query.order_by(Event.starts_at, Event.id)):
            withheld = lens.withheld(event.content, event.ends_at, self.rehearsed.created_at)
            if link.direction == Direction.IMPORT:
                reason = "The link only reads: it is not written there."
            elif withheld:
                reason = withheld
            elif is_wanted:
                continue
            elif event.ends_at is not None and event.ends_at < oldest:
                reason = "It ended before the time that the link keeps in step: it is not written there."
            else:
                reason = "A person has removed it from that calendar: it stays away from there."
            yield Action(
                "hub",
                Kind.STAY,
                link.remote_calendar_id,
                event.title,
                _start(event.when.start),
                self._known(event.id),
                reason=reason,
            )

    def _known(self, event_id: str) -> str | None:
        """Return an event's id, if it will be the same when the plan is applied."""
        return None if event_id in self.created else event_id

    def _remote(self, link_id: str | None) -> str | None:
        link = self.links.get(link_id or "")
        return link.remote_calendar_id if link else None

    def _stream(self, query: Any, batch: int = BATCH) -> Iterator[Any]:
        for rows in self.session.execute(query, execution_options={"yield_per": batch}).partitions():
            yield from rows


def _differences(push: PushUpdate, shown: EventContent) -> dict[str, Any]:
    return {
        name: {"before": to_json(getattr(push.base, name)), "after": to_json(getattr(shown, name))}
        for name in sorted(push.fields)
    }


def _start(start: date | datetime) -> str:
    return start.isoformat()
