"""Keeps an account's tokens: sealed in the database, refreshed by one worker at a time.

N workers that find a token expired make one refresh: the first claims it in the grant's row, the
others wait for its result. The new tokens are committed before anyone uses them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Select, bindparam, select, update
from sqlalchemy.orm import Session

from hub.clock import Clock
from hub.db import Database, table_of
from hub.ids import Ids
from hub.log import get_logger
from hub.models import Account, AccountState, Grant
from hub.plugin.errors import GrantLostError, ProviderError, RetryLaterError
from hub.plugin.types import Tokens
from hub.pulse import Pulse
from hub.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Callable

log = get_logger()

EARLY = timedelta(minutes=4)
"""A token is refreshed this long before it ends."""
COOL_DOWN = timedelta(seconds=5)
_COOLING = "cooling"


_GRANTS = table_of(Grant)
_GRANT = (
    select(*_GRANTS.columns, Account.state, Account.provider)
    .join_from(_GRANTS, Account, Account.id == _GRANTS.c.account_id)
    .where(_GRANTS.c.account_id == bindparam("account_id"))
)
_ROW = select(Grant).where(Grant.account_id == bindparam("account_id")).with_for_update()
_LOCKED_GRANT = _GRANT.with_for_update(of=_GRANTS)
_CLAIM = (
    update(_GRANTS)
    .where(_GRANTS.c.account_id == bindparam("of_account"))
    .values(refresh_owner=bindparam("owner"), refresh_until=bindparam("until"))
)


@dataclass(frozen=True, slots=True)
class _Due:
    """What a refresh needs."""

    provider: str
    refresh_token: str
    scopes: tuple[str, ...]


class Grants:
    """Hands out access tokens.

    Args:
        refresh: calls the provider's refresh_grant: (provider, refresh token, scopes) -> Tokens.
        claim: after this time the refresh of a dead worker may be made by another.
        pulse: keeps the claim of one that lives.
    """

    def __init__(
        self,
        db: Database,
        clock: Clock,
        ids: Ids,
        vault: Vault,
        refresh: Callable[[str, str, tuple[str, ...]], Tokens],
        claim: timedelta,
        pulse: Pulse,
    ) -> None:
        self._db = db
        self._clock = clock
        self._ids = ids
        self._vault = vault
        self._refresh = refresh
        self._claim = claim
        self._pulse = pulse

    def access_token(self, account_id: str, *, rejected: str | None = None) -> str:
        """Return a token that should work; `rejected` is one that the provider has just refused.

        Raises:
            GrantLostError: the account must be reconnected.
            RetryLaterError: the provider could not refresh now, or another worker takes too long.
        """
        owner = self._ids.bare()
        for _ in range(200):
            with self._db.reading() as session:
                found = self._look(session, _GRANT, account_id, rejected)
            if isinstance(found, _Due):
                found = self._claim_refresh(account_id, owner, rejected)
            if isinstance(found, str):
                return found
            if found is not None:
                return self._refresh_now(account_id, owner, found)
            self._clock.sleep(0.05)
        raise RetryLaterError("another worker has been refreshing the sign-in for too long", scope="account")

    def open_fresh(self, account_id: str, sealed: str | None, expires_at: datetime | None) -> str | None:
        """Return the token if it lasts for a while yet, without a lock: that is how most calls go."""
        if sealed is None or expires_at is None or expires_at - self._clock.now() <= EARLY:
            return None
        return self.open(account_id, sealed)

    def open(self, account_id: str, sealed: str) -> str:
        """Return an access token of what is stored of it."""
        return self._vault.open(sealed, f"grants.access_token:{account_id}")

    def _look(
        self, session: Session, query: Select[Any], account_id: str, rejected: str | None
    ) -> str | _Due | None:
        """Return a good token, or what a refresh needs if one is due, or None to wait for another's."""
        now = self._clock.now()
        grant = session.connection().execute(query, {"account_id": account_id}).one_or_none()
        if grant is None or grant.state != AccountState.CONNECTED:
            raise GrantLostError("The account is not connected any more: reconnect it.")
        token = self.open(account_id, grant.access_token)
        if grant.expires_at - now > EARLY and token != rejected:
            return token
        if grant.refresh_owner and grant.refresh_until and grant.refresh_until > now:
            if grant.refresh_owner == _COOLING:
                raise RetryLaterError(
                    "The provider could not renew the sign-in a moment ago.", after=5.0, scope="account"
                )
            return None
        if grant.refresh_token is None:
            raise GrantLostError("The provider gave no lasting consent: reconnect the account.")
        refresh = self._vault.open(grant.refresh_token, f"grants.refresh_token:{account_id}")
        return _Due(grant.provider, refresh, tuple(grant.scopes))

    def _claim_refresh(self, account_id: str, owner: str, rejected: str | None) -> str | _Due | None:
        """Look again under a lock; if the refresh is still to be made, it is ours to make."""
        with self._db.transaction() as session:
            found = self._look(session, _LOCKED_GRANT, account_id, rejected)
            if isinstance(found, _Due):
                claim = {"of_account": account_id, "owner": owner, "until": self._clock.now() + self._claim}
                session.connection().execute(_CLAIM, claim)
        return found

    def _refresh_now(self, account_id: str, owner: str, due: _Due) -> str:
        try:
            with self._pulse.beating(lambda: self._keep_claim(account_id, owner)):
                tokens = self._refresh(due.provider, due.refresh_token, due.scopes)
        except ProviderError as error:
            self._failed(account_id, owner, error)
            raise
        with self._db.transaction() as session:
            grant = session.scalars(_ROW, {"account_id": account_id}).one_or_none()
            if grant is None:
                raise GrantLostError("The account was disconnected meanwhile.")
            if grant.refresh_owner == owner:
                save_tokens(session, self._vault, self._clock, account_id, tokens)
        log.info("grant_refreshed", account_id=account_id, provider=due.provider)
        return tokens.access_token

    def _keep_claim(self, account_id: str, owner: str) -> bool:
        with self._db.transaction() as session:
            kept = session.scalar(
                update(Grant)
                .where(Grant.account_id == account_id, Grant.refresh_owner == owner)
                .values(refresh_until=self._clock.now() + self._claim)
                .returning(Grant.account_id)
            )
        return kept is not None

    def _failed(self, account_id: str, owner: str, error: ProviderError) -> None:
        now = self._clock.now()
        with self._db.transaction() as session:
            grant = session.get(Grant, account_id)
            if grant is not None and grant.refresh_owner == owner:
                grant.refresh_owner, grant.refresh_until = _COOLING, now + COOL_DOWN
        log.warning(
            "grant_refresh_failed", account_id=account_id, cause=type(error).__name__, reason=error.message
        )


def save_tokens(session: Session, vault: Vault, clock: Clock, account_id: str, tokens: Tokens) -> Grant:
    """Seal and store tokens; a refresh token that did not come keeps the one we have."""
    grant = session.get(Grant, account_id)
    if grant is None:
        grant = Grant(account_id=account_id)
        session.add(grant)
    grant.access_token = vault.seal(tokens.access_token, f"grants.access_token:{account_id}")
    if tokens.refresh_token:
        grant.refresh_token = vault.seal(tokens.refresh_token, f"grants.refresh_token:{account_id}")
    grant.expires_at = tokens.expires_at
    grant.scopes = list(tokens.scopes)
    grant.refresh_owner = grant.refresh_until = None
    grant.updated_at = clock.now()
    return grant
