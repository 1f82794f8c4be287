"""One wanted copy -> push_event -> its remote id, version and base.

Comes after the outbox; the provider's notification of our own write comes back through inbound, where
its version (or its content) is recognised as an echo.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from hub.log import get_logger
from hub.models import Link, LinkState
from hub.outbound import outbox, singles, trouble
from hub.outbound.lease import Lease, assure, give_back, held, wake_waiting
from hub.outbound.linking import ask_for_pull
from hub.outbound.outbox import Work
from hub.plugin.errors import (
    CalendarLostError,
    GoneError,
    GrantLostError,
    MisconfiguredError,
    ProviderError,
    RefusedError,
    RetryLaterError,
    VersionMovedError,
)
from hub.plugin.types import RemoteEvent
from hub.ports import Ports
from hub.providers.manager import UnknownProviderError

log = get_logger()

FAILURES_IN_A_ROW = 2
"""After so many events that had to wait, the provider is taken to be busy and the link waits."""
_OF_THE_LINK = (CalendarLostError, GrantLostError, MisconfiguredError, UnknownProviderError)


Outcome = RemoteEvent | None | ProviderError | UnknownProviderError
"""What came of one write: what the provider now shows, nothing (it is deleted there), or why not."""


def push_link(ports: Ports, link_id: str) -> None:
    """Write what is wanted in one link. Returns at once if another run holds it."""
    trouble.run(ports, link_id, _begin)


def _begin(session: Session, ports: Ports, link: Link, lease: Lease) -> trouble.Work | None:
    if trouble.waits(ports, link) or not outbox.has_due(session, ports, link):
        return None
    return lambda: push_due(ports, lease)


def push_due(ports: Ports, lease: Lease, *, uncertain_only: bool = False) -> bool:
    """Write every due copy, one after the other, until none is left or it is the turn of others.

    Planning stays in a transaction of its own: what kills it must neither hide that the run began nor
    undo what was written before.

    Args:
        uncertain_only: only find out what became of creates whose answer was lost; the run goes on.

    Returns:
        Whether the run has ended, and given the lease back.

    Raises:
        LeaseLostError: stop.
        ProviderError: the whole link has to wait or stop.
    """
    while True:
        with ports.db.transaction() as session:
            link = held(session, ports, lease)
            batch = outbox.claim(session, ports, link, lease, uncertain_only=uncertain_only)
            if not batch and not uncertain_only:
                give_back(session, ports, link, lease)
        if not batch:
            return not uncertain_only
        has_ended = _push_batch(ports, lease, batch, uncertain_only=uncertain_only)
        if has_ended or (uncertain_only and not lease.lost_runs):
            return has_ended


def _push_batch(ports: Ports, lease: Lease, batch: tuple[Work, ...], *, uncertain_only: bool) -> bool:
    """Write one event after the other; what came of each is committed before the next.

    Returns:
        Whether the run has ended: nothing more is due, or its time is over.
    """
    waiting, has_written = 0, False
    for place, work in enumerate(batch, 1):
        rest = batch[place:]
        outcome = _write(ports, lease, work)
        if isinstance(outcome, RetryLaterError) and outcome.scope == "writes":
            _put_off(ports, lease, batch[place - 1 :], outcome, goes_on=uncertain_only)
            return not uncertain_only
        waiting = waiting + 1 if isinstance(outcome, RetryLaterError) else 0
        trouble_of_link = _concerns_link(outcome, waiting)
        has_written = has_written or not isinstance(outcome, Exception)
        with ports.db.transaction() as session:
            link = held(session, ports, lease)
            # What is found before a listing has begun is to be shown by it.
            is_to_be_listed = uncertain_only and link.page is None
            _note(session, ports, link, work, outcome, seen=link.generation - is_to_be_listed)
            is_over = link.state != LinkState.ACTIVE or (lease.is_over(ports) and not uncertain_only)
            if trouble_of_link and has_written:
                # Who takes some and then asks for a pause is not failing: the next pause is short, too.
                link.failures = 0
            if trouble_of_link or is_over:
                outbox.not_sent(session, rest)
            elif rest or uncertain_only:
                wake_waiting(session, ports, link, lease)
                continue
            session.flush()
            has_ended = not trouble_of_link and (is_over or not outbox.has_due(session, ports, link))
            if has_ended:
                give_back(session, ports, link, lease)
        if isinstance(outcome, Exception) and trouble_of_link:
            raise outcome
        return has_ended
    return False


def _put_off(
    ports: Ports, lease: Lease, unwritten: tuple[Work, ...], error: RetryLaterError, *, goes_on: bool
) -> None:
    """Let the link's writes wait, all alike, while what is read goes on.

    Args:
        goes_on: whether the run has something else to do, and keeps its lease.
    """
    with ports.db.transaction() as session:
        link = held(session, ports, lease)
        outbox.not_sent(session, unwritten)
        outbox.put_off(session, ports, link, error)
        if not goes_on:
            give_back(session, ports, link, lease)
    log.warning(
        "writes_paused", link_id=link.id, account_id=link.account_id, code=error.code, reason=error.message
    )


def _write(ports: Ports, lease: Lease, work: Work) -> Outcome:
    """Ask the provider to write one event, if it may be written."""
    if work.push is None:
        return None
    refusal = work.refusal
    if not lease.calendar.writable:
        refusal = f"{lease.calendar.name!r} is read-only for this account."
    if refusal is not None:
        return RefusedError(refusal)
    assure(ports, lease)
    try:
        remote: RemoteEvent | None = ports.gateway.call(
            lease.account_id, "push_event", calendar=lease.calendar, push=work.push
        )
    except (ProviderError, UnknownProviderError) as error:
        return error
    return remote


def _concerns_link(outcome: Outcome, waiting: int) -> bool:
    """Whether it is not the event that is at fault, so that the whole link has to wait or stop."""
    if isinstance(outcome, RetryLaterError):
        return waiting >= FAILURES_IN_A_ROW or outcome.scope != "calendar"
    return isinstance(outcome, _OF_THE_LINK)


def _note(session: Session, ports: Ports, link: Link, work: Work, outcome: Outcome, *, seen: int) -> None:
    """Write down what came of a write.

    Args:
        seen: the last full listing that need not show the event.
    """
    if isinstance(outcome, _OF_THE_LINK):
        return
    if not isinstance(outcome, ProviderError):
        outbox.settled(session, ports, link, work, outcome, seen=seen)
    elif isinstance(outcome, GoneError):
        outbox.gone(session, ports, link, work)
    else:
        outbox.failed(session, ports, link, work, outcome, park=isinstance(outcome, RefusedError))
        if isinstance(outcome, RefusedError) and outcome.scope == "calendar":
            trouble.ask_for_calendars(session, ports, link.account_id)
        if isinstance(outcome, VersionMovedError):
            ask_for_pull(session, ports, link.id)
        if not isinstance(outcome, RetryLaterError):
            _log(link, work, outcome)
    singles.follow(session, ports, link, work.event_id)


def _log(link: Link, work: Work, error: ProviderError) -> None:
    log.warning(
        "event_not_written",
        link_id=link.id,
        account_id=link.account_id,
        calendar=link.remote_calendar_id,
        event_id=work.event_id,
        cause=type(error).__name__,
        code=error.code,
        reason=error.message,
    )
