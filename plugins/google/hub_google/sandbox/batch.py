"""The batch end point: several calls in one, each with an answer of its own.

https://developers.google.com/workspace/calendar/api/guides/batch
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from email.message import Message
from email.parser import BytesParser
from http.client import responses

from flask import Flask, Response, request
from werkzeug.test import Client
from werkzeug.wrappers import Response as Answer

from hub_google.sandbox.failure import ApiError

PATH = "/batch/calendar/v3"
MOST = 50
_JSON = "application/json; charset=UTF-8"
_BOUNDARY = "batch_of_the_sandbox"
_LINE = re.compile(r"(GET|POST|PUT|PATCH|DELETE) (\S+)(?: HTTP/1\.[01])?")


def register(app: Flask, front: Callable[[], Client]) -> None:
    """Add the route; `front` returns a client of the whole sandbox, so that each call counts by itself."""

    def answer() -> Response:
        try:
            parts = list(_parts())
        except ApiError as error:
            return Response(
                json.dumps(error.body()), error.status, content_type="application/json; charset=UTF-8"
            )
        told = [_answered(part, front()) for part in parts]
        lines = [f"--{_BOUNDARY}\r\n{part}\r\n" for part in told]
        return Response(
            "".join([*lines, f"--{_BOUNDARY}--\r\n"]), content_type=f"multipart/mixed; boundary={_BOUNDARY}"
        )

    app.add_url_rule(PATH, "batch", answer, methods=["POST"])


def _parts() -> Iterator[Message]:
    """Yield the calls of a batch.

    Raises:
        ApiError: there are too many, or it is none.
    """
    head = f"Content-Type: {request.headers.get('Content-Type', '')}\r\n\r\n".encode()
    whole = BytesParser().parsebytes(head + request.get_data())
    if not whole.is_multipart():
        raise ApiError(400, "badRequest", "Failed to parse batch request, error: no boundary.")
    found = [part for part in whole.get_payload() if isinstance(part, Message)]
    if len(found) > MOST:
        raise ApiError(400, "badRequest", f"The batch request contains more than {MOST} calls.")
    yield from found


def _answered(part: Message, client: Client) -> str:
    """Make one call, and return its answer as a part; the batch's own headers go with it."""
    content = part.get_payload(decode=True)
    head, _, body = (content if isinstance(content, bytes) else b"").partition(b"\r\n\r\n")
    if b"\r\n" not in head and b"\n" in head:
        head, _, body = (content if isinstance(content, bytes) else b"").partition(b"\n\n")
    first, *lines = head.decode().splitlines() or [""]
    headers = {"Authorization": request.headers.get("Authorization", "")}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.strip()] = value.strip()
    headers.pop("Content-Length", None)
    made = _LINE.fullmatch(first.strip())
    if made is None or made[2].startswith(PATH):
        answer = Answer("{}", 400, content_type=_JSON)
    else:
        answer = client.open(made[2], method=made[1], headers=headers, data=body.strip())
    status = f"HTTP/1.1 {answer.status_code} {responses.get(answer.status_code, '')}"
    named = part.get("Content-ID", "").strip("<>")
    own = [f"{name}: {answer.headers[name]}" for name in ("Content-Type", "ETag") if name in answer.headers]
    inner = "\r\n".join([status, *own, "", answer.get_data(as_text=True)])
    return f"Content-Type: application/http\r\nContent-ID: <response-{named}>\r\n\r\n{inner}"
