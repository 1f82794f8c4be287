"""Whether a series goes on where another one was cut off: how *this and following* looks from outside. Pure.

No provider says it: the old series ends earlier by its own rule, and a new one begins in the gap. What is
found is told to people and to consumers, and nothing follows from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from hub.domain.recurrence import RecurrenceError, is_bounded, length_of, starts
from hub.domain.rule import Rule, is_rule
from hub.domain.split import Start, day_of
from hub.plugin.types import When


@dataclass(frozen=True, slots=True)
class Cut:
    """A series whose time was changed."""

    event_id: str
    title: str
    before: When
    after: When


@dataclass(frozen=True, slots=True)
class Begun:
    """A series that is new."""

    event_id: str
    title: str
    when: When


def halves(cut: list[Cut], begun: list[Begun]) -> dict[str, str]:
    """Return by new series the one that it goes on from, where only one of each fits the other."""
    fits = [(old.event_id, new.event_id) for old in cut for new in begun if goes_on(old, new)]
    olds, news = [old for old, _ in fits], [new for _, new in fits]
    return {new: old for old, new in fits if olds.count(old) == news.count(new) == 1}


def goes_on(old: Cut, new: Begun) -> bool:
    """Whether `new` begins where `old` was cut off, and is like it in title, or in time of day and length."""
    before, after, when = old.before, old.after, new.when
    if old.event_id == new.event_id or not when.is_series or not _same_but_shorter(before, after):
        return False
    try:
        gap = _gap(before, after)
    except RecurrenceError:
        return False
    if gap is None or not day_of(gap[0]) < day_of(when.start) < day_of(gap[1]):
        return False
    return old.title == new.title or _clock(before) == _clock(when)


def _same_but_shorter(before: When, after: When) -> bool:
    """Whether a series repeats as before, but for an end of its rule."""
    if not before.is_series or not after.is_series or not is_bounded(after):
        return False
    same_start = (before.start, before.start_zone) == (after.start, after.start_zone)
    return same_start and _endless(before) == _endless(after)


def _endless(when: When) -> list[str]:
    rules = [Rule.read(line) for line in when.recurrence if is_rule(line)]
    return sorted(str(rule.with_parts(COUNT=None, UNTIL=None)) for rule in rules)


def _gap(before: When, after: When) -> tuple[Start, Start] | None:
    """Return the last occurrence that is left and the second one that is not: the new ones begin between."""
    last = max(starts(after), default=None)
    if last is None:
        return None
    dropped = list(islice((start for start in starts(before) if start > last), 2))
    if not dropped:
        return None
    return last, dropped[1] if len(dropped) > 1 else dropped[0] + (dropped[0] - last)


def _clock(when: When) -> tuple[object, object]:
    at = when.start.time() if isinstance(when.start, datetime) else None
    return at, length_of(when)
