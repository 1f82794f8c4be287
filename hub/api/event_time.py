"""From a consumer's start, end, rule and exceptions to the time of an event, every fault named at once."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hub.api.errors import fault, invalid
from hub.api.guests import guests
from hub.api.schemas.event_parts import CHOICES, MOST_EXCEPTIONS, OCCURRENCE_FIELDS, TUPLES
from hub.api.schemas.moments import CALENDARS_ZONE, Moment
from hub.domain.plain import trimmed
from hub.domain.recurrence import (
    OWN_TIMES,
    RecurrenceError,
    check,
    dates_of,
    instant,
    is_known_zone,
    later,
    length_of,
    without_orphans,
)
from hub.domain.rule import is_rule
from hub.domain.series import moved
from hub.domain.split import SeriesError, as_kind, day_of
from hub.plugin import rules
from hub.plugin.rules import find_zone
from hub.plugin.rules import split as split_line
from hub.plugin.types import SeriesException, When

NAMES = ("start", "end", "recurrence", "exceptions")
_UNTIL = re.compile(r"UNTIL=([^;]*)")
_NOT_SAID = frozenset({"own_answer"})
"""What a consumer cannot say of an occurrence: it stays as it is."""


def changed_when(before: When | None, data: Mapping[str, Any], zone: str) -> When:
    """Return the time of an event with a consumer's fields.

    Args:
        before: None for a new event.
        zone: the calendar's.

    Raises:
        Problem: it makes no sense.
    """
    if before is not None and not data.keys() & set(NAMES):
        return before
    repeats = bool(data["recurrence"]) if "recurrence" in data else before is not None and before.is_series
    said = {n: _placed(data[n], zone, repeats=repeats) for n in ("start", "end") if data.get(n)}
    start = said.get("start") or Moment(before.start, before.start_zone)  # type: ignore[union-attr]
    end = said.get("end") or _kept_end(before, start)  # type: ignore[arg-type]
    if isinstance(start.value, datetime) != isinstance(end.value, datetime):
        raise invalid([fault("/end", "start and end must both be dates or both be times: send both")])
    frame = When(start.value, end.value, start.zone, end.zone)
    lines = [_plain(line) for line in data.get("recurrence") or ()] if "recurrence" in data else None
    if lines is not None and before is not None and tuple(lines) == before.recurrence:
        lines = None
    if faults := _line_faults(frame, lines or ()):
        raise invalid(faults)
    when = _repeated(before, frame, lines)
    given: tuple[SeriesException, ...] = ()
    if data.get("exceptions"):
        given = tuple(as_exception(values, when, zone) for values in data["exceptions"])
    known = before.exceptions if before else ()
    if faults := when_faults(when, given, known):
        raise invalid(faults)
    if "exceptions" in data:
        when = _with(when, _with_unsaid(given, known))
    return _excluded(when, lines or (), given)


def _kept_end(before: When, start: Moment) -> Moment:
    """Return the end of an event of which only the start is said: it is as long as before.

    By the clock, or where both ends have zones of their own by the time that passes.
    """
    if (start.value, start.zone) == (before.start, before.start_zone):
        return Moment(before.end, before.end_zone)
    if isinstance(start.value, datetime) != isinstance(before.start, datetime):
        return Moment(before.end, before.end_zone)
    try:
        if before.end_zone in (None, before.start_zone) or start.zone is None:
            return Moment(start.value + length_of(before), start.zone)
        begin, finish = (instant(v, z, "UTC") for v, z in _ends(before))
        there = instant(start.value, start.zone, "UTC") + (finish - begin)
        shown = there.astimezone(find_zone(before.end_zone) or UTC).replace(tzinfo=None, fold=0)
        return Moment(shown, before.end_zone)
    except OverflowError:
        return Moment(before.end, before.end_zone)


def _ends(when: When) -> tuple[tuple[date | datetime, str | None], ...]:
    return (when.start, when.start_zone), (when.end, when.end_zone)


def _plain(line: str) -> str:
    """Return a line in the words of RFC 5545, whose names and values of a rule know no case."""
    if is_rule(line):
        return line.upper()
    head, _, values = line.partition(":")
    return f"{head[:6].upper()}{head[6:]}:{values.upper()}"


def _placed(
    moment: Moment, zone: str, default: str | None = CALENDARS_ZONE, *, repeats: bool = False
) -> Moment:
    """Return a moment with its zone; one with an offset as what clocks show there at that instant.

    Where the clocks go back, what they show the second time would mean the first (RFC 5545 3.3.5): such an
    instant is told in UTC. What repeats does so by the clock.
    """
    named = default if moment.zone == CALENDARS_ZONE else moment.zone
    own = zone if named == CALENDARS_ZONE else named
    value = moment.value
    if isinstance(value, datetime) and value.tzinfo is not None:
        at, place = value, ZoneInfo(own or zone)
        value = at.astimezone(place).replace(tzinfo=None, fold=0)
        if moment.is_day:
            return Moment(value.date(), None)
        if not repeats and rules.to_utc(value, place) != at:
            return Moment(at.astimezone(UTC).replace(tzinfo=None), "UTC")
    return Moment(value, own if isinstance(value, datetime) else None)


def _repeated(before: When | None, frame: When, lines: Sequence[str] | None) -> When:
    """Return the time with its rule, and with what becomes of the exceptions that there are."""
    if before is None or not before.is_series:
        return dataclasses.replace(frame, recurrence=_kept(lines or ()))
    held = dataclasses.replace(frame, recurrence=before.recurrence, exceptions=before.exceptions)
    if lines is None:
        try:
            return moved(before, held)
        except (SeriesError, RecurrenceError) as error:
            raise invalid([fault("/start", str(error))]) from None
    new = dataclasses.replace(frame, recurrence=_kept(lines))
    if not new.is_series:
        return new
    shift = _shift(before, new)
    exceptions = tuple(
        dataclasses.replace(e, original_start=as_kind(e.original_start, new) + shift)
        for e in before.exceptions
    )
    try:
        return without_orphans(dataclasses.replace(new, exceptions=exceptions))
    except RecurrenceError:
        return new  # Its own fault is told by whoever looks at it next.


def _kept(lines: Sequence[str]) -> tuple[str, ...]:
    return tuple(line for line in lines if not line.startswith("EXDATE"))


def _shift(before: When, after: When) -> timedelta:
    """Return how much later in the day a series begins: its days are the new rule's matter."""
    if after.all_day:
        return timedelta(0)
    return _clock(after.start) - _clock(before.start)


