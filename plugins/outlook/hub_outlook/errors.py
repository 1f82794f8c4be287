"""The one table from Graph's answers to what the hub must do next.

Graph asks clients to branch on the error's code, never on its message, and the innermost code says most
(Graph: errors). Codes differ in case between services, so they are compared in lower case.
"""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum, auto
from typing import Any, NoReturn

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
from hub_outlook.wire import is_id


class About(Enum):
    """What a call was about: the same status means other things for other calls."""

    ACCOUNT = auto()
    CALENDAR = auto()
    EVENT = auto()
    CURSOR = auto()
    SUBSCRIPTION = auto()


class ConflictError(RetryLaterError):
    """Something of the same kind is there already (409); the message is the service's own."""


class DuplicateError(RetryLaterError):
    """An earlier try has made this event already.

    Args:
        existing_id: the event's id, if Exchange names it.
    """

    def __init__(self, message: str, *, code: str | None = None, existing_id: object = None) -> None:
        super().__init__(message, code=code)
        self.existing_id = existing_id if is_id(existing_id) else None


class Means(Enum):
    """What an answer means, before it is known what the call was about."""

    AGAIN = auto()
    THROTTLED = auto()
    TOKEN = auto()
    FORBIDDEN = auto()
    MISSING = auto()
    NO_MAILBOX = auto()
    MOVED = auto()
    RESYNC = auto()
    MALFORMED_ID = auto()
    CONFLICT = auto()
    DUPLICATE = auto()
    REFUSED = auto()


BY_CODE: dict[str, Means] = {
    "applicationthrottled": Means.THROTTLED,
    "toomanyrequests": Means.THROTTLED,
    "activitylimitreached": Means.THROTTLED,
    "errorserverbusy": Means.AGAIN,
    "errormailboxstoreunavailable": Means.AGAIN,
    "errorinternalservererror": Means.AGAIN,
    "errorinternalservertransienterror": Means.AGAIN,
    "serviceunavailable": Means.AGAIN,
    "invalidauthenticationtoken": Means.TOKEN,
    "erroraccessdenied": Means.FORBIDDEN,
    "accessdenied": Means.FORBIDDEN,
    "authorization_requestdenied": Means.FORBIDDEN,
    "mailboxnotenabledforrestapi": Means.NO_MAILBOX,
    "mailboxnotsupportedforrestapi": Means.NO_MAILBOX,
    "errornonexistentmailbox": Means.NO_MAILBOX,
    "erroritemnotfound": Means.MISSING,
    "resourcenotfound": Means.MISSING,
    "errorirresolvableconflict": Means.MOVED,
    "errorduplicatetransactionid": Means.DUPLICATE,
    "syncstatenotfound": Means.RESYNC,
    "resyncrequired": Means.RESYNC,
    "erroridmalformed": Means.MALFORMED_ID,
    "errorinvalididmalformed": Means.MALFORMED_ID,
    "errorinvalidurlquery": Means.REFUSED,
    "erroroccurrencecrossingboundary": Means.REFUSED,
    "timezonenotsupportedexception": Means.REFUSED,
    "conflict": Means.CONFLICT,
    "quotalimitreached": Means.THROTTLED,
}

BY_STATUS: dict[int, Means] = {
    401: Means.TOKEN,
    403: Means.FORBIDDEN,
    404: Means.MISSING,
    407: Means.AGAIN,
    408: Means.AGAIN,
    409: Means.AGAIN,
    410: Means.RESYNC,
    412: Means.MOVED,
    421: Means.AGAIN,
    423: Means.AGAIN,
    425: Means.AGAIN,
    429: Means.THROTTLED,
    507: Means.THROTTLED,
    509: Means.THROTTLED,
}

PLAIN: dict[str, str] = {
    "erroroccurrencecrossingboundary": (
        "Outlook does not let one occurrence of a series be moved to or past its neighbour."
    ),
    "timezonenotsupportedexception": "Outlook does not know this event's time zone.",
}
"""Codes that people meet often, in plain words."""

NO_MAILBOX = (
    "This Microsoft account has no Outlook mailbox that can be reached: it may have no licence, be a guest "
    "in another organisation, or be too new. Connect an account with a mailbox; try a new one again in a "
    "quarter of an hour."
)


SIGN_IN_AGAIN = "Microsoft wants the account's owner to sign in again: connect it again."
"""What a claims challenge means (Entra: claims-challenge): no refresh helps against it."""


def retry_after(value: str | None, now: datetime) -> float | None:
    """Return a Retry-After header in seconds: an integer, a fraction, or an HTTP date."""
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, (at - now).total_seconds())


def error_of(body: Any) -> tuple[str, str, dict[str, Any]]:
    """Return the outer code, the message and the whole error of a body that may be anything at all."""
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict):
        return "", "", {}
    return str(error.get("code") or ""), str(error.get("message") or ""), error


def codes_of(error: dict[str, Any]) -> list[str]:
    """Return the codes of an error from the innermost, which says most, to the outermost."""
    codes: list[str] = []
    level: Any = error
    while isinstance(level, dict):
        if isinstance(level.get("code"), str):
            codes.insert(0, level["code"])
        level = level.get("innerError", level.get("innererror"))
    return codes


