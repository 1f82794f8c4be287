"""The three-way merge: what a provider shows, against the base it last showed, against the hub's own.

Only fields that changed at the provider since the base are taken over; fields that the hub changed
meanwhile stay wanted. A field that both changed is a clash: one value is kept, the other goes whole
into a Conflict. `when` is one field, so a time is never mixed from two edits.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from hub.domain.cut import TEXTS, with_hidden_end
from hub.domain.fingerprint import fingerprint
from hub.domain.people import PEOPLE, merged, with_people, without_people
from hub.domain.plain import Plain, days_by_start, days_of, differing, frame, value_of, with_fields
from hub.domain.unheld import has_longer_texts, with_unheld
from hub.plugin.types import CONTENT_FIELDS

Side = Literal["hub", "provider"]
NOTHING: Mapping[str, Any] = MappingProxyType({})
STRANGERS: Mapping[str, str] = MappingProxyType({"": ""})
"""`EventCopy.synced` of a copy that has to be compared anew: its base is no common ground."""
ALL_FIELDS = frozenset(CONTENT_FIELDS)
_TENTATIVE = "tentative"
_WITH_RULES = PEOPLE | {"conference"}
"""The fields of which more counts than that one side has changed them; also the days of a series."""


@dataclass(frozen=True, slots=True)
class Clash:
    """Both sides changed `field`; `kept` says whose value stands."""

    field: str
    hub_value: Any
    provider_value: Any
    kept: Side


class Merged(NamedTuple):
    """What comes of a merge."""

    content: Plain
    """What the hub's event means from now on."""
    taken: frozenset[str]
    """The fields taken over from the provider."""
    owed: frozenset[str]
    """The fields in which the provider is still behind the hub: the copy stays wanted for them."""
    synced: dict[str, str]
    """The new `EventCopy.synced`."""
    clashes: tuple[Clash, ...]


def behind(ours: Plain, base: Plain, synced: Mapping[str, str]) -> set[str]:
    """Return the fields that the hub has changed since the provider's copy was in step.

    People are not among them: nothing is written for their sake (`hub.domain.people`).

    Args:
        synced: by field, the fingerprint of the hub's value that `base` stands for where it shows another.
    """
    changed = differing(ours, base) - PEOPLE
    if "when" in changed and without_people(ours["when"]) == without_people(base["when"]):
        changed.remove("when")
    found = {n for n in changed if n not in synced or fingerprint(value_of(ours, n)) != synced[n]}
    if "show_as" in changed - found and _is_other(ours, "status", synced):
        found.add("show_as")  # It may have been shown for the status of before.
    return found


def _is_other(ours: Plain, name: str, synced: Mapping[str, str]) -> bool:
    return name in synced and fingerprint(value_of(ours, name)) != synced[name]


def in_step(ours: Plain, base: Plain, owed: Collection[str] = ()) -> dict[str, str]:
    """Return `EventCopy.synced` where the provider shows `base` for what the hub has, but for what it owes.

    Args:
        owed: the fields in which it is still behind.
    """
    return {n: fingerprint(value_of(ours, n)) for n in differing(ours, base) if n not in owed}


def common_ground(base: Plain | None, synced: Mapping[str, str]) -> Plain | None:
    """Return what both sides once agreed on; None if they have to meet as if for the first time."""
    return base or None if synced != STRANGERS else None


def _is_half_written(theirs: Plain, base: Plain, shown: Plain, tried: Sequence[str]) -> bool:
    """Whether a series looks like a write of ours that ended on its way.

    Its occurrences are written one after the other, and of each perhaps not all: until the last one some are
    still as they were.
    """
    if fingerprint(frame(theirs)) not in tried:
        return False
    before, after = days_by_start(base), days_by_start(shown)
    return all(
        _is_between(e, before.get(e["original_start"], {}), after.get(e["original_start"], {}))
        for e in days_of(theirs)
    )


