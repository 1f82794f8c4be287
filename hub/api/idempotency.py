"""Idempotency-Key: a POST that is repeated gets the stored reply and does nothing a second time.

Follows draft-ietf-httpapi-idempotency-key-header: same key and same request -> the stored reply; another
request under the key -> 422; the first one still under way -> 409. The reply is stored in the transaction
that does the work: whatever becomes of the process or of the commit's answer, both are there or neither.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import wraps
from hashlib import sha256
from typing import Any

from flask import Response, make_response, request
from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.exc import IntegrityError

from hub.api.context import caller, ports
from hub.api.errors import Problem
from hub.models import IdempotentReply

HEADER = "Idempotency-Key"
DEAD_AFTER = timedelta(seconds=15)
"""A request that is under way for longer is taken to be dead: its repetition does the work instead."""
_KEPT_HEADERS = ("Content-Type", "Location", "ETag")


def idempotent(view: Callable[..., Any]) -> Callable[..., Any]:
    """Make a view of a POST repeatable; goes above flask-smorest's decorators."""

    @wraps(view)
    def repeatable(*args: Any, **kwargs: Any) -> Any:
        key = request.headers.get(HEADER)
        if key is None:
            return view(*args, **kwargs)
        if not 1 <= len(key) <= 255 or not key.isascii() or not key.isprintable():
            detail = "must be 1 to 255 printable ASCII characters"
            errors = [{"parameter": HEADER, "detail": detail}]
            raise Problem(422, "The request has a fault.", kind="invalid_request", errors=errors)
        claimed = _claim(key)
        if isinstance(claimed, Response):
            return claimed
        return _run(key, claimed, lambda: make_response(view(*args, **kwargs)))

    return repeatable


def _request_digest() -> str:
    parts = (request.method.encode(), request.full_path.encode(), request.get_data(cache=True))
    return sha256(b"\n".join(parts)).hexdigest()


def _claim(key: str) -> Response | datetime:
    """Take the key for this request, or return the reply of the one that had it before."""
    world, tenant, now = ports(), caller().tenant_id, ports().clock.now()
    try:
        with world.db.transaction() as session:
            session.add(
                IdempotentReply(tenant_id=tenant, key=key, request_digest=_request_digest(), created_at=now)
            )
        return now
    except IntegrityError:
        with world.db.reading() as session:
            row = session.get(IdempotentReply, (tenant, key))
    if row is not None and not hmac.compare_digest(row.request_digest, _request_digest()):
        raise Problem(422, f"This {HEADER} was used for another request.", kind="idempotency_key_reused")
    if row is None or row.status is None:
        if row is not None and row.created_at < now - DEAD_AFTER and _take_over(row, now):
            return now
        raise _in_flight()
    reply = Response(row.body or b"", row.status, headers=row.headers or {})
    reply.headers["Idempotent-Replayed"] = "true"
    return reply


def _in_flight() -> Problem:
    detail = f"The first request with this {HEADER} is still under way."
    return Problem(409, detail, kind="request_in_flight", headers={"Retry-After": "1"})


def _take_over(row: IdempotentReply, now: datetime) -> bool:
    """Take the key of a request that died; it will not be able to commit if it lives after all."""
    with ports().db.transaction() as session:
        taken = session.scalar(
            update(IdempotentReply)
            .where(*_is_claimed(row.key, row.created_at))
            .values(created_at=now)
            .returning(IdempotentReply.key)
        )
    return taken is not None


def _is_claimed(key: str, at: datetime) -> list[ColumnElement[bool]]:
    return [
        IdempotentReply.tenant_id == caller().tenant_id,
        IdempotentReply.key == key,
        IdempotentReply.created_at == at,
        IdempotentReply.status.is_(None),
    ]


def _run(key: str, claimed: datetime, view: Callable[[], Response]) -> Response:
    """Run the view and keep its reply; a failure frees the key, since nothing was done."""
    world = ports()
    claim = _is_claimed(key, claimed)
    try:
        with world.db.joint_transaction() as session:
            row = session.scalars(select(IdempotentReply).where(*claim).with_for_update()).one_or_none()
            if row is None:
                raise _in_flight()
            reply = view()
            row.status, row.body = reply.status_code, reply.get_data()
            row.headers = {name: reply.headers[name] for name in _KEPT_HEADERS if name in reply.headers}
    except BaseException:
        with world.db.transaction() as session:
            session.execute(delete(IdempotentReply).where(*claim))
        raise
    return reply
