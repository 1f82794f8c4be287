"""Page through fetch_changes from the cursor; the new cursor comes only with the last page.

Comes after the webhook (or the sweep) has raised the link's `notified`, and before apply. A pull reads
that mark first, lists, and is done when the mark has stood still: whatever is notified meanwhile causes
one more listing, never N. No transaction is open while a provider is asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from hub.db import after_commit
from hub.inbound import guard, planned
from hub.inbound.apply import apply_page
from hub.log import get_logger
from hub.models import Event, EventCopy, Link, LinkSignal, RemoteCalendar
from hub.outbound import trouble
from hub.outbound.lease import Lease, held, hint_owed
from hub.outbound.linking import want_missing
from hub.outbound.outbox import border_calendar
from hub.outbound.push import push_due
from hub.outbound.window import window_of
from hub.plugin import types
from hub.plugin.errors import CursorExpiredError, GoneError, ProviderError, RetryLaterError
from hub.plugin.types import ChangePage, RemoteChange, RemoteEvent, Scope, Window
from hub.ports import Ports

log = get_logger()

MOST_LISTINGS = 20
"""Listings of one run; a link that is notified without end lets others have their turn."""
CONFIRM_BATCH = 50
PAGE_FAILURES_BORNE = 5
"""After so many failures in a row the page of a listing is given up, and the listing begins anew."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What one listing starts from."""

    account_id: str
    calendar: types.RemoteCalendar
    cursor: str | None
    """None: everything is listed."""
    page: str | None
    window: Window
    notified: int
    has_uncertain: bool
    planned_id: str | None
    """The stored listing that is brought in instead of the provider's."""


def pull_link(ports: Ports, link_id: str) -> None:
    """Bring in what changed in one remote calendar. Returns at once if another run holds the link."""
    trouble.run(ports, link_id, _pull)


def _pull(ports: Ports, lease: Lease) -> None:
    guard.carry_out(ports, lease)
    started_over = False
    for _ in range(MOST_LISTINGS):
        listing = _begin(ports, lease)
        if listing is None:
            return
        if listing.has_uncertain:
            _resolve_uncertain(ports, lease)
        try:
            if not _list(ports, lease, listing):
                return
        except CursorExpiredError:
            log.info("cursor_expired", link_id=lease.link_id, account_id=lease.account_id)
            _start_over(ports, lease, keep_cursor=listing.cursor is None)
            if started_over:
                raise
            started_over = True
            continue
        except ProviderError as error:
            _doubt_page(ports, lease, error)
            raise
        _confirm_missing(ports, lease, listing)
        _read_doubted(ports, lease, listing)
        if lease.is_over(ports):
            return


def _start_over(ports: Ports, lease: Lease, *, keep_cursor: bool) -> None:
    """Forget how far the listing has come; what was refused in a full one says nothing of the cursor."""
    with ports.db.transaction() as session:
        link = held(session, ports, lease)
        link.page = link.planned_id = link.planned_at = None
        if not keep_cursor:
            link.cursor = None


def _doubt_page(ports: Ports, lease: Lease, error: ProviderError) -> None:
    """Give up a page that is refused or keeps failing: the next try begins the listing anew."""
    is_busy = isinstance(error, RetryLaterError)
    if isinstance(error, RetryLaterError) and error.scope != "calendar":
        return
    with ports.db.transaction() as session:
        link = held(session, ports, lease)
        if not is_busy or link.failures % PAGE_FAILURES_BORNE == PAGE_FAILURES_BORNE - 1:
            link.page = None