def _is_between(day: Plain, before: Plain, after: Plain) -> bool:
    """Whether a day has each of its values from before or after a write."""
    names = (day.keys() | before.keys() | after.keys()) - {"original_start"}
    return all(day.get(name) in (before.get(name), after.get(name)) for name in names)


def merge(
    base: Plain | None,
    theirs: Plain,
    ours: Plain,
    synced: Mapping[str, str],
    project: Callable[[Plain], Plain],
    winner: Side,
    tried: Mapping[str, Sequence[str]] = NOTHING,
    fields: frozenset[str] = ALL_FIELDS,
    shapes: Sequence[Plain] = (),
    writable: frozenset[str] = ALL_FIELDS,
) -> Merged:
    """Merge what a provider shows into the hub's event.

    Args:
        base: what that provider last showed; None when the two are paired for the first time.
        theirs: what it shows now.
        ours: the hub's event now.
        synced: by field, the fingerprint of the hub's value that `base` stands for where it shows another.
        project: returns a content as that provider can show it.
        winner: whose value stands where both changed a field.
        tried: by field, the fingerprints of what writes with unknown outcome may have left there: seen
            now, they are no person's edit.
        fields: what the provider's side may change.
        shapes: `theirs` as other providers can show it: a value of ours that is what one of them makes of
            theirs came from there and is no edit of it. Counts where there is no base.
        writable: what the hub may write there: nothing else is owed.
    """
    if base == ours and fields is ALL_FIELDS and not (synced or tried):
        whole = taken_whole(base, theirs)
        if whole is not None:
            return whole
    return merge_fields(base, theirs, ours, synced, project, winner, tried, fields, shapes, writable)


def taken_whole(known: Plain, theirs: Plain) -> Merged | None:
    """Return what comes of most merges: the hub has what was shown last, and takes what is shown now.

    `merge_fields` comes to the same in three times the time. None: what has changed is merged by rules of
    its own.

    Args:
        known: both the base and the hub's event.
    """
    changed = frozenset(differing(known, theirs))
    if (
        not changed.isdisjoint(_WITH_RULES)
        or "exceptions" in known["when"]
        or "exceptions" in theirs["when"]
        or ("description" not in changed and known.get("description_html") != theirs.get("description_html"))
        or ("show_as" in changed and known.get("status") == _TENTATIVE)
    ):
        return None
    return Merged(theirs, changed, frozenset(), {}, ())


def merge_fields(
    base: Plain | None,
    theirs: Plain,
    ours: Plain,
    synced: Mapping[str, str],
    project: Callable[[Plain], Plain],
    winner: Side,
    tried: Mapping[str, Sequence[str]],
    fields: frozenset[str],
    shapes: Sequence[Plain],
    writable: frozenset[str],
) -> Merged:
    ground, marks = (_empty_ground(theirs, ours, fields, shapes), NOTHING) if base is None else (base, synced)
    ours_changed = behind(ours, ground, marks)
    theirs_changed = (differing(ground, theirs) - PEOPLE) & fields
    taken: dict[str, Any] = {}
    if "when" in theirs_changed and without_people(theirs["when"]) == without_people(ground["when"]):
        theirs_changed.remove("when")
    shown = _Once(project, ours)
    clashes: list[Clash] = []
    settled: set[str] = set()
    left_over: set[str] = set()
    for name in sorted(theirs_changed):
        value, own = theirs.get(name), ours.get(name)
        # A field that it has shown as the hub has it needs no projection: another value is a person's.
        was_shown = base is not None and own == ground.get(name)
        if value == own or (not was_shown and value == shown().get(name)):
            settled.add(name)
        elif name in tried and (
            fingerprint(value_of(theirs, name)) in tried[name]
            or (name == "when" and _is_half_written(theirs[name], ground[name], shown()[name], tried[name]))
        ):
            left_over.add(name)
        elif name == "conference" and _lacks_the_line(ground, theirs):
            (left_over if name in ours_changed else settled).add(name)
        elif name not in ours_changed:
            taken[name] = with_hidden_end(value, ground.get(name), own) if name in TEXTS else value
            if taken[name] != value:
                left_over.add(name)
        else:
            clashes.append(Clash(name, value_of(ours, name), value_of(theirs, name), winner))
            if winner == "provider":
                taken[name] = value
        if name == "when" and name in taken and base is not None and own and own.get("exceptions"):
            taken[name] = with_unheld(theirs[name], shown()[name], own)
            if has_longer_texts(taken[name], theirs[name]):
                left_over.add(name)
    if base is not None and "show_as" in (settled | taken.keys()) and "status" in fields - theirs_changed:
        taken |= _certain(theirs, ours, project)
    owed = frozenset(ours_changed - taken.keys() - settled) | left_over
    taken |= _people(base, theirs, ours, taken.get("when"), fields)
    names = frozenset(taken)
    if "description" in taken:
        is_whole = taken["description"] == theirs.get("description")
        taken["description_html"] = theirs.get("description_html") if is_whole else None
    content = with_fields(ours, taken) if taken else ours
    owed = (owed | {clash.field for clash in clashes if clash.kept == "hub"}) & writable
    kept = {n: marks[n] for n in owed & marks.keys() if n not in theirs_changed}
    return Merged(content, names, owed, in_step(content, theirs, owed) | kept, tuple(clashes))


