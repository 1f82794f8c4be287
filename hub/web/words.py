"""Fields and values of events in words for people: for changes, undos and conflicts. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

MOST = 160
_FIELDS = {"when": "time", "show_as": "busy or free", "description": "notes", "location": "place"}
_CLOCK = "%a %-d %b %Y, %H:%M"
_DAY = "%a %-d %b %Y"


def field(name: str) -> str:
    """Return what people call a field."""
    return _FIELDS.get(name, name.replace("_", " "))


def value(name: str, given: Any) -> str:
    """Return a field's value, as the log keeps it, in a few words."""
    if given in (None, "", [], {}):
        return "nothing"
    if name == "when":
        return _when(given)
    if name == "deleted":
        return f"“{given.get('title') or '(untitled)'}”, {_when(given['when'])}"
    if isinstance(given, list):
        return _short(", ".join(value("", item) for item in given))
    if isinstance(given, Mapping):
        known = [given[key] for key in ("name", "email", "url", "title") if given.get(key)]
        return _short(str(known[0]) if known else ", ".join(f"{k}: {v}" for k, v in given.items()))
    return _short(str(given).replace("_", " ") if name in ("show_as", "status", "visibility") else str(given))


def _short(text: str) -> str:
    return text if len(text) <= MOST else f"{text[: MOST - 1]}…"


def _when(given: Mapping[str, Any]) -> str:
    start, end = given["start"], given["end"]
    if len(start) == 10:
        first, last = date.fromisoformat(start), date.fromisoformat(end) - timedelta(days=1)
        text = f"{first:{_DAY}}" if last <= first else f"{first:{_DAY}} to {last:{_DAY}}"
    else:
        begin, finish = datetime.fromisoformat(start), datetime.fromisoformat(end)
        same_day = begin.date() == finish.date()
        text = f"{begin:{_CLOCK}} to {finish:%H:%M}" if same_day else f"{begin:{_CLOCK}} to {finish:{_CLOCK}}"
        text += f" ({given['start_zone']})" if given.get("start_zone") else ""
    if given.get("recurrence"):
        count = len(given.get("exceptions") or ())
        but = "" if not count else " with 1 exception" if count == 1 else f" with {count} exceptions"
        text += f", repeats{but}"
    return text
