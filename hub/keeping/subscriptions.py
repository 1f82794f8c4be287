"""Channels: open one for each link (or account), renew it before it ends, close it when it is not needed.

The hub's row is committed before the provider is asked, so that a handshake or an early notification is
already understood; a new channel is live before the old one is closed. Every path leaves `due_at` set,
so a worker that dies half way only delays the next look.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, bindparam, or_, select, update
from sqlalchemy.orm import Session

from hub.db import table_of
from hub.ids import digest
from hub.log import get_logger
from hub.models import Account, AccountState, Channel, ChannelState, Link, LinkState, RemoteCalendar
from hub.outbound.lease import border_calendar
from hub.outbound.linking import ask_for_pull
from hub.outbound.trouble import backoff
from hub.plugin import types
from hub.plugin.errors import GoneError, GrantLostError, PollOnlyError, ProviderError
from hub.plugin.types import Coverage, SubscribeRequest, Subscription
from hub.ports import Ports
from hub.providers.manager import UnknownProviderError

log = get_logger()

WANTED_LIFE = timedelta(days=7)
CLAIM = timedelta(seconds=60)
"""How long a worker may take over one channel before another may try."""
SHORTEST_WAIT = timedelta(seconds=60)
"""How long a channel is left alone at least: by the hub's clock it may have ended before it began."""
OVERLAP = timedelta(seconds=60)
"""How long an old channel stays beside the new one."""
MOST_FAILURES_TO_CLOSE = 8


_CHANNELS = table_of(Channel)
_DUE = (
    select(_CHANNELS.c.id)
    .where(_CHANNELS.c.due_at <= bindparam("now", type_=_CHANNELS.c.due_at.type))
    .order_by(_CHANNELS.c.due_at, _CHANNELS.c.id)
    .limit(1)
    .with_for_update(skip_locked=True)
)
_CLAIM = (
    update(_CHANNELS)
    .where(_CHANNELS.c.id == _DUE.scalar_subquery())
    .values(due_at=bindparam("until"))
    .returning(_CHANNELS.c.id, _CHANNELS.c.state)
)


@dataclass(frozen=True, slots=True)
class _Target:
    """What a subscription is for."""

    link_id: str
    account_id: str
    provider: str
    calendar: types.RemoteCalendar
    whole_account: bool


def subscribe_link(ports: Ports, link_id: str) -> None:
    """Open a channel for a link, unless it has one or its calendar cannot be watched."""
    opened = _open(ports, link_id)
    if opened is None:
        return
    target, request = opened
    try:
        subscription = ports.gateway.call(
            target.account_id, "subscribe", calendar=target.calendar, request=request
        )
    except PollOnlyError as error:
        _poll_only(ports, target, request.channel_id, error)
    except (ProviderError, UnknownProviderError) as error:
        _failed(ports, request.channel_id, error)
    else:
        _live(ports, target, subscription)


def _open(ports: Ports, link_id: str) -> tuple[_Target, SubscribeRequest] | None:
    """Add a channel's row in state OPENING; None if there is nothing to open."""
    now = ports.clock.now()
    with ports.db.transaction() as session:
        target = _target(session, ports, link_id)
        if target is None or not target.calendar.can_watch:
            return None
        session.execute(select(Account.id).where(Account.id == target.account_id).with_for_update())
        if session.scalar(select(Channel.id).where(_covers(target), Channel.state != ChannelState.CLOSING)):
            return None
        return target, _new_channel(session, ports, target, now)


def _target(session: Session, ports: Ports, link_id: str) -> _Target | None:
    link = session.get(Link, link_id)
    if link is None or link.deleted_at is not None or link.state == LinkState.STOPPED:
        return None
    account = session.get_one(Account, link.account_id)
    if account.state != AccountState.CONNECTED:
        return None
    try:
        coverage = ports.gateway.info(account.provider).coverage
    except UnknownProviderError:
        return None
    remote = session.get_one(RemoteCalendar, link.remote_calendar_id)
    return _Target(
        link.id, account.id, account.provider, border_calendar(remote), coverage is Coverage.ACCOUNT
    )


