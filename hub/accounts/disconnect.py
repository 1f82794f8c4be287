"""Disconnecting an account: links end, subscriptions end, the grant is given back, tokens are deleted.

The rule: events stay where they are, on both sides. Our own side is settled first and never depends on
what the provider answers; the calls to it are best effort.
"""

from __future__ import annotations

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from hub.log import get_logger
from hub.models import Account, AccountState, Channel, Grant, Link
from hub.outbound import linking
from hub.plugin.errors import ProviderError
from hub.plugin.types import Subscription, Tokens
from hub.ports import Ports
from hub.providers.manager import UnknownProviderError
from hub.vault import VaultError

log = get_logger()


def disconnect(ports: Ports, account_id: str) -> None:
    """Disconnect an account; may be called again."""
    with ports.db.transaction() as session:
        account = session.get_one(Account, account_id)
        links = select(Link).where(Link.account_id == account_id, Link.deleted_at.is_(None))
        for link in session.scalars(links):
            linking.delete_link(session, ports, link)
    try:
        _unsubscribe(ports, account_id)
        _revoke(ports, account)
    finally:
        with ports.db.transaction() as session:
            session.execute(delete(Grant).where(Grant.account_id == account_id))
            session.execute(delete(Channel).where(Channel.account_id == account_id))
            account = session.get_one(Account, account_id)
            account.state = AccountState.DISCONNECTED
            account.problem = account.problem_at = account.blocked_until = None
    log.info("account_disconnected", account_id=account_id, provider=account.provider)


def _unsubscribe(ports: Ports, account_id: str) -> None:
    with ports.db.reading() as session:
        query = select(Channel).where(Channel.account_id == account_id, Channel.remote_id.is_not(None))
        channels = session.scalars(query).all()
    for channel in channels:
        assert channel.remote_id is not None
        subscription = Subscription(channel.id, channel.remote_id, channel.expires_at or ports.clock.now())
        try:
            ports.gateway.call(account_id, "unsubscribe", subscription=subscription)
        except (ProviderError, UnknownProviderError) as error:
            # It runs out by itself, and what it still says meets no channel.
            log.info("unsubscribe_failed", account_id=account_id, channel_id=channel.id, reason=str(error))


def _revoke(ports: Ports, account: Account) -> None:
    try:
        with ports.db.reading() as session:
            tokens = _tokens(session, ports, account.id)
        if tokens is not None:
            ports.gateway.plain(account.provider, "revoke_grant", tokens=tokens)
    except (ProviderError, UnknownProviderError, VaultError) as error:
        log.info("revoke_failed", account_id=account.id, reason=str(error))


def _tokens(session: Session, ports: Ports, account_id: str) -> Tokens | None:
    grant = session.get(Grant, account_id)
    if grant is None:
        return None
    refresh = grant.refresh_token
    return Tokens(
        access_token=ports.vault.open(grant.access_token, f"grants.access_token:{account_id}"),
        expires_at=grant.expires_at,
        scopes=tuple(grant.scopes),
        refresh_token=refresh and ports.vault.open(refresh, f"grants.refresh_token:{account_id}"),
    )
