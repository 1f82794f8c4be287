"""Changing a link that exists: direction, policy and window; syncing it now; deciding about its deletions."""

from __future__ import annotations

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from hub.db import after_commit
from hub.models import Direction, EventCopy, Link, LinkState, Verdict
from hub.outbound.linking import adopt_anew, ask_for_pull, check_direction, compare_anew, forget_wishes
from hub.ports import Ports


def change_link(
    session: Session,
    ports: Ports,
    link: Link,
    *,
    direction: str | None = None,
    policy: str | None = None,
    past_days: int | None = None,
    future_days: int | None = None,
) -> None:
    """Change what is not None. A narrower window deletes nothing; in a wider one, what both sides hold
    already is recognised before anything is written.

    A link that begins to read or to write compares both sides anew, as at its first listing; one that
    ends doing so leaves both as they are.

    Raises:
        LinkingError: the remote calendar may not be written to.
    """
    anew = (past_days or 0) > link.past_days or (future_days or 0) > link.future_days
    if direction is not None and direction != link.direction:
        check_direction(session, link.remote_calendar, direction)
        before, link.direction = link.direction, direction
        if direction == Direction.IMPORT:
            forget_wishes(session, link)
        if before != Direction.TWO_WAY:
            anew = True
            compare_anew(session, link, one_sided=before == Direction.EXPORT)
    link.policy = policy or link.policy
    link.past_days = link.past_days if past_days is None else past_days
    link.future_days = link.future_days if future_days is None else future_days
    if anew:
        adopt_anew(session, ports, link)


def sync_now(session: Session, ports: Ports, link: Link, *, full: bool = False) -> None:
    """Pull as soon as possible, and try again what was parked.

    In full, all calendars that are kept equal are read as at the first time, so that what the hub should
    know and does not is recognised on each side, and copied to none.
    """
    session.execute(
        update(EventCopy)
        .where(EventCopy.link_id == link.id, EventCopy.parked_at.is_not(None))
        .values(parked_at=None, attempts=0, due_at=None)
    )
    link.due_at = None
    session.flush()
    ask_for_pull(session, ports, link.id)
    siblings = select(Link).where(Link.calendar_id == link.calendar_id, Link.deleted_at.is_(None))
    for sibling in session.scalars(siblings.order_by(Link.id).with_for_update()) if full else ():
        if sibling.imported_at is not None:  # What is under way already need not begin again.
            adopt_anew(session, ports, sibling)
    after_commit(session, lambda: ports.queue.hint("push", link.id))


class NothingHeldError(Exception):
    """The link has no deletions that wait for a person."""


def decide(session: Session, ports: Ports, link: Link, verdict: Verdict) -> None:
    """Say what becomes of the held deletions; the next run carries it out.

    Raises:
        NothingHeldError: none are held, they have been decided about, or the link is at rest.
    """
    if link.held_at is None or link.verdict is not None:
        raise NothingHeldError("No deletions of this link wait for a decision: there is nothing to do.")
    if link.state != LinkState.ACTIVE:
        raise NothingHeldError("The link is at rest: resume it, then decide about its deletions.")
    link.verdict, link.verdict_at = verdict, ports.clock.now()
    link.due_at = None
    session.flush()
    ask_for_pull(session, ports, link.id)
