"""What an undo cannot bring back, and why: told before it is done, one sentence for people each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from hub.domain.lens import pinned
from hub.domain.recurrence import span
from hub.domain.undo import DELETED, Kept
from hub.models import Account, Direction, EventCopy, Link, LinkState, RemoteCalendar
from hub.models.view import lens_of
from hub.outbound.undo import EventUndo
from hub.outbound.window import window_of
from hub.plugin.codec import content_from_json, to_json
from hub.plugin.types import AccessRole
from hub.ports import Ports


@dataclass(frozen=True, slots=True)
class UndoLoss:
    """Something that does not come back, in one link or everywhere."""

    reason: str
    link_id: str | None = None
    field: str | None = None


@dataclass(frozen=True, slots=True)
class _Place:
    """A linked calendar, as far as it matters here."""

    link: Link
    remote: RemoteCalendar
    provider: str

    @property
    def name(self) -> str:
        return f"“{self.remote.name}”"


def losses_of(session: Session, ports: Ports, items: Sequence[EventUndo]) -> dict[str, list[UndoLoss]]:
    """Return by event what its undo cannot bring back."""
    acting = [item for item in items if item.action != "none"]
    places: dict[str, list[_Place]] = defaultdict(list)
    rows = session.execute(
        select(Link, RemoteCalendar, Account.provider)
        .join(RemoteCalendar, RemoteCalendar.id == Link.remote_calendar_id)
        .join(Account, Account.id == Link.account_id)
        .where(Link.calendar_id.in_({item.calendar.id for item in acting if item.calendar}))
        .order_by(Link.id)
    )
    for link, remote, provider in rows:
        places[link.calendar_id].append(_Place(link, remote, provider))
    copies = {
        (copy.event_id, copy.link_id): copy
        for copy in session.scalars(
            select(EventCopy).where(EventCopy.event_id.in_([item.event_id for item in acting]))
        )
    }
    found: dict[str, list[UndoLoss]] = {}
    for item in acting:
        losses = list(_general(item))
        for place in places[item.calendar.id if item.calendar else ""]:
            losses += _in_place(session, ports, item, place, copies.get((item.event_id, place.link.id)))
        found[item.event_id] = losses
    return found


def reason_of(kept: Kept) -> str:
    """Return why something is not taken back, for people."""
    if kept.field != DELETED:
        return "It was changed again since: the later value stays, unless this is forced."
    if kept.present is None:
        return "It is deleted: undo its deletion first."
    names = ", ".join(kept.present)
    return f"It was changed since it came into being ({names}): it stays, unless this is forced."


def _general(item: EventUndo) -> Iterator[UndoLoss]:
    result = item.plan.result
    if item.action == "restore" and item.event is None:
        yield UndoLoss("It was forgotten 30 days after its deletion: it is made again from the log.")
    if result and result["attendees"] and "attendees" in item.plan.changed:
        yield UndoLoss(
            "Guests are kept as data: nobody is invited or told, and their answers stay with the provider.",
            field="attendees",
        )


def _in_place(
    session: Session, ports: Ports, item: EventUndo, place: _Place, copy: EventCopy | None
) -> Iterator[UndoLoss]:
    link, name = place.link, place.name
    is_there = copy is not None and copy.removed_at is None

    def loss(reason: str, field: str | None = None) -> UndoLoss:
        return UndoLoss(reason, link.id, field)

    if link.deleted_at is not None:
        if is_there:
            yield loss(f"The link to {name} has ended: that calendar keeps what it shows.")
        return
    if link.direction == Direction.IMPORT or place.remote.access_role not in (
        AccessRole.OWNER,
        AccessRole.WRITER,
    ):
        yield loss(f"The hub does not write to {name}: that calendar keeps what it shows.")
        return
    if copy is not None and is_there and copy.read_only:
        yield loss(f"In {name} it is not the hub's to change: {copy.read_only}")
        return
    if link.direction == Direction.EXPORT and item.action == "update" and copy is not None and not is_there:
        yield loss(f"A person removed it from {name}: there it stays away.")
        return
    if link.state != LinkState.ACTIVE:
        yield loss(f"The link to {name} is at rest: it is written there once the link is resumed.")
    if item.content is not None:
        yield from _as_written(session, ports, item, place, copy)


def _as_written(
    session: Session, ports: Ports, item: EventUndo, place: _Place, copy: EventCopy | None
) -> Iterator[UndoLoss]:
    """Yield what is lost where an event is written: what the provider cannot hold, or never told the hub."""
    assert item.content is not None
    link, name = place.link, place.name
    if copy is None and item.calendar is not None:
        oldest, _ = window_of(session, ports, link)
        ends_at = span(item.content.when, item.calendar.zone)[1]
        if ends_at is not None and ends_at < oldest:
            reason = f"It ended before what the link to {name} keeps in step: it is not written there."
            yield UndoLoss(reason, link.id)
            return
    if item.action == "restore":
        yield UndoLoss(
            f"In {name} it is made anew: its address there, and what only that calendar held (answers, "
            "files, comments), do not come back.",
            link.id,
        )
    is_ours = copy is None or copy.is_ours or copy.remote_id is None
    zone = item.calendar.zone if item.calendar else "UTC"
    lens, whole = lens_of(link), pinned(to_json(item.content), zone)
    if is_ours:
        ends_at = span(item.content.when, zone)[1]
        if withheld := lens.withheld(whole, ends_at, ports.clock.now()):
            yield UndoLoss(f"{withheld[:-1]}: {name} does not have it.", link.id)
            return
    content = content_from_json(lens.shown(whole, copy.base if copy else None, is_ours=is_ours))
    projection = ports.gateway.plain(place.provider, "project", content=content)
    if projection.refusal:
        yield UndoLoss(f"{name} cannot hold it: {projection.refusal}", link.id)
        return
    for lost in projection.losses:
        if lost.field in item.plan.changed:
            yield UndoLoss(lost.reason, link.id, lost.field)
