"""The outbox is a query: the copies of a link whose wanted version is ahead of their pushed one.

`claim` turns due copies into plain values that say what to write, every intent committed before the
first call; `settled`, `gone` and `failed` write down what came of it. All of them work in a transaction
of a run that holds the link.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Row, bindparam, select, update
from sqlalchemy.orm import Session

from hub.domain.drafts import lost, plain_of, shown
from hub.domain.lens import pinned
from hub.domain.merge import behind, in_step
from hub.domain.people import guests_differ
from hub.domain.plain import Plain, days_of, frame
from hub.models import Event, EventCopy, Link, LinkSignal
from hub.models.view import lens_of
from hub.outbound import asked, conflicts, kept, singles
from hub.outbound.former import keep_former
from hub.outbound.lease import Lease
from hub.outbound.linking import ask_for_pull
from hub.outbound.owed import COPY_IS_DUE, UNWRITTEN, may_write
from hub.outbound.trouble import backoff, longest_backoff
from hub.plugin.codec import content_from_json, to_json
from hub.plugin.errors import ProviderError, RetryLaterError, VersionMovedError
from hub.plugin.types import (
    EventContent,
    Push,
    PushAnswer,
    PushCreate,
    PushDelete,
    PushUpdate,
    RemoteEvent,
    changed_fields,
)
from hub.ports import Ports

BATCH = 50
FIRST_LOOK = timedelta(seconds=2)
"""So long a new copy that may be there already waits for a listing, before it is looked at again."""

_IS_TIME = (Link.imported_at.is_not(None), may_write(Link.calendar_id), COPY_IS_DUE)
_HAS_DUE = (
    select(EventCopy.id)
    .join(Link, Link.id == EventCopy.link_id)
    .where(EventCopy.link_id == bindparam("link_id"), *UNWRITTEN, *_IS_TIME)
    .limit(1)
)
_WANTED = (
    select(EventCopy, Event)
    .join(Event, Event.id == EventCopy.event_id)
    .where(EventCopy.link_id == bindparam("link_id"), *UNWRITTEN)
    .order_by(EventCopy.due_at.nulls_first(), EventCopy.id)
    .limit(bindparam("most"))
)
_DUE = _WANTED.join(Link, Link.id == EventCopy.link_id).where(*_IS_TIME)
_UNCERTAIN = _WANTED.where(EventCopy.uncertain)
_UNCERTAIN_DUE = _UNCERTAIN.where(COPY_IS_DUE)
_KEEP_EVENT = (
    select(Event.id).where(Event.id == bindparam("event_id")).with_for_update(read=True, key_share=True)
)
_CLAIMED = (
    select(EventCopy, Event.version, Event.deleted_at)
    .join(Event, Event.id == EventCopy.event_id)
    .where(EventCopy.id == bindparam("copy_id"))
    .with_for_update(of=EventCopy)
)


@dataclass(frozen=True, slots=True)
class Work:
    """One wanted copy, and the push that brings the provider there (None: nothing to write)."""

    copy_id: str
    event_id: str
    version: int
    content: EventContent
    """What the hub wants to be seen there, before projection."""
    push: Push | None
    shown: EventContent
    """The same as the provider can show it."""
    refusal: str | None = None
    """Set: it cannot be written, and why."""
    held_back: frozenset[str] = frozenset()
    """Changed fields that are not the hub's to write there, beside those that it writes."""
    withheld: str | None = None
    """Set: the link copies no such events, and why; what the hub has made there is taken away."""


def has_due(session: Session, ports: Ports, link: Link) -> bool:
    """Whether a run would find something to write now."""
    values = {"link_id": link.id, "now": ports.clock.now()}
    return session.connection().execute(_HAS_DUE, values).first() is not None


def claim(
    session: Session, ports: Ports, link: Link, lease: Lease, *, uncertain_only: bool = False
) -> tuple[Work, ...]:
    """Return due copies of a link as work. What is about to be created becomes uncertain first."""
    query = _DUE
    if uncertain_only:
        query = _UNCERTAIN_DUE if link.lost_runs else _UNCERTAIN
    most = 1 if link.lost_runs else BATCH
    rows = session.execute(query, {"link_id": link.id, "now": ports.clock.now(), "most": most}).all()
    if link.lost_runs:
        rows = [row for row in rows if not _count_ahead(ports, row[0])]
    rows = _looked_for(session, ports, link, rows)
    work = []
    for copy, event in rows:
        item = plan_push(ports, lease.provider, link, copy, event)
        work.append(item)
        if isinstance(item.push, PushCreate):
            _expect(copy, item)
        if item.push is not None and item.refusal is None:
            kept.note_try(copy, item.push, item.shown)
    return tuple(work)