def _clock(start: date | datetime) -> timedelta:
    midnight = datetime.combine(day_of(start), time.min)
    return start - midnight if isinstance(start, datetime) else timedelta(0)


def _line_faults(frame: When, lines: Sequence[str]) -> list[dict[str, str]]:
    """Return what is wrong with single lines, seen beside the start."""
    faults = []
    for i, line in enumerate(lines):
        text = _until_fault(frame, line) if is_rule(line) else _dates_fault(frame, line)
        if text:
            faults.append(fault(f"/recurrence/{i}", text))
    return faults


def _until_fault(frame: When, line: str) -> str | None:
    found = _UNTIL.search(line)
    if found is None:
        return None
    if frame.all_day:
        wanted, example, why = r"\d{8}", "20261231", "the day of the last occurrence, since it is all day"
    elif frame.start_zone is None:
        wanted, example, why = r"\d{8}T\d{6}", "20261231T235959", "a wall time, since start is floating"
    else:
        wanted, example, why = r"\d{8}T\d{6}Z", "20261231T225959Z", "in UTC, since start has a time zone"
    return (
        None if re.fullmatch(wanted, found[1]) else f"UNTIL must look like {example}: {why} (RFC 5545 3.3.10)"
    )


def _dates_fault(frame: When, line: str) -> str | None:
    name, params, value = split_line(line)
    try:
        dates_of(line, frame)
    except RecurrenceError as error:
        return f"{name} names a date that there is not: {error}"
    if "TZID" in params and not is_known_zone(params["TZID"]):
        return f"{params['TZID']!r} is not an IANA time zone such as Europe/Berlin"
    timed = ["T" in text for text in value.split(",")]
    if frame.all_day and any(timed):
        return f"{name} must hold dates, since the event is all day: {name};VALUE=DATE:20261224"
    if not frame.all_day and not all(timed) and name == "RDATE":
        return f"{name} must hold times, since the event has one: {name};TZID=Europe/Berlin:20261224T090000"
    return None


def as_exception(values: Mapping[str, Any], when: When, zone: str) -> SeriesException:
    """Return an exception from the fields of ExceptionSchema; null is as in the series."""
    found: dict[str, Any] = {n: v for n, v in values.items() if n in OCCURRENCE_FIELDS and v is not None}
    for name in found.keys() & set(TUPLES):
        found[name] = tuple(found[name])
    if "attendees" in found:
        found["attendees"] = guests(found["attendees"], ())
    if "description" in found:
        found["description"] = trimmed(found["description"])
    for name in found.keys() & CHOICES.keys():
        found[name] = CHOICES[name](found[name])
    for name in ("start", "end"):
        if values.get(name) is not None:
            own = when.start_zone if name == "start" else when.end_zone or when.start_zone
            moment = _placed(values[name], zone, own)
            found[name] = moment.value
            found[f"{name}_zone"] = None if moment.zone == own else moment.zone
    if found.get("start_zone") and "end" not in found:
        # It is as long as the others, by the clock of its own zone.
        found |= {"end": later(found["start"], length_of(when)), "end_zone": found["start_zone"]}
    original = original_start(values["original_start"], when, zone)
    return SeriesException(original, cancelled=values.get("cancelled", False), **found)


def original_start(value: date | datetime, when: When, zone: str) -> date | datetime:
    """Return the original start of an occurrence; an instant as what clocks show in the series' zone."""
    if isinstance(value, datetime) and value.tzinfo is not None:
        wall = value.astimezone(ZoneInfo(when.start_zone or zone)).replace(tzinfo=None)
        return wall if isinstance(when.start, datetime) else wall.date()
    return value


