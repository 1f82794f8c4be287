"""Refusals in the shape that Graph gives them (Graph: errors)."""

from __future__ import annotations

from typing import Any


class GraphError(Exception):
    """An answer that is no success.

    Args:
        status: HTTP status.
        code: the error's code.
        message: for developers.
        more: further keys of the error object.
        headers: further headers.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        more: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        empty: bool = False,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.more = more or {}
        self.headers = headers or {}
        self.empty = empty


def not_found() -> GraphError:
    return GraphError(404, "ErrorItemNotFound", "The specified object was not found in the store.")


def conflict() -> GraphError:
    return GraphError(
        412,
        "ErrorIrresolvableConflict",
        "The send or update operation could not be performed because the change key passed in the request "
        "does not match the current change key for the item.",
    )
