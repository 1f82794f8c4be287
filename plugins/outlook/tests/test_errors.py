"""The table from Graph's answers to what the hub must do."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from hub.plugin.errors import (
    CalendarLostError,
    CursorExpiredError,
    GoneError,
    GrantLostError,
    PollOnlyError,
    ProviderError,
    RefusedError,
    RetryLaterError,
    TokenExpiredError,
    VersionMovedError,
)
from hub_outlook.errors import About, raise_for, retry_after

NOW = datetime(2027, 1, 4, 12, tzinfo=UTC)


def raised(
    status: int, code: str | None = None, about: About = About.EVENT, write: bool = False, **more: Any
) -> ProviderError:
    body = {"error": {"code": code, "message": more.get("message", "")}} if code else None
    with pytest.raises(ProviderError) as caught:
        raise_for(
            status,
            body,
            empty=more.get("empty", False),
            about=about,
            write=write,
            retry=more.get("retry"),
            now=NOW,
        )
    return caught.value


@pytest.mark.parametrize(
    ("status", "code", "about", "write", "kind"),
    [
        (401, "InvalidAuthenticationToken", About.EVENT, False, TokenExpiredError),
        (403, "ErrorAccessDenied", About.EVENT, True, RefusedError),
        (403, "ErrorAccessDenied", About.CALENDAR, False, CalendarLostError),
        (403, "ErrorAccessDenied", About.ACCOUNT, False, GrantLostError),
        (403, "Forbidden", About.SUBSCRIPTION, True, PollOnlyError),
        (404, "ErrorItemNotFound", About.EVENT, True, GoneError),
        (404, "erroritemnotfound", About.CALENDAR, False, CalendarLostError),
        (404, "ErrorItemNotFound", About.CURSOR, False, CursorExpiredError),
        (404, "ResourceNotFound", About.SUBSCRIPTION, True, GoneError),
        (404, "MailboxNotEnabledForRESTAPI", About.CALENDAR, False, GrantLostError),
        (400, "ErrorInvalidIdMalformed", About.CALENDAR, False, CalendarLostError),
        (400, "ErrorInvalidIdMalformed", About.EVENT, False, RefusedError),
        (400, "ErrorOccurrenceCrossingBoundary", About.EVENT, True, RefusedError),
        (400, "ErrorInvalidUrlQuery", About.CURSOR, False, CursorExpiredError),
        (410, "syncStateNotFound", About.CURSOR, False, CursorExpiredError),
        (410, "resyncRequired", About.CURSOR, False, CursorExpiredError),
        (412, "ErrorIrresolvableConflict", About.EVENT, True, VersionMovedError),
        (409, "ErrorIrresolvableConflict", About.EVENT, True, VersionMovedError),
        (412, "ErrorIrresolvableConflict", About.CALENDAR, False, RetryLaterError),
        (429, "ApplicationThrottled", About.EVENT, False, RetryLaterError),
        (503, "ApplicationThrottled", About.EVENT, False, RetryLaterError),
        (500, "ErrorInternalServerError", About.EVENT, True, RetryLaterError),
        (504, None, About.EVENT, True, RetryLaterError),
        (400, "ErrorPropertyValidationFailure", About.EVENT, True, RefusedError),
    ],
)
def test_an_answer_says_what_to_do(
    status: int, code: str | None, about: About, write: bool, kind: type[ProviderError]
) -> None:
    assert type(raised(status, code, about, write)) is kind


def test_a_throttled_mailbox_makes_the_whole_account_wait() -> None:
    error = raised(429, "TooManyRequests", retry="2.128")
    assert isinstance(error, RetryLaterError)
    assert (error.scope, error.after) == ("account", 2.128)


def test_an_empty_401_is_a_mailbox_that_is_not_there() -> None:
    error = raised(401, empty=True)
    assert isinstance(error, GrantLostError) and "no Outlook mailbox" in error.message


def test_a_read_only_calendar_refuses_all_writes() -> None:
    error = raised(403, "ErrorAccessDenied", About.CALENDAR, True)
    assert isinstance(error, RefusedError) and error.scope == "calendar"


def test_the_innermost_code_counts() -> None:
    body = {"error": {"code": "BadRequest", "innererror": {"code": "SyncStateNotFound"}}}
    with pytest.raises(CursorExpiredError):
        raise_for(400, body, empty=False, about=About.CURSOR, write=False, retry=None, now=NOW)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("7", 7.0), ("2.5", 2.5), ("Mon, 04 Jan 2027 12:00:30 GMT", 30.0), (None, None), ("soon", None)],
)
def test_retry_after_is_read_in_all_its_forms(value: str | None, seconds: float | None) -> None:
    assert retry_after(value, NOW) == seconds
