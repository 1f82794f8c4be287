"""A provider's notification: the plugin reads it, its channels' links are marked, the answer goes out.

A notification is only a reason to look: nothing of its content is kept. Known, unknown and forged ones
get the same answer after the same work. Comes before `hub.inbound.pull`.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Sequence
from datetime import datetime

from flask import Blueprint, Response, current_app, request
from sqlalchemy import Row, bindparam, case, or_, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from werkzeug.exceptions import NotFound, ServiceUnavailable

from hub.db import after_commit
from hub.ids import digest
from hub.log import get_logger
from hub.models import Channel, ChannelState, Link, LinkSignal, LinkState
from hub.outbound import owed
from hub.plugin.errors import ProviderError
from hub.plugin.types import HttpAnswer, Notification, NotificationKind, ProviderRequest, Reception
from hub.ports import Ports
from hub.providers.manager import UnknownProviderError

log = get_logger()

BODY_LIMIT = 1_048_576
MOST_NOTIFICATIONS = 1000
LONGEST_ANSWER = 4096
_NO_DIGEST = "0" * 64

_CHANNELS = select(
    Channel.id,
    Channel.account_id,
    Channel.link_id,
    Channel.secret_digest,
    Channel.remote_id,
    Channel.state,
    Channel.expires_at,
).where(Channel.id.in_(bindparam("channel_ids", expanding=True)))
_Channel = Row[str, str, str | None, str, str | None, str, datetime | None]
_LINKS = (
    select(Link.id, (LinkSignal.notified > Link.listed).label("is_owed"))
    .join(LinkSignal, LinkSignal.link_id == Link.id)
    .where(
        or_(
            Link.id.in_(bindparam("link_ids", expanding=True)),
            Link.account_id.in_(bindparam("account_ids", expanding=True)),
        ),
        Link.deleted_at.is_(None),
        Link.state == LinkState.ACTIVE,
    )
    .order_by(Link.id)
)
_PULLED = select(Link.pulled).where(Link.id == LinkSignal.link_id).scalar_subquery()
_MARK = (
    update(LinkSignal)
    .where(LinkSignal.link_id.in_(bindparam("of_links", expanding=True)))
    .values(
        notified=LinkSignal.notified + 1,
        # The waiting time counts from the first of several notifications.
        notified_at=case(
            (LinkSignal.notified <= _PULLED, bindparam("now", type_=LinkSignal.notified_at.type)),
            else_=LinkSignal.notified_at,
        ),
    )
)

blp = Blueprint("webhooks", __name__)


@blp.route("/webhooks/<provider>", methods=["GET", "POST"])
def receive(provider: str) -> Response:
    """Take one request from a provider."""
    ports: Ports = current_app.extensions["hub"]
    request.max_content_length = min(BODY_LIMIT, ports.settings.body_limit)
    reception = _ask_plugin(ports, provider)
    if reception.answer is not None:
        return _handshake(reception.answer)
    try:
        accept(ports, reception.notifications[:MOST_NOTIFICATIONS])
    except SQLAlchemyError as error:
        log.error("notification_not_stored", provider=provider, exc_info=error)
        raise ServiceUnavailable("The notification could not be stored: send it again.") from error
    return Response(status=202)


def _ask_plugin(ports: Ports, provider: str) -> Reception:
    incoming = ProviderRequest(
        method=request.method,
        path=request.path,
        query=request.args.to_dict(),
        headers={name.lower(): value for name, value in request.headers.items()},
        body=request.get_data(),
    )
    try:
        reception: Reception = ports.gateway.plain(provider, "receive", request=incoming)
    except UnknownProviderError:
        raise NotFound("There is no such provider.") from None
    except ProviderError as error:
        # The sender is told nothing, and gains nothing by sending it again.
        log.warning("notification_not_understood", provider=provider, reason=error.message)
        return Reception()
    return reception


def _handshake(answer: HttpAnswer) -> Response:
    """Echo what a provider wants to hear, never as something that a browser would run."""
    response = Response(answer.body[:LONGEST_ANSWER], answer.status, content_type=answer.content_type)
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return response


def accept(ports: Ports, notifications: Sequence[Notification]) -> int:
    """See to it that all genuine notifications are followed by a listing; return how many were genuine.

    Where each link already has a mark that no listing has begun for, nothing is written: the listing that
    such a mark is sure to cause begins after this notification came. So a storm of them costs one write
    for each listing, not one for each notification.
    """
    with ports.db.reading() as session:
        connection = session.connection()
        wanted = {"channel_ids": list({n.channel_id for n in notifications})}
        channels = {row.id: row for row in connection.execute(_CHANNELS, wanted)}
        genuine = [
            (channels[n.channel_id], n)
            for n in notifications
            if _is_genuine(ports, channels.get(n.channel_id), n)
        ]
        links = connection.execute(_LINKS, _watched_by(channel for channel, _ in genuine)).all()
    if len(genuine) < len(notifications):
        log.info("notifications_ignored", count=len(notifications) - len(genuine))
    is_plain = all(n.kind in (NotificationKind.CHANGED, NotificationKind.MISSED) for _, n in genuine)
    if not is_plain or not all(link.is_owed for link in links):
        with ports.db.transaction() as session:
            _mark(session, ports, genuine, [link.id for link in links])
    return len(genuine)


def _watched_by(channels: Iterable[_Channel]) -> dict[str, list[str]]:
    """Return what `_LINKS` needs to find what the channels watch: a link each, or all of an account."""
    link_ids, account_ids = set(), set()
    for channel in channels:
        if channel.link_id is None:
            account_ids.add(channel.account_id)
        else:
            link_ids.add(channel.link_id)
    return {"link_ids": sorted(link_ids), "account_ids": sorted(account_ids)}


def _is_genuine(ports: Ports, channel: _Channel | None, notification: Notification) -> bool:
    """Compare in constant time, with the same work whether there is such a channel or not.

    A channel that is to be closed is believed until it is: what it tells of may have happened before the one
    that replaces it was live.
    """
    kept = channel.secret_digest if channel is not None else _NO_DIGEST
    knows_secret = hmac.compare_digest(kept, digest(notification.secret))
    if channel is None or not knows_secret:
        return False
    if channel.remote_id and notification.remote_id and channel.remote_id != notification.remote_id:
        return False
    return channel.expires_at is None or channel.expires_at > ports.clock.now()


def _mark(
    session: Session, ports: Ports, genuine: list[tuple[_Channel, Notification]], links: list[str]
) -> None:
    now = ports.clock.now()
    session.connection().execute(_MARK, {"of_links": links, "now": now})
    owed.hint_after(session, ports, "pull", links, may_wait=True)
    hints: set[tuple[str, ...]] = set()
    for channel, notification in genuine:
        if notification.kind == NotificationKind.REAUTHORIZE:
            session.execute(update(Channel).where(Channel.id == channel.id).values(due_at=now))
            hints.add(("renew",))
        elif notification.kind == NotificationKind.REMOVED:
            gone = {"state": ChannelState.CLOSING, "due_at": now}
            session.execute(update(Channel).where(Channel.id == channel.id).values(gone))
            watched = session.connection().execute(_LINKS, _watched_by([channel]))
            hints |= {("subscribe", link.id) for link in watched}
    for hint in sorted(hints):
        after_commit(session, lambda hint=hint: ports.queue.hint(*hint))  # type: ignore[misc]
