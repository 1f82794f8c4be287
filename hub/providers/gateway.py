"""Asks ONE provider a hook: hands in token and settings, keeps the deadline, checks the answer.

Whatever a plugin does, its caller sees an answer of the promised type or one of the errors of
`hub.plugin.errors`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from typing import Any

from sqlalchemy import bindparam, select

from hub.clock import Clock
from hub.db import Database
from hub.ids import Ids
from hub.log import get_logger
from hub.models import Account, AccountState, Grant
from hub.plugin.checking import fault_in
from hub.plugin.errors import (
    GrantLostError,
    PluginError,
    ProviderError,
    RefusedError,
    RetryLaterError,
    TokenExpiredError,
)
from hub.plugin.types import (
    Call,
    ChangePage,
    NewGrant,
    Projection,
    ProviderInfo,
    Reception,
    RemoteAccount,
    RemoteCalendar,
    RemoteEvent,
    Subscription,
    Tokens,
)
from hub.providers.grants import Grants
from hub.providers.manager import LoadedProvider, Providers
from hub.providers.throttle import Throttle
from hub.pulse import NoPulse, Pulse
from hub.settings import Settings
from hub.vault import Vault

log = get_logger()

SLACK = 2.0
"""Seconds that a hook may run beyond its deadline before it counts as hanging."""
_ANSWERS: dict[str, type | tuple[type, ...]] = {
    "authorization_url": str,
    "exchange_code": NewGrant,
    "refresh_grant": Tokens,
    "revoke_grant": type(None),
    "list_calendars": tuple,
    "subscribe": Subscription,
    "renew": Subscription,
    "unsubscribe": type(None),
    "receive": Reception,
    "fetch_changes": ChangePage,
    "get_event": RemoteEvent,
    "push_event": (RemoteEvent, type(None)),
    "project": Projection,
}
_ACCOUNT = (
    select(
        Account.provider,
        Account.remote_id,
        Account.email,
        Account.name,
        Account.state,
        Account.problem,
        Account.blocked_until,
        Grant.access_token,
        Grant.expires_at,
    )
    .outerjoin(Grant, Grant.account_id == Account.id)
    .where(Account.id == bindparam("account_id"))
)
_PURE = frozenset({"authorization_url", "receive", "project"})


class HookRunner:
    """Runs hooks in threads that are kept, so that one that hangs can be left behind."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._pid = 0

    def __call__(self, work: Callable[[], Any], seconds: float) -> Any:
        if self._pool is None or self._pid != os.getpid():
            self._pool, self._pid = ThreadPoolExecutor(32, "hook"), os.getpid()
        future: Future[Any] = self._pool.submit(work)
        return future.result(seconds)


