"""An event's content as `hub.plugin.codec` writes it: what the store holds, and what is compared and merged.

Fields at their default are left out, so that two contents mean the same where their fields are equal.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import MISSING, fields
from typing import Any

from hub.plugin.codec import to_json
from hub.plugin.types import CONTENT_FIELDS, EventContent

Plain = dict[str, Any]

NO_EXTRA: Plain = {}
"""The metadata of most events: one value for all of them, so that it is written once for a page."""
_COMPARED = frozenset(CONTENT_FIELDS)
DEFAULTS: Mapping[str, Any] = {
    f.name: to_json(f.default) for f in fields(EventContent) if f.compare and f.default is not MISSING
}


def value_of(content: Plain, name: str) -> Any:
    """Return a field's value, its default if it is left out."""
    return content[name] if name in content else DEFAULTS.get(name)


def differing(one: Plain, other: Plain) -> set[str]:
    """Return the names of the fields whose meaning differs."""
    if one == other:
        return set()
    names = {name for name, value in one.items() if other.get(name) != value}
    names |= other.keys() - one.keys()
    return names & _COMPARED


def is_meeting(content: Mapping[str, Any]) -> bool:
    """Whether others have the event too, so that its invitation may come to several calendars."""
    return "organizer" in content or "attendees" in content


def is_day(moment: str) -> bool:
    """Whether the text of a start or an end is a date, and no wall time."""
    return len(moment) == len("2026-12-24")


def frame(when: Plain) -> Plain:
    """Return when a series takes place by its rule alone."""
    return {name: value for name, value in when.items() if name != "exceptions"}


def days_of(when: Plain) -> list[Plain]:
    """Return the exceptions of a series."""
    days: list[Plain] = when.get("exceptions", [])
    return days


def days_by_start(when: Plain) -> dict[str, Plain]:
    """Return the exceptions of a series by their original starts."""
    return {day["original_start"]: day for day in days_of(when)}


def with_days(when: Plain, days: list[Plain]) -> Plain:
    """Return when a series takes place with other exceptions."""
    if days == days_of(when):
        return when
    return frame(when) | {"exceptions": days} if days else frame(when)


def with_fields(content: Plain, values: Mapping[str, Any]) -> Plain:
    """Return the content with other values in some fields; None means the default."""
    return {name: value for name, value in {**content, **values}.items() if value is not None}


def differences(before: Plain, after: Plain, names: Collection[str] | None = None) -> dict[str, Any]:
    """Return the changed fields with both values, as the change log keeps them.

    Args:
        names: the fields that differ, if that is known.
    """
    names = differing(before, after) if names is None else names
    found = {n: {"before": value_of(before, n), "after": value_of(after, n)} for n in sorted(names)}
    if "description" in names and ("description_html" in before or "description_html" in after):
        html = {"before": before.get("description_html"), "after": after.get("description_html")}
        found["description_html"] = html
    return found


def trimmed(text: str) -> str:
    """Return a text without blanks at the ends of its lines, as providers give it back."""
    return "\n".join(line.rstrip() for line in text.split("\n")).rstrip()


def beginning(content: Plain, extra: Mapping[str, Any] = NO_EXTRA) -> dict[str, Any]:
    """Return all of an event that came into being, as the change log keeps it."""
    fields = {name: {"after": value} for name, value in content.items()}
    if extra:
        fields["metadata"] = {"after": extra}
    return fields
