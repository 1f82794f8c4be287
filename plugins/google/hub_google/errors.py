"""What Google answered, as what the hub must do next: one table, read from top to bottom.

Statuses and reasons: https://developers.google.com/workspace/calendar/api/guides/errors and, for
channels, …/guides/push. Reasons are read from the body itself: the client's `error_details` prefers
another part of it, and 502s may be HTML.
"""

from __future__ import annotations

import email.utils
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from hub.plugin.errors import (
    CalendarLostError,
    CursorExpiredError,
    GoneError,
    GrantLostError,
    MisconfiguredError,
    PollOnlyError,
    ProviderError,
    RefusedError,
    RetryLaterError,
    TokenExpiredError,
    TooHeavyError,
    VersionMovedError,
)


class About(StrEnum):
    """What a call was about, since 403 and 404 mean different things for each."""

    ACCOUNT = "account"
    CALENDAR = "calendar"
    CHANGES = "changes"
    EVENT = "event"
    WRITE = "write"
    CHANNEL = "channel"


@dataclass(frozen=True)
class Row:
    """One line of the table; what is None fits everything."""

    status: int | None
    reason: str | None
    error: type[ProviderError]
    sentence: str
    about: frozenset[About] | None = None
    said: str | None = None
    """Words that the message must hold."""
    domain: str | None = None
    more: Mapping[str, Any] = field(default_factory=dict)


_ACCOUNT = {"scope": "account"}
_EVERYBODY = {"scope": "provider"}
_HOURS = {"scope": "writes", "after": 3600.0}
_ALONE = {"scope": "calendar", "after": 3600.0}
_READ_ONLY = {"scope": "calendar"}
_WRITES = frozenset({About.WRITE})
_EVENTS = frozenset({About.EVENT, About.WRITE})
LISTS = frozenset({About.CALENDAR, About.CHANGES})
_CHANGES = frozenset({About.CHANGES})
_CHANNELS = frozenset({About.CHANNEL})
_BUSY = "Google Calendar is busy or throttling."
_FAILED = "Google Calendar failed to answer."
_TOO_OLD = "Google no longer accepts the place to go on from."

TABLE: tuple[Row, ...] = (
    Row(400, "pushNotSupportedForRequestedResource", PollOnlyError, "This calendar cannot be watched."),
    Row(None, "push.webhookUrlNotHttps", MisconfiguredError, "Google notifies https addresses only."),
    Row(None, "push.webhookUrlUnauthorized", MisconfiguredError, "Google refused the callback address."),
    Row(400, "channelIdNotUnique", RefusedError, "The channel's id was used before."),
    Row(None, "quotaExceeded", RetryLaterError, "Google opens no more channels now.", _CHANNELS, more=_ALONE),
    Row(401, None, TokenExpiredError, "Google did not accept the access token."),
    Row(403, "insufficientPermissions", GrantLostError, "The permission granted to the hub is too narrow."),
    Row(
        403,
        "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
        GrantLostError,
        "The permission granted to the hub is too narrow.",
    ),
    Row(403, "notACalendarUser", GrantLostError, "This account has no Google Calendar."),
    Row(
        None, "quotaExceeded", RetryLaterError, "Google paused this account's writes for hours.", more=_HOURS
    ),
    Row(None, "userRateLimitExceeded", RetryLaterError, _BUSY, more=_ACCOUNT),
    Row(None, "rateLimitExceeded", RetryLaterError, _BUSY, more=_ACCOUNT),
    Row(None, "RATE_LIMIT_EXCEEDED", RetryLaterError, _BUSY, more=_ACCOUNT),
    Row(
        None, "dailyLimitExceeded", RetryLaterError, "The project's daily quota is used up.", more=_EVERYBODY
    ),
    Row(403, "accessNotConfigured", MisconfiguredError, "The Calendar API is not enabled for this project."),
    Row(403, "SERVICE_DISABLED", MisconfiguredError, "The Calendar API is not enabled for this project."),
    Row(403, None, RetryLaterError, _BUSY, domain="usageLimits", more=_ACCOUNT),
    Row(403, "forbiddenForNonOrganizer", RefusedError, "Only the organiser may change this."),
    Row(
        403,
        "requiredAccessLevel",
        RefusedError,
        "This account may not write to the calendar.",
        _WRITES,
        more=_READ_ONLY,
    ),
    Row(
        403,
        "forbidden",
        RefusedError,
        "This account may not write to the calendar.",
        _WRITES,
        more=_READ_ONLY,
    ),
    Row(403, None, CalendarLostError, "The calendar is out of reach.", LISTS | _CHANNELS),
    Row(403, None, RefusedError, "Google refused the request."),
    Row(404, None, CalendarLostError, "The calendar is gone or out of reach.", LISTS),
    Row(404, None, GoneError, "Google does not know it any more."),
    Row(410, None, CursorExpiredError, _TOO_OLD, LISTS),
    Row(410, "deleted", GoneError, "The event was deleted."),
    Row(410, None, GoneError, "Google does not know it any more."),
    Row(400, "invalid", CursorExpiredError, _TOO_OLD, LISTS, said="sync token"),
    Row(400, "invalid", CursorExpiredError, _TOO_OLD, LISTS, said="page token"),
    Row(
        400, "eventTypeRestriction", RefusedError, "Events of this kind cannot be changed like that.", _EVENTS
    ),
    Row(409, "duplicate", RefusedError, "Another event has this id."),
    Row(409, None, RetryLaterError, "Google met a conflict of two writes."),
    Row(412, None, VersionMovedError, "The event was changed meanwhile."),
    *(Row(status, None, RetryLaterError, _FAILED) for status in (407, 408, 421, 423, 425)),
    Row(429, None, RetryLaterError, _BUSY, more=_ACCOUNT),
    # With which words Google refuses what stands beside a sync token is not known: a full listing tells.
    Row(400, None, CursorExpiredError, _TOO_OLD, _CHANGES),
    Row(400, None, RefusedError, "Google refused the request as invalid."),
)