class ProviderGateway:
    """The real gateway; see `hub.ports.Gateway` for the contract."""

    def __init__(
        self,
        providers: Providers,
        settings: Settings,
        db: Database,
        clock: Clock,
        ids: Ids,
        vault: Vault,
        run: Callable[[Callable[[], Any], float], Any] | None = None,
        pulse: Pulse | None = None,
    ) -> None:
        self.loaded = providers
        claim = timedelta(seconds=settings.lease_seconds)
        self.grants = Grants(db, clock, ids, vault, self._refresh_grant, claim, pulse or NoPulse())
        self._deadline = settings.call_deadline
        self._throttle = Throttle(settings.quota_share / settings.worker_processes)
        self._db = db
        self._clock = clock
        self._run = run or HookRunner()

    def info(self, provider: str) -> ProviderInfo:
        return self.loaded.get(provider).info

    def providers(self) -> tuple[ProviderInfo, ...]:
        return self.loaded.infos()

    def settings(self, provider: str) -> dict[str, str]:
        return self.loaded.get(provider).settings

    def plain(self, provider: str, hook: str, **arguments: Any) -> Any:
        loaded = self.loaded.get(provider)
        if hook != "project":
            arguments["settings"] = loaded.settings
        return self._ask(loaded, hook, arguments)

    def call(self, account_id: str, hook: str, **arguments: Any) -> Any:
        return self._call(account_id, hook, arguments)

    def _call(self, account_id: str, hook: str, arguments: dict[str, Any], *, is_again: bool = False) -> Any:
        """Make a call; what is refused for its sign-in is asked once more with a fresh one.

        Nobody is made to sign in again for one refusal that may have been a slip. And a sign-in that was
        replaced since the call began is not the one that was lost.
        """
        loaded, account, token, used = self._account(account_id)
        self._throttle.take(loaded.info, account_id, self._clock.now())
        try:
            token = token or self.grants.access_token(account_id)
            try:
                return self._ask(loaded, hook, self._with_call(loaded, account, token, arguments))
            except (TokenExpiredError, GrantLostError):
                token = self.grants.access_token(account_id, rejected=token)
                return self._ask(loaded, hook, self._with_call(loaded, account, token, arguments))
        except TokenExpiredError as error:
            raise RetryLaterError(
                f"{loaded.info.label} does not accept a fresh sign-in token of {account.email}.",
                after=60,
                scope="account",
                code=error.code,
            ) from error
        except GrantLostError as error:
            if self._is_lost(account_id, used, token, error):
                raise
            if not is_again:
                log.info("sign_in_was_replaced", account_id=account_id, hook=hook)
                return self._call(account_id, hook, arguments, is_again=True)
            raise RetryLaterError(
                f"{loaded.info.label} refused a sign-in of {account.email} that was replaced meanwhile.",
                after=1,
            ) from error
        except ProviderError as error:
            self._note(account_id, error)
            raise

    def _account(self, account_id: str) -> tuple[LoadedProvider, RemoteAccount, str | None, str | None]:
        """Return who is called for, the access token if it lasts for a while yet, and as it is stored.

        Read anew for each call, so that none is made for an account that has just been disconnected,
        or that the provider has asked to wait.
        """
        with self._db.reading() as session:
            account = session.connection().execute(_ACCOUNT, {"account_id": account_id}).first()
        if account is None or account.state == AccountState.DISCONNECTED:
            raise GrantLostError("The account is not connected any more.")
        if account.state == AccountState.NEEDS_RECONNECT:
            raise GrantLostError(account.problem or f"Reconnect {account.email}.")
        now = self._clock.now()
        if account.blocked_until and account.blocked_until > now:
            wait = (account.blocked_until - now).total_seconds()
            raise RetryLaterError("The provider asked this account to wait.", after=wait, scope="account")
        return (
            self.loaded.get(account.provider),
            RemoteAccount(account.remote_id, account.email, account.name),
            self.grants.open_fresh(account_id, account.access_token, account.expires_at),
            account.access_token,
        )

    def _with_call(
        self, loaded: LoadedProvider, account: RemoteAccount, token: str, arguments: dict[str, Any]
    ) -> dict[str, Any]:
        call = Call(token, account, loaded.settings, self._clock.now(), self._deadline)
        return arguments | {"call": call}

    def _ask(self, loaded: LoadedProvider, hook: str, arguments: dict[str, Any]) -> Any:
        caller = getattr(loaded.hooks, hook)
        if hook not in _PURE and self._db.is_open:
            raise RuntimeError(f"{hook} would keep a transaction open for as long as a provider pleases")
        try:
            if hook in _PURE:
                answer = caller(**arguments)
            else:
                answer = self._run(lambda: caller(**arguments), self._deadline + SLACK)
        except ProviderError:
            raise
        except TimeoutError as error:
            raise RetryLaterError(
                f"{loaded.info.label} did not answer within {self._deadline:g} seconds.", code="deadline"
            ) from error
        except Exception as error:
            log.exception("plugin_raised", provider=loaded.info.name, hook=hook)
            raise PluginError(
                f"The plugin for {loaded.info.label} failed in {hook} ({type(error).__name__}): "
                "see the log, and report it to the plugin's authors."
            ) from error
        self._check(loaded, hook, answer)
        return answer

    def _check(self, loaded: LoadedProvider, hook: str, answer: Any) -> None:
        good = isinstance(answer, _ANSWERS[hook])
        if hook == "list_calendars":
            good = good and all(isinstance(calendar, RemoteCalendar) for calendar in answer)
        elif hook == "fetch_changes":
            good = good and (answer.next_page is None) != (answer.next_cursor is None)
        elif isinstance(answer, RemoteEvent) and (fault := fault_in(answer)):
            # Of one event only, however it came about: pages are looked through event by event. To have
            # answered a write with it is no refusal: for all that is known the write was done.
            error = RetryLaterError if hook == "push_event" else RefusedError
            raise error(f"{loaded.info.label} shows an event that makes no sense: {fault[:200]}.")
        if not good:
            log.error("plugin_answered_garbage", provider=loaded.info.name, hook=hook)
            raise PluginError(
                f"The plugin for {loaded.info.label} answered {hook} with {type(answer).__name__}, "
                "which breaks its contract: report it to the plugin's authors."
            )

    def _refresh_grant(self, provider: str, refresh_token: str, scopes: tuple[str, ...]) -> Tokens:
        tokens = self.plain(
            provider, "refresh_grant", refresh_token=refresh_token, scopes=scopes, now=self._clock.now()
        )
        assert isinstance(tokens, Tokens)
        return tokens

    def _is_lost(self, account_id: str, used: str | None, refused: str | None, error: GrantLostError) -> bool:
        """Note that an account has to be connected again, unless that was done while the call was made.

        Args:
            used: the access token of when the call began, as it was stored.
            refused: the one that the call was made with at last; None: it came to none.
        """
        with self._db.transaction() as session:
            account = session.get(Account, account_id, with_for_update=True)
            stored = session.scalar(select(Grant.access_token).where(Grant.account_id == account_id))
            if account is not None and account.state == AccountState.CONNECTED:
                if stored is not None and stored != used and self.grants.open(account_id, stored) != refused:
                    return False
                account.state = AccountState.NEEDS_RECONNECT
                account.problem, account.problem_at = error.message, self._clock.now()
        log.warning("account_needs_reconnect", account_id=account_id, reason=error.message)
        return True

    def _note(self, account_id: str, error: ProviderError) -> None:
        """Keep what an error says about the whole account."""
        now = self._clock.now()
        if isinstance(error, RetryLaterError) and error.scope == "account" and error.after:
            with self._db.transaction() as session:
                account = session.get(Account, account_id)
                if account is not None:
                    account.blocked_until = now + timedelta(seconds=min(error.after, 6 * 3600))
