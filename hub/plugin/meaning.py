"""Whether two events mean the same, and what of one is lost in the other.

Two rules may be worded otherwise and mean the same days, and an exception may say what its series says
already. Knows nothing of a provider; used by the plugins' `project` and by tests.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from datetime import date, datetime
from itertools import islice
from typing import Any

from hub.plugin import rules
from hub.plugin.types import (
    Conference,
    EventContent,
    Location,
    Loss,
    SeriesException,
    When,
    changed_fields,
)

MOST = 100
"""So many occurrences of two rules are compared."""
_CLEARED: Mapping[str, Any] = {"location": Location(""), "conference": Conference("")}


def exact_losses(
    content: EventContent, held: EventContent, told: Iterable[Loss], otherwise: Mapping[str, str]
) -> tuple[Loss, ...]:
    """Return the losses of exactly those fields of an event that a provider holds differently.

    Args:
        held: what the provider can hold of it.
        told: losses that are known by themselves; those of fields that do not differ are left out.
        otherwise: by field, the reason where none was told.
    """
    if content == held:
        return ()
    lost = {n for n in changed_fields(content, held) if not _is_same(n, content, held)}
    losses = [loss for loss in told if loss.field in lost]
    untold = sorted(lost - {loss.field for loss in losses})
    return (*losses, *(Loss(name, otherwise[name]) for name in untold))


def differs(one: EventContent, other: EventContent) -> frozenset[str]:
    """Return the fields in which two events do not mean the same; rules are compared by their days."""
    found = {n for n in changed_fields(one, other) if not _is_same(n, one, other)}
    if one.when.recurrence != other.when.recurrence and starts(one.when) != starts(other.when):
        found.add("when")
    return frozenset(found)


def _is_same(name: str, one: EventContent, other: EventContent) -> bool:
    """Whether a field means the same in both, but for the days of a rule."""
    if name == "when":
        return bool(_frame(one) == _frame(other))
    cleared = _CLEARED.get(name)
    ours, theirs = getattr(one, name), getattr(other, name)
    return cleared is not None and bool((ours or cleared) == (theirs or cleared))


def _frame(content: EventContent) -> Any:
    """Return the time of an event and of its occurrences that are not as usual, without its rule's words."""
    when = content.when
    made = starts(when) if any(e.cancelled for e in when.exceptions) else []
    exceptions: dict[date | datetime, Any] = {}
    for exception in when.exceptions:
        start = exception.original_start
        if exception.cancelled:
            # Without an occurrence there is nothing to cancel.
            if start in made or len(made) == MOST:
                exceptions[start] = "cancelled"
        elif own := own_values(exception, content):
            exceptions[start] = own
    zone = when.start_zone and (when.end_zone or when.start_zone)
    return when.start, when.end, when.start_zone, zone, when.is_series, exceptions


def own_values(exception: SeriesException, content: EventContent) -> dict[str, Any]:
    """Return what an occurrence has otherwise than its series."""
    values = {}
    for part in fields(SeriesException):
        value = getattr(exception, part.name)
        if value is None or part.name in ("original_start", "cancelled"):
            continue
        if value == _CLEARED.get(part.name):
            value = None
        if not hasattr(content, part.name) or value != getattr(content, part.name):
            values[part.name] = value
    usual = (exception.original_start, _later(exception.original_start, content.when))
    if (values.get("start"), values.get("end")) == usual:
        del values["start"], values["end"]
    return values


def _later(start: date | datetime, when: When) -> date | datetime:
    try:
        return start + (rules.at_midnight(when.end) - rules.at_midnight(when.start))
    except OverflowError:
        return start


def starts(when: When) -> list[date | datetime]:
    """Return the first occurrences of a series, at most MOST; none if its rule cannot be read."""
    if not when.is_series:
        return []
    try:
        return list(islice(rules.starts(when.recurrence, when.start, when.start_zone), MOST))
    except rules.RecurrenceError:
        return []
