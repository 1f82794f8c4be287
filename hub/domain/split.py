"""One series split in two: *this and following* becomes a series of its own. Pure.

Each occurrence of the old series is in exactly one half; whoever cannot be cut so is not cut.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice

from hub.domain.recurrence import MOST_STEPS, RecurrenceError, dates_of, length_of, starts
from hub.domain.rule import Rule, alone, dates_line, explicit, is_dates, is_rule, until
from hub.plugin.types import EventContent, When

_LOOKED_AHEAD = 400
"""Occurrences after the cut that are compared with those of the old series."""
Start = date | datetime


class SeriesError(ValueError):
    """An edit of a series that makes no sense; the message says why, and what to do instead."""


class NoOccurrenceError(SeriesError):
    """The rule puts no occurrence there."""


@dataclass(frozen=True, slots=True)
class Split:
    """The two halves of a series; `before` is None where nothing takes place before the cut."""

    before: EventContent | None
    after: EventContent


def split(content: EventContent, original_start: Start) -> Split:
    """Cut a series at one of its occurrences, which is the first of the second half.

    The first half ends by an UNTIL at its last occurrence, the second has what is left of a COUNT;
    exceptions go to the half that their original start belongs to. A second half that begins with a date of
    its own (RDATE) names the days that its rule took from the old start.

    Raises:
        NoOccurrenceError: the rule puts no occurrence at `original_start`.
        SeriesError: what follows cannot be said by the rule from there on.
    """
    when = content.when
    before = starts_before(when, original_start)
    if not before:
        return Split(None, content)
    first = _ended(when, before)
    second = _begun(when, original_start)
    _check(when, before, first, second)
    return Split(dataclasses.replace(content, when=first), dataclasses.replace(content, when=second))


def starts_before(when: When, original_start: Start) -> list[Start]:
    """Return where the rule puts occurrences before one of its occurrences.

    Raises:
        NoOccurrenceError: it puts none at `original_start`.
    """
    before: list[Start] = []
    if isinstance(original_start, datetime) == isinstance(when.start, datetime) and when.is_series:
        for start in starts(when):
            if start >= original_start:
                if start == original_start:
                    return before
                break
            before.append(start)
    raise NoOccurrenceError(f"the series has no occurrence that begins at {original_start.isoformat()}")


def _ended(when: When, before: Sequence[Start]) -> When:
    """Return the series up to its occurrence `before[-1]`."""
    last = before[-1]
    rules, dates = [], set()
    for line in when.recurrence:
        if is_dates(line):
            dates |= {start for start in _dates(line, when) if start <= last}
        elif is_rule(line) and (own := [s for s in _until_passed(alone(when, line), last) if s <= last]):
            rules.append(str(Rule.read(line).with_parts(COUNT=None, UNTIL=until(own[-1], when))))
    exceptions = tuple(e for e in when.exceptions if e.original_start <= last)
    if rules:
        lines = (*rules, dates_line(dates, when)) if dates else tuple(rules)
        return dataclasses.replace(when, recurrence=lines, exceptions=exceptions)
    # Without a rule the start is an occurrence, which it need not have been before.
    listed = (dates_line(before, when),)
    return _from(dataclasses.replace(when, recurrence=listed, exceptions=exceptions), before[0])


def _begun(when: When, first: Start) -> When:
    """Return the series from its occurrence `first` on."""
    rules, dates = [], set()
    for line in when.recurrence:
        if is_dates(line):
            dates |= {start for start in _dates(line, when) if start >= first}
        elif is_rule(line):
            rule, own = Rule.read(line), _until_passed(alone(when, line), first)
            passed = sum(start < first for start in own)
            if passed < len(own):
                if first not in own:
                    # It begins with a date of its own, which counts as one of the rule's from there on.
                    rule, passed = explicit(rule, when), passed - 1
                left = None if rule.count is None else str(rule.count - passed)
                rules.append(str(rule.with_parts(COUNT=left)))
    dates -= {first} if rules else set()
    lines = (*rules, dates_line(dates | ({first} if not rules else set()), when)) if dates else tuple(rules)
    exceptions = tuple(e for e in when.exceptions if e.original_start >= first)
    return _from(dataclasses.replace(when, recurrence=lines, exceptions=exceptions), first)


def _until_passed(when: When, moment: Start) -> list[Start]:
    """Return the starts up to the first one after a moment."""
    found: list[Start] = []
    for start in starts(when):
        found.append(start)
        if start > moment:
            break
    return found


def _dates(line: str, when: When) -> list[Start]:
    """Return the dates of an RDATE line in the kind of the series' start."""
    return [as_kind(start, when) for start in dates_of(line, when)]


def as_kind(value: Start, when: When) -> Start:
    """Return a date or a wall time in the kind of the series' start: a date alone is that midnight."""
    if isinstance(when.start, datetime):
        return value if isinstance(value, datetime) else datetime.combine(value, datetime.min.time())
    return day_of(value)


def day_of(start: Start) -> date:
    return start.date() if isinstance(start, datetime) else start


def _from(when: When, first: Start) -> When:
    """Return a series that begins at another of its occurrences, as long as before."""
    return dataclasses.replace(when, start=first, end=first + length_of(when))


def _check(when: When, before: Sequence[Start], first: When, second: When) -> None:
    """Check that no occurrence is lost and none is doubled, as far as one can look ahead.

    Raises:
        SeriesError: the rule says something else when it begins or ends there.
    """
    wanted = list(islice(starts(when), len(before) + _LOOKED_AHEAD))
    try:
        found = list(islice(starts(first), len(before) + 1))
        if found == list(before):
            # Beyond so many steps the old series was not looked at, either.
            found += islice(starts(second), min(_LOOKED_AHEAD, MOST_STEPS - len(before)))
            if found == wanted:
                return
    except RecurrenceError:
        pass
    raise SeriesError(
        "the series cannot be split at this occurrence, since its rule would put the others elsewhere: "
        "split it at another one, or change this one alone"
    )
