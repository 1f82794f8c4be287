"""Idempotency-Key: a POST that is repeated gets the stored reply and does nothing a second time.

Follows draft-ietf-httpapi-idempotency-key-header: same key and same request -> the stored reply; another
request under the key -> 422; the first one still under way -> 409.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from functools import wraps
from hashlib import sha256
from typing import Any

from flask import Response, make_response, request
from sqlalchemy.exc import IntegrityError

from hub.api.context import caller, ports
from hub.api.errors import Problem
from hub.models import IdempotentReply

HEADER = "Idempotency-Key"
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
        stored = _claim(key)
        if stored is not None:
            return stored
        return _run(key, lambda: make_response(view(*args, **kwargs)))

    return repeatable


def _request_digest() -> str:
    parts = (request.method.encode(), request.full_path.encode(), request.get_data(cache=True))
    return sha256(b"\n".join(parts)).hexdigest()


def _claim(key: str) -> Response | None:
    """Take the key for this request, or return the reply of the one that had it before."""
    world, tenant = ports(), caller().tenant_id
    try:
        with world.db.transaction() as session:
            session.add(
                IdempotentReply(
                    tenant_id=tenant,
                    key=key,
                    request_digest=_request_digest(),
                    created_at=world.clock.now(),
                )
            )
        return None
    except IntegrityError:
        with world.db.reading() as session:
            row = session.get(IdempotentReply, (tenant, key))
    if row is None or (row.status is None and hmac.compare_digest(row.request_digest, _request_digest())):
        detail = f"The first request with this {HEADER} is still under way."
        raise Problem(409, detail, kind="request_in_flight", headers={"Retry-After": "1"})
    if not hmac.compare_digest(row.request_digest, _request_digest()):
        raise Problem(422, f"This {HEADER} was used for another request.", kind="idempotency_key_reused")
    reply = Response(row.body or b"", row.status, headers=row.headers or {})
    reply.headers["Idempotent-Replayed"] = "true"
    return reply


def _run(key: str, view: Callable[[], Response]) -> Response:
    """Run the view and keep its reply; a failure frees the key, since nothing was done."""
    world, identity = ports(), (caller().tenant_id, key)
    try:
        reply = view()
    except BaseException:
        with world.db.transaction() as session:
            row = session.get(IdempotentReply, identity)
            if row is not None:
                session.delete(row)
        raise
    with world.db.transaction() as session:
        row = session.get_one(IdempotentReply, identity)
        row.status, row.body = reply.status_code, reply.get_data()
        row.headers = {name: reply.headers[name] for name in _KEPT_HEADERS if name in reply.headers}
    return reply
