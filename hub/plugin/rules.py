"""Recurrence rules (RFC 5545 3.3.10) read and expanded within bounds, for the hub and for plugins.

Expansion runs on naive wall times (dates at midnight), so that 09:00 stays 09:00 when clocks change. It
never takes long, whatever the rule: one that never matches is recognised, one that matches too often is
begun shortly before what is asked for. Where RFC 5545 leaves something open or people mean something
else, this is what every part of the hub goes by:

- The first start is always the first occurrence, also if it does not fit the rule, and COUNT counts it.
- FREQ=YEARLY with BYMONTHDAY alone means that day in the month of the first start, not in every month.
- UNTIL as a date means the end of that day; beside COUNT, whichever comes first ends the series.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import count, islice, takewhile
from typing import TypeVar
from zoneinfo import ZoneInfo

from dateutil.rrule import rrule, rrulestr

Time = date | datetime
Parts = Mapping[str, str]

MOST_STEPS = 50_000
"""How many occurrences of one series are looked at before the search is given up."""
HORIZON = timedelta(days=200 * 366)
"""So long after the beginning of a search it is given up, too."""
SEARCH = (40 * 366, 20_000)
"""A rule that has no occurrence in so many days, and in so many of its intervals, has none at all: within
40 years every weekday meets every date, leap days too."""
_END = datetime(9999, 12, 31, 23, 59, 59)
_FIRST, _FIRST_UTC, _NO_TIME = datetime(1, 1, 1), datetime(1, 1, 1, tzinfo=UTC), timedelta(0)
_UNITS = {
    "SECONDLY": timedelta(seconds=1),
    "MINUTELY": timedelta(minutes=1),
    "HOURLY": timedelta(hours=1),
    "DAILY": timedelta(days=1),
    "WEEKLY": timedelta(weeks=1),
}
_EVEN = {"FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST"}
"""The parts of a rule that does not pick days or hours."""
_WEEK = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_DAYS_OF = {"WEEKLY": 7, "MONTHLY": 31, "YEARLY": 366}
_CLOCK = ("BYHOUR", "BYMINUTE", "BYSECOND")
_NUMBERS = {
    "BYSECOND": (0, 60), "BYMINUTE": (0, 59), "BYHOUR": (0, 23), "BYMONTH": (1, 12),
    "BYMONTHDAY": (-31, 31), "BYYEARDAY": (-366, 366), "BYWEEKNO": (-53, 53), "BYSETPOS": (-366, 366),
}  # fmt: skip
_DAY_PARTS = ("BYMONTHDAY", "BYDAY", "BYYEARDAY", "BYWEEKNO")
_KNOWN = {"FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST", "BYDAY", *_NUMBERS}
_STAMP = re.compile(r"(\d{8})(?:T(\d{6})(Z?))?")
_DAY = re.compile(r"([+-]?\d{1,2})?(MO|TU|WE|TH|FR|SA|SU)")
_UNREADABLE = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError)
"""What dateutil and the standard library raise for what is no rule or no time."""
_T = TypeVar("_T")


class RecurrenceError(ValueError):
    """A time or rule that makes no sense; the message names it."""


# --- reading ---


def split(line: str) -> tuple[str, dict[str, str], str]:
    """Return a content line's name, parameters and value.

    Raises:
        RecurrenceError: it has no value.
    """
    head, colon, value = line.strip().partition(":")
    if not colon:
        raise RecurrenceError(f"the line {line[:60]!r} has no value")
    name, *params = head.split(";")
    pairs = (p.partition("=") for p in params)
    return name.upper(), {k.upper(): v.strip('"') for k, _, v in pairs}, value.strip()


def parts_of(value: str, start: Time) -> dict[str, str]:
    """Return the parts of a rule as it is meant, checked; those that others have added (X-…) are left out.

    Raises:
        RecurrenceError: it is no rule of RFC 5545.
    """
    pairs = (p.partition("=") for p in value.upper().split(";") if p.strip())
    parts = {name.strip(): text.strip() for name, _, text in pairs}
    parts = {name: text for name, text in parts.items() if not name.startswith("X-")}
    fault = _fault(parts)
    if fault:
        raise RecurrenceError(f"the rule {value[:200]!r} cannot be read: {fault}")
    if parts["FREQ"] == "YEARLY" and parts.keys() & set(_DAY_PARTS) == {"BYMONTHDAY"}:
        parts.setdefault("BYMONTH", str(start.month))
    return parts


def _fault(parts: dict[str, str]) -> str | None:
    unknown = sorted(parts.keys() - _KNOWN)
    if unknown:
        return f"{unknown[0] or 'a part'} is not known"
    if parts.get("FREQ") not in (*_UNITS, "MONTHLY", "YEARLY"):
        return "it does not say how often"
    for name in ("INTERVAL", "COUNT"):
        if not re.fullmatch("0*[1-9][0-9]{0,17}", parts.get(name, "1")):
            return f"{name} must be a whole number above 0"
    if not _STAMP.fullmatch(parts.get("UNTIL", "20000101")):
        return "UNTIL is no date"
    if parts.get("WKST", "MO") not in _WEEK:
        return "WKST is no weekday"
    for name, (low, high) in _NUMBERS.items():
        for text in parts[name].split(",") if name in parts else ():
            if not re.fullmatch(r"[+-]?\d{1,3}", text) or not low <= int(text) <= high:
                return f"{name} is out of range"
            if int(text) == 0 and low < 0:
                return f"{name} is never 0"
    if _is_picky(parts) and ("BYSETPOS" in parts or parts.get("INTERVAL", "1").strip("0") != "1"):
        return "it picks hours or minutes out of a beat that is too fast to be followed"
    for text in parts["BYDAY"].split(",") if "BYDAY" in parts else ():
        match = _DAY.fullmatch(text)
        if not match or (match[1] and (int(match[1]) == 0 or parts["FREQ"] not in ("MONTHLY", "YEARLY"))):
            return "BYDAY is no weekday of this kind of rule"
    return None


def read_stamp(text: str, start: Time, zone: str | None, tzid: str | None = None) -> Time:
    """Return one listed date (RDATE, EXDATE) in the kind and zone of the series.

    A bare date in a timed series means the occurrence of that day; a time without a zone is local; of a
    period only the start counts.

    Raises:
        RecurrenceError: it is no date.
    """
    match = _STAMP.fullmatch(text.strip().partition("/")[0])
    if not match:
        raise RecurrenceError(f"{text[:30]!r} is no date")
    try:
        moment = datetime.fromisoformat(match[1] + (f"T{match[2]}" if match[2] else ""))
    except ValueError:
        raise RecurrenceError(f"{text[:30]!r} is no date") from None
    if match[3] or (match[2] and tzid and isinstance(start, datetime)):
        moment = _moved(moment, "UTC" if match[3] else tzid, zone)
    if not isinstance(start, datetime):
        return moment.date()
    return moment if match[2] else datetime.combine(moment.date(), start.time())


def until_of(value: str, start: Time, zone: str | None) -> datetime:
    """Return UNTIL as the last wall time of the series; a date means the whole of that day.

    Raises:
        RecurrenceError: it is no date.
    """
    match = _STAMP.fullmatch(value)
    if match and match[2] and isinstance(start, datetime):
        return at_midnight(read_stamp(value, start, zone))
    day = read_stamp(value, date.min, zone)
    return datetime.combine(day, time(23, 59, 59))


def _moved(wall: datetime, source: str | None, target: str | None) -> datetime:
    """Return a wall time of one zone as that of another; as it is where one of them is not known."""
    here, there = find_zone(source), find_zone(target)
    if here is None or there is None or source == target:
        return wall
    try:
        return wall.replace(tzinfo=here).astimezone(there).replace(tzinfo=None, fold=0)
    except OverflowError:
        return wall


@lru_cache(maxsize=1024)
def find_zone(name: str | None) -> ZoneInfo | None:
    """Return the IANA zone of that name, or None if there is no such zone."""
    try:
        return ZoneInfo(name) if name else None
    except (KeyError, ValueError, OSError):
        return None


def to_utc(wall: datetime, zone: ZoneInfo | None) -> datetime:
    """Return the instant of a naive wall time; without a zone it is one of UTC.

    One that a change of clocks skips is read with the offset before it, of one that comes twice the first is
    meant (RFC 5545 3.3.5). At the ends of time (years 1 and 9999) the instant has the same digits.
    """
    if wall.fold:
        wall = wall.replace(fold=0)
    since = wall - _FIRST  # To reckon takes a tenth of the time of `replace` and `astimezone`.
    try:
        return _FIRST_UTC + (since - (zone.utcoffset(wall) or _NO_TIME) if zone else since)
    except OverflowError:
        return _FIRST_UTC + since


def to_wall(at: datetime, zone: ZoneInfo | None) -> datetime:
    """Return the naive wall time of an instant that is told in UTC, at the ends of time the same digits."""
    wall = datetime.combine(at.date(), at.time(), zone)
    try:
        wall = wall if zone is None else zone.fromutc(wall)
    except OverflowError:
        pass
    wall = datetime.combine(wall.date(), wall.time())
    return wall.replace(fold=0) if wall.fold else wall


# --- expanding ---


def starts(
    lines: Iterable[str], start: Time, zone: str | None, after: datetime | None = None
) -> Iterator[Time]:
    """Yield where RRULE and RDATE lines put occurrences, in order, of the kind of `start`.

    Args:
        zone: the series' IANA zone, in which UNTIL and RDATE are read; None for all-day and floating ones.
        after: a wall time before which occurrences need not be yielded, to get there soon.

    Raises:
        RecurrenceError: a line cannot be read, or a rule has no occurrence.
    """
    first = at_midnight(start)
    found: list[Iterable[datetime]] = []
    extra: set[datetime] = set()
    for line in lines:
        name, params, value = split(line)
        if name == "RRULE":
            found.append(_readable(line, _rule_starts(_sensible(value, start), start, zone, after)))
        elif name == "RDATE":
            stamps = (text for text in value.split(",") if text)
            extra |= {at_midnight(read_stamp(text, start, zone, params.get("TZID"))) for text in stamps}
        else:
            raise RecurrenceError(f"a line {name[:20]} says nothing of occurrences")
    if not found:
        extra.add(first)
    timed, previous = isinstance(start, datetime), None
    for moment in islice(heapq.merge(*found, sorted(extra)), MOST_STEPS):
        if moment != previous:
            previous = moment
            yield moment if timed else moment.date()


def fitting(line: str, start: Time, zone: str | None) -> Iterator[Time]:
    """Yield where one RRULE line alone puts occurrences: the first start only if it fits the rule.

    Raises:
        RecurrenceError: the line cannot be read, or the rule has no occurrence.
    """
    name, _, value = split(line)
    if name != "RRULE":
        raise RecurrenceError(f"{line[:60]!r} is no rule")
    parts, first = _sensible(value, start), at_midnight(start)
    moments = _until(parts, start, zone, first)
    most = min(int(parts.get("COUNT", MOST_STEPS)), MOST_STEPS)
    for moment in islice(_readable(line, moments), most):
        yield moment if isinstance(start, datetime) else moment.date()


def stamp_of(value: Time) -> str:
    """Return a date or wall time as RFC 5545 writes it; strftime leaves out the zeros of early years."""
    return value.isoformat().replace("-", "").replace(":", "")


def at_midnight(value: Time) -> datetime:
    """Return a wall time, for a date its first moment."""
    return value if isinstance(value, datetime) else datetime.combine(value, time())


def hits(
    lines: Iterable[str], start: Time, zone: str | None, wanted: Iterable[Time], *, beyond: bool = True
) -> set[Time]:
    """Return those of the wanted dates or wall times that are occurrences of the series.

    What is of another kind than the start (a date of timed ones …) is none. It is looked for from the first
    wanted one on, so that a distant one is found, too.

    Args:
        beyond: whether what lies beyond counts as hit where the search is given up (`MOST_STEPS`): so it
            does of what a provider shows, which is not to be lost, and not of what a consumer names.

    Raises:
        RecurrenceError: a line cannot be read, or a rule has no occurrence.
    """
    fitting = {w for w in wanted if isinstance(w, datetime) == isinstance(start, datetime)}
    if not fitting:
        return set()
    last = max(fitting, key=at_midnight)
    found: set[Time] = set()
    for number, moment in enumerate(starts(lines, start, zone, at_midnight(min(fitting, key=at_midnight)))):
        if at_midnight(moment) > at_midnight(last):
            return found
        if moment in fitting:
            found.add(moment)
        if number == MOST_STEPS - 1:
            return found | {w for w in fitting if beyond and at_midnight(w) > at_midnight(moment)}
    return found


def _sensible(value: str, start: Time) -> Parts:
    parts, fault = _judged(value, start)
    if fault:
        raise RecurrenceError(fault)
    return parts


@lru_cache(maxsize=4096)
def _judged(value: str, start: Time) -> tuple[Parts, str | None]:
    """Return the parts of a rule, or why it makes no sense; remembered, since that takes some search."""
    try:
        parts = parts_of(value, start)
        if never_occurs(parts, start):
            return {}, f"the rule {value[:200]!r} has no occurrence"
    except RecurrenceError as error:
        return {}, str(error)
    return parts, None


def _readable(line: str, found: Iterator[_T]) -> Iterator[_T]:
    """Yield what is found; what dateutil says of a rule it cannot compute becomes our error."""
    try:
        yield from found
    except RecurrenceError:
        raise
    except _UNREADABLE as error:
        raise RecurrenceError(f"the rule {line[:200]!r} cannot be read: {error}") from error


def _rule_starts(parts: Parts, start: Time, zone: str | None, after: datetime | None) -> Iterator[datetime]:
    """Yield the starts of one rule, the first start among them."""
    first = at_midnight(start)
    begin = _later_start(parts, first, after)
    rest = (moment for moment in _until(parts, start, zone, begin) if moment != first)
    if begin == first and ("UNTIL" not in parts or first <= until_of(parts["UNTIL"], start, zone)):
        yield first
    yield from islice(rest, min(int(parts["COUNT"]), MOST_STEPS) - 1) if "COUNT" in parts else rest


def _until(parts: Parts, start: Time, zone: str | None, begin: datetime) -> Iterator[datetime]:
    """Yield what a rule makes of a start up to its UNTIL, or until the search is given up."""
    last = until_of(parts["UNTIL"], start, zone) if "UNTIL" in parts else _END
    if begin.year < 9000:
        last = min(last, begin + HORIZON)
    return takewhile(lambda moment: moment <= last, _computed(_explicit(parts, at_midnight(start)), begin))


def _computed(parts: Parts, start: datetime) -> Iterator[datetime]:
    """Yield what a rule makes of a start, without an end."""
    simple = _EVEN | {"BYDAY"} if parts["FREQ"] == "WEEKLY" else _EVEN
    if parts["FREQ"] in _UNITS and parts.keys() <= simple and not start.microsecond:
        return _evenly(parts, start)
    return _by_dateutil(parts, start)


def _evenly(parts: Parts, start: datetime) -> Iterator[datetime]:
    """Yield the same as dateutil, which takes longer to begin than to compute most series.

    Args:
        parts: a rule that only counts days (weeks, hours …), or weeks in which it names days.
    """
    shifts = [timedelta(0)]
    if "BYDAY" in parts:
        first_day = _WEEK.index(parts.get("WKST", "MO"))
        into_week = (start.weekday() - first_day) % 7
        days = {(_WEEK.index(day) - first_day) % 7 for day in parts["BYDAY"].split(",")}
        shifts = [timedelta(days=day - into_week) for day in sorted(days)]
    unit = _UNITS[parts["FREQ"]]
    step = unit * min(int(parts.get("INTERVAL", "1")), timedelta.max // unit)
    try:
        for number in count():
            ahead = number * step
            yield from (start + (ahead + shift) for shift in shifts if number or shift >= _NO_TIME)
    except OverflowError:
        return  # Time itself has ended.


def _by_dateutil(parts: Parts, start: datetime) -> Iterator[datetime]:
    """Yield what dateutil computes, without an end."""
    slower = _slower(parts)
    text = ";".join(f"{name}={value}" for name, value in slower.items() if name not in ("COUNT", "UNTIL"))
    rule = rrulestr(text, dtstart=start)
    assert isinstance(rule, rrule)
    yield from rule


def _is_picky(parts: Parts) -> bool:
    """Whether a rule for each minute or second picks hours or minutes: dateutil steps through all others."""
    coarser = {"SECONDLY": _CLOCK[:2], "MINUTELY": _CLOCK[:1]}.get(parts["FREQ"], ())
    return any(name in parts for name in coarser)


def _slower(parts: Parts) -> Parts:
    """Return such a rule as one for each hour that makes the same occurrences."""
    if not _is_picky(parts):
        return parts
    every = ",".join(map(str, range(60)))
    finer = {"SECONDLY": _CLOCK[1:], "MINUTELY": _CLOCK[1:2]}[parts["FREQ"]]
    return {**dict.fromkeys(finer, every), **parts, "FREQ": "HOURLY"}


def _explicit(parts: Parts, first: datetime) -> Parts:
    """Return a rule that says what it takes from its first start, so that it may begin on another day."""
    if parts["FREQ"] in ("MONTHLY", "YEARLY") and not parts.keys() & set(_DAY_PARTS):
        implied = {"BYMONTHDAY": str(first.day)}
        if parts["FREQ"] == "YEARLY":
            implied["BYMONTH"] = str(first.month)
        return {**implied, **parts}
    return parts


def _later_start(parts: Parts, first: datetime, after: datetime | None) -> datetime:
    """Return a start from which the rule makes the same occurrences, as late before `after` as can be."""
    unit = _UNITS.get(parts["FREQ"])
    if after is None or unit is None or "COUNT" in parts:
        return first
    interval = int(parts.get("INTERVAL", "1"))
    step = unit * min(interval, 10**6)
    # The days of a week are counted from its beginning, so that it has to be begun as a whole.
    steps = (after - first) // step - 2
    return first + steps * step if steps > 0 and interval <= 10**6 else first


def never_occurs(parts: Parts, start: Time) -> bool:
    """Say whether a rule makes no occurrence at all, without a search until the end of time.

    dateutil looks for one up to the year 9999 (github.com/dateutil/dateutil/issues/1441), so the rule is
    tried from a start shortly before that year, as far from the first one as its intervals are long.

    Raises:
        RecurrenceError: the rule cannot be read.
    """
    if _misses_its_positions(parts):
        return True
    first = at_midnight(start)
    explicit = _explicit(parts, first)
    unit, interval = _UNITS.get(parts["FREQ"]), int(parts.get("INTERVAL", "1"))
    days, intervals = SEARCH
    if unit is None or interval > 10**6 or unit * interval * intervals > timedelta(days=365 * 4000):
        explicit = {name: value for name, value in explicit.items() if name != "INTERVAL"}
        late = first.replace(year=9999 - days // 366, day=1)
    else:
        step = unit * interval
        late = datetime(9999, 1, 1) - max(timedelta(days=days), step * intervals)
        late = max(first, first + (late - first) // step * step)
    return next(_readable(str(parts), _computed(explicit, late)), None) is None


def _misses_its_positions(parts: Parts) -> bool:
    """Whether BYSETPOS asks only for places that no set of this rule can have."""
    if "BYSETPOS" not in parts:
        return False
    size = _DAYS_OF.get(parts["FREQ"], 1)
    finer = {"SECONDLY": 3, "MINUTELY": 2, "HOURLY": 1}.get(parts["FREQ"], 0)
    for name in _CLOCK[finer:]:
        size *= len(parts[name].split(",")) if name in parts else 1
    return all(abs(int(text)) > size for text in parts["BYSETPOS"].split(","))
