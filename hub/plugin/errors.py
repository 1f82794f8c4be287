"""What a hook may raise: each error is named by what the hub must do next.

A plugin keeps ONE table from its provider's status codes and reasons to these classes. Anything else
that a hook raises is a bug of the plugin: the gateway turns it into `PluginError`, which costs one
call of one account and is shown to the operator.
"""

from __future__ import annotations

from math import isfinite

LONGEST_WAIT = 7 * 86_400.0
"""Seconds; a provider that asks for a longer wait is asked again after that."""


class ProviderError(Exception):
    """Something a provider answered that the hub must act upon.

    Args:
        message: one sentence for people: what happened and, where it helps, what to do. It is shown to
            the account's owner and logged, so it never holds a token or an event's text.
        code: the provider's own code, for logs and metrics ("rateLimitExceeded", "ErrorItemNotFound").
    """

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code


class RetryLaterError(ProviderError):
    """The provider is busy, throttling, failing or silent: the same call may work later.

    Whether a write took effect is not known. `after` is the number of seconds that the provider asked
    for, of which at most `LONGEST_WAIT` are kept, or None, which nonsense becomes, too; `scope` says who
    must wait: only this "calendar", the "account", every account of the "provider", or the account's
    "writes" alone. Of the last nothing was written, and reading goes on.
    """

    def __init__(
        self,
        message: str,
        *,
        after: float | None = None,
        scope: str = "calendar",
        code: str | None = None,
    ) -> None:
        super().__init__(message, code=code)
        self.after = min(max(0.0, after), LONGEST_WAIT) if after is not None and isfinite(after) else None
        self.scope = scope


class TooHeavyError(RetryLaterError):
    """The provider gave up over a listing, and may do so each time.

    The hub tries again later; after several failures in a row it lists everything anew, for which the
    plugin asks in smaller parts.
    """


class GrantLostError(ProviderError):
    """The person's consent is gone or too narrow: stop, keep all data, ask the person to reconnect."""


class TokenExpiredError(ProviderError):
    """The access token was not accepted: refresh it once and call again."""


class CursorExpiredError(ProviderError):
    """The cursor (or page) is too old or was refused: list again from the start, delete nothing."""


class GoneError(ProviderError):
    """The event (or the subscription) does not exist any more: for a deletion that is success."""


class VersionMovedError(ProviderError):
    """The event was changed since the version we named: pull, merge, push again."""


class CalendarLostError(ProviderError):
    """The whole calendar is gone or out of reach: pause the link and tell, delete nothing."""


class PollOnlyError(ProviderError):
    """This calendar cannot be watched: fetch it from time to time instead, that is not a fault."""


class RefusedError(ProviderError):
    """The provider refuses this for good: do not repeat it unchanged.

    `scope` says what is refused: this one "event" (it is parked), or any write to the "calendar" (the
    event is parked, and what the account may do with its calendars is read anew).
    """

    def __init__(self, message: str, *, scope: str = "event", code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.scope = scope


class MisconfiguredError(ProviderError):
    """The operator's settings are wrong (client id, secret, redirect address): no account is to blame."""


class PluginError(ProviderError):
    """The plugin broke its contract: it raised something else, ran past its deadline or answered garbage."""