def _covers(target: _Target) -> ColumnElement[bool]:
    """Return the condition for channels that watch the target."""
    if target.whole_account:
        return (Channel.account_id == target.account_id) & Channel.link_id.is_(None)
    return Channel.link_id == target.link_id


def _new_channel(session: Session, ports: Ports, target: _Target, now: datetime) -> SubscribeRequest:
    secret = ports.ids.secret()
    channel = Channel(
        id="chn" + ports.ids.bare(),
        account_id=target.account_id,
        link_id=None if target.whole_account else target.link_id,
        secret_digest=digest(secret),
        state=ChannelState.OPENING,
        due_at=now + CLAIM,
        created_at=now,
    )
    session.add(channel)
    callback = f"{ports.settings.public_url}/webhooks/{target.provider}"
    return SubscribeRequest(channel.id, secret, callback, now + WANTED_LIFE)


def _live(ports: Ports, target: _Target, subscription: Subscription) -> None:
    """Keep what the provider granted; then look once, for what changed before it watched."""
    with ports.db.transaction() as session:
        channel = session.get(Channel, subscription.channel_id)
        if channel is None:
            return
        _keep(ports, channel, subscription)
        ask_for_pull(session, ports, target.link_id)
    log.info("channel_live", channel_id=subscription.channel_id, link_id=target.link_id)


def _keep(ports: Ports, channel: Channel, subscription: Subscription) -> None:
    now = ports.clock.now()
    life = max(subscription.expires_at - now, timedelta(0))
    channel.remote_id = subscription.remote_id
    channel.expires_at = subscription.expires_at
    if channel.state != ChannelState.CLOSING:
        channel.state = ChannelState.LIVE
        channel.due_at = now + max(life * (0.5 + 0.2 * ports.ids.jitter()), SHORTEST_WAIT)
    channel.failures = 0


def _poll_only(ports: Ports, target: _Target, channel_id: str, error: PollOnlyError) -> None:
    with ports.db.transaction() as session:
        link = session.get_one(Link, target.link_id)
        session.get_one(RemoteCalendar, link.remote_calendar_id).can_watch = False
        channel = session.get(Channel, channel_id)
        if channel is not None:
            session.delete(channel)
    log.info("calendar_is_polled", link_id=target.link_id, reason=error.message)


def _failed(ports: Ports, channel_id: str, error: Exception) -> None:
    """Let the keeper try again later; links go on by polling meanwhile."""
    now = ports.clock.now()
    with ports.db.transaction() as session:
        channel = session.get(Channel, channel_id)
        if channel is not None:
            channel.failures += 1
            after = getattr(error, "after", None)
            channel.due_at = now + timedelta(seconds=backoff(ports, channel.failures, after))
            log.warning(
                "channel_call_failed",
                channel_id=channel_id,
                account_id=channel.account_id,
                link_id=channel.link_id,
                state=channel.state,
                cause=type(error).__name__,
                reason=str(error),
            )


def keep_channels(ports: Ports) -> None:
    """Look at each channel that is due: renew, close, or open anew."""
    while (found := _claim(ports)) is not None:
        channel_id, state = found
        try:
            if state == ChannelState.CLOSING:
                _close(ports, channel_id)
            elif state == ChannelState.OPENING:
                _open_anew(ports, channel_id)
            else:
                _renew(ports, channel_id)
        except (ProviderError, UnknownProviderError) as error:
            _failed(ports, channel_id, error)


def _claim(ports: Ports) -> tuple[str, str] | None:
    """Take one due channel for a while, so that two keepers never work on the same."""
    now = ports.clock.now()
    with ports.db.transaction() as session:
        taken = session.connection().execute(_CLAIM, {"now": now, "until": now + CLAIM}).first()
    return None if taken is None else (taken.id, taken.state)


def _claimed(session: Session, channel_id: str, state: str) -> Channel | None:
    """Return a channel as it was claimed; None if somebody was done with it meanwhile.

    That is a keeper that outlived its own claim, the run that opened it, or a person who has disconnected.
    """
    channel: Channel | None = session.get(Channel, channel_id)
    return channel if channel is not None and channel.state == state else None


