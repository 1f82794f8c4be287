"""Keeps the hub below the quotas that a plugin declares, before the provider has to say no."""

from __future__ import annotations

from collections import defaultdict, deque
from datetime import datetime

from hub.plugin.errors import RetryLaterError
from hub.plugin.types import ProviderInfo


class Throttle:
    """Sliding one-minute windows, per account and per provider, of this process's calls.

    Args:
        share: how much of a provider's quota this process may use: the operator's setting, divided
            by the number of worker processes.
    """

    def __init__(self, share: float) -> None:
        self._share = share
        self._calls: dict[str, deque[float]] = defaultdict(deque)

    def take(self, info: ProviderInfo, account_id: str, now: datetime) -> None:
        """Count one call.

        Raises:
            RetryLaterError: the quota of this minute is used up; `after` says for how long.
        """
        instant = now.timestamp()
        self._take(info.name, info.limits.per_project_per_minute, instant, "provider")
        self._take(account_id, info.limits.per_account_per_minute, instant, "account")

    def _take(self, key: str, per_minute: int, instant: float, scope: str) -> None:
        calls = self._calls[key]
        while calls and calls[0] <= instant - 60:
            calls.popleft()
        if len(calls) >= max(1, int(per_minute * self._share)):
            wait = calls[0] + 60 - instant
            raise RetryLaterError(
                "The hub keeps below the provider's quota: it goes on in a moment.", after=wait, scope=scope
            )
        calls.append(instant)
