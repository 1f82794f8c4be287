"""Times: from wall time to instants, and from a series to its occurrences, within bounds.

Expansion runs on naive wall times (`hub.plugin.rules`), so that 09:00 stays 09:00 when clocks change; each
result is then placed in its zone. A wall time that does not exist is read with the offset before the gap,
one that exists twice as the first (RFC 5545 3.3.5).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import islice

from hub.plugin import rules
from hub.plugin.rules import MOST_STEPS, RecurrenceError
from hub.plugin.types import Conference, EventContent, Location, SeriesException, When

__all__ = ["MOST_STEPS", "RecurrenceError"]

COUNTED_OUT = 2_000
"""The end of a series with more occurrences is not looked for; it ends with its UNTIL, or never."""

CLOCK_CHANGE = timedelta(hours=3)
"""No change of clocks is longer."""
LATE = timedelta(days=2)
"""What begins so long before another by the clock ends before it, too, even where a zone leaves out a day."""


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One occurrence as it takes place."""

    original_start: date | datetime
    start: date | datetime
    end: date | datetime
    starts_at: datetime
    ends_at: datetime
    exception: SeriesException | None = None


def instant(value: date | datetime, zone: str | None, floating_zone: str) -> datetime:
    """Return the UTC instant of a wall time, or of the midnight that begins a date."""
    return rules.to_utc(rules.at_midnight(value), rules.find_zone(zone or floating_zone))


def length_of(when: When) -> timedelta:
    """Return from start to end by the clock, or in days."""
    return rules.at_midnight(when.end) - rules.at_midnight(when.start)


def is_known_zone(name: str | None) -> bool:
    """Whether a zone can be computed with; None is floating."""
    return name is None or rules.find_zone(name) is not None


def span(when: When, floating_zone: str) -> tuple[datetime, datetime | None]:
    """Return the first start and the last end as instants; None if the series has no end."""
    starts_at = instant(when.start, when.start_zone, floating_zone)
    ends_at = instant(when.end, when.end_zone or when.start_zone, floating_zone)
    if not when.is_series:
        return starts_at, max(starts_at, ends_at)
    for exception in when.exceptions:
        if exception.start is not None:
            moved = instant(exception.start, exception.start_zone or when.start_zone, floating_zone)
            starts_at = min(starts_at, moved)
    if not is_bounded(when):
        return starts_at, None
    try:
        changed = {exception.original_start for exception in when.exceptions}
        usual = list(islice((start for start in starts(when) if start not in changed), COUNTED_OUT))
        live = [exception for exception in when.exceptions if not exception.cancelled]
        is_long = len(usual) + len(live) >= COUNTED_OUT
        last = _last_until(when) if is_long else None
    except RecurrenceError:
        return starts_at, None
    if not is_long:
        length = length_of(when)
        late = [start for start in usual if usual[-1] - start <= LATE]
        ends = [_place(when, start, _after(start, length), start, floating_zone).ends_at for start in late]
        ends += [_changed(when, exception, floating_zone).ends_at for exception in live]
        return starts_at, max(ends_at, *ends) if ends else ends_at
    if last is None:
        return starts_at, None
    length = ends_at - starts_at
    return starts_at, max(ends_at, instant(last, when.start_zone, floating_zone) + max(length, timedelta(0)))


def _last_until(when: When) -> datetime | None:
    """Return the wall time by which all rules of a series have ended by their UNTIL; None if one has none."""
    found = []
    for line in when.recurrence:
        name, _, value = rules.split(line)
        parts = rules.parts_of(value, when.start) if name == "RRULE" else {}
        if "UNTIL" not in parts:
            return None
        found.append(rules.until_of(parts["UNTIL"], when.start, when.start_zone))
    return max(found)