def _links_of(channel: Channel) -> ColumnElement[bool]:
    if channel.link_id is not None:
        return Link.id == channel.link_id
    return Link.account_id == channel.account_id


def _open_anew(ports: Ports, channel_id: str) -> None:
    """Replace a channel whose opening failed or never ended."""
    with ports.db.transaction() as session:
        channel = _claimed(session, channel_id, ChannelState.OPENING)
        if channel is None:
            return
        failures = channel.failures
        links = session.scalars(select(Link.id).where(_links_of(channel), Link.deleted_at.is_(None))).all()
        session.delete(channel)
    if not links:
        return
    opened = links[0]
    subscribe_link(ports, opened)
    with ports.db.transaction() as session:
        session.execute(
            update(Channel)
            .where(
                or_(Channel.link_id == opened, Channel.link_id.is_(None)),
                Channel.state == ChannelState.OPENING,
                Channel.failures > 0,
            )
            .values(failures=Channel.failures + failures)
        )


def _renew(ports: Ports, channel_id: str) -> None:
    with ports.db.transaction() as session:
        channel = _claimed(session, channel_id, ChannelState.LIVE)
        if channel is None:
            return
        link_id = session.scalar(
            select(Link.id)
            .where(_links_of(channel), Link.deleted_at.is_(None), Link.state != LinkState.STOPPED)
            .order_by(Link.id)
            .limit(1)
        )
        target = link_id and _target(session, ports, link_id)
        if not target:
            _close_later(ports, channel)
            return
        request = _new_channel(session, ports, target, ports.clock.now())
        old = Subscription(channel.id, channel.remote_id or "", channel.expires_at or ports.clock.now())
    try:
        renewed = ports.gateway.call(
            target.account_id, "renew", calendar=target.calendar, subscription=old, request=request
        )
    except GoneError:
        _forget(ports, channel_id)
        _forget(ports, request.channel_id)
        subscribe_link(ports, target.link_id)
        return
    except (ProviderError, UnknownProviderError):
        _forget(ports, request.channel_id)
        raise
    _replace(ports, channel_id, request.channel_id, renewed)


def _replace(ports: Ports, old_id: str, new_id: str, renewed: Subscription) -> None:
    with ports.db.transaction() as session:
        old, new = session.get(Channel, old_id), session.get(Channel, new_id)
        if renewed.channel_id == old_id:
            if old is not None:
                _keep(ports, old, renewed)
            if new is not None:
                session.delete(new)
        else:
            if new is not None:
                _keep(ports, new, renewed)
            if old is not None:
                _close_later(ports, old, OVERLAP)
    log.info("channel_renewed", channel_id=renewed.channel_id, until=renewed.expires_at.isoformat())


def _close_later(ports: Ports, channel: Channel, after: timedelta = timedelta(0)) -> None:
    channel.state = ChannelState.CLOSING
    channel.due_at = ports.clock.now() + after
    channel.failures = 0


def _close(ports: Ports, channel_id: str) -> None:
    """End a subscription at the provider, as far as that is possible, and forget it."""
    with ports.db.reading() as session:
        channel = _claimed(session, channel_id, ChannelState.CLOSING)
        if channel is None:
            return
        given_up = channel.failures >= MOST_FAILURES_TO_CLOSE
        over = channel.expires_at is not None and channel.expires_at < ports.clock.now()
        subscription = Subscription(
            channel.id, channel.remote_id or "", channel.expires_at or ports.clock.now()
        )
    if subscription.remote_id and not given_up and not over:
        try:
            ports.gateway.call(channel.account_id, "unsubscribe", subscription=subscription)
        except (GoneError, GrantLostError):
            pass
    _forget(ports, channel_id)


def _forget(ports: Ports, channel_id: str) -> None:
    with ports.db.transaction() as session:
        channel = session.get(Channel, channel_id)
        if channel is not None:
            session.delete(channel)
