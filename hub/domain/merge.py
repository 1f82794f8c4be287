"""The three-way merge: what a provider shows, against the base it last showed, against the hub's own.

Only fields that changed at the provider since the base are taken over; fields that the hub changed
meanwhile stay wanted. A field that both changed is a clash: one value is kept, the other goes whole
into a Conflict. `when` is one field, so a time is never mixed from two edits.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from hub.domain.fingerprint import fingerprint, fingerprints
from hub.plugin.types import CONTENT_FIELDS, EventContent, When, changed_fields

Side = Literal["hub", "provider"]


@dataclass(frozen=True, slots=True)
class Clash:
    """Both sides changed `field`; `kept` says whose value stands."""

    field: str
    hub_value: Any
    provider_value: Any
    kept: Side


@dataclass(frozen=True, slots=True)
class Merged:
    """What comes of a merge."""

    content: EventContent
    """What the hub's event means from now on."""
    taken: frozenset[str]
    """The fields taken over from the provider."""
    owed: frozenset[str]
    """The fields in which the provider is still behind the hub: the copy stays wanted for them."""
    synced: dict[str, str]
    """The new `EventCopy.synced`."""
    clashes: tuple[Clash, ...]


def merge(
    base: EventContent | None,
    theirs: EventContent,
    ours: EventContent,
    synced: Mapping[str, str],
    shown: EventContent,
    winner: Side,
    tried: Mapping[str, Sequence[str]] = MappingProxyType({}),
    shapes: Sequence[EventContent] = (),
) -> Merged:
    """Merge what a provider shows into the hub's event.

    Args:
        base: what that provider last showed; None when the two are paired for the first time.
        theirs: what it shows now.
        ours: the hub's event now.
        synced: by field, the fingerprint of the hub's value that `base` stands for.
        shown: `ours` as that provider can show it (`project`).
        winner: whose value stands where both changed a field.
        tried: by field, the fingerprints of what writes with unknown outcome may have left there: seen
            now, they are no person's edit.
        shapes: `theirs` as other providers can show it: a value of ours that is what one of them makes of
            theirs came from there and is no edit of it. Counts where there is no base.
    """
    now = fingerprints(ours)
    if base is None:
        base, synced = _common_ground(theirs, ours, shapes)
    theirs_changed = changed_fields(base, theirs)
    ours_changed = {name for name in CONTENT_FIELDS if synced.get(name) != now[name]}
    taken: dict[str, Any] = {}
    clashes: list[Clash] = []
    agreed: set[str] = set()
    left_over: set[str] = set()
    for name in sorted(theirs_changed):
        value, own = getattr(theirs, name), getattr(ours, name)
        if value == getattr(shown, name):
            agreed.add(name)
        elif name in tried and (
            fingerprint(value) in tried[name]
            or (name == "when" and _is_half_written(value, base.when, shown.when, tried[name]))
        ):
            left_over.add(name)
        elif name not in ours_changed:
            taken[name] = value
        else:
            clashes.append(Clash(name, own, value, winner))
            if winner == "provider":
                taken[name] = value
    if "description" in taken:
        taken["description_html"] = theirs.description_html
    content = dataclasses.replace(ours, **taken) if taken else ours
    owed = frozenset(ours_changed - taken.keys() - agreed)
    owed |= left_over | {c.field for c in clashes if c.kept == "hub"}
    new_synced = {
        name: ("" if name in left_over else synced.get(name, ""))
        if name in owed
        else fingerprint(getattr(content, name))
        if name in taken
        else now[name]
        for name in CONTENT_FIELDS
    }
    return Merged(content, frozenset(taken) - {"description_html"}, owed, new_synced, tuple(clashes))


def frame(when: When) -> When:
    """Return when a series takes place by its rule alone."""
    return dataclasses.replace(when, exceptions=())


def _is_half_written(theirs: When, base: When, shown: When, tried: Sequence[str]) -> bool:
    """Whether a series looks like a write of ours that ended on its way.

    Its occurrences are written one after the other: until the last one some are still as they were.
    """
    return fingerprint(frame(theirs)) in tried and set(theirs.exceptions) <= {
        *base.exceptions,
        *shown.exceptions,
    }


def _common_ground(
    theirs: EventContent, ours: EventContent, shapes: Sequence[EventContent]
) -> tuple[EventContent, dict[str, str]]:
    """Return a base for two events that meet for the first time: an empty event at their common time.

    A field that only one side has filled is then that side's edit, and one that both filled
    differently is a clash, unless ours is what another provider can hold of theirs.
    """
    when = ours.when if ours.when == theirs.when else dataclasses.replace(ours.when, end=ours.when.start)
    base = EventContent(when=when)
    held = {
        name: getattr(ours, name)
        for name in CONTENT_FIELDS
        if any(getattr(ours, name) == getattr(shape, name) != getattr(base, name) for shape in shapes)
    }
    base = dataclasses.replace(base, **held)
    return base, fingerprints(base)
