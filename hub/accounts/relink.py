"""Finding a link's events again where they have moved: to a calendar with another id, or a moved account.

Comes with each new list of calendars, when links have lost theirs (`heal`), after an account was
reconnected as a moved one (`wait_for_account`), or when a person says so (`move_link`). The provider is
asked for some events that the link knows: if it has them, only the calendar's id has changed. If not,
their ids have changed too: the copies wait without an id until the next listing pairs them by mark,
UID, or title and time. What it does not find is never deleted by itself: it is held for a person.
"""

from __future__ import annotations

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from hub.log import get_logger
from hub.models import Channel, EventCopy, Link, LinkState, RemoteCalendar
from hub.outbound import linking
from hub.outbound.lease import border_calendar
from hub.outbound.linking import LinkingError, adopt_anew, check_direction
from hub.plugin.errors import CalendarLostError, GoneError, ProviderError, RefusedError
from hub.ports import Ports

log = get_logger()

PROBES = 3
MOST_ASKED = 10
"""So many calendars of other names are asked whether they are the lost one."""
ACCOUNT_MOVED = "account_moved"


def move_link(ports: Ports, link_id: str, remote_calendar_id: str) -> None:
    """Point a link at another calendar of its account that holds the same events.

    Raises:
        LinkingError: that calendar is of another account, is linked, or may not be written to.
        ProviderError: the provider cannot be asked now.
    """
    with ports.db.reading() as session:
        link = session.get_one(Link, link_id)
        remote = session.get(RemoteCalendar, remote_calendar_id)
        _check(session, link, remote)
    assert remote is not None
    same_ids = _has_our_events(ports, link, remote)
    with ports.db.transaction() as session:
        (link,) = linking.locked(session, Link.id == link_id)
        remote = session.get_one(RemoteCalendar, remote_calendar_id)
        _check(session, link, remote)
        _move(session, ports, link, remote, same_ids=same_ids)


def heal(ports: Ports, account_id: str) -> None:
    """Look for each calendar that a link has lost among those that its account shows now.

    One of the same name that holds some of the link's events is the same calendar under a new id; one of
    another name is, if it holds all of them that are asked for.
    After the account has moved, the calendar with the same id, the primary one, or the one of the same
    name takes its place even if it does not. Otherwise one of the same name may have been made anew, and
    that is for a person to say.
    """
    for link_id, has_moved in _stopped(ports, account_id):
        with ports.db.reading() as session:
            link = session.get_one(Link, link_id)
            remote = _successor(session, link) if has_moved else _namesake(session, link)
            others = _renamed(session, link)
        try:
            same_ids = remote is not None and _has_our_events(ports, link, remote)
            if not same_ids:
                renamed = next((c for c in others if _has_our_events(ports, link, c, all_of=True)), None)
                remote, same_ids = renamed or remote, renamed is not None
        except ProviderError as error:
            log.info("lost_calendar_not_looked_for", link_id=link_id, reason=error.message)
            continue
        with ports.db.transaction() as session:
            (link,) = linking.locked(session, Link.id == link_id)
            if link.state != LinkState.STOPPED or link.deleted_at is not None:
                continue
            if remote is not None and (same_ids or has_moved):
                _move(session, ports, link, session.get_one(RemoteCalendar, remote.id), same_ids=same_ids)
            elif remote is not None or has_moved:
                _ask_person(link, remote)


def wait_for_account(link: Link, ports: Ports) -> None:
    """Stop a link of an account that has moved until `heal` has found its calendar again."""
    link.state = LinkState.STOPPED
    link.problem = "The account has moved at its provider; the calendar of this link is being looked for."
    link.problem_code, link.problem_at = ACCOUNT_MOVED, ports.clock.now()


def _ask_person(link: Link, remote: RemoteCalendar | None) -> None:
    if remote is None:
        link.problem = (
            "The account has moved, and the calendar of this link was not found again. Nothing was deleted. "
            "Move the link to the calendar that took its place, or remove the link."
        )
        link.problem_code = "calendar_not_found_again"
    else:
        link.problem = (
            f"The calendar {remote.name!r} is gone, and another one of the same name holds none "
            "of its events. Nothing was deleted. If it takes the old one's place, move the link to it; if "
            "not, remove the link."
        )
        link.problem_code = "calendar_made_anew"