def occurrences(
    when: When,
    start: datetime,
    end: datetime,
    floating_zone: str,
    limit: int = 1000,
    *,
    cancelled: bool = False,
) -> list[Occurrence]:
    """Return the occurrences (of a series, or the single event) that overlap [start, end), by start.

    Args:
        cancelled: those that do not take place, too; each has its exception.

    Raises:
        RecurrenceError: the rule cannot be read.
    """
    found = (
        o for o in _all(when, floating_zone, start, end, cancelled=cancelled) if _overlaps(o, start, end)
    )
    return sorted(islice(found, limit), key=lambda o: o.starts_at)


def occurrence_at(when: When, original: date | datetime, floating_zone: str) -> Occurrence:
    """Return the occurrence that the rule puts at `original`, as it takes place or would take place."""
    exception = next((e for e in when.exceptions if e.original_start == original), None)
    return _changed(when, exception or SeriesException(original), floating_zone)


def _overlaps(o: Occurrence, start: datetime, end: datetime) -> bool:
    return o.starts_at < end and (o.ends_at > start or o.starts_at == o.ends_at >= start)


def _all(
    when: When,
    floating_zone: str,
    since: datetime | None = None,
    until: datetime | None = None,
    *,
    cancelled: bool = False,
) -> Iterator[Occurrence]:
    if not when.is_series:
        yield _place(when, when.start, when.end, when.start, floating_zone)
        return
    by_start = {e.original_start: e for e in when.exceptions}
    length = length_of(when)
    far = None if until is None else later(until, timedelta(days=2))
    near = None
    if since is not None:
        near = later(_wall_of(since, when, floating_zone), -CLOCK_CHANGE - abs(length))
    for original in starts(when, near):
        if original in by_start:
            continue
        occurrence = _place(when, original, _after(original, length), original, floating_zone)
        if far is not None and occurrence.starts_at >= far:
            break
        yield occurrence
    for exception in by_start.values():
        if cancelled or not exception.cancelled:
            yield _changed(when, exception, floating_zone)


def _changed(when: When, exception: SeriesException, floating_zone: str) -> Occurrence:
    original = exception.original_start
    begin = exception.start if exception.start is not None else original
    length = length_of(when)
    finish = exception.end if exception.end is not None else _after(begin, length)
    is_bare = exception == SeriesException(original)
    return _place(when, begin, finish, original, floating_zone, None if is_bare else exception)


def _after(start: date | datetime, length: timedelta) -> date | datetime:
    try:
        return start + length
    except OverflowError:
        return start


def _wall_of(moment: datetime, when: When, floating_zone: str) -> datetime:
    place = rules.find_zone(when.start_zone or floating_zone) or UTC
    try:
        return moment.astimezone(place).replace(tzinfo=None)
    except OverflowError:
        return moment.replace(tzinfo=None)


def later(moment: datetime, by: timedelta) -> datetime:
    """Return a moment later (or earlier) by so much, within the times that there are."""
    try:
        return moment + by
    except OverflowError:
        if by > timedelta(0):
            return datetime.max.replace(tzinfo=moment.tzinfo)
        return datetime.min.replace(tzinfo=moment.tzinfo)


def _place(
    when: When,
    begin: date | datetime,
    finish: date | datetime,
    original: date | datetime,
    floating_zone: str,
    exception: SeriesException | None = None,
) -> Occurrence:
    zone = (exception.start_zone if exception else None) or when.start_zone
    end_zone = (exception.end_zone if exception else None) or when.end_zone or zone
    starts_at = instant(begin, zone, floating_zone)
    last = finish
    if when.is_series and isinstance(begin, datetime) and (exception is None or exception.end is None):
        # What begins at a time that the clocks skip begins so much later, and is as long as the others.
        skipped = rules.to_wall(starts_at, rules.find_zone(zone or floating_zone)) - begin
        last += max(skipped, timedelta(0))
    ends_at = max(starts_at, instant(last, end_zone, floating_zone))
    return Occurrence(original, begin, finish, starts_at, ends_at, exception)


