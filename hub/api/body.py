"""The body of a request, checked before any schema sees it: really JSON, not too deep, no endless numbers."""

from __future__ import annotations

import json
from math import isfinite
from typing import Any, NoReturn

from flask import request

from hub.api.errors import Problem

DEEPEST = 24
LONGEST_SHOWN = 20


def check_body() -> None:
    """Refuse what is not plain JSON.

    Raises:
        Problem: 400, 413 or 415.
    """
    if request.method not in ("POST", "PATCH", "PUT"):
        return
    data = request.get_data(cache=True)
    if not data:
        return
    if not request.is_json:
        raise Problem(415, "Send the body as application/json.", kind="unsupported_media_type")
    try:
        value = json.loads(data.decode(), parse_constant=_refuse, parse_float=_finite)
    except NumberError as error:
        raise Problem(
            400, f"{error} is no number that JSON and the hub can hold.", kind="invalid_json"
        ) from None
    except (ValueError, RecursionError):
        raise Problem(400, "The body is not valid JSON (UTF-8).", kind="invalid_json") from None
    if _depth(value) > DEEPEST:
        raise Problem(400, f"The body nests deeper than {DEEPEST} levels.", kind="invalid_json")
    if not isinstance(value, dict):
        raise Problem(400, "The body must be a JSON object.", kind="invalid_json")


class NumberError(Exception):
    """What stands for a number is none (RFC 8259 section 6), or too large for one."""


def _refuse(constant: str) -> NoReturn:
    """Refuse NaN and Infinity, which Python would take: a store keeps nothing, or null, in their place."""
    raise NumberError(constant)


def _finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise NumberError(text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…")
    return number


def _depth(value: Any) -> int:
    """Return how deep a value nests, level by level, so that no depth overflows the stack."""
    depth, level = 0, [value]
    while level:
        depth += 1
        inner: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                inner += item.values()
            elif isinstance(item, list):
                inner += item
        level = inner
        if depth > DEEPEST:
            break
    return depth