def _expect(copy: EventCopy, work: Work) -> None:
    """Write down what a create will leave at the provider, should its answer be lost.

    If a person edits or deletes the event before the hub has found it, that is how their edit is known.
    """
    if not copy.uncertain:
        copy.base, copy.tried = to_json(work.shown), {}
        copy.synced = in_step(to_json(work.content), copy.base)
    copy.uncertain = True


def _looked_for(
    session: Session, ports: Ports, link: Link, rows: Sequence[Row[EventCopy, Event]]
) -> Sequence[Row[EventCopy, Event]]:
    """Let new copies of meetings wait while the link has news: the invitation may have come there, too."""
    if not any(_is_new_meeting(copy, event) for copy, event in rows):
        return rows
    notified = session.scalars(select(LinkSignal.notified).where(LinkSignal.link_id == link.id)).one()
    if notified <= link.pulled:
        return rows
    due_at = ports.clock.now() + FIRST_LOOK
    for copy, event in rows:
        if _is_new_meeting(copy, event):
            copy.due_at = due_at
    return [row for row in rows if not _is_new_meeting(row[0], row[1])]


def _is_new_meeting(copy: EventCopy, event: Event) -> bool:
    return copy.remote_id is None and not copy.uncertain and event.is_meeting


def _count_ahead(ports: Ports, copy: EventCopy) -> bool:
    """Count an attempt before it is made, since the one before may have killed its worker; park too many.

    After a lost run copies are claimed one by one, each with its attempt and wait written down first: so
    an event whose write kills the worker lets the others pass, and is parked at last.
    """
    now = ports.clock.now()
    if copy.attempts >= ports.settings.park_after:
        copy.parked_at, copy.due_at = now, None
        copy.problem = (
            f"It was tried {copy.attempts} times; the process that wrote it died (killed, out of memory?)."
        )
        return True
    copy.attempts += 1
    copy.due_at = now + timedelta(seconds=backoff(ports, copy.attempts))
    return False


def plan_push(ports: Ports, provider: str, link: Link, copy: EventCopy, event: Event) -> Work:
    """Return what has to be written so that a copy shows its event."""
    lens, whole = lens_of(link), event.content
    is_ours = copy.is_ours or copy.remote_id is None
    withheld = None
    if is_ours and event.deleted_at is None:
        withheld = lens.withheld(whole, event.ends_at, link.planned_at or ports.clock.now())
    if "start_zone" not in whole["when"]:
        whole = pinned(whole, link.calendar.zone)
    content = content_from_json(lens.shown(whole, copy.base, is_ours=is_ours))
    if is_ours and event.deleted_at is None:
        withheld = withheld or singles.reason(ports, provider, link, content)
    version = event.version
    push: Push | None
    seen = content
    refusal: str | None = None
    held_back: frozenset[str] = frozenset()
    notify = copy.notify_version > 0
    barrier = asked.barrier(copy)
    if (event.deleted_at is not None or withheld) and not copy.uncertain:
        push = PushDelete(copy.remote_id, copy.remote_version, notify) if copy.remote_id else None
        refusal = barrier
    elif copy.reply and copy.remote_id and copy.base:
        push, refusal = asked.next_answer(copy), None
    else:
        projection = ports.gateway.plain(provider, "project", content=content)
        refusal = barrier or projection.refusal
        base = content_from_json(copy.base) if copy.base else None
        seen = asked.with_guests(projection.content, content, base) if notify else projection.content
        if copy.remote_id is None:
            create_id = copy.create_id or ports.ids.bare()
            copy.create_id = create_id
            attempt = max(copy.attempts, 1) if copy.uncertain else 0
            push = PushCreate(create_id, copy.id, content, attempt, notify, lens.written(is_ours=True))
        else:
            assert base is not None
            held = ports.gateway.plain(provider, "project", content=base).content
            seen = kept.left_as_shown(seen, base, held, content if notify else None)
            writable = lens.written(is_ours=is_ours)
            push = _update(copy, content, seen, base, writable, notify=notify)
            if push and "attendees" in push.fields & frozenset(copy.partial_fields):
                refusal = refusal or asked.PARTLY_SHOWN
            if barrier and push and (own := push.fields & frozenset(copy.own_fields)):
                held_back, refusal = push.fields - own, projection.refusal
                push = dataclasses.replace(push, fields=own)
    refusal = refusal if push else None
    return Work(copy.id, event.id, version, content, push, seen, refusal, held_back, withheld)


