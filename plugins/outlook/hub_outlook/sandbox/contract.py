"""The sandbox's answers held to Graph's published schema, of which `published.json` is an extract.

For tests: each answer under /v1.0 is compared, before a fault bends it, with the type that its address
stands for: known fields, kinds, formats, and the members of enumerations.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import Any

MOST = 50
"""Faults that are kept: the first ones tell enough."""
TYPES = {
    "events": "event",
    "calendarview": "event",
    "delta": "event",
    "instances": "event",
    "calendars": "calendar",
    "calendar": "calendar",
    "calendargroups": "calendarGroup",
    "subscriptions": "subscription",
    "me": "user",
    "mailboxsettings": "mailboxSettings",
}
"""What stands under each word of an address."""
SINGLE = frozenset({"me", "calendar", "mailboxsettings"})
LISTS = frozenset({"calendarview", "delta", "instances"})
"""Words after which no id comes: one thing, or a list."""
BESIDE = {"event": {"uid", "occurrenceId", "extensions"}, "subscription": {"notificationContentType"}}
"""What v1.0 answers with though its schema lacks it (Graph: event-get, resources/subscription)."""
_KINDS: dict[str, Any] = {"string": str, "boolean": bool, "integer": int, "number": (int, float)}
_FORMATS = {
    "date-time": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,7})?Z"),
    "date": re.compile(r"\d{4}-\d\d-\d\d"),
}
_WALL = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}")
"""How Graph writes the dateTime of a dateTimeTimeZone: without offset, with seven digits."""


@cache
def published() -> dict[str, Any]:
    """Return the fields of each published type."""
    text = (resources.files("hub_outlook.sandbox") / "published.json").read_text("utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


class Contract:
    """Collects what does not fit."""

    def __init__(self) -> None:
        self._faults: list[str] = []

    def faults(self) -> list[str]:
        """Return what did not fit so far."""
        return self._faults

    def check(self, method: str, path: str, status: int, body: bytes) -> None:
        """Compare one answer."""
        if not path.startswith("/v1.0/") or len(self._faults) >= MOST:
            return
        try:
            value = json.loads(body) if body else None
        except ValueError:
            self._faults.append(f"{method} {path} {status}: is no JSON")
            return
        if status >= 400:
            told = _error(value, status)
        elif value is None:
            told = iter(()) if method != "GET" else iter(["has no body"])
        else:
            told = _answer(method, path, value)
        self._faults += [f"{method} {path} {status}: {fault}" for fault in told]


def _answer(method: str, path: str, value: Any) -> Iterator[str]:
    words = [word.casefold().removesuffix("()") for word in path.split("/")]
    if "$batch" in words:
        yield from _batch(value)
        return
    if "extensions" in words:
        for extension in value.get("value", [value]):
            yield from _extension(extension)
        return
    at = max((n for n, word in enumerate(words) if word in TYPES), default=None)
    if at is None:
        yield "is no address that is played"
        return
    name, has_id = TYPES[words[at]], at + 1 < len(words)
    is_list = words[at] in LISTS or not (has_id or words[at] in SINGLE or method == "POST")
    if not is_list:
        yield from _object(name, value, name)
        return
    if not isinstance(value.get("value"), list):
        yield "lists nothing"
        return
    if odd := value.keys() - {
        "value",
        "@odata.context",
        "@odata.nextLink",
        "@odata.deltaLink",
        "@odata.count",
    }:
        yield f"{', '.join(sorted(odd))} beside the list"
    if {"@odata.nextLink", "@odata.deltaLink"} <= value.keys():
        yield "has a next page and an end"
    for number, item in enumerate(value["value"]):
        yield from _object(name, item, f"{name}[{number}]")


def _batch(value: Any) -> Iterator[str]:
    """Compare with the shape of json-batching; what the requests of it are answered is seen by itself."""
    for given in value["responses"]:
        if given.keys() != {"id", "status", "headers", "body"} or not isinstance(given["status"], int):
            yield f"is no answer of a batch: {given!r}"[:300]


def _extension(value: Any) -> Iterator[str]:
    """Compare an open type: all but its names are the application's own (resources/opentypeextension)."""
    for name in ("id", "extensionName", "@odata.type"):
        if not isinstance(value.get(name), str):
            yield f"extension.{name} is {value.get(name)!r}"


def _object(name: str, value: Any, where: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{where} is {value!r}"
        return
    fields = published()[name]
    for field, part in value.items():
        if "@" in field or field in BESIDE.get(name, ()):
            continue
        if field not in fields:
            yield f"{where}.{field} is not published"
        elif part is not None:
            yield from _part(fields[field], part, f"{where}.{field}")
    if name == "dateTimeTimeZone" and not _WALL.fullmatch(str(value.get("dateTime"))):
        yield f"{where}.dateTime is {value.get('dateTime')!r}"


def _part(kind: Any, value: Any, where: str) -> Iterator[str]:
    if isinstance(kind, list):
        if not isinstance(value, list):
            yield f"{where} is {value!r}"
            return
        for number, item in enumerate(value):
            yield from _part(kind[0], item, f"{where}[{number}]")
    elif isinstance(kind, dict):
        if value not in kind["enum"]:
            yield f"{where} is {value!r}"
    elif kind in _FORMATS:
        if not isinstance(value, str) or not _FORMATS[kind].fullmatch(value):
            yield f"{where} is {value!r}"
    elif kind in _KINDS:
        if not isinstance(value, _KINDS[kind]) or (kind != "boolean" and isinstance(value, bool)):
            yield f"{where} is {value!r}"
    else:
        yield from _object(kind, value, where)


def _error(value: Any, status: int) -> Iterator[str]:
    """Compare a refusal with the shape that Graph documents (Graph: errors); a 401 may be empty."""
    error = value.get("error") if isinstance(value, dict) else None
    fits = isinstance(error, dict) and {"code", "message", "innerError"} <= error.keys()
    if not fits and not (value is None and status == 401):
        yield f"is no error of Graph's: {value!r}"[:300]