OWN_TIMES = ("start", "end", "start_zone", "end_zone")
"""The fields of an exception that say when its occurrence takes place."""
NOT_CONTENT = frozenset({"original_start", "cancelled", *OWN_TIMES})
OVERRIDABLE = tuple(f.name for f in dataclasses.fields(SeriesException) if f.name not in NOT_CONTENT)
"""The fields besides its time that an occurrence may have otherwise than its series."""
CLEARED: Mapping[str, object] = {"location": Location(""), "conference": Conference(""), "color": ""}
"""What a field of an exception holds where the series has a value and the occurrence none."""


def as_it_takes_place(content: EventContent, occurrence: Occurrence) -> EventContent:
    """Return what one occurrence means: the series' content with what its exception says otherwise."""
    exception = occurrence.exception
    if exception is None:
        return content
    own = {name: getattr(exception, name) for name in OVERRIDABLE if getattr(exception, name) is not None}
    own = {name: None if CLEARED.get(name) == value else value for name, value in own.items()}
    if "description" in own:
        own["description_html"] = None
    return dataclasses.replace(content, **own)


def without_orphans(when: When) -> When:
    """Return the time without exceptions for days that the rule does not make (any more)."""
    if not when.exceptions:
        return when
    wanted = [e.original_start for e in when.exceptions]
    made = rules.hits(when.recurrence, when.start, when.start_zone, wanted) if when.is_series else set()
    kept = tuple(e for e in when.exceptions if e.original_start in made)
    return dataclasses.replace(when, exceptions=kept)


def starts(when: When, after: datetime | None = None) -> Iterator[date | datetime]:
    """Yield where the rule puts occurrences, in order: wall times, or dates if all-day (`hub.plugin.rules`).

    Args:
        after: a wall time before which they need not be yielded.

    Raises:
        RecurrenceError: the rule cannot be read, or has no occurrence.
    """
    return rules.starts(when.recurrence, when.start, when.start_zone, after)


def fits(line: str, when: When) -> bool:
    """Whether the start of a series is where this rule of it puts an occurrence."""
    return next(rules.fitting(line, when.start, when.start_zone), None) == when.start


def fault_of(when: When) -> str | None:
    """Return why the rule of a series makes no sense, if it does not."""
    try:
        next(starts(when), None)
    except RecurrenceError as error:
        return str(error)
    return None


def dates_of(line: str, when: When) -> list[date | datetime]:
    """Return what an RDATE or EXDATE line lists: dates, or wall times in the series' own zone.

    Raises:
        RecurrenceError: it cannot be read.
    """
    _, params, value = rules.split(line)
    stamps = (text for text in value.split(",") if text)
    return [rules.read_stamp(text, when.start, when.start_zone, params.get("TZID")) for text in stamps]


def is_bounded(when: When) -> bool:
    return all(
        not line.upper().startswith("RRULE") or "UNTIL=" in line.upper() or "COUNT=" in line.upper()
        for line in when.recurrence
    )


def order_fault(begin: datetime, finish: datetime, *, of_days: bool) -> str | None:
    """Return why nothing begins and ends at these instants, if so."""
    if finish < begin:
        return "the end is before the start"
    if of_days and finish == begin:
        return "the end of whole days is exclusive: an event of one day ends on the next"
    return None


def check(when: When) -> None:
    """Check a time that a consumer gave.

    Raises:
        RecurrenceError: end before start, mixed kinds, an unknown zone or an unreadable rule.
    """
    if isinstance(when.start, datetime) != isinstance(when.end, datetime):
        raise RecurrenceError("start and end must both be dates or both be times")
    for zone in (when.start_zone, when.end_zone):
        if not is_known_zone(zone):
            raise RecurrenceError(f"{zone!r} is not an IANA time zone")
    begin, finish = instant(when.start, when.start_zone, "UTC"), instant(when.end, when.end_zone, "UTC")
    if fault := order_fault(begin, finish, of_days=when.all_day):
        raise RecurrenceError(fault)
    if when.is_series and next(iter(starts(when)), None) is None:
        raise RecurrenceError("the rule has no occurrence")