def _check(session: Session, link: Link, remote: RemoteCalendar | None) -> None:
    if remote is None or remote.account_id != link.account_id:
        raise LinkingError("is not a calendar of this link's account", "remote_calendar_id")
    taken = select(Link.id).where(
        Link.remote_calendar_id == remote.id, Link.deleted_at.is_(None), Link.id != link.id
    )
    if session.scalar(taken):
        raise LinkingError(f"{remote.name!r} is already linked", "remote_calendar_id")
    if remote.id != link.remote_calendar_id:
        check_direction(session, remote, link.direction)


def _has_our_events(ports: Ports, link: Link, remote: RemoteCalendar, *, all_of: bool = False) -> bool:
    """Whether the calendar holds events under the ids that the link knows: one of a few, or all of them."""
    query = (
        select(EventCopy.remote_id)
        .where(EventCopy.link_id == link.id, EventCopy.remote_id.is_not(None), EventCopy.removed_at.is_(None))
        .order_by(EventCopy.seen_generation.desc(), EventCopy.id.desc())
        .limit(PROBES)
    )
    with ports.db.reading() as session:
        known = session.scalars(query).all()
    found = 0
    for remote_id in known:
        try:
            ports.gateway.call(
                link.account_id, "get_event", calendar=border_calendar(remote), remote_id=remote_id
            )
        except (GoneError, RefusedError, CalendarLostError):
            continue
        found += 1
        if not all_of:
            break
    return 0 < found == len(known) if all_of else found > 0


def _move(session: Session, ports: Ports, link: Link, remote: RemoteCalendar, *, same_ids: bool) -> None:
    log.info("link_moved", link_id=link.id, calendar=remote.id, same_ids=same_ids)
    linking.close_channels(session, ports, Channel.link_id == link.id)
    link.remote_calendar_id = remote.id
    link.cursor = None
    if not same_ids:
        link.held_at = ports.clock.now()
        link.verdict = link.verdict_at = None
        session.execute(
            update(EventCopy)
            .where(
                EventCopy.link_id == link.id, EventCopy.remote_id.is_not(None), EventCopy.removed_at.is_(None)
            )
            .values(remote_id=None, remote_version="", missing_at=link.held_at, shown_at=None)
        )
    session.flush()
    linking.resume(session, ports, link)
    adopt_anew(session, ports, link)


def _stopped(ports: Ports, account_id: str) -> list[tuple[str, bool]]:
    """Return links that lost their calendar, and whether that is because the account has moved."""
    query = select(Link.id, Link.problem_code).where(
        Link.account_id == account_id,
        Link.deleted_at.is_(None),
        Link.state == LinkState.STOPPED,
        Link.problem_code.in_([CalendarLostError.__name__, ACCOUNT_MOVED]),
    )
    with ports.db.reading() as session:
        return [
            (link_id, code == ACCOUNT_MOVED) for link_id, code in session.execute(query.order_by(Link.id))
        ]


def _free_calendars(session: Session, link: Link) -> list[RemoteCalendar]:
    linked = select(Link.remote_calendar_id).where(Link.deleted_at.is_(None), Link.id != link.id)
    query = select(RemoteCalendar).where(
        RemoteCalendar.account_id == link.account_id,
        RemoteCalendar.missing_since.is_(None),
        RemoteCalendar.id.not_in(linked),
    )
    return list(session.scalars(query.order_by(RemoteCalendar.id)))


def _namesake(session: Session, link: Link) -> RemoteCalendar | None:
    old = session.get_one(RemoteCalendar, link.remote_calendar_id)
    same = [c for c in _free_calendars(session, link) if c.name == old.name and c.id != old.id]
    return same[0] if len(same) == 1 else None


def _renamed(session: Session, link: Link) -> list[RemoteCalendar]:
    """Return calendars of other names that may be the lost one."""
    old = session.get_one(RemoteCalendar, link.remote_calendar_id)
    free = _free_calendars(session, link)
    return [c for c in free if c.primary == old.primary and c.id != old.id][:MOST_ASKED]


def _successor(session: Session, link: Link) -> RemoteCalendar | None:
    """Return what takes a link's calendar's place in a moved account."""
    old = session.get_one(RemoteCalendar, link.remote_calendar_id)
    if old.missing_since is None:
        return old
    if old.primary:
        primary = [c for c in _free_calendars(session, link) if c.primary]
        return primary[0] if primary else None
    return _namesake(session, link)
