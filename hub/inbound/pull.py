"""Page through fetch_changes from the cursor; the new cursor comes only with the last page.

Comes after the webhook (or the sweep) has raised the link's `notified`, and before apply. A pull reads
that mark first, lists, and is done when the mark has stood still: whatever is notified meanwhile causes
one more listing, never N. No transaction is open while a provider is asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import Enum
from types import MappingProxyType

from sqlalchemy import Row, bindparam, delete, or_, select, update
from sqlalchemy.orm import Session

from hub.inbound import doubts, guard, moves, planned
from hub.inbound.apply import apply_page
from hub.log import get_logger
from hub.models import Event, EventCopy, Link, LinkSignal, LinkState, ParkedChange
from hub.outbound import trouble
from hub.outbound.lease import Lease, give_back, held
from hub.outbound.linking import ask_for_pull, end_plan, go_live
from hub.outbound.owed import DOUBTED, is_busy
from hub.outbound.push import push_due
from hub.outbound.window import window_of
from hub.plugin.errors import (
    CursorExpiredError,
    GoneError,
    ProviderError,
    RetryLaterError,
    TooHeavyError,
)
from hub.plugin.types import ChangePage, RemoteChange, Scope, Window
from hub.ports import Ports

log = get_logger()

MOST_LISTINGS = 20
"""Listings of one run; a link that is notified without end lets others have their turn."""
CONFIRM_BATCH = 50
PAGE_FAILURES_BORNE = 5
"""After so many failures in a row the page of a listing is given up, and the listing begins anew."""

_COPIES = select(EventCopy.remote_id).where(EventCopy.link_id == bindparam("link_id"))
_UNCERTAIN = _COPIES.where(
    EventCopy.wanted_version > EventCopy.pushed_version, EventCopy.parked_at.is_(None), EventCopy.uncertain
).limit(1)
"""The answer to a create was lost, so that its event may be listed as new."""
_THERE = _COPIES.where(EventCopy.remote_id.is_not(None), EventCopy.removed_at.is_(None)).limit(CONFIRM_BATCH)
_DOUBTED = _THERE.where(*DOUBTED)
_STANDING = select(
    LinkSignal.notified, _DOUBTED.exists().label("has_doubted"), _UNCERTAIN.exists().label("has_uncertain")
).where(LinkSignal.link_id == bindparam("link_id"))
_Standing = Row[int, bool, bool]
_LET_GO = (
    update(EventCopy.__table__)  # type: ignore[arg-type]
    .where(
        EventCopy.link_id == bindparam("of_link"),
        EventCopy.wanted_version > EventCopy.pushed_version,
        EventCopy.parked_at.is_(None),
        EventCopy.due_at.is_not(None),
        EventCopy.remote_id.is_(None),
        EventCopy.attempts == 0,
    )
    .values(due_at=None)
)
"""New copies that might have been there already have waited for this listing."""
_FORGET_UNSHOWN = delete(ParkedChange.__table__).where(  # type: ignore[arg-type]
    ParkedChange.link_id == bindparam("of_link"), ParkedChange.at < bindparam("before")
)
_MISSING = _THERE.join(Event, Event.id == EventCopy.event_id).where(
    EventCopy.missing_at.is_(None),
    EventCopy.seen_generation < bindparam("generation"),
    Event.starts_at < bindparam("end"),
    or_(Event.ends_at.is_(None), Event.ends_at > bindparam("start")),
)


@dataclass(frozen=True, slots=True)
class Listing:
    """What one listing starts from."""

    cursor: str | None
    """None: everything is listed."""
    page: str | None
    window: Window
    notified: int
    has_uncertain: bool
    planned_id: str | None
    """The stored listing that is brought in instead of the provider's."""
    is_stopgap: bool = False
    """What has changed since the last complete listing, while a full one fails."""


class _Next(Enum):
    """What comes after a page, if it is not another listing."""

    PAGE = "page"
    FIRST = "first"
    """The first listing is complete: the hub's own events may be written there."""
    DOUBTS = "doubts"
    """The listing is complete; some events have to be asked about before the next one."""
    END = "end"
    """The lease was given back."""


def pull_link(ports: Ports, link_id: str) -> None:
    """Bring in what changed in one remote calendar. Returns at once if another run holds the link."""
    trouble.run(ports, link_id, _begin)


