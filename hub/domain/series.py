"""Edits of a series: one occurrence otherwise than the others, or all of them at another time. Pure.

What becomes of the exceptions when all of a series is moved is one rule: each follows its occurrence.
A cancelled one stays cancelled, a changed one keeps what it says otherwise, and one that was moved to a
time of its own stays there. An occurrence that the rule does not make any more takes its exception along.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Any

from hub.domain.recurrence import (
    CLEARED,
    MOST_STEPS,
    OVERRIDABLE,
    OWN_TIMES,
    Occurrence,
    RecurrenceError,
    dates_of,
    fits,
    instant,
    length_of,
    occurrence_at,
    order_fault,
    starts,
    without_orphans,
)
from hub.domain.rule import WEEKDAYS, Rule, dates_line, is_dates, is_rule, until
from hub.domain.split import SeriesError, Start, as_kind, day_of, starts_before
from hub.plugin.types import EventContent, SeriesException, When

# --- one occurrence ---


def find_occurrence(when: When, original_start: Start, floating_zone: str) -> Occurrence:
    """Return an occurrence as it takes place, or would if it is cancelled.

    Raises:
        NoOccurrenceError: the rule puts none there.
    """
    starts_before(when, original_start)
    return occurrence_at(when, original_start, floating_zone)


def with_exception(content: EventContent, exception: SeriesException) -> EventContent:
    """Return a series with one occurrence as an exception says; what is as in the series is left out.

    Raises:
        NoOccurrenceError: the rule puts no occurrence at its original start.
        SeriesError: the occurrence would end before it begins.
    """
    when = content.when
    starts_before(when, exception.original_start)
    exception = _differing(content, exception)
    others = [e for e in when.exceptions if e.original_start != exception.original_start]
    if exception != SeriesException(exception.original_start):
        others.append(exception)
    ordered = tuple(sorted(others, key=lambda e: e.original_start))
    return dataclasses.replace(content, when=dataclasses.replace(when, exceptions=ordered))


def _differing(content: EventContent, exception: SeriesException) -> SeriesException:
    """Return an exception without what is the same in its series."""
    original, when = exception.original_start, content.when
    if exception.cancelled:
        return SeriesException(original, cancelled=True)
    same: dict[str, Any] = {
        name: None
        for name in OVERRIDABLE
        if getattr(exception, name) == _of_series(content, name) is not None
    }
    exception = _in_zone(dataclasses.replace(exception, **same), when)
    if all(getattr(exception, name) is None for name in OWN_TIMES):
        return exception
    takes_place = occurrence_at(dataclasses.replace(when, exceptions=(exception,)), original, "UTC")
    usual = original, original + length_of(when)
    if (takes_place.start, takes_place.end) == usual and not (exception.start_zone or exception.end_zone):
        return dataclasses.replace(exception, start=None, end=None)
    zones = (exception.start_zone or when.start_zone, exception.end_zone or when.end_zone)
    begin, finish = (
        instant(takes_place.start, zones[0], "UTC"),
        instant(takes_place.end, zones[1] or zones[0], "UTC"),
    )
    if fault := order_fault(begin, finish, of_days=not isinstance(takes_place.start, datetime)):
        raise SeriesError(fault)
    return dataclasses.replace(exception, start=takes_place.start, end=takes_place.end)


def _in_zone(exception: SeriesException, when: When) -> SeriesException:
    """Return an exception that names only zones that are not those of its series."""
    start_zone = None if exception.start_zone == when.start_zone else exception.start_zone
    end_zone = None if exception.end_zone == (when.end_zone or when.start_zone) else exception.end_zone
    return dataclasses.replace(exception, start_zone=start_zone, end_zone=end_zone)


def _of_series(content: EventContent, name: str) -> Any:
    value = getattr(content, name)
    return CLEARED.get(name) if value is None else value


def as_exception(content: EventContent, original_start: Start) -> SeriesException:
    """Return what an occurrence has otherwise than its series: a bare exception if nothing."""
    found = (e for e in content.when.exceptions if e.original_start == original_start)
    return next(found, SeriesException(original_start))


def led_by(content: EventContent, names: Mapping[str, Any]) -> EventContent:
    """Return a series that is about to be changed from its first occurrence on.

    What that occurrence had otherwise in the fields `names` is given up, so that the change shows there, too.
    """
    when = content.when
    own = as_exception(content, when.start)
    if own == SeriesException(when.start):
        return content
    given_up: dict[str, Any] = {name: None for name in OVERRIDABLE if name in names}
    if names.keys() & {"start", "end"}:
        given_up |= dict.fromkeys(OWN_TIMES)
    return with_exception(content, dataclasses.replace(own, **given_up))


# --- all of them ---


def moved(before: When, after: When) -> When:
    """Return the new time `after` of a series with the rule and the exceptions of `before` moved along.

    Args:
        after: the new start, end and zones, with the old rule and exceptions.

    Raises:
        SeriesError: it is not clear on which days a rule is meant that begins on that day.
    """
    same = (before.start, before.start_zone) == (after.start, after.start_zone)
    if same or not before.is_series:
        return after
    frame = dataclasses.replace(after, recurrence=_moved_lines(before, after), exceptions=())
    if starts_with(before) and not starts_with(frame):
        raise SeriesError(
            "the rule puts no occurrence on the new start: send the recurrence that is meant with it"
        )
    return without_orphans(dataclasses.replace(frame, exceptions=_following(before, frame)))


def starts_with(when: When) -> bool:
    """Whether the start of a series fits its rule; it is an occurrence in any case."""
    rules = [line for line in when.recurrence if is_rule(line)]
    try:
        return not rules or any(fits(line, when) for line in rules)
    except RecurrenceError:
        return False


def _following(before: When, after: When) -> tuple[SeriesException, ...]:
    """Return the exceptions of a series, each for the same occurrence (counted from the first) after it."""
    if not before.exceptions:
        return ()
    last = max(e.original_start for e in before.exceptions)
    places: dict[Start, int] = {}
    for count, start in enumerate(starts(before)):
        if start > last:
            break
        places[start] = count
    new = list(islice(starts(after), max(places.values(), default=-1) + 1))
    found = []
    for exception in before.exceptions:
        place = places.get(exception.original_start)
        if place is not None and place < len(new):
            found.append(_followed(exception, new[place], before, after))
    return tuple(e for e in found if e != SeriesException(e.original_start))


def _followed(exception: SeriesException, original: Start, before: When, after: When) -> SeriesException:
    exception = dataclasses.replace(exception, original_start=original)
    if exception.start is None and exception.end is None:
        return exception
    if before.all_day != after.all_day:
        day = as_kind(exception.start or original, before)
        start = as_kind(day, after)
        if isinstance(start, datetime) and isinstance(after.start, datetime):
            start = datetime.combine(start.date(), after.start.time())
        times: dict[str, Any] = {"start": start, "end": start + length_of(after)}
        return dataclasses.replace(exception, **times, start_zone=None, end_zone=None)
    if before.start_zone == after.start_zone:
        return _in_zone(exception, after)
    # It stays at its moment: its own zone is the one that the series had.
    zones: dict[str, Any] = {
        "start_zone": exception.start_zone or before.start_zone,
        "end_zone": exception.end_zone or before.end_zone or before.start_zone,
    }
    return _in_zone(dataclasses.replace(exception, **zones), after)


def _moved_lines(before: When, after: When) -> tuple[str, ...]:
    lines = []
    for line in before.recurrence:
        if is_rule(line):
            line = _moved_rule(line, before, after)
        elif is_dates(line):
            line = dates_line((_moved_start(d, before, after) for d in dates_of(line, before)), after)
        lines.append(line)
    return tuple(lines)


def _moved_start(start: Start, before: When, after: When) -> Start:
    """Return where one date of a series goes when its start goes elsewhere.

    Raises:
        SeriesError: there is no such date.
    """
    try:
        return _shifted(start, before, after)
    except OverflowError:
        raise SeriesError(f"the date {start.isoformat()} cannot be moved so far") from None


def _shifted(start: Start, before: When, after: When) -> Start:
    if before.all_day or after.all_day:
        day = day_of(start) + (day_of(after.start) - day_of(before.start))
        at = after.start
        return datetime.combine(day, at.time()) if isinstance(at, datetime) else day
    return as_kind(start, before) + (after.start - before.start)  # type: ignore[operator]


def _moved_rule(line: str, before: When, after: When) -> str:
    """Return a rule for the days that its occurrences are moved to, ended so that there are as many."""
    rule = _on_days(Rule.read(line), day_of(before.start), day_of(after.start))
    if rule.get("UNTIL") is None:
        return str(rule)
    only = dataclasses.replace(before, recurrence=(line,), exceptions=())
    count = sum(1 for _ in starts(only))
    endless = str(rule.with_parts(UNTIL=None))
    new = list(islice(starts(dataclasses.replace(after, recurrence=(endless,), exceptions=())), count))
    if not new or count == MOST_STEPS:
        return str(rule)
    return str(rule.with_parts(UNTIL=until(new[-1], after)))


def _on_days(rule: Rule, old: date, new: date) -> Rule:
    """Return a rule with its days moved along with its first one, where they follow from that."""
    if old == new:
        return rule
    frequency = rule.get("FREQ")
    if frequency == "WEEKLY":
        days = (new - old).days
        return rule.with_parts(BYDAY=_rotated(rule.get("BYDAY"), days), WKST=_rotated(_weeks(rule), days))
    parts: dict[str, str | None] = {}
    if frequency == "YEARLY" and rule.get("BYMONTH") == str(old.month):
        parts["BYMONTH"] = str(new.month)
    if rule.get("BYMONTHDAY") == str(old.day):
        parts["BYMONTHDAY"] = str(new.day)
    by_day = rule.get("BYDAY")
    if by_day is not None and by_day in _nth(old):
        # Last stays last where it can; the others are counted from the first.
        last = by_day.startswith("-") and len(_nth(new)) > 1
        parts["BYDAY"] = _nth(new)[1 if last else 0]
    return rule.with_parts(**parts)


def _weeks(rule: Rule) -> str | None:
    """Return where a rule's weeks begin, if that makes a difference."""
    interval = rule.get("INTERVAL") or "1"
    return (rule.get("WKST") or "MO") if interval != "1" and rule.get("BYDAY") else rule.get("WKST")


def _rotated(days: str | None, by: int) -> str | None:
    if days is None:
        return None
    names = days.split(",")
    if not all(name in WEEKDAYS for name in names):
        return days
    return ",".join(WEEKDAYS[(WEEKDAYS.index(name) + by) % 7] for name in names)


def _nth(day: date) -> tuple[str, ...]:
    """Return which weekday of its month a date is, counted from the first and, if it is the last, so."""
    name = WEEKDAYS[day.weekday()]
    from_first = f"{(day.day - 1) // 7 + 1}{name}"
    is_last = (day + timedelta(days=7)).month != day.month
    return (from_first, f"-1{name}") if is_last else (from_first,)