def _certain(theirs: Plain, ours: Plain, project: Callable[[Plain], Plain]) -> dict[str, Any]:
    """Return that a tentative event is certain, if a person says so by how its time counts.

    Some providers have one field for both: it cannot show the hub's status beside what the person has chosen.
    """
    if ours.get("status") != _TENTATIVE:
        return {}
    told = with_fields(ours, {"show_as": theirs.get("show_as")})
    is_hidden = project(told).get("show_as") != theirs.get("show_as")
    return {"status": None} if is_hidden else {}


def _lacks_the_line(base: Plain, theirs: Plain) -> bool:
    """Whether a person only took the hub's line out of a text; a meeting of the provider's own has a name."""
    was = base.get("conference")
    return was is not None and "conference" not in theirs and not was.get("provider")


def _people(
    base: Plain | None, theirs: Plain, ours: Plain, when: Plain | None, fields: frozenset[str]
) -> dict[str, Any]:
    """Return the fields that change for what a provider shows of people, occurrence by occurrence too.

    Args:
        when: what is taken over of the event's time, if anything is.
    """
    taken: dict[str, Any] = {}
    if not PEOPLE.isdisjoint(theirs) or not PEOPLE.isdisjoint(ours):
        found = {name: value for name, value in merged(base, theirs, ours).items() if name in fields}
        taken = {name: value for name, value in found.items() if value != ours.get(name)}
    if "when" in fields:
        own = ours["when"]
        peopled = with_people(own if when is None else when, base and base["when"], theirs["when"], own)
        if peopled != own:
            taken["when"] = peopled
    return taken


class _Once:
    """Calls a function when it is first needed."""

    def __init__(self, project: Callable[[Plain], Plain], content: Plain) -> None:
        self._project, self._content = project, content
        self._shown: Plain | None = None

    def __call__(self) -> Plain:
        if self._shown is None:
            self._shown = self._project(self._content)
        return self._shown


def _empty_ground(theirs: Plain, ours: Plain, fields: frozenset[str], shapes: Sequence[Plain]) -> Plain:
    """Return a base for two events that meet for the first time: an empty event at their common time.

    A field that only one side has filled is then that side's edit, and one that both filled
    differently is a clash, unless ours is what another provider can hold of theirs. What the provider's
    side may not change is taken to be in step.
    """
    is_alike = without_people(ours["when"]) == without_people(theirs["when"])
    when = ours["when"] if is_alike else ours["when"] | {"end": ours["when"]["start"]}
    ground = {name: value for name, value in ours.items() if name not in fields} | {"when": when}
    held = {n for shape in shapes for n in CONTENT_FIELDS if ours.get(n) == shape.get(n) != ground.get(n)}
    return with_fields(ground, {name: ours.get(name) for name in held})
