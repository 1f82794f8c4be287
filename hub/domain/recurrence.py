"""Times: from wall time to instants, and from a rule to occurrences (RFC 5545 3.3.10), within bounds.

Expansion runs on naive wall times, so that 09:00 stays 09:00 when clocks change; each result is then
placed in its zone. A wall time that does not exist is read with the offset before the gap, one that
exists twice as the first (RFC 5545 3.3.5).
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import islice, takewhile
from zoneinfo import ZoneInfo

from dateutil.rrule import rrulestr

from hub.plugin.types import Conference, EventContent, Location, SeriesException, When

MOST_STEPS = 50_000
"""How many occurrences of one rule are looked at before the search is given up."""
LEAP_CYCLE = 40
"""Years within which every weekday meets every date, leap days too, with some to spare."""
_LIMITS = re.compile(r";?(UNTIL|COUNT|INTERVAL)=[^;]*", re.IGNORECASE)
_NO_INTERVAL = re.compile(r"INTERVAL=0+(?![0-9])", re.IGNORECASE)
_UNTIL = re.compile(r"UNTIL=(\d{8})(T\d{6})?(Z?)")


class RecurrenceError(ValueError):
    """A rule that cannot be read; the message names the line."""


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
    wall = _wall(value)
    try:
        place = ZoneInfo(zone or floating_zone)
    except (KeyError, ValueError, OSError):
        place = ZoneInfo("UTC")
    aware = wall.replace(tzinfo=place, fold=0)
    try:
        return aware.astimezone(UTC)
    except OverflowError:
        return wall.replace(tzinfo=UTC)


@lru_cache(maxsize=1024)
def is_known_zone(name: str | None) -> bool:
    """Whether a zone can be computed with; None is floating."""
    try:
        return name is None or ZoneInfo(name) is not None
    except (KeyError, ValueError, OSError):
        return False


def _wall(value: date | datetime) -> datetime:
    return value if isinstance(value, datetime) else datetime.combine(value, time.min)


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
    if not _is_bounded(when):
        return starts_at, None
    try:
        last = max((o.ends_at for o in _all(when, floating_zone)), default=ends_at)
    except RecurrenceError:
        return starts_at, None
    return starts_at, max(ends_at, last)


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
    found = (o for o in _all(when, floating_zone, end, cancelled=cancelled) if _overlaps(o, start, end))
    return sorted(islice(found, limit), key=lambda o: o.starts_at)


def occurrence_at(when: When, original: date | datetime, floating_zone: str) -> Occurrence:
    """Return the occurrence that the rule puts at `original`, as it takes place or would take place."""
    exception = next((e for e in when.exceptions if e.original_start == original), None)
    return _changed(when, exception or SeriesException(original), floating_zone)


def _overlaps(o: Occurrence, start: datetime, end: datetime) -> bool:
    return o.starts_at < end and (o.ends_at > start or o.starts_at == o.ends_at >= start)


def _all(
    when: When, floating_zone: str, until: datetime | None = None, *, cancelled: bool = False
) -> Iterator[Occurrence]:
    if not when.is_series:
        yield _place(when, when.start, when.end, when.start, floating_zone)
        return
    by_start = {e.original_start: e for e in when.exceptions}
    length = _wall(when.end) - _wall(when.start)
    far = None if until is None else until + timedelta(days=2)
    for original in starts(when):
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
    length = _wall(when.end) - _wall(when.start)
    finish = exception.end if exception.end is not None else _after(begin, length)
    is_bare = exception == SeriesException(original)
    return _place(when, begin, finish, original, floating_zone, None if is_bare else exception)


def _after(start: date | datetime, length: timedelta) -> date | datetime:
    try:
        return start + length
    except OverflowError:
        return start


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
    ends_at = max(starts_at, instant(finish, end_zone, floating_zone))
    return Occurrence(original, begin, finish, starts_at, ends_at, exception)


_NOT_CONTENT = frozenset({"original_start", "cancelled", "start", "end", "start_zone", "end_zone"})
OVERRIDABLE = tuple(f.name for f in dataclasses.fields(SeriesException) if f.name not in _NOT_CONTENT)
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
    last = max(_wall(e.original_start) for e in when.exceptions)
    made = set(takewhile(lambda start: _wall(start) <= last, starts(when))) if when.is_series else set()
    kept = tuple(e for e in when.exceptions if e.original_start in made)
    return dataclasses.replace(when, exceptions=kept)


def with_details(shown: When, known: When) -> When:
    """Return a time that was shown without details, with what is known of its occurrences otherwise.

    Whether and when an occurrence takes place is as shown; its title and the like are kept.
    """
    if shown == known or not known.exceptions:
        return shown
    times = {e.original_start: e for e in shown.exceptions}
    details = {e.original_start: e for e in known.exceptions}
    exceptions = []
    for original in sorted(times.keys() | details.keys(), key=str):
        time = times.get(original, SeriesException(original))
        names = ("cancelled", "start", "end", "start_zone", "end_zone")
        taken = {name: getattr(time, name) for name in names}
        exception = dataclasses.replace(details.get(original, time), **taken)
        if original in times or exception != SeriesException(original):
            exceptions.append(exception)
    return without_orphans(dataclasses.replace(shown, exceptions=tuple(exceptions)))


def starts(when: When) -> Iterator[date | datetime]:
    """Yield where the rule puts occurrences, in order: wall times, or dates if all-day; at most MOST_STEPS.

    Raises:
        RecurrenceError: the rule cannot be read.
    """
    first = _wall(when.start)
    if never_occurs(when.recurrence, when.start):
        raise RecurrenceError(f"the rule {' '.join(when.recurrence)!r} has no occurrence")
    lines = [_local_until(line, when) for line in when.recurrence]
    try:
        rules = rrulestr("\n".join(lines), dtstart=first, forceset=True, unfold=False)
        if not any(line.upper().startswith("RRULE") for line in lines):
            rules.rdate(first)
        for moment in islice(rules, MOST_STEPS):
            naive = moment.replace(tzinfo=None)
            yield naive if isinstance(when.start, datetime) else naive.date()
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise RecurrenceError(f"the rule {' '.join(when.recurrence)!r} cannot be read: {error}") from error


def fault_of(when: When) -> str | None:
    """Return why the rule of a series makes no sense, if it does not."""
    return _fault_of(when.recurrence, when.start, when.start_zone)


@lru_cache(maxsize=4096)
def _fault_of(recurrence: tuple[str, ...], start: date | datetime, zone: str | None) -> str | None:
    try:
        next(starts(When(start, start, zone, zone, recurrence)), None)
    except RecurrenceError as error:
        return str(error)
    return None


@lru_cache(maxsize=4096)
def never_occurs(recurrence: tuple[str, ...], start: date | datetime) -> bool:
    """Say whether the rules have no occurrence at all, without a search until the end of time.

    dateutil looks for a first occurrence up to the year 9999 (github.com/dateutil/dateutil/issues/1441)
    and never ends for INTERVAL=0, so the rules are tried without end and interval from a start shortly
    before that year.

    Raises:
        RecurrenceError: the rule cannot be read.
    """
    if not any(line.upper().startswith("RRULE") for line in recurrence):
        return False
    if any(_NO_INTERVAL.search(line) for line in recurrence):
        return True
    late = _wall(start).replace(year=9999 - LEAP_CYCLE, day=min(start.day, 28))
    endless = [_LIMITS.sub("", line) for line in recurrence if line.upper().startswith("RRULE")]
    try:
        return next(iter(rrulestr("\n".join(endless), dtstart=late, forceset=True)), None) is None
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise RecurrenceError(f"the rule {' '.join(recurrence)!r} cannot be read: {error}") from error


def _local_until(line: str, when: When) -> str:
    """Return a rule line with its UNTIL as local wall time, as dateutil wants it beside a naive start."""

    def local(match: re.Match[str]) -> str:
        day, clock, utc = match.groups()
        if clock is None:
            return f"UNTIL={day}T235959"
        moment = datetime.strptime(day + clock, "%Y%m%dT%H%M%S")  # noqa: DTZ007
        if utc and when.start_zone:
            moment = moment.replace(tzinfo=UTC).astimezone(ZoneInfo(when.start_zone)).replace(tzinfo=None)
        return f"UNTIL={moment:%Y%m%dT%H%M%S}"

    line = _UNTIL.sub(local, line)
    if line.upper().startswith("RDATE"):
        return _local_dates(line, when)
    return line


def _local_dates(line: str, when: When) -> str:
    """Return an RDATE line with bare local times."""
    return "RDATE:" + ",".join(f"{_wall(date):%Y%m%dT%H%M%S}" for date in dates_of(line, when))


def dates_of(line: str, when: When) -> list[date | datetime]:
    """Return what an RDATE or EXDATE line lists: dates, or wall times in the series' own zone.

    Raises:
        ValueError: it cannot be read.
    """
    head, _, values = line.partition(":")
    zone = re.search(r"TZID=([^;:]+)", head)
    found: list[date | datetime] = []
    for value in values.split(","):
        text = value.split("/")[0]
        if len(text) == 8:
            found.append(datetime.strptime(text, "%Y%m%d").date())  # noqa: DTZ007
            continue
        moment = datetime.strptime(text.removesuffix("Z"), "%Y%m%dT%H%M%S")  # noqa: DTZ007
        origin = ZoneInfo("UTC") if text.endswith("Z") else ZoneInfo(zone[1]) if zone else None
        if origin and when.start_zone:
            moment = moment.replace(tzinfo=origin).astimezone(ZoneInfo(when.start_zone)).replace(tzinfo=None)
        found.append(moment)
    return found


def _is_bounded(when: When) -> bool:
    return all(
        not line.upper().startswith("RRULE") or "UNTIL=" in line.upper() or "COUNT=" in line.upper()
        for line in when.recurrence
    )


def check(when: When) -> None:
    """Check a time that a consumer gave.

    Raises:
        RecurrenceError: end before start, mixed kinds, an unknown zone or an unreadable rule.
    """
    if isinstance(when.start, datetime) != isinstance(when.end, datetime):
        raise RecurrenceError("start and end must both be dates or both be times")
    for zone in (when.start_zone, when.end_zone):
        try:
            ZoneInfo(zone or "UTC")
        except (KeyError, ValueError, OSError):
            raise RecurrenceError(f"{zone!r} is not an IANA time zone") from None
    begin, finish = instant(when.start, when.start_zone, "UTC"), instant(when.end, when.end_zone, "UTC")
    if finish < begin or (when.all_day and finish == begin):
        raise RecurrenceError("the end is before the start")
    if when.is_series and next(iter(starts(when)), None) is None:
        raise RecurrenceError("the rule has no occurrence")
