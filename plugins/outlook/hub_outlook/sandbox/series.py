"""How Exchange computes a series: from its pattern and range, not from an RRULE.

Written from Graph's and Exchange's pages (Graph: resources/recurrencepattern; EWS:
AbsoluteMonthlyRecurrence), so that it checks the plugin's mapping instead of repeating it.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from hub_outlook.sandbox.problems import GraphError

WEEK = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
INDEXES = {"first": 0, "second": 1, "third": 2, "fourth": 3, "last": -1}
REQUIRED = {
    "daily": (),
    "weekly": ("daysOfWeek",),
    "absoluteMonthly": ("dayOfMonth",),
    "relativeMonthly": ("daysOfWeek",),
    "absoluteYearly": ("dayOfMonth", "month"),
    "relativeYearly": ("daysOfWeek", "month"),
}
TYPES = {name.casefold(): name for name in REQUIRED}
RANGES = {"enddate": "endDate", "numbered": "numbered", "noend": "noEnd"}
MOST = 40_000
LAST = date(2070, 1, 1)
"""Of an endless series no more occurrences are computed, and none later but for the first few."""
FEW = 400
"""So many an endless series has in any case: one of every 99 years reaches further than `LAST`."""


def _bad(message: str) -> GraphError:
    return GraphError(400, "ErrorInvalidRequest", message)


def checked(recurrence: Any, start: date, zone: str) -> dict[str, Any]:
    """Return a recurrence with all placeholders, as Graph stores it.

    Raises:
        GraphError: a field is missing or wrong, even one that does not matter here.
    """
    if not isinstance(recurrence, dict):
        raise _bad("Recurrence must be an object.")
    pattern, span = recurrence.get("pattern"), recurrence.get("range")
    if not isinstance(pattern, dict) or not isinstance(span, dict):
        raise _bad("Recurrence needs a pattern and a range.")
    return {"pattern": _checked_pattern(pattern), "range": _checked_range(span, start, zone)}


def _checked_pattern(pattern: dict[str, Any]) -> dict[str, Any]:
    kind = TYPES.get(str(pattern.get("type")).casefold())
    if kind is None:
        raise _bad("The recurrence pattern type is not valid.")
    days = [str(d).casefold() for d in pattern.get("daysOfWeek") or []]
    found = {
        "type": kind,
        "interval": _number(pattern, "interval", 1, 999 if kind == "daily" else 99),
        "month": _number(pattern, "month", 0, 12, 0),
        "dayOfMonth": _number(pattern, "dayOfMonth", 0, 31, 0),
        "daysOfWeek": days,
        "firstDayOfWeek": str(pattern.get("firstDayOfWeek") or "sunday").casefold(),
        "index": str(pattern.get("index") or "first").casefold(),
    }
    if not set(days) <= set(WEEK) or found["firstDayOfWeek"] not in WEEK or found["index"] not in INDEXES:
        raise _bad("A weekday or index of the recurrence pattern is not valid.")
    for name in REQUIRED[kind]:
        if not found[name]:
            raise _bad(f"The recurrence pattern {kind} needs {name}.")
    return found


def _number(source: dict[str, Any], name: str, low: int, high: int, default: int | None = None) -> int:
    value = source.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise _bad(f"{name} of the recurrence is out of range.")
    return value


def _checked_range(span: dict[str, Any], start: date, zone: str) -> dict[str, Any]:
    kind = RANGES.get(str(span.get("type")).casefold())
    if kind is None:
        raise _bad("The recurrence range type is not valid.")
    try:
        first = date.fromisoformat(str(span.get("startDate")))
        last = date.fromisoformat(str(span.get("endDate") or "0001-01-01"))
    except ValueError:
        raise _bad("A date of the recurrence range is not valid.") from None
    if first != start:
        raise _bad("The recurrence range's startDate must be the date of the event's start.")
    if kind == "endDate" and last < first:
        raise GraphError(
            400, "ErrorCalendarEndDateIsEarlierThanStartDate", "The series ends before its start."
        )
    return {
        "type": kind,
        "startDate": first.isoformat(),
        "endDate": last.isoformat() if kind == "endDate" else "0001-01-01",
        "recurrenceTimeZone": span.get("recurrenceTimeZone") or zone,
        "numberOfOccurrences": _number(span, "numberOfOccurrences", 1, 999) if kind == "numbered" else 0,
    }


def dates(recurrence: dict[str, Any]) -> list[date]:
    """Return the dates of a series' occurrences; of an endless one, the first few and those before `LAST`."""
    pattern, span = recurrence["pattern"], recurrence["range"]
    start = date.fromisoformat(span["startDate"])
    most = span["numberOfOccurrences"] or MOST
    last = date.fromisoformat(span["endDate"]) if span["type"] == "endDate" else date.max
    is_endless = span["type"] == "noEnd"
    found: list[date] = []
    try:
        for day in _candidates(pattern, start):
            if day > last or len(found) >= most or (is_endless and day > LAST and len(found) >= FEW):
                break
            if day >= start:
                found.append(day)
    except OverflowError:
        pass  # There are no dates after the year 9999.
    return found


def _candidates(pattern: dict[str, Any], start: date) -> Iterator[date]:
    step = pattern["interval"]
    if pattern["type"] == "daily":
        for n in range(MOST):
            yield start + timedelta(days=n * step)
    elif pattern["type"] == "weekly":
        back = (start.weekday() - WEEK.index(pattern["firstDayOfWeek"])) % 7
        first = start - timedelta(days=back)
        for n in range(MOST):
            week = first + timedelta(weeks=n * step)
            yield from (d for d in (week + timedelta(days=i) for i in range(7)) if _named(d, pattern))
    else:
        yield from _by_month(pattern, start)


def _by_month(pattern: dict[str, Any], start: date) -> Iterator[date]:
    yearly = pattern["type"].endswith("Yearly")
    month = start.year * 12 + (pattern["month"] if yearly else start.month) - 1
    step = pattern["interval"] * (12 if yearly else 1)
    for _ in range(MOST):
        if month // 12 > 9990:
            return
        days = calendar.monthrange(month // 12, month % 12 + 1)[1]
        all_days = [date(month // 12, month % 12 + 1, d) for d in range(1, days + 1)]
        if pattern["type"].startswith("absolute"):
            # Exchange clamps to the last day of a shorter month.
            yield all_days[min(pattern["dayOfMonth"], days) - 1]
        else:
            yield [d for d in all_days if _named(d, pattern)][INDEXES[pattern["index"]]]
        month += step


def _named(day: date, pattern: dict[str, Any]) -> bool:
    return WEEK[day.weekday()] in pattern["daysOfWeek"]
