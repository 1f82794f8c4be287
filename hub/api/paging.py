"""Pages: `limit` lines, and an opaque cursor that says where the next page goes on."""

from __future__ import annotations

import base64
import binascii
import json
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, or_
from sqlalchemy.orm import Session

from hub.api.errors import Problem

Position = tuple[datetime, str]


def encode(*parts: Any) -> str:
    """Return an opaque cursor that holds JSON values."""
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).rstrip(b"=").decode()


def decode(cursor: str, length: int) -> list[Any]:
    """Return what a cursor holds.

    Raises:
        Problem: it is not one of ours.
    """
    try:
        parts = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if isinstance(parts, list) and len(parts) == length:
            return parts
    except (binascii.Error, ValueError, RecursionError):
        pass
    raise bad_cursor()


def bad_cursor() -> Problem:
    errors = [{"parameter": "cursor", "detail": "is not a cursor of this list: begin without one"}]
    return Problem(422, "The request has a fault.", kind="invalid_request", errors=errors)


def position(cursor: str | None) -> Position | None:
    """Return the instant and id that a cursor stands for."""
    if cursor is None:
        return None
    at, row_id = decode(cursor, 2)
    try:
        moment = datetime.fromisoformat(at)
    except (TypeError, ValueError):
        raise bad_cursor() from None
    if not isinstance(row_id, str) or moment.tzinfo is None or "\0" in row_id:
        raise bad_cursor()
    return moment, row_id


def number(cursor: str) -> int:
    """Return the whole number that a cursor stands for."""
    (value,) = decode(cursor, 1)
    if type(value) is not int or abs(value) > 2**62:
        raise bad_cursor()
    return value


def page(
    session: Session,
    query: Select[Any],
    at: Any,
    row_id: Any,
    *,
    cursor: str | None,
    limit: int,
) -> tuple[list[Any], str | None]:
    """Return one page by time and id, oldest first, and the next cursor."""
    after = position(cursor)
    if after is not None:
        query = query.where(_beyond(at, row_id, after))
    rows = list(session.scalars(query.order_by(at, row_id).limit(limit + 1)))
    if len(rows) <= limit:
        return rows, None
    last = rows[limit - 1]
    return rows[:limit], encode(getattr(last, at.key).isoformat(), getattr(last, row_id.key))


def _beyond(at: Any, row_id: Any, after: Position) -> ColumnElement[bool]:
    return or_(at > after[0], and_(at == after[0], row_id > after[1]))
