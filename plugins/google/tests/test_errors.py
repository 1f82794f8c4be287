"""Every answer of Google says what the hub must do next."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

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
    VersionMovedError,
)
from hub_google.errors import About, error_for

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def body(reason: str, message: str = "") -> bytes:
    entry = {"domain": "global", "reason": reason, "message": message}
    return json.dumps({"error": {"errors": [entry], "code": 400, "message": message}}).encode()


@pytest.mark.parametrize(
    ("status", "reason", "about", "error"),
    [
        (401, "authError", About.CALENDAR, TokenExpiredError),
        (403, "insufficientPermissions", About.WRITE, GrantLostError),
        (403, "notACalendarUser", About.ACCOUNT, GrantLostError),
        (403, "accessNotConfigured", About.CALENDAR, MisconfiguredError),
        (403, "forbidden", About.CALENDAR, CalendarLostError),
        (403, "forbidden", About.WRITE, RefusedError),
        (403, "requiredAccessLevel", About.WRITE, RefusedError),
        (403, "forbiddenForNonOrganizer", About.WRITE, RefusedError),
        (403, "userRateLimitExceeded", About.CALENDAR, RetryLaterError),
        (429, "rateLimitExceeded", About.WRITE, RetryLaterError),
        (404, "notFound", About.CALENDAR, CalendarLostError),
        (404, "notFound", About.EVENT, GoneError),
        (409, "duplicate", About.WRITE, RefusedError),
        (409, "conflict", About.WRITE, RetryLaterError),
        (410, "deleted", About.WRITE, GoneError),
        (410, "fullSyncRequired", About.CALENDAR, CursorExpiredError),
        (410, "deleted", About.CHANGES, CursorExpiredError),
        (410, "updatedMinTooLongAgo", About.CALENDAR, CursorExpiredError),
        (412, "conditionNotMet", About.WRITE, VersionMovedError),
        (400, "pushNotSupportedForRequestedResource", About.CHANNEL, PollOnlyError),
        (400, "push.webhookUrlNotHttps", About.CHANNEL, MisconfiguredError),
        (401, "push.webhookUrlUnauthorized", About.CHANNEL, MisconfiguredError),
        (400, "eventTypeRestriction", About.WRITE, RefusedError),
        (400, "invalid", About.WRITE, RefusedError),
        (400, "invalid", About.CALENDAR, RefusedError),
        (400, "badRequest", About.CHANGES, CursorExpiredError),
        (403, "RATE_LIMIT_EXCEEDED", About.CALENDAR, RetryLaterError),
        (500, "backendError", About.WRITE, RetryLaterError),
        (302, "", About.CALENDAR, RetryLaterError),
        (418, "", About.CALENDAR, RefusedError),
    ],
)
def test_status_and_reason_choose_the_action(
    status: int, reason: str, about: About, error: type[ProviderError]
) -> None:
    found = error_for(status, body(reason), {}, about, NOW)
    assert type(found) is error


@pytest.mark.parametrize("message", ["Invalid sync token value.", "Invalid page token value."])
def test_a_token_that_google_does_not_know_means_start_over(message: str) -> None:
    assert isinstance(error_for(400, body("invalid", message), {}, About.CALENDAR, NOW), CursorExpiredError)


@pytest.mark.parametrize("about", About)
def test_a_limit_that_has_a_new_name_is_waited_for(about: About) -> None:
    entry = {"domain": "usageLimits", "reason": "newLimitExceeded", "message": "Too much"}
    content = json.dumps({"error": {"errors": [entry], "code": 403, "message": "Too much"}}).encode()
    assert isinstance(error_for(403, content, {}, about, NOW), RetryLaterError)


def test_an_account_made_read_only_waits_for_an_hour_with_its_writes_alone() -> None:
    found = error_for(403, body("quotaExceeded"), {}, About.WRITE, NOW)
    assert isinstance(found, RetryLaterError)
    assert (found.after, found.scope) == (3600.0, "writes")


def test_a_channel_that_is_one_too_many_holds_up_nothing_else() -> None:
    found = error_for(403, body("quotaExceeded"), {}, About.CHANNEL, NOW)
    assert isinstance(found, RetryLaterError)
    assert (found.after, found.scope) == (3600.0, "calendar")


def test_a_calendar_that_may_only_be_read_refuses_as_a_whole() -> None:
    found = error_for(403, body("requiredAccessLevel"), {}, About.WRITE, NOW)
    assert isinstance(found, RefusedError) and found.scope == "calendar"


@pytest.mark.parametrize(
    ("value", "after"),
    [
        ("7", 7.0),
        ("Sun, 22 Nov 2026 12:01:00 GMT", 60.0),
        ("Sun, 22 Nov 2026 11:00:00 GMT", 0.0),
        ("soon", None),
    ],
)
def test_retry_after_is_obeyed_in_both_forms(value: str, after: float | None) -> None:
    found = error_for(429, b"", {"Retry-After": value}, About.CALENDAR, NOW)
    assert isinstance(found, RetryLaterError) and found.after == after


@pytest.mark.parametrize(
    "content", [b"", b"<html>502</html>", b"\xff", b"[]", b"null", b'{"error": {"errors": [null]}}']
)
def test_bodies_that_are_not_google_s_are_survived(content: bytes) -> None:
    assert isinstance(error_for(502, content, {}, About.WRITE, NOW), RetryLaterError)


def test_the_newer_shape_of_errors_is_understood() -> None:
    details = [{"reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT"}]
    content = json.dumps({"error": {"code": 403, "status": "PERMISSION_DENIED", "details": details}}).encode()
    assert isinstance(error_for(403, content, {}, About.CALENDAR, NOW), GrantLostError)


def test_of_the_parts_of_a_newer_error_the_first_with_a_reason_counts() -> None:
    details = [{"@type": "…/google.rpc.Help", "links": []}, {"reason": "RATE_LIMIT_EXCEEDED"}]
    content = json.dumps({"error": {"code": 403, "status": "PERMISSION_DENIED", "details": details}}).encode()
    assert isinstance(error_for(403, content, {}, About.CALENDAR, NOW), RetryLaterError)