def _begin(session: Session, ports: Ports, link: Link, lease: Lease) -> trouble.Work | None:
    if link.verdict is not None:
        return lambda: _pull(ports, lease, None)
    listing = _open_listing(session, ports, link, _standing(session, link))
    return None if listing is None else lambda: _pull(ports, lease, listing)


def _pull(ports: Ports, lease: Lease, listing: Listing | None) -> bool:
    """List until nothing is owed any more; return whether the lease was given back."""
    if listing is None:
        guard.carry_out(ports, lease)
    for _ in range(MOST_LISTINGS):
        listing = listing or _reopen(ports, lease)
        if listing is None:
            return False
        if listing.has_uncertain:
            _resolve_uncertain(ports, lease)
        try:
            found = _list(ports, lease, listing)
        except CursorExpiredError:
            log.info("cursor_expired", link_id=lease.link_id, account_id=lease.account_id)
            _start_over(ports, lease, keep_cursor=listing.cursor is None)
            if listing.cursor is None:
                raise  # It began anew already, or may run in circles: it is not read again without a wait.
            listing = None
            continue
        except ProviderError as error:
            _doubt_page(ports, lease, listing, error)
            if listing.cursor is None and isinstance(error, RetryLaterError) and error.scope == "calendar":
                _read_by_old_cursor(ports, lease, listing)
            raise
        if found is _Next.PAGE or found is _Next.END:
            return found is _Next.END
        if found is _Next.FIRST:
            go_live(ports, lease)
        if isinstance(found, _Next):
            _confirm_missing(ports, lease)
            _read_doubted(ports, lease)
        if lease.is_over(ports):
            return False
        listing = found if isinstance(found, Listing) else None
    return False


def _start_over(ports: Ports, lease: Lease, *, keep_cursor: bool) -> None:
    """Forget how far the listing has come; what was refused in a full one says nothing of the cursor."""
    with ports.db.transaction() as session:
        link = held(session, ports, lease)
        link.page = link.planned_id = link.planned_at = None
        if not keep_cursor:
            link.cursor = None


def _doubt_page(ports: Ports, lease: Lease, listing: Listing, error: ProviderError) -> None:
    """Give up a page that is refused or keeps failing: the next try begins the listing anew.

    Where the provider cannot even tell what has changed, that is a full one.
    """
    is_busy = isinstance(error, RetryLaterError)
    if isinstance(error, RetryLaterError) and error.scope != "calendar":
        return
    with ports.db.transaction() as session:
        link = held(session, ports, lease)
        if not is_busy or link.failures % PAGE_FAILURES_BORNE == PAGE_FAILURES_BORNE - 1:
            link.page = None
            if isinstance(error, TooHeavyError) and listing.cursor is not None:
                ask_for_pull(session, ports, link.id, fresh=True)


def _read_by_old_cursor(ports: Ports, lease: Lease, listing: Listing) -> None:
    """Bring in what has changed since the last complete listing: its cursor is good until a new one is."""
    with ports.db.reading() as session:
        cursor = session.get_one(Link, lease.link_id).cursor
    if cursor is None:
        return
    stopgap = replace(listing, cursor=cursor, page=None, planned_id=None, is_stopgap=True)
    try:
        _list(ports, lease, stopgap)
    except ProviderError as error:
        log.info("old_cursor_not_read", link_id=lease.link_id, reason=error.message)


def _reopen(ports: Ports, lease: Lease) -> Listing | None:
    with ports.db.transaction() as session:
        link = held(session, ports, lease)
        return _open_listing(session, ports, link, _standing(session, link))