def _with(when: When, exceptions: Sequence[SeriesException]) -> When:
    told = [e for e in exceptions if e != SeriesException(e.original_start)]
    return dataclasses.replace(when, exceptions=tuple(sorted(told, key=lambda e: str(e.original_start))))


def _with_unsaid(
    given: tuple[SeriesException, ...], before: tuple[SeriesException, ...]
) -> tuple[SeriesException, ...]:
    known = {e.original_start: e for e in before if not e.cancelled}
    return tuple(
        dataclasses.replace(e, **{name: getattr(known[e.original_start], name) for name in _NOT_SAID})
        if e.original_start in known and not e.cancelled
        else e
        for e in given
    )


def _excluded(when: When, lines: Sequence[str], given: Sequence[SeriesException]) -> When:
    """Return the time with what EXDATE lines name as cancelled exceptions; what hits none is ignored."""
    dates = {value for line in lines if line.startswith("EXDATE") for value in dates_of(line, when)}
    if not dates or not when.is_series:
        return when
    hit = _made(when, dates) - {e.original_start for e in given}
    kept = [e for e in when.exceptions if e.original_start not in hit]
    when = _with(when, [*kept, *(SeriesException(start, cancelled=True) for start in hit)])
    if len(when.exceptions) > MOST_EXCEPTIONS:
        told = f"a series may hold {MOST_EXCEPTIONS} exceptions at most: split it"
        raise invalid([fault("/recurrence", told)])
    return when


def when_faults(
    when: When, given: tuple[SeriesException, ...] = (), known: tuple[SeriesException, ...] = ()
) -> list[dict[str, str]]:
    """Return every fault of a time.

    Args:
        given: the exceptions in the order of the request.
        known: those that there are: what a provider shows can be sent back.
    """
    faults = []
    try:
        check(dataclasses.replace(when, recurrence=(), exceptions=()))
    except RecurrenceError as error:
        faults.append(fault("/end", str(error)))
    if when.is_series:
        # The rule is judged by itself, so that a fault of the end does not hide its own.
        length = timedelta(days=1) if when.all_day else timedelta(0)
        try:
            check(dataclasses.replace(when, end=when.start + length, end_zone=when.start_zone, exceptions=()))
        except RecurrenceError as error:
            return [*faults, fault("/recurrence", str(error))]
    return faults + _exception_faults(when, given, set(map(_own_times, known)))


def _own_times(exception: SeriesException) -> tuple[Any, ...]:
    return (exception.original_start, *(getattr(exception, name) for name in OWN_TIMES))


def _exception_faults(
    when: When, given: tuple[SeriesException, ...], standing: set[tuple[Any, ...]]
) -> list[dict[str, str]]:
    if given and not when.is_series:
        return [fault("/exceptions", "only a series (with recurrence) has exceptions")]
    faults: list[dict[str, str]] = []
    seen: set[Any] = set()
    timed = isinstance(when.start, datetime)
    made = _made(when, [e.original_start for e in given])
    for i, exception in enumerate(given):
        original, place = exception.original_start, f"/exceptions/{i}"
        if isinstance(original, datetime) != timed:
            faults.append(fault(f"{place}/original_start", "must be a date or a time as start is"))
        elif original in seen:
            faults.append(fault(f"{place}/original_start", "stands there twice"))
        elif original not in made:
            faults.append(fault(f"{place}/original_start", "is not where the rule puts an occurrence"))
        seen.add(original)
        if _own_times(exception) not in standing:
            faults += exception_time_faults(when, exception, place)
    return faults


def exception_time_faults(
    when: When, exception: SeriesException, place: str, said: Collection[str] = ("start", "end")
) -> list[dict[str, str]]:
    """Return the faults of an occurrence's own time.

    Args:
        said: which ends a consumer says; the others are as a provider may have shown them: an hour of a
            series of whole days, or a whole day of one with hours.
    """
    timed = isinstance(when.start, datetime)
    odd = [
        name
        for name in ("start", "end")
        if name in said
        and (value := getattr(exception, name)) is not None
        and isinstance(value, datetime) != timed
    ]
    if odd:
        return [fault(f"{place}/{n}", "must be a date or a time as the series' start is") for n in odd]
    if not said or exception.cancelled or exception.end is None:
        return []
    start = exception.start if exception.start is not None else exception.original_start
    if isinstance(exception.original_start, datetime) != timed:
        return []  # Told by itself.
    own = When(
        start, exception.end, exception.start_zone or when.start_zone, exception.end_zone or when.end_zone
    )
    try:
        check(own)
    except RecurrenceError as error:
        return [fault(f"{place}/end", str(error))]
    return []


def _made(when: When, wanted: Iterable[date | datetime]) -> set[date | datetime]:
    """Return those of the wanted starts where the rule is known to put an occurrence."""
    return rules.hits(when.recurrence, when.start, when.start_zone, wanted, beyond=False)


def takes_place(when: When, original: date | datetime) -> bool:
    """Whether a series has an occurrence there, which is not cancelled."""
    if not when.is_series or isinstance(original, datetime) == when.all_day:
        return False
    cancelled = {e.original_start for e in when.exceptions if e.cancelled}
    return original not in cancelled and original in _made(when, [original])
