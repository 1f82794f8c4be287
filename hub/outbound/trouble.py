"""What a provider's error means for a link: wait, stop or go on, with the reason for people.

The one table from errors to states of a link; errors of a single event are settled by `push`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from sqlalchemy.orm import Session

from hub.db import after_commit, is_passing
from hub.log import get_logger
from hub.models import Account, AccountState, Link, LinkState
from hub.outbound.lease import (
    RUN_LOST,
    Lease,
    LeaseLostError,
    find_free,
    held,
    prolong,
    put_down,
    release,
    take,
)
from hub.plugin.errors import (
    CalendarLostError,
    GrantLostError,
    MisconfiguredError,
    ProviderError,
    RetryLaterError,
)
from hub.ports import Ports
from hub.providers.manager import UnknownProviderError

log = get_logger()

OPERATOR_WAIT = 60.0
MOST_BEYOND_NAMED = 64.0
"""Seconds to which the wait grows where a provider names a shorter one each time."""
LOST_RUNS_BORNE = 3
"""From so many runs of a link on that died in a row, it is the link that kills them: it has to wait."""


Work = Callable[[], bool]
"""What a run does; returns whether it has given the lease back, with its last transaction."""


def run(ports: Ports, link_id: str, begin: Callable[[Session, Ports, Link, Lease], Work | None]) -> None:
    """Do a link's work under its lease; what goes wrong is recorded. Nothing, if another run holds it.

    Args:
        begin: looks, in the transaction that takes the lease, what there is to do; None: nothing.
    """
    begun = _begin(ports, link_id, begin)
    if begun is None:
        return
    lease, work = begun
    has_ended = False
    try:
        with ports.pulse.beating(lambda: prolong(ports, lease)):
            has_ended = work()
    except LeaseLostError:
        log.info("lease_lost", link_id=link_id, run_id=lease.run_id)
    except (ProviderError, UnknownProviderError) as error:
        settle(ports, lease, error)
    except Exception as error:
        if not is_passing(error):
            settle(ports, lease, ProviderError(f"The hub failed here ({type(error).__name__}): see its log."))
            raise
        # A deadlock, or a database that was away: what was committed stays, the rest is done again.
        log.warning("run_cut_short", link_id=link_id, run_id=lease.run_id, reason=_cause(error))
        settle(ports, lease, RetryLaterError("The database was not to be had for a moment.", code="database"))
    finally:
        if not has_ended:
            release(ports, lease)


def _begin(
    ports: Ports, link_id: str, begin: Callable[[Session, Ports, Link, Lease], Work | None]
) -> tuple[Lease, Work] | None:
    """Take the lease, unless the link is not free, there is nothing to do, or its runs die too often."""
    with ports.db.transaction() as session:
        found = find_free(session, ports, link_id)
        if found is None:
            return None
        lease, link = found
        if lease.after_loss and lease.lost_runs >= LOST_RUNS_BORNE:
            _set_aside(ports, link, lease)
            return None
        work = begin(session, ports, link, lease)
        if work is None:
            if not waits(ports, link):
                put_down(ports, link, lease)
            return None
        take(ports, link, lease)
    return lease, work


def _cause(error: Exception) -> str:
    return type(getattr(error, "orig", None) or error).__name__


def waits(ports: Ports, link: Link) -> bool:
    """Whether the link has to wait after a failure."""
    return link.due_at is not None and link.due_at > ports.clock.now()


def _set_aside(ports: Ports, link: Link, lease: Lease) -> None:
    """Let a link wait whose runs die one after the other, so that it takes no more workers from others.

    It is tried again after a wait that doubles each time, so that what was only an unlucky series of
    restarts mends itself. The lost runs stay counted until a run has come to its end.
    """
    now = ports.clock.now()
    link.lease_owner = link.lease_until = None
    link.lost_runs = lease.lost_runs
    wait = backoff(ports, lease.lost_runs - LOST_RUNS_BORNE + 1)
    link.due_at = now + timedelta(seconds=wait)
    link.problem = (
        f"The last {lease.lost_runs} runs of this link ended with the process that made them (killed, or "
        "out of memory?). It is tried again from time to time; the operator finds more in the log."
    )
    link.problem_code = RUN_LOST
    link.problem_at = link.problem_at or now
    log.error("link_set_aside", link_id=lease.link_id, account_id=lease.account_id, lost_runs=lease.lost_runs)


def backoff(ports: Ports, failures: int, after: float | None = None) -> float:
    """Return seconds to wait after so many failures in a row: exponential, with jitter, not below `after`.

    A provider that names a time means about that, however often it had to.
    """
    delay = longest_backoff(ports, failures) * (0.6 + 0.4 * ports.ids.jitter())
    return delay if after is None else max(min(delay, MOST_BEYOND_NAMED), after)


def longest_backoff(ports: Ports, failures: int) -> float:
    """Return the most seconds that `backoff` comes to where the provider names no time."""
    base, most = ports.settings.retry_base, ports.settings.retry_max
    return 1.25 * min(most, base * 2.0 ** min(failures - 1, 20))


def settle(ports: Ports, lease: Lease, error: ProviderError | UnknownProviderError) -> None:
    """Record on the link why a run failed, and when or whether to try again."""
    if isinstance(error, CalendarLostError) and _is_still_listed(ports, lease):
        error = RetryLaterError(error.message, after=30, code=error.code)
    now = ports.clock.now()
    try:
        with ports.db.transaction() as session:
            link = held(session, ports, lease)
            if isinstance(error, GrantLostError) and _is_connected(session, lease):
                return  # The person has signed in again since: this run only came too early.
            link.failures += 1
            after = error.after if isinstance(error, RetryLaterError) else None
            if isinstance(error, (MisconfiguredError, GrantLostError, UnknownProviderError)):
                after = OPERATOR_WAIT
            link.due_at = now + timedelta(seconds=backoff(ports, link.failures, after))
            if isinstance(error, CalendarLostError):
                link.state = LinkState.STOPPED
                ask_for_calendars(session, ports, link.account_id)
            link.problem = _explain(error)
            link.problem_code = type(error).__name__
            link.problem_at = link.problem_at or now
            log.warning(
                "link_run_failed",
                link_id=link.id,
                account_id=link.account_id,
                provider=lease.provider,
                calendar=link.remote_calendar_id,
                cause=type(error).__name__,
                code=getattr(error, "code", None),
                reason=link.problem,
                failures=link.failures,
            )
    except LeaseLostError:
        return


def _is_connected(session: Session, lease: Lease) -> bool:
    account = session.get_one(Account, lease.account_id, populate_existing=True)
    return account.state == AccountState.CONNECTED


def ask_for_calendars(session: Session, ports: Ports, account_id: str) -> None:
    """Have the account's calendars read anew, and what it may do with them; once, until they are."""
    account = session.get_one(Account, account_id)
    if account.calendars_at is not None:
        account.calendars_at = None
        after_commit(session, lambda: ports.queue.hint("refresh_calendars", account_id))


def clear(link: Link) -> None:
    """Forget an earlier trouble after a success."""
    link.failures = 0
    link.due_at = None
    link.problem = link.problem_code = link.problem_at = None


def _explain(error: ProviderError | UnknownProviderError) -> str:
    if isinstance(error, CalendarLostError):
        return (
            f"{error} Nothing was deleted. Check at the provider whether the calendar still exists and is "
            "shared with this account, then resume the link or remove it."
        )
    if isinstance(error, UnknownProviderError):
        return f"The plugin for {error.name} is not loaded: {error}. 'hub plugins' tells the operator more."
    if isinstance(error, MisconfiguredError):
        return f"{error} The operator must mend the settings; 'hub doctor' says how."
    return str(error)


def _is_still_listed(ports: Ports, lease: Lease) -> bool:
    """Ask the provider's list of calendars before a calendar is believed to be lost."""
    try:
        calendars = ports.gateway.call(lease.account_id, "list_calendars")
    except ProviderError:
        return True
    return any(calendar.remote_id == lease.calendar.remote_id for calendar in calendars)