def _begin(ports: Ports, lease: Lease) -> Listing | None:
    """Read the mark, then where to go on from; None if nothing is owed. A full listing opens a generation.

    A listing is owed after a failure, too: only a success shows that the trouble is over.

    A listing that was cut off, or made way for others, goes on with its own mark and generation, unless
    everything was asked for since it began.
    """
    now = ports.clock.now()
    with ports.db.transaction() as session:
        signal = session.get_one(LinkSignal, lease.link_id)
        link = held(session, ports, lease)
        waiting = link.due_at is not None and link.due_at > now
        is_owed = signal.notified > link.pulled or link.cursor is None or link.failures > 0
        if waiting or not is_owed:
            return None
        if link.listed < link.fresh_mark:
            link.page = None
        if link.page is None:
            # A stored listing is older than the mark: one of the provider's own follows.
            link.listed = signal.notified if link.planned_id is None else link.pulled
            if link.wants_all:
                link.generation += 1
                link.window_start, link.window_end = window_of(session, ports, link)
        assert link.window_start is not None
        assert link.window_end is not None
        remote = session.get_one(RemoteCalendar, link.remote_calendar_id)
        return Listing(
            link.account_id,
            border_calendar(remote),
            None if link.wants_all else link.cursor,
            link.page,
            Window(link.window_start, link.window_end),
            link.listed,
            _has_uncertain(session, link),
            link.planned_id,
        )


def _has_uncertain(session: Session, link: Link) -> bool:
    """Whether the answer to a create was lost, so that its event may be listed as new."""
    query = select(EventCopy.id).where(
        EventCopy.link_id == link.id,
        EventCopy.wanted_version > EventCopy.pushed_version,
        EventCopy.parked_at.is_(None),
        EventCopy.uncertain,
    )
    return session.scalar(query.limit(1)) is not None


def _resolve_uncertain(ports: Ports, lease: Lease) -> None:
    """Find out what became of creates whose answer was lost, before their events are listed as new."""
    try:
        push_due(ports, lease, uncertain_only=True)
    except RetryLaterError as error:
        log.info("creates_stay_uncertain", link_id=lease.link_id, reason=error.message)


def _list(ports: Ports, lease: Lease, listing: Listing) -> bool:
    """Bring in page after page; False if the run's time was over before the last one."""
    page_token = listing.page
    while True:
        page = _fetch(ports, listing, page_token)
        changes = _confirm(ports, lease, listing, page.changes)
        _store(ports, lease, listing, page, changes)
        if page.next_page is None:
            return True
        if lease.is_over(ports):
            return False
        page_token = page.next_page


def _fetch(ports: Ports, listing: Listing, page_token: str | None) -> ChangePage:
    if listing.planned_id is not None:
        return planned.read_page(ports, listing.planned_id, page_token)
    page: ChangePage = ports.gateway.call(
        listing.account_id,
        "fetch_changes",
        calendar=listing.calendar,
        cursor=listing.cursor,
        page=page_token,
        window=listing.window,
    )
    return page


def _store(
    ports: Ports, lease: Lease, listing: Listing, page: ChangePage, changes: list[RemoteChange]
) -> None:
    """Apply one page in one transaction; the last one moves the cursor and the mark."""
    now = ports.clock.now()
    with ports.db.transaction() as session:
        link = held(session, ports, lease)
        apply_page(session, ports, link, changes, lease.run_id)
        link.page = page.next_page
        if page.next_cursor is None:
            return
        link.cursor = page.next_cursor
        link.pulled = listing.notified
        link.heard_at = now
        spread = 0.75 + ports.ids.jitter() / 2
        link.poll_at = now + timedelta(seconds=ports.settings.poll_interval * spread)
        trouble.clear(link)
        if link.confirmed >= link.generation:
            guard.settle(session, ports, link, lease.run_id)
        if page.window is not None:
            link.window_start, link.window_end = page.window.start, page.window.end
        if page.scope is Scope.SNAPSHOT and link.imported_at is None:
            link.imported_at = now
            want_missing(session, ports, link)
            after_commit(session, lambda: ports.queue.hint("push", lease.link_id))
        if listing.planned_id is not None:
            link.planned_id = link.planned_at = None
            after_commit(session, lambda: hint_owed(ports, Link.calendar_id == link.calendar_id))


def _confirm(
    ports: Ports, lease: Lease, listing: Listing, changes: tuple[RemoteChange, ...]
) -> list[RemoteChange]:
    """Ask the provider about what is no proof: deletions it is not sure of, and news older than ours.

    Deletions of events that we do not know are left out.
    """
    doubtful = [c.remote_id for c in changes if _is_doubtful(c)]
    dated = [c.remote_id for c in changes if c.event is not None and c.event.updated_at is not None]
    if not doubtful and not dated:
        return list(changes)
    known = _known(ports, lease, [*doubtful, *dated])
    stale = {
        c.remote_id for c in changes if c.event is not None and _is_stale(c.event, known.get(c.remote_id))
    }
    if len(stale) > CONFIRM_BATCH:
        stale.clear()  # The provider's clock was set back.
    confirmed = []
    for change in changes:
        if _is_doubtful(change):
            if change.remote_id in known:
                confirmed.append(_ask(ports, listing, change.remote_id))
        elif change.remote_id in stale:
            confirmed.append(_ask(ports, listing, change.remote_id))
        else:
            confirmed.append(change)
    return confirmed


