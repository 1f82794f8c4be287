"""Edits between the calls of one push: a series takes several, and people do not wait for the last of them.

The answer of one call shows what that call has left. What is read after several may hold what somebody has
changed meanwhile: taken for the push's own doing, it would never come to the hub. Used by plugins whose
provider keeps the occurrences of a series as items of their own.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any

from hub.plugin.types import (
    CONTENT_FIELDS,
    Conference,
    EventContent,
    Location,
    Projection,
    RemoteEvent,
    SeriesException,
    When,
)

Start = date | datetime
Project = Callable[[EventContent], Projection]
"""The plugin's `project`."""
_CLEARED: Mapping[str, Any] = {"location": Location(""), "conference": Conference(""), "color": ""}
_TIMES = ("start", "end", "start_zone", "end_zone")
_OF_TIME = ("cancelled", *_TIMES)
_NAMES = [f.name for f in dataclasses.fields(SeriesException) if f.name != "original_start"]


def touched_days(
    seen: EventContent, before: EventContent, wanted: EventContent, project: Project
) -> frozenset[Start]:
    """Return the occurrences of a series that hold what the push can not have put there.

    Where the push gives the series another rule or time, the provider may drop its exceptions or take them
    along to other days: only what no day said before is then somebody's own.

    Args:
        seen: the series as it was read now.
        before: as the push found it.
        wanted: as the push is to leave it, projected; it may have been carried out in part.
    """
    fitted, held_before = project(seen).content, project(before).content
    raw, old, held, held_old, new = (_by_start(c.when) for c in (seen, before, fitted, held_before, wanted))
    is_moved = _frame(held_before.when) != _frame(wanted.when)
    names = [name for name in _NAMES if not (is_moved and name in _OF_TIME)]
    touched = set()
    for start in {**raw, **old, **held, **held_old, **new}:
        now, held_now = _day(seen, raw.get(start)), _day(fitted, held.get(start))
        was = old.values() if is_moved else filter(None, [old.get(start)])
        known = [_day(before, e) for e in (*was, None)]
        ours = [_day(wanted, e) for e in (new.get(start), held_old.get(start), None)]
        if any(
            all(now[name] != day[name] for day in known) and all(held_now[name] != day[name] for day in ours)
            for name in names
        ):
            touched.add(start)
    return frozenset(touched)


def as_left(
    seen: RemoteEvent, own: RemoteEvent, before: EventContent, wanted: EventContent, project: Project
) -> RemoteEvent:
    """Return a series as a push has left it, whatever somebody has made of it since.

    Args:
        seen: the series as it was read after the last call.
        own: what the push's own write of the series was answered with, or what it was found as.
        before, wanted: as for `touched_days`.

    Returns:
        `seen` if nobody has touched it. Else what the push has left, in a version that is not there any
        more: the next listing shows the rest as a change, and no later write overlooks it.
    """
    is_same = _without_days(seen.content) == _without_days(own.content)
    if is_same and not touched_days(seen.content, before, wanted, project):
        return seen
    there = _by_start(project(seen.content).content.when)
    days = tuple(e for e in wanted.when.exceptions if e.original_start in there)
    when = dataclasses.replace(own.content.when, exceptions=days)
    return dataclasses.replace(own, content=dataclasses.replace(own.content, when=when))


def _without_days(content: EventContent) -> dict[str, Any]:
    values = {name: getattr(content, name) for name in CONTENT_FIELDS}
    return values | {"when": _frame(content.when)}


def _frame(when: When) -> When:
    return dataclasses.replace(when, exceptions=())


def _by_start(when: When) -> dict[Start, SeriesException]:
    return {e.original_start: e for e in when.exceptions}


def _day(content: EventContent, exception: SeriesException | None) -> dict[str, Any]:
    """Return what an occurrence shows, by the fields of an exception; its usual times are None."""
    if exception is None:
        exception = SeriesException(content.when.start)
    shown: dict[str, Any] = {"cancelled": exception.cancelled}
    for name in _NAMES[1:]:
        value = getattr(exception, name)
        if value is None and name not in _TIMES:
            value = getattr(content, name)
        shown[name] = None if _CLEARED.get(name) == value else value
    if shown["start"] == exception.original_start:
        shown["start"] = None
    return shown