def error_for(
    status: int, content: bytes, headers: Mapping[str, str], about: About, now: datetime
) -> ProviderError:
    """Return the error that an answer of Google stands for."""
    told = read_error(content)
    row = next((r for r in TABLE if _fits(r, status, told, about)), None)
    code = told.reason or str(status)
    if status == 504 and about in LISTS and retry_after(headers, now) is None:
        # It names no time to come back, and may give up over this listing each time.
        return TooHeavyError(_FAILED, code=code)
    if row is None and (status >= 500 or status < 400):
        return RetryLaterError(_FAILED, after=retry_after(headers, now), code=code)
    if row is None:
        return RefusedError("Google refused the request.", code=code)
    if row.error is RetryLaterError:
        more = dict(row.more) | ({"after": wait} if (wait := retry_after(headers, now)) is not None else {})
        return RetryLaterError(row.sentence, code=code, **more)
    return row.error(row.sentence, code=code, **row.more)


@dataclass(frozen=True)
class Told:
    """What an error body says; nothing, if it is not Google's JSON."""

    reason: str = ""
    message: str = ""
    domain: str = ""


def _fits(row: Row, status: int, told: Told, about: About) -> bool:
    return (
        row.status in (None, status)
        and row.reason in (None, told.reason)
        and row.domain in (None, told.domain)
        and (row.about is None or about in row.about)
        and (row.said is None or row.said in told.message.lower())
    )


def read_error(content: bytes) -> Told:
    """Return what an error body says, of the older shape or the newer one: its first part with a reason."""
    try:
        error = json.loads(content)["error"]
        if isinstance(error, str):
            return Told(error)
        parts = [*(error.get("errors") or ()), *(error.get("details") or ())]
        first: Mapping[str, Any] = next((part for part in parts if part.get("reason")), {})
        return Told(str(first.get("reason", "")), str(error.get("message", "")), str(first.get("domain", "")))
    except (ValueError, TypeError, KeyError, AttributeError):
        return Told()


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the seconds that a Retry-After header asks for (RFC 9110 10.2.3), if it can be read."""
    value = {k.lower(): v for k, v in headers.items()}.get("retry-after", "")
    if value.isdigit():
        return float(value)
    try:
        return max(0.0, (email.utils.parsedate_to_datetime(value) - now).total_seconds())
    except (ValueError, TypeError):
        return None
