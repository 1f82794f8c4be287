"""The strict mode: complaints about calls that Graph answers and that a careful client does not make."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

IN_FLIGHT = 3
"""One less than what a mailbox takes at once."""
_BY_ID = re.compile(r"/(events|calendarview|subscriptions)(/|\(|$)", re.IGNORECASE)
_OFFSET = re.compile(r"(Z|[+ -]\d\d:\d\d)$")


def complaints(
    method: str, path: str, query: Mapping[str, str], prefer: str, body: Any, in_flight: int
) -> list[str]:
    """Return what is wrong with a call, one sentence each."""
    found = []
    if _BY_ID.search(path) and "idtype" not in prefer.casefold():
        found.append("asks for no immutable ids")
    for name in ("startDateTime", "endDateTime"):
        if name in query and not _OFFSET.search(query[name]):
            found.append(f"{name} has no offset")
    for name in ("start", "end"):
        time = body.get(name) if isinstance(body, dict) else None
        if isinstance(time, dict) and not time.get("timeZone"):
            found.append(f"{name} names no time zone")
    if in_flight > IN_FLIGHT:
        found.append(f"is one of {in_flight} at once")
    return [f"{method} {path} {text}" for text in found]
