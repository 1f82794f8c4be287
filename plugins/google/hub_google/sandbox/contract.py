"""The sandbox's answers held to Google's published contract: the discovery document.

For tests: each answer of the Calendar API is compared, before a fault bends it, with the schema of its
method: known fields, types, formats, and the values that the descriptions list.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cache
from importlib import resources
from typing import Any

Check = Callable[[Any, str, list[str]], None]

MOST = 50
"""Faults that are kept: the first ones tell enough."""
_FORMATS = {
    "date-time": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"),
    "date": re.compile(r"\d{4}-\d\d-\d\d"),
    "int64": re.compile(r"-?\d+"),
}
_VALUES = re.compile(r'^- "([^"]+)"', re.MULTILINE)
_OPEN = frozenset({"eventType"})
"""Sandboxes also play values that are not published yet."""


@cache
def document() -> dict[str, Any]:
    """Return the discovery document inside google-api-python-client."""
    path = resources.files("googleapiclient") / "discovery_cache" / "documents" / "calendar.v3.json"
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


class Contract:
    """Collects what does not fit."""

    def __init__(self, base: str) -> None:
        self._base = f"{base}/"
        self._faults: list[str] = []

    def faults(self) -> list[str]:
        """Return what did not fit so far."""
        return self._faults

    def check(self, method: str, path: str, status: int, body: bytes) -> None:
        """Compare one answer."""
        if not path.startswith(self._base) or status == 304 or len(self._faults) >= MOST:
            return
        found: list[str] = []
        rest = path.removeprefix(self._base)
        reference = next((r for m, p, r in _methods() if m == method and p.fullmatch(rest)), "")
        try:
            value = json.loads(body) if body else None
        except ValueError:
            value, found = None, ["is no JSON"]
        if status >= 400:
            _check_error(value, status, found)
        elif reference == "":
            found.append("is no published method")
        elif reference is None:
            found += ["has a body"] if body else []
        else:
            _schema(reference)(value, reference, found)
        self._faults += [f"{method} {path} {status}: {fault}" for fault in found]


@cache
def _methods() -> list[tuple[str, re.Pattern[str], str | None]]:
    """Return HTTP method, path and the schema of the answer, those without parameters first."""
    found = []
    for resource in document()["resources"].values():
        for method in resource["methods"].values():
            pattern = re.compile(re.sub(r"\{[^}]+\}", "[^/]+", method["path"]))
            found.append((method["httpMethod"], pattern, method.get("response", {}).get("$ref")))
    return sorted(found, key=lambda m: m[1].pattern.count("[^/]+"))


@cache
def _schema(name: str) -> Check:
    return _check_of(document()["schemas"][name])


def _check_of(schema: dict[str, Any], name: str = "") -> Check:
    if "$ref" in schema:
        reference = schema["$ref"]
        return lambda value, where, found: _schema(reference)(value, where, found)
    kind = schema.get("type")
    if kind == "array":
        return _array(_check_of(schema["items"]))
    if kind == "object":
        return _object(schema)
    if kind == "string":
        return _string(schema, name)
    kinds = {"integer": int, "boolean": bool, "number": (int, float), "any": object}[str(kind)]

    def check(value: Any, where: str, found: list[str]) -> None:
        if not isinstance(value, kinds) or (isinstance(value, bool) and kind in ("integer", "number")):  # type: ignore[arg-type]
            found.append(f"{where} is {value!r}")

    return check


def _array(item: Check) -> Check:
    def check(value: Any, where: str, found: list[str]) -> None:
        if not isinstance(value, list):
            found.append(f"{where} is {value!r}")
            return
        for number, part in enumerate(value):
            item(part, f"{where}[{number}]", found)

    return check


def _object(schema: dict[str, Any]) -> Check:
    parts = {name: _check_of(part, name) for name, part in schema.get("properties", {}).items()}
    more = schema.get("additionalProperties")
    other = _check_of(more) if more else None

    def check(value: Any, where: str, found: list[str]) -> None:
        if not isinstance(value, dict):
            found.append(f"{where} is {value!r}")
            return
        for name, part in value.items():
            known = parts.get(name, other)
            if known is None:
                found.append(f"{where}.{name} is not published")
            else:
                known(part, f"{where}.{name}", found)

    return check


def _string(schema: dict[str, Any], name: str) -> Check:
    pattern = _FORMATS.get(schema.get("format", ""))
    text = schema.get("description", "")
    values = set(_VALUES.findall(text)) if "ossible values are" in text and name not in _OPEN else set()
    if name == "kind" and "default" in schema:
        values = {schema["default"]}

    def check(value: Any, where: str, found: list[str]) -> None:
        if (
            not isinstance(value, str)
            or (pattern and not pattern.fullmatch(value))
            or (values and value not in values)
        ):
            found.append(f"{where} is {value!r}")

    return check


def _check_error(value: Any, status: int, found: list[str]) -> None:
    """Compare a refusal with what the guide to errors shows (guides/errors)."""
    try:
        error = value["error"]
        entries = [(e["domain"], e["reason"], e["message"]) for e in error["errors"]]
        fits = error["code"] == status and isinstance(error["message"], str) and entries
    except (TypeError, KeyError):
        fits = False
    if not fits:
        found.append(f"is no error of Google's: {value!r}"[:300])
