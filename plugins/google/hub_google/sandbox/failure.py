"""What the sandbox refuses with: Google's error bodies, word for word where they are known.

https://developers.google.com/workspace/calendar/api/guides/errors
"""

from __future__ import annotations

from typing import Any

_INFO = "type.googleapis.com/google.rpc.ErrorInfo"
_NEW_REASONS = {
    "authError": "ACCESS_TOKEN_EXPIRED",
    "insufficientPermissions": "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
    "rateLimitExceeded": "RATE_LIMIT_EXCEEDED",
    "userRateLimitExceeded": "RATE_LIMIT_EXCEEDED",
}
_NEW_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ALREADY_EXISTS",
    410: "FAILED_PRECONDITION",
    412: "FAILED_PRECONDITION",
    429: "RESOURCE_EXHAUSTED",
}
"""What the newer front end calls the same (google.rpc.Code and ErrorInfo)."""


class ApiError(Exception):
    """One refusal: status, domain, reason, message and, for some, where."""

    def __init__(self, status: int, reason: str, message: str, domain: str = "global", at: str = "") -> None:
        super().__init__(message)
        self.status, self.reason, self.message, self.domain = status, reason, message, domain
        self.location = at

    def body(self, new_shape: bool = False) -> dict[str, Any]:
        """Return the JSON body; the newer front end adds a status and details."""
        entry = {"domain": self.domain, "reason": self.reason, "message": self.message}
        if self.location:
            header = self.location in ("If-Match", "Authorization")
            entry |= {"locationType": "header" if header else "parameter", "location": self.location}
        error: dict[str, Any] = {"errors": [entry], "code": self.status, "message": self.message}
        if new_shape:
            reason = _NEW_REASONS.get(self.reason, self.reason)
            info = {"@type": _INFO, "reason": reason, "domain": "googleapis.com"}
            error |= {"status": _NEW_STATUSES.get(self.status, "UNKNOWN"), "details": [info]}
        return {"error": error}


def invalid(message: str, at: str = "") -> ApiError:
    """Return a 400 for a value that makes no sense."""
    return ApiError(400, "invalid", message, at=at)


def not_found() -> ApiError:
    """Return the 404 for what never existed or may not be seen."""
    return ApiError(404, "notFound", "Not Found")


def full_sync_required() -> ApiError:
    """Return the 410 for a sync token that is too old."""
    message = "Sync token is no longer valid, a full sync is required."
    return ApiError(410, "fullSyncRequired", message, "calendar", "syncToken")


def precondition_failed() -> ApiError:
    """Return the 412 for a stale If-Match."""
    return ApiError(412, "conditionNotMet", "Precondition Failed", at="If-Match")


def no_writer() -> ApiError:
    """Return the 403 for a write below the writer role."""
    message = "You need to have writer access to this calendar."
    return ApiError(403, "requiredAccessLevel", message, "calendar")


class OAuthError(Exception):
    """A refusal of the token endpoint (RFC 6749 5.2)."""

    def __init__(self, error: str, description: str = "", status: int = 400) -> None:
        super().__init__(error)
        self.error, self.description, self.status = error, description, status