def _update(
    copy: EventCopy,
    content: EventContent,
    seen: EventContent,
    base: EventContent,
    writable: frozenset[str],
    *,
    notify: bool,
) -> PushUpdate | None:
    """Return the write of those changed fields that the provider would show differently."""
    assert copy.remote_id is not None
    assert copy.base is not None
    ours = to_json(content)
    changed = behind(ours, copy.base, copy.synced)
    if "status" in changed:
        changed |= {"show_as"} & writable  # Some providers show by it that an event is tentative.
    fields = frozenset(name for name in changed if getattr(seen, name) != getattr(base, name))
    if notify and guests_differ(ours, copy.base):
        fields |= {"attendees"}
    if "conference" in changed and _is_wish(content):
        fields |= {"conference"}  # Nothing shows a meeting that is yet to be made.
    if not fields:
        return None
    return PushUpdate(copy.remote_id, copy.remote_version, content, base, fields, notify)


def settled(
    session: Session, ports: Ports, link: Link, work: Work, remote: RemoteEvent | None, *, seen: int
) -> None:
    """Write down a success: what the provider now shows is the copy's new base.

    Args:
        seen: the last full listing that need not show the event.
    """
    copy, version, deleted_at = session.execute(_CLAIMED, {"copy_id": work.copy_id}).one()
    if isinstance(work.push, PushAnswer):
        _answered(session, ports, copy, work.push)
        return
    if remote is not None and _was_touched(work, remote):
        _found(session, ports, copy, remote)
        return
    if remote is not None and _is_granted(work, remote):
        _learn_meeting(session, ports, copy, work, remote)
        return
    copy.pushed_version = max(copy.pushed_version, work.version)
    copy.attempts, copy.due_at, copy.problem = 0, None, None
    if work.push is None:
        copy.unkept = 0  # What was not kept before is there after all.
    if copy.notify_version <= work.version:
        copy.notify_version = 0
    if remote is not None and work.push is not None:
        _set(copy, shown(remote, plain_of(remote, copy.base)))
        copy.is_ours = copy.is_ours or isinstance(work.push, PushCreate)
    if isinstance(work.push, PushDelete) and copy.wanted_version > work.version:
        recreate(ports, copy)  # Restored meanwhile; if deleted once more, there is nothing left to do.
    elif isinstance(work.push, PushDelete) or (work.push is None and copy.remote_id is None):
        copy.removed_at, copy.missing_at = ports.clock.now(), None
        copy.left_out, copy.problem = work.withheld is not None, work.withheld
    else:
        copy.synced = in_step(to_json(work.content), copy.base or {}, work.held_back)
        if work.held_back:
            copy.parked_at, copy.problem = ports.clock.now(), copy.read_only or copy.notify_only
    if remote is not None and work.push is not None:
        copy.seen_generation = seen
        unkept = kept.lost_at_once(work.push, work.shown, remote.content)
        unkept |= kept.lost_before(copy, work.push, remote.content)
        kept.note_write(copy, work.push, work.shown)
        if kept.is_untouched(work.push, remote):
            copy.doubted = True
            ask_for_pull(session, ports, link.id)
        if deleted_at is not None or work.withheld:
            copy.pushed_version = version - 1  # Deleted while the create's outcome was unknown.
        elif unkept:
            kept.not_kept(session, ports, link, copy, session.get_one(Event, work.event_id), unkept)
    link.pushed_at = ports.clock.now()
    link.failures = 0


def _answered(session: Session, ports: Ports, copy: EventCopy, push: PushAnswer) -> None:
    """Forget an answer that the provider has; the next listing shows it, as any other."""
    asked.forget_answer(copy, push)
    copy.attempts, copy.due_at, copy.problem = 0, None, None
    ask_for_pull(session, ports, copy.link_id)


def _was_touched(work: Work, remote: RemoteEvent) -> bool:
    """Whether an earlier create is found to have been made, but not as the hub wants it now."""
    was_tried = isinstance(work.push, PushCreate) and work.push.attempt > 0
    return was_tried and bool(changed_fields(work.shown, remote.content))