def _is_doubtful(change: RemoteChange) -> bool:
    return change.event is None and change.fault is None and not change.certain


def _is_stale(event: RemoteEvent, known: tuple[str, datetime | None] | None) -> bool:
    """Whether a listing shows an older state than the provider has shown us before."""
    version, shown_at = known or ("", None)
    return bool(event.version != version and shown_at and event.updated_at and event.updated_at < shown_at)


def _known(ports: Ports, lease: Lease, remote_ids: list[str]) -> dict[str, tuple[str, datetime | None]]:
    """Return version and date of those events that have a copy."""
    with ports.db.reading() as session:
        rows = session.execute(
            select(EventCopy.remote_id, EventCopy.remote_version, EventCopy.shown_at).where(
                EventCopy.link_id == lease.link_id,
                EventCopy.remote_id.in_(remote_ids),
                EventCopy.removed_at.is_(None),
            )
        )
        return {remote_id: (version, shown_at) for remote_id, version, shown_at in rows if remote_id}


def _ask(ports: Ports, listing: Listing, remote_id: str) -> RemoteChange:
    """Read one event that is suspected gone: only a clear no is a deletion."""
    try:
        event = ports.gateway.call(
            listing.account_id, "get_event", calendar=listing.calendar, remote_id=remote_id
        )
    except GoneError:
        return RemoteChange(remote_id)
    return RemoteChange(remote_id, event)


def _confirm_missing(ports: Ports, lease: Lease, listing: Listing) -> None:
    """Ask about each copy that the last full listing should have shown and did not.

    Until an answer came the copy stays as it is; a crash in between leaves the question open for the
    next pull.
    """
    while True:
        with ports.db.reading() as session:
            link = session.get_one(Link, lease.link_id)
            if link.confirmed >= link.generation or link.wants_all:
                return
            missing = _missing(session, link)
        changes = [_ask(ports, listing, remote_id) for remote_id in missing]
        with ports.db.transaction() as session:
            link = held(session, ports, lease)
            if missing:
                apply_page(session, ports, link, changes, lease.run_id)
            else:
                link.confirmed = link.generation
                guard.settle(session, ports, link, lease.run_id)


def _read_doubted(ports: Ports, lease: Lease, listing: Listing) -> None:
    """Read what refused our version and was not in the listing: it may have shown the change before."""
    with ports.db.reading() as session:
        doubted = session.scalars(
            select(EventCopy.remote_id)
            .where(
                EventCopy.link_id == lease.link_id,
                EventCopy.doubted,
                EventCopy.remote_id.is_not(None),
                EventCopy.removed_at.is_(None),
            )
            .limit(CONFIRM_BATCH)
        ).all()
    if doubted:
        changes = [_ask(ports, listing, remote_id) for remote_id in doubted if remote_id]
        with ports.db.transaction() as session:
            link = held(session, ports, lease)
            apply_page(session, ports, link, changes, lease.run_id)
            guard.settle(session, ports, link, lease.run_id)


def _missing(session: Session, link: Link) -> list[str]:
    query = (
        select(EventCopy.remote_id)
        .join(Event, Event.id == EventCopy.event_id)
        .where(
            EventCopy.link_id == link.id,
            EventCopy.remote_id.is_not(None),
            EventCopy.removed_at.is_(None),
            EventCopy.missing_at.is_(None),
            EventCopy.seen_generation < link.generation,
            Event.starts_at < link.window_end,
            or_(Event.ends_at.is_(None), Event.ends_at > link.window_start),
        )
        .limit(CONFIRM_BATCH)
    )
    return [remote_id for remote_id in session.scalars(query) if remote_id is not None]
