"""What a sandbox's faults are and do to bodies: shared by the sandboxes, so that all mean the same by them.

The table of kinds stands in `hub.plugin.control`; a sandbox's own layer at its socket asks `take` at each
call and plays what it is given.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

KINDS = (
    "status",
    "reset_before",
    "reset_after",
    "hang",
    "late",
    "status_after",
    "strip",
    "thin",
    "short",
    "alter",
    "odd",
)
LISTS = ("items", "value")
"""Under which key the providers' listings hold what they list."""


@dataclass
class Fault:
    """One order to make calls go wrong; `hub.plugin.control` says what each kind does.

    Raises:
        ValueError: it is of no known kind, or its path is no regular expression.
    """

    kind: str
    times: int = 1
    skip: int = 0
    method: str = ""
    path: str = ""
    query: str = ""
    status: int = 0
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 1.0
    keys: list[str] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)
    ids: list[str] = field(default_factory=list)
    keep: int = 0
    silent: bool = False

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}")
        try:
            re.compile(self.path)
            re.compile(self.query)
        except re.error as error:
            raise ValueError(f"path or query is no regular expression: {error}") from None

    @property
    def refusal(self) -> int:
        """The status that is answered instead of the true one; 0: none."""
        return self.status or (503 if self.kind in ("status", "status_after") else 0)

    def fits(self, method: str, path: str, query: str) -> bool:
        """Return whether a call is meant."""
        is_there = bool(re.search(self.path, path)) and bool(re.search(self.query, query))
        return self.method.upper() in ("", method) and is_there

    # --- bodies ---

    def taken(self, sent: bytes) -> bytes:
        """Return the body that the provider takes in of what was sent."""
        body = _object(sent)
        if body is not None and self.kind == "alter":
            return _bytes(_merged(body, self.values))
        if self.kind != "strip" or body is None:
            return sent
        return _bytes({k: v for k, v in body.items() if k not in self._lost(body)})

    def told(self, sent: bytes, answer: bytes) -> bytes:
        """Return the body that is answered instead of the true one."""
        body, asked = _object(answer), _object(sent) or {}
        if body is None:
            return answer
        if self.kind == "strip" and self.silent:
            return _bytes(body | {k: v for k, v in asked.items() if k in self._lost(asked)})
        if self.kind == "thin":
            for shown in self._meant([body, *_listed(body)]):
                _remove(shown, self.keys)
            return _bytes(body)
        if self.kind == "odd":
            for shown in self._meant(_listed(body) or [body]):
                shown |= _merged(shown, self.values)
            return _bytes(body)
        if self.kind == "short":
            return _bytes({k: v[: self.keep] if k in LISTS else v for k, v in body.items()})
        return answer

    def _meant(self, shown: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [item for item in shown if not self.ids or item.get("id") in self.ids]

    def _lost(self, body: dict[str, Any]) -> set[str]:
        return set(body) if self.keys == ["*"] else set(self.keys)


def take(faults: list[Fault], method: str, path: str, query: str) -> Fault | None:
    """Return the first fault that a call meets, and count it; those that are used up go."""
    for fault in [f for f in faults if f.fits(method, path, query)]:
        if fault.skip > 0:
            fault.skip -= 1
            continue
        fault.times -= 1
        if fault.times <= 0:
            faults.remove(fault)
        return fault
    return None


MOST_NOTED = 100_000
"""Bodies of more bytes are not kept in the ledger."""


def noted(sent: bytes) -> Any:
    """Return a body as the ledger keeps it: read as JSON, None if it is none or too long."""
    return _object(sent) if len(sent) <= MOST_NOTED else None


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(body)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _bytes(body: dict[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode()


def _listed(body: dict[str, Any]) -> list[dict[str, Any]]:
    return [item for key in LISTS for item in body.get(key) or () if isinstance(item, dict)]


def _merged(body: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """Return an object with other values in it; objects in it are merged in turn."""
    merged = dict(body)
    for key, value in values.items():
        inner = merged.get(key)
        merged[key] = _merged(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return merged


def _remove(shown: dict[str, Any], keys: list[str]) -> None:
    for key in keys:
        shown.pop(key, None)