def _found(session: Session, ports: Ports, copy: EventCopy, remote: RemoteEvent) -> None:
    """Keep where an earlier create was found; a listing merges what people have made of it since."""
    copy.remote_id, copy.remote_version, copy.shown_at = remote.remote_id, "", None
    written = _as_far_as_written(copy.base, remote.content)
    if written != copy.base:
        copy.base, copy.synced = written, {n: value for n, value in copy.synced.items() if n != "when"}
    copy.create_id, copy.uncertain, copy.doubted, copy.is_ours = None, False, True, True
    copy.attempts, copy.due_at, copy.problem = 0, None, None
    ask_for_pull(session, ports, copy.link_id)


def _as_far_as_written(base: Plain | None, found: EventContent) -> Plain | None:
    """Return what a create was to leave without the days of its series that are not there.

    Several calls write a series, and the process may have died between two of them.
    """
    if not base or "exceptions" not in base["when"]:
        return base
    there = {day["original_start"] for day in days_of(to_json(found)["when"])}
    kept = [day for day in days_of(base["when"]) if day["original_start"] in there]
    return base | {"when": frame(base["when"]) | ({"exceptions": kept} if kept else {})}


def _is_granted(work: Work, remote: RemoteEvent) -> bool:
    """Whether the provider has made the online meeting that the event asked for."""
    made = remote.content.conference
    return _is_wish(work.content) and made is not None and bool(made.url)


def _is_wish(content: EventContent) -> bool:
    return content.conference is not None and not content.conference.url


def _learn_meeting(session: Session, ports: Ports, copy: EventCopy, work: Work, remote: RemoteEvent) -> None:
    """Take what was written as seen without its meeting: a listing brings that, as a change of theirs."""
    seen = dataclasses.replace(remote.content, conference=None)
    _set(copy, shown(remote, to_json(seen)))
    copy.is_ours = copy.is_ours or isinstance(work.push, PushCreate)
    copy.synced = in_step(to_json(work.content), copy.base or {})
    copy.pushed_version = max(copy.pushed_version, work.version)
    copy.remote_version, copy.shown_at, copy.doubted = "", None, True
    copy.attempts, copy.due_at, copy.problem = 0, None, None
    ask_for_pull(session, ports, copy.link_id)


def _set(copy: EventCopy, columns: Mapping[str, Any]) -> None:
    for name, value in columns.items():
        setattr(copy, name, value)


def gone(session: Session, ports: Ports, link: Link, work: Work) -> None:
    """Write down that the provider does not have the event any more.

    A deletion has then succeeded. An edit wins over the person's deletion and is made again, but not in
    an export-only calendar, where the person has said that it is unwanted. What our own deletion took away
    before the event was restored is made again. Where the hub was only about to take away what the link
    leaves out, a person was quicker, and has deleted the event itself.
    """
    # What may be told of the event refers to it: who writes an event and its copies takes the event first.
    session.connection().execute(_KEEP_EVENT, {"event_id": work.event_id})
    copy = _copy(session, work)
    is_deletion, is_newer = isinstance(work.push, PushDelete), copy.wanted_version > work.version
    was_quicker = is_deletion and work.withheld is not None and not kept.was_deletion_tried_before(copy)
    may_be_ours = is_newer if is_deletion else kept.may_be_ours(copy)
    if may_be_ours and not was_quicker:
        recreate(ports, copy)
        return
    if link.direction == "export" or (is_deletion and not was_quicker):
        copy.pushed_version = work.version
        copy.removed_at, copy.missing_at = ports.clock.now(), None
        copy.left_out = is_deletion and work.withheld is not None and not was_quicker
        copy.attempts, copy.due_at, copy.problem = 0, None, None
        return
    is_edited = is_newer or behind(to_json(work.content), copy.base or {}, copy.synced)
    if isinstance(work.push, PushAnswer):
        copy.reply = None
    if was_quicker:
        copy.tried = {}  # It was not our deletion that was carried out.
    if (was_quicker or isinstance(work.push, PushCreate | PushAnswer)) and not is_edited:
        _made_and_deleted(session, ports, copy, work)
        return
    note_deletion_conflict(session, ports, link, session.get_one(Event, copy.event_id), work.content)
    make_again(session, ports, copy)


