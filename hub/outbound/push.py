"""One wanted copy -> push_event -> its remote id, version and base.

Comes after the outbox; the provider's notification of our own write comes back through inbound, where
its version (or its content) is recognised as an echo.
"""

from __future__ import annotations

from hub.log import get_logger
from hub.models import Link, LinkState
from hub.outbound import outbox, trouble
from hub.outbound.lease import Lease, held
from hub.outbound.linking import ask_for_pull
from hub.outbound.outbox import Batch, Work
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


def push_link(ports: Ports, link_id: str) -> None:
    """Write what is wanted in one link. Returns at once if another run holds it."""
    trouble.run(ports, link_id, push_due)


def push_due(ports: Ports, lease: Lease, *, uncertain_only: bool = False) -> None:
    """Write every due copy, one after the other, until none is left or it is the turn of others.

    Args:
        uncertain_only: only find out what became of creates whose answer was lost.

    Raises:
        LeaseLostError: stop.
        ProviderError: the whole link has to wait or stop.
    """
    while not _at_rest(ports, lease):
        batch = outbox.claim(ports, lease, uncertain_only=uncertain_only)
        if not batch.work:
            return
        _push_batch(ports, lease, batch, to_the_end=uncertain_only)
        if lease.is_over(ports) or (uncertain_only and not lease.lost_runs):
            return


def _at_rest(ports: Ports, lease: Lease) -> bool:
    """Whether the link has to wait anyway (a run may find it so after a failure)."""
    with ports.db.reading() as session:
        link = session.get_one(Link, lease.link_id)
        return link.state != LinkState.ACTIVE or bool(link.due_at and link.due_at > ports.clock.now())


def _push_batch(ports: Ports, lease: Lease, batch: Batch, *, to_the_end: bool) -> None:
    waiting = 0
    for place, work in enumerate(batch.work, 1):
        try:
            error = _push_one(ports, lease, batch, work)
            waiting = waiting + 1 if error is not None else 0
            if error is not None and (waiting >= FAILURES_IN_A_ROW or error.scope != "calendar"):
                raise error
        except (ProviderError, UnknownProviderError):
            outbox.not_sent(ports, lease, batch.work[place:])
            raise
        if lease.is_over(ports) and not to_the_end:
            outbox.not_sent(ports, lease, batch.work[place:])
            return


def _push_one(ports: Ports, lease: Lease, batch: Batch, work: Work) -> RetryLaterError | None:
    """Push one copy; return the error if the provider was busy or silent.

    Raises:
        ProviderError: those that concern the whole link.
    """
    refusal = work.refusal
    if work.push is not None and not batch.writable:
        refusal = f"{batch.calendar.name!r} is read-only for this account."
    if refusal is not None:
        outbox.failed(ports, lease, work, RefusedError(refusal), park=True)
        return None
    try:
        remote: RemoteEvent | None = None
        if work.push is not None:
            remote = ports.gateway.call(
                batch.account_id, "push_event", calendar=batch.calendar, push=work.push
            )
        outbox.settled(ports, lease, work, remote)
    except (CalendarLostError, GrantLostError, MisconfiguredError):
        raise
    except GoneError:
        outbox.gone(ports, lease, work)
    except RetryLaterError as error:
        outbox.failed(ports, lease, work, error, park=False)
        return error
    except ProviderError as error:
        outbox.failed(ports, lease, work, error, park=isinstance(error, RefusedError))
        if isinstance(error, VersionMovedError):
            with ports.db.transaction() as session:
                held(session, ports, lease)
                ask_for_pull(session, ports, lease.link_id)
        _log(lease, batch, work, error)
    return None


def _log(lease: Lease, batch: Batch, work: Work, error: ProviderError) -> None:
    log.warning(
        "event_not_written",
        link_id=lease.link_id,
        account_id=batch.account_id,
        calendar=batch.calendar.name,
        event_id=work.event_id,
        cause=type(error).__name__,
        code=error.code,
        reason=error.message,
    )