def meaning(status: int, codes: list[str], write: bool) -> Means:
    """Look an answer up: by its codes, else by its status."""
    for code in codes:
        known = BY_CODE.get(code.casefold())
        # A 412 on a read is a passing fault of Exchange: nothing was conditional (Q&A 271870).
        if known is Means.MOVED and not write:
            return Means.AGAIN
        if known is not None:
            return known
    if status == 412 and not write:
        return Means.AGAIN
    if status >= 500 or status < 400:
        return BY_STATUS.get(status, Means.AGAIN)
    return BY_STATUS.get(status, Means.REFUSED)


def raise_for(
    status: int,
    body: Any,
    *,
    empty: bool,
    about: About,
    write: bool,
    retry: str | None,
    now: datetime,
    challenge: str = "",
) -> NoReturn:
    """Raise what the hub must do about an answer that is no success."""
    _, message, told = error_of(body)
    codes = codes_of(told)
    code = codes[0] if codes else str(status)
    means = meaning(status, codes, write)
    if means is Means.TOKEN and "claims=" in challenge:
        raise GrantLostError(SIGN_IN_AGAIN, code=code)
    if means is Means.TOKEN and empty and "invalid_token" not in challenge:
        means = Means.NO_MAILBOX  # A guest's mailbox answers 401 with an empty body, and blames no token.
    if about is About.CURSOR and status == 400 and _badly_formed(codes, message):
        means = Means.RESYNC
    if status == 409 and about is About.SUBSCRIPTION:
        means = Means.CONFLICT
    if status == 410 and about in (About.EVENT, About.SUBSCRIPTION) and code.casefold() not in BY_CODE:
        means = Means.MISSING  # By its status alone: such a thing has no place in a listing to lose.
    if means is Means.DUPLICATE:
        existing_id = told.get("@event.existingEventId")
        raise DuplicateError("The event is in Outlook already.", code=code, existing_id=existing_id)
    error = _error(means, code, PLAIN.get(code.casefold(), message), about, write, retry_after(retry, now))
    is_silent = isinstance(error, RetryLaterError) and error.after is None
    if status == 504 and is_silent and about in (About.CALENDAR, About.CURSOR) and not write:
        # It names no time to come back, and may give up over this each time (msgraph-sdk-dotnet#1568).
        raise TooHeavyError(error.message, code=error.code)
    raise error


def _badly_formed(codes: list[str], message: str) -> bool:
    return any(c.casefold() == "errorinvalidurlquery" for c in codes) or "badly formed" in message.casefold()


def _error(
    means: Means, code: str, message: str, about: About, write: bool, after: float | None
) -> ProviderError:
    match means:
        case Means.AGAIN:
            return RetryLaterError("Outlook cannot answer now.", after=after, code=code)
        case Means.CONFLICT:
            return ConflictError(message or "Outlook is busy with this.", after=after, code=code)
        case Means.THROTTLED:
            return RetryLaterError(
                "Outlook asks to be called less often.", after=after, scope="account", code=code
            )
        case Means.TOKEN:
            return TokenExpiredError("Outlook did not accept the access token.", code=code)
        case Means.NO_MAILBOX:
            return GrantLostError(NO_MAILBOX, code=code)
        case Means.MOVED:
            return VersionMovedError("The event was changed in Outlook meanwhile.", code=code)
        case Means.RESYNC:
            return CursorExpiredError("Outlook has forgotten where this listing stood.", code=code)
        case Means.FORBIDDEN:
            return _forbidden(code, message, about, write)
        case Means.MISSING | Means.MALFORMED_ID:
            return _missing(means, code, about)
        case _:
            return RefusedError(message or "Outlook refuses this.", code=code)


def _forbidden(code: str, message: str, about: About, write: bool) -> ProviderError:
    if about is About.SUBSCRIPTION:
        return PollOnlyError(f"Outlook does not notify for this mailbox: {message}", code=code)
    if write:
        return RefusedError(
            "This Outlook calendar is read-only for this account.", scope="calendar", code=code
        )
    if about is About.ACCOUNT:
        return GrantLostError("Outlook denies access to the calendars: connect again.", code=code)
    return CalendarLostError("Outlook denies access to this calendar.", code=code)


def _missing(means: Means, code: str, about: About) -> ProviderError:
    if about is About.CURSOR:
        # It is the place in a listing; a fresh one tells whether the calendar is lost.
        return CursorExpiredError("Outlook does not know where this listing stood.", code=code)
    if about is About.CALENDAR:
        return CalendarLostError("This calendar is no longer in the Outlook mailbox.", code=code)
    if about is About.ACCOUNT:
        return MisconfiguredError("There is no Graph API at API_URL.", code=code)
    if means is Means.MALFORMED_ID and about is About.EVENT:
        return RefusedError("Outlook does not understand the event's id.", code=code)
    what = "event" if about is About.EVENT else "subscription"
    return GoneError(f"The {what} does not exist in Outlook any more.", code=code)