def _open_listing(session: Session, ports: Ports, link: Link, standing: _Standing) -> Listing | None:
    """Read the mark, then where to go on from; None if nothing is owed. A full listing opens a generation.

    A listing is owed after a failure, too: only a success shows that the trouble is over. So it is after a
    run that died before it had asked about what its listing left open.

    A listing that was cut off, or made way for others, goes on with its own mark and generation, unless
    everything was asked for since it began.
    """
    notified = standing.notified
    has_trouble = link.failures > 0 or link.problem is not None
    is_new = link.cursor is None or link.imported_at is None
    is_open = standing.has_doubted or link.confirmed < link.generation
    if trouble.waits(ports, link) or not (notified > link.pulled or is_new or has_trouble or is_open):
        return None
    if link.listed < link.fresh_mark:
        link.page = None
    if link.page is None:
        # A stored listing is older than the mark: one of the provider's own follows.
        link.listed = notified if link.planned_id is None else link.pulled
        if link.wants_all:
            link.generation += 1
            link.window_start, link.window_end = window_of(session, ports, link)
    assert link.window_start is not None
    assert link.window_end is not None
    return Listing(
        None if link.wants_all else link.cursor,
        link.page,
        Window(link.window_start, link.window_end),
        link.listed,
        standing.has_uncertain,
        link.planned_id,
    )


def _standing(session: Session, link: Link) -> _Standing:
    """Read what others have asked of a link, and what is open of its copies."""
    return session.connection().execute(_STANDING, {"link_id": link.id}).one()


def _resolve_uncertain(ports: Ports, lease: Lease) -> None:
    """Find out what became of creates whose answer was lost, before their events are listed as new."""
    try:
        push_due(ports, lease, uncertain_only=True)
    except RetryLaterError as error:
        log.info("creates_stay_uncertain", link_id=lease.link_id, reason=error.message)


def _list(ports: Ports, lease: Lease, listing: Listing) -> Listing | _Next:
    """Bring in page after page; PAGE if the run's time was over before the last one."""
    page_token = listing.page
    while True:
        page = _fetch(ports, lease, listing, page_token)
        found = _store(ports, lease, listing, page)
        if found is not _Next.PAGE or lease.is_over(ports):
            return found
        page_token = page.next_page


def _fetch(ports: Ports, lease: Lease, listing: Listing, page_token: str | None) -> ChangePage:
    if listing.planned_id is not None:
        return planned.read_page(ports, listing.planned_id, page_token)
    page: ChangePage = ports.gateway.call(
        lease.account_id,
        "fetch_changes",
        calendar=lease.calendar,
        cursor=listing.cursor,
        page=page_token,
        window=listing.window,
    )
    return page


def _store(ports: Ports, lease: Lease, listing: Listing, page: ChangePage) -> Listing | _Next:
    """Apply one page in one transaction, unless the provider must be asked about some of it first."""
    with ports.db.transaction() as session:
        link = held(session, ports, lease)
        known = doubts.known(session, link, page.changes)
        doubtful = doubts.doubtful(page.changes, known)
        suspects = moves.suspects(session, link, page.changes, known)
        if not doubtful and not suspects:
            return _apply(session, ports, lease, link, listing, page, page.changes)
    answers = {r: _ask(ports, lease, r) for r in doubtful if r in known}
    moved = moves.confirmed(ports, lease, suspects)
    changes = [answers.get(c.remote_id, c) for c in page.changes]
    with ports.db.transaction() as session:
        link = held(session, ports, lease)
        sure = [c for c in changes if c.remote_id in answers or c.remote_id not in doubtful]
        if moved:  # Meanwhile a copy may have become another.
            again = moves.suspects(session, link, page.changes, known)
            moved = {r: s.copy_id for r, s in again.items() if s.has_left or s.copy_id == moved.get(r)}
        return _apply(session, ports, lease, link, listing, page, sure, moved)


