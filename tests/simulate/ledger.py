"""What people did, as the oracle needs it: every edit with the value that it knowingly replaced.

An event is known for good by its mark, which stands in its description and which nobody edits; every
value that is ever written is unique, so that a value at the end names the edit it came from.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from hub.domain.fingerprint import fingerprint
from hub.plugin.types import EventContent

FIELDS = ("when", "title", "description", "location", "categories")
"""What people edit."""


def mark_of(content: EventContent) -> str:
    return content.description.partition(" ")[0]


def value_of(content: EventContent, name: str) -> str:
    return fingerprint(getattr(content, name))


@dataclass(frozen=True)
class Edit:
    """One field of one event was given a value."""

    mark: str
    field: str
    value: str
    replaced: str | None
    """The value that the person saw there; None for a new event."""
    at: float
    place: str


@dataclass
class Deletion:
    """An event was deleted somewhere."""

    mark: str
    at: float
    place: str
    seen: dict[str, str]
    """The values, by field, that the person saw."""
    unsure: bool = False
    """The hub did not know then whether its own last write had been carried out here, so that it cannot
    know whether the person saw it: it may take it for unseen, if it tells."""
    void: bool = False
    """The person has taken it back, as held deletions can be."""
    held: bool = False
    """It is one of so many that the hub must ask before it believes them, and has not been confirmed yet."""


@dataclass
class Ledger:
    """Everything that people did, in order."""

    edits: dict[tuple[str, str], list[Edit]] = field(default_factory=lambda: defaultdict(list))
    deletions: dict[str, list[Deletion]] = field(default_factory=lambda: defaultdict(list))
    marks: dict[str, str] = field(default_factory=dict)
    """Mark -> the hub's calendar that it belongs to."""
    moved: dict[str, list[tuple[float, str]]] = field(default_factory=dict)
    """Mark of each event that was moved -> when it left a calendar of the hub for another, and which."""
    all_day: set[str] = field(default_factory=set)
    """Marks of events that were all-day once."""
    actions: int = 0

    def created(self, group: str, content: EventContent, at: float, place: str) -> None:
        mark = mark_of(content)
        self.marks[mark] = group
        self._note_time(mark, content)
        self.actions += 1
        for name in FIELDS:
            self.edits[mark, name].append(Edit(mark, name, value_of(content, name), None, at, place))

    def edited(self, before: EventContent, after: EventContent, at: float, place: str) -> None:
        mark = mark_of(before)
        self.actions += 1
        self._note_time(mark, after)
        for name in FIELDS:
            old, new = value_of(before, name), value_of(after, name)
            if old != new:
                self.edits[mark, name].append(Edit(mark, name, new, old, at, place))

    def _note_time(self, mark: str, content: EventContent) -> None:
        if content.when.all_day:
            self.all_day.add(mark)

    def went(self, mark: str, group: str, at: float) -> None:
        """Note that an event was moved to a place that belongs to one of the hub's calendars."""
        self.actions += 1
        moves = self.moved.setdefault(mark, [])
        if self.marks[mark] != group:
            moves.append((at, self.marks[mark]))
        self.marks[mark] = group

    def deleted(self, content: EventContent, at: float, place: str, *, unsure: bool = False) -> Deletion:
        self.actions += 1
        seen = {name: value_of(content, name) for name in FIELDS}
        deletion = Deletion(mark_of(content), at, place, seen, unsure)
        self.deletions[deletion.mark].append(deletion)
        return deletion

    def snapshot(self) -> tuple[dict[tuple[str, str], int], dict[str, int], int]:
        """Return how long everything is, for `restore`."""
        edits = {key: len(found) for key, found in self.edits.items()}
        return edits, {key: len(found) for key, found in self.deletions.items()}, self.actions

    def restore(self, kept: tuple[dict[tuple[str, str], int], dict[str, int], int]) -> None:
        """Take out what was written since: a request that was not carried out."""
        edits, deletions, self.actions = kept
        for key in list(self.edits):
            del self.edits[key][edits.get(key, 0) :]
        for mark in list(self.deletions):
            del self.deletions[mark][deletions.get(mark, 0) :]
        self.marks = {m: g for m, g in self.marks.items() if self.edits[m, "title"]}

    def may_delete(self, mark: str) -> bool:
        return mark in self.moved or any(not deletion.held for deletion in self.deletions.get(mark, ()))

    def went_from(self, mark: str, group: str, since: float) -> bool:
        """Whether an event is no more in a calendar of the hub, or was moved out of it since then."""
        moves = self.moved.get(mark, [])
        return any(here == group and at >= since for at, here in moves) or (
            bool(moves) and self.marks[mark] != group
        )

    def known_to(self, deletion: Deletion, name: str) -> set[str]:
        """Return the values of a field that whoever deleted had seen, or that those had replaced."""
        return self.line(deletion.mark, name, deletion.seen[name])

    def line(self, mark: str, name: str, value: str) -> set[str]:
        """Return a value and all that it knowingly replaced."""
        known = {value}
        edits = self.edits[mark, name]
        while True:
            more = {e.replaced for e in edits if e.value in known and e.replaced} - known
            if not more:
                return known
            known |= more