def _made_and_deleted(session: Session, ports: Ports, copy: EventCopy, work: Work) -> None:
    """Take it for a person's deletion that what the hub knew to be there is gone: the guard judges it."""
    copy.uncertain, copy.pushed_version = False, work.version
    copy.missing_at = copy.missing_at or ports.clock.now()
    copy.attempts, copy.due_at, copy.problem = 0, None, None
    ask_for_pull(session, ports, copy.link_id)


def _copy(session: Session, work: Work) -> EventCopy:
    copy: EventCopy = session.execute(_CLAIMED, {"copy_id": work.copy_id}).one()[0]
    return copy


def recreate(ports: Ports, copy: EventCopy) -> None:
    """Make a copy that the provider has lost wanted as a new event."""
    _set(copy, lost(ports.ids.bare()))


def make_again(session: Session, ports: Ports, copy: EventCopy) -> None:
    """Make a copy wanted as a new event that a person has taken away, though perhaps only to move it."""
    session.flush()
    keep_former(session.connection(), ports, [copy.id])
    recreate(ports, copy)


def note_deletion_conflict(
    session: Session, ports: Ports, link: Link, event: Event, content: EventContent
) -> None:
    """Tell that an edit in the hub has won over a deletion at the provider."""
    reason = "It was deleted at the provider and edited elsewhere: the edit wins, it was made again."
    conflicts.note(session, ports, link, event, "deleted", "hub", {"value": content}, {"value": None}, reason)


def failed(
    session: Session, ports: Ports, link: Link, work: Work, error: ProviderError, *, park: bool
) -> None:
    """Write down a failure of one event: try again later, or park it with its reason.

    An event that only had to wait for a busy provider is parked no sooner than other events go through
    while it does not: alone, it may be the provider that fails. One that was edited meanwhile is a fresh
    wish, and not parked for what the older one was refused.
    """
    now = ports.clock.now()
    copy = _copy(session, work)
    # A create has no version that could have moved: it is made again, and waits for no reading.
    copy.doubted = copy.doubted or (isinstance(error, VersionMovedError) and copy.remote_id is not None)
    # That a later try is refused does not say that the first one was not carried out.
    was_refused = park and not (isinstance(work.push, PushCreate) and work.push.attempt > 0)
    if copy.wanted_version > work.version:
        copy.uncertain = copy.uncertain and not was_refused
        return
    # Who has the whole account wait says nothing of this event, however often it is the one that is told so.
    is_blameless = isinstance(error, RetryLaterError) and error.scope != "calendar"
    copy.attempts = max(copy.attempts, 1) if is_blameless else copy.attempts + 1
    copy.problem = error.message
    others_go_on = link.failures == 0 and _was_written_since_last_try(ports, link, copy)
    after = error.after if isinstance(error, RetryLaterError) else None
    copy.due_at = now + timedelta(seconds=backoff(ports, copy.attempts, after))
    exhausted = copy.attempts >= ports.settings.park_after and not is_blameless
    if park or (exhausted and (others_go_on or not isinstance(error, RetryLaterError))):
        copy.parked_at, copy.due_at = now, None
    if was_refused:
        copy.uncertain = False
        if isinstance(work.push, PushAnswer):
            asked.forget_answer(copy, work.push)


def _was_written_since_last_try(ports: Ports, link: Link, copy: EventCopy) -> bool:
    """Whether another event of the link was written after this one had failed the time before."""
    if link.pushed_at is None or copy.due_at is None:
        return False
    waited = timedelta(seconds=longest_backoff(ports, copy.attempts - 1))
    return link.pushed_at > copy.due_at - waited


def put_off(session: Session, ports: Ports, link: Link, error: RetryLaterError) -> None:
    """Let all that is unwritten in a link wait as long as the provider has asked; no event is at fault."""
    until = ports.clock.now() + timedelta(seconds=backoff(ports, 1, error.after))
    session.execute(
        update(EventCopy)
        .where(EventCopy.link_id == link.id, *UNWRITTEN)
        .values(due_at=until, attempts=1, problem=error.message)
    )


def not_sent(session: Session, rest: tuple[Work, ...]) -> None:
    """Take back that the creates of `rest` may have been sent: the run ended before them."""
    ids = [w.copy_id for w in rest if isinstance(w.push, PushCreate) and w.push.attempt == 0]
    if ids:
        session.execute(update(EventCopy).where(EventCopy.id.in_(ids)).values(uncertain=False))