def _apply(
    session: Session,
    ports: Ports,
    lease: Lease,
    link: Link,
    listing: Listing,
    page: ChangePage,
    changes: Iterable[RemoteChange],
    moved: Mapping[str, str] = MappingProxyType({}),
) -> Listing | _Next:
    """Apply a page; the last one moves the cursor and the mark, and begins what comes next."""
    apply_page(session, ports, link, changes, lease, moved)
    if listing.is_stopgap:
        link.cursor = page.next_cursor or link.cursor
        return _Next.END if page.next_cursor else _Next.PAGE
    link.page = page.next_page
    if page.next_cursor is None:
        return _Next.PAGE
    now = ports.clock.now()
    if page.scope is Scope.SNAPSHOT and lease.term.has_parked and link.heard_at is not None:
        # Not understood before this listing began, and not shown in it: it is there no more.
        session.flush()
        session.connection().execute(_FORGET_UNSHOWN, {"of_link": link.id, "before": link.heard_at})
    is_first, link.cursor = link.cursor is None, page.next_cursor
    link.pulled = listing.notified
    link.heard_at = now
    spread = 0.75 + ports.ids.jitter() / 2
    link.poll_at = now + timedelta(seconds=ports.settings.poll_interval * spread)
    if link.state == LinkState.ACTIVE:  # What the page showed may have stopped it.
        trouble.clear(link)
    if link.confirmed >= link.generation:
        guard.settle(session, ports, link, lease.run_id)
    if page.window is not None:
        link.window_start, link.window_end = page.window.start, page.window.end
    if page.scope is Scope.SNAPSHOT and link.imported_at is None:
        is_planned = listing.planned_id is not None  # A person has been told, and has agreed.
        if is_first and not is_planned and guard.is_wrongly_empty(session, link):
            ask_for_pull(session, ports, link.id, fresh=True)
            return _Next.DOUBTS
    session.connection().execute(_LET_GO, {"of_link": link.id})
    if link.imported_at is None and not link.wants_all:
        return _Next.FIRST
    if listing.planned_id is not None:
        end_plan(session, ports, link)
    return _go_on(session, ports, lease, link, listing)


def _go_on(session: Session, ports: Ports, lease: Lease, link: Link, listing: Listing) -> Listing | _Next:
    """Begin what comes after a complete listing: questions, another listing, or the end."""
    if link.confirmed < link.generation and not link.wants_all and not _missing(session, link):
        _confirm(session, ports, lease, link)
    standing = _standing(session, link)
    if link.confirmed < link.generation or standing.has_doubted:
        return _Next.DOUBTS
    is_again = listing.planned_id is None and not link.wants_all and standing.notified > link.pulled
    may_wait = lease.is_over(ports) or (is_again and is_busy(session, ports, link))
    following = None if may_wait else _open_listing(session, ports, link, standing)
    if following is None:
        give_back(session, ports, link, lease)
    return following or _Next.END


def _ask(ports: Ports, lease: Lease, remote_id: str) -> RemoteChange:
    """Read one event that is suspected gone: only a clear no is a deletion."""
    try:
        event = ports.gateway.call(
            lease.account_id, "get_event", calendar=lease.calendar, remote_id=remote_id
        )
    except GoneError:
        return RemoteChange(remote_id)
    return RemoteChange(remote_id, event)


def _confirm_missing(ports: Ports, lease: Lease) -> None:
    """Ask about each copy that the last full listing should have shown and did not.

    Until an answer came the copy stays as it is; a crash in between leaves the question open for the
    next pull.
    """
    while True:
        with ports.db.transaction() as session:
            link = held(session, ports, lease)
            if link.confirmed >= link.generation or link.wants_all:
                return
            missing = _missing(session, link)
            if not missing:
                _confirm(session, ports, lease, link)
                return
        _bring_in(ports, lease, missing)


def _confirm(session: Session, ports: Ports, lease: Lease, link: Link) -> None:
    """Note that nothing is open of the last full listing; what was missing in it is believed or held."""
    link.confirmed = link.generation
    guard.settle(session, ports, link, lease.run_id)


def _read_doubted(ports: Ports, lease: Lease) -> None:
    """Read what refused our version and was not in the listing: it may have shown the change before."""
    with ports.db.reading() as session:
        doubted = [r for r in session.scalars(_DOUBTED, {"link_id": lease.link_id}) if r is not None]
    if doubted:
        _bring_in(ports, lease, doubted, settle=True)


def _bring_in(ports: Ports, lease: Lease, remote_ids: Iterable[str], *, settle: bool = False) -> None:
    """Read events one by one and apply what the provider says of them."""
    changes = [_ask(ports, lease, remote_id) for remote_id in remote_ids]
    with ports.db.transaction() as session:
        link = held(session, ports, lease)
        apply_page(session, ports, link, changes, lease)
        if settle:
            guard.settle(session, ports, link, lease.run_id)


def _missing(session: Session, link: Link) -> list[str]:
    values = {
        "link_id": link.id,
        "generation": link.generation,
        "start": link.window_start,
        "end": link.window_end,
    }
    found = session.connection().execute(_MISSING, values).scalars()
    return [remote_id for remote_id in found if remote_id is not None]
