"""Every error of the API is a problem document (RFC 9457), and names all faults of a request at once."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from flask import Response, g, request
from flask_smorest import Api  # type: ignore[import-untyped]
from marshmallow import Schema, fields
from werkzeug.exceptions import HTTPException

from hub.db import is_passing
from hub.log import get_logger
from hub.outbound.edit import StaleVersionError
from hub.outbound.home import AskingError
from hub.outbound.linking import LinkingError
from hub.planning.applying import PlanNotReadyError, PlanOutdatedError
from hub.plugin.errors import GrantLostError, ProviderError, RetryLaterError
from hub.providers.manager import UnknownProviderError

log = get_logger()

MEDIA_TYPE = "application/problem+json"
_DETAILS = {
    404: "There is nothing at this address: /docs lists what there is.",
    405: "This address does not take this method: see the header Allow.",
}


class FaultSchema(Schema):
    """One fault of a request."""

    pointer = fields.String(metadata={"description": "JSON pointer (RFC 6901) to the value in the body"})
    parameter = fields.String(metadata={"description": "name of the query parameter or header"})
    detail = fields.String(required=True)


class ProblemSchema(Schema):
    """A problem document (RFC 9457)."""

    type = fields.String(required=True, metadata={"description": "urn:coordinoter:problem:… or about:blank"})
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    detail = fields.String()
    instance = fields.String()
    request_id = fields.String(metadata={"description": "to be quoted when you ask the operator"})
    errors = fields.List(fields.Nested(FaultSchema))


class Problem(Exception):
    """An answer other than success.

    Args:
        status: the HTTP status.
        detail: what happened and what to do, in a sentence.
        kind: names the problem for programs; the status alone if empty.
        errors: faults of the request, each with `pointer` or `parameter`, and `detail`.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        kind: str = "",
        errors: list[dict[str, str]] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.kind = kind
        self.errors = errors
        self.headers = dict(headers or {})


def not_found(what: str) -> Problem:
    """Return the one answer for what does not exist and for what belongs to another tenant."""
    return Problem(404, f"There is no such {what}.", kind="not_found")


def invalid(errors: list[dict[str, str]]) -> Problem:
    detail = "The request has a fault." if len(errors) == 1 else f"The request has {len(errors)} faults."
    return Problem(422, detail, kind="invalid_request", errors=errors)


def fault(pointer: str, detail: str) -> dict[str, str]:
    return {"pointer": pointer, "detail": detail}


def answer(problem: Problem) -> Response:
    """Write a problem document."""
    phrase = HTTPStatus(problem.status).phrase
    body: dict[str, Any] = {
        "type": f"urn:coordinoter:problem:{problem.kind}" if problem.kind else "about:blank",
        "title": problem.kind.replace("_", " ").capitalize() or phrase,
        "status": problem.status,
        "detail": problem.detail,
        "instance": request.path,
        "request_id": g.get("request_id", ""),
    }
    if problem.errors:
        body["errors"] = problem.errors
    response = Response(json.dumps(body), problem.status, content_type=MEDIA_TYPE)
    response.headers.extend(problem.headers)
    return response


def from_exception(error: Exception) -> Problem:
    """Return what an exception means to a consumer: never a stack trace, never a provider's raw words."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, HTTPException):
        return _from_http(error)
    if isinstance(error, StaleVersionError):
        detail = "The event has changed since the version in If-Match: get it again."
        return Problem(412, detail, kind="stale_version")
    if isinstance(error, PlanOutdatedError):
        outdated = [{"detail": reason} for reason in error.reasons]
        return Problem(409, str(error), kind="plan_outdated", errors=outdated)
    if isinstance(error, PlanNotReadyError):
        return Problem(409, str(error), kind="plan_not_ready")
    if isinstance(error, AskingError):
        return Problem(409, str(error), kind=error.kind)
    if isinstance(error, LinkingError):
        return invalid([fault(f"/{error.field}", str(error))])
    if isinstance(error, UnknownProviderError):
        return Problem(404, str(error), kind="unknown_provider")
    if isinstance(error, GrantLostError):
        return Problem(409, error.message, kind="needs_reconnect")
    if isinstance(error, RetryLaterError):
        wait = {"Retry-After": str(max(1, round(error.after or 5)))}
        return Problem(503, error.message, kind="provider_busy", headers=wait)
    if isinstance(error, ProviderError):
        return Problem(502, error.message, kind="provider_failed")
    if is_passing(error):
        log.error("database_failed", exc_info=error)
        detail = "The database was busy or away: send it again, with the same Idempotency-Key if it had one."
        return Problem(503, detail, kind="database_busy", headers={"Retry-After": "1"})
    log.error("request_failed", exc_info=error)
    detail = "Something went wrong here. Tell the hub's operator the request id: the log says more."
    return Problem(500, detail, kind="internal_error")


def _from_http(error: HTTPException) -> Problem:
    status = error.code or 500
    headers = {k: v for k, v in error.get_headers() if k.lower() not in ("content-type", "content-length")}
    data = getattr(error, "data", None) or {}
    messages = data.get("messages")
    if isinstance(messages, Mapping):
        problem = invalid(list(_faults(messages)))
        problem.status = status
        return problem
    if status == 413:
        limit = request.max_content_length
        detail = f"The body is larger than {limit} bytes." if limit else "The body is too large."
        return Problem(413, detail, kind="body_too_large", headers=headers)
    known = _DETAILS.get(status) if error.description == type(error).description else None
    return Problem(status, known or error.description or HTTPStatus(status).phrase, headers=headers)


def _faults(messages: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    for location, nested in messages.items():
        for path, detail in _flatten(nested, ()):
            if location.startswith("json"):
                # RFC 6901 section 3: ~ and / are written ~0 and ~1.
                yield fault("".join("/" + p.replace("~", "~0").replace("/", "~1") for p in path), detail)
            else:
                yield {"parameter": ".".join(path) or location, "detail": detail}


def _flatten(nested: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    if isinstance(nested, Mapping):
        for key, inner in nested.items():
            yield from _flatten(inner, path if key == "_schema" else (*path, str(key)))
    elif isinstance(nested, (list, tuple)):
        for inner in nested:
            yield from _flatten(inner, path)
    else:
        yield path, str(nested)


class ProblemApi(Api):  # type: ignore[misc]
    """flask-smorest, with problem documents as its errors."""

    ERROR_SCHEMA = ProblemSchema

    def handle_http_exception(self, error: HTTPException) -> Response:
        return answer(from_exception(error))

    def _register_responses(self) -> None:
        """Describe each error answer by its real media type (flask-smorest writes application/json)."""
        super()._register_responses()
        for response in self.spec.components.responses_lazy.values():
            content = response.get("content", {})
            if "application/json" in content:
                content[MEDIA_TYPE] = content.pop("application/json")
