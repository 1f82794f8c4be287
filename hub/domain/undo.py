"""Undo, planned: what becomes of an event when some lines of its log are taken back.

The lines are walked backwards over the event as it is now. Each gives every field that it changed its
earlier value, but only where the field still holds what that line left there: what others have changed
since survives, and is told. Pure; values are those of `hub.plugin.codec`, as the log keeps them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hub.plugin.codec import content_from_json, to_json
from hub.plugin.types import CONTENT_FIELDS, EventContent

State = Mapping[str, Any]
"""Every field of an event by name, with `description_html` and the consumer's `metadata`."""

METADATA = "metadata"
DELETED = "deleted"
"""Stands for the event's being there, where a field is named."""
_HTML = "description_html"
_NEUTRAL = content_from_json({"when": {"start": "2000-01-01", "end": "2000-01-02"}})
_DEFAULTS: dict[str, Any] = {
    n: to_json(getattr(_NEUTRAL, n)) for n in (*CONTENT_FIELDS, _HTML) if n != "when"
}
_DEFAULTS[METADATA] = {}
FIELDS = (*CONTENT_FIELDS, METADATA)
_GIVEN = "own_answer"
"""What was answered to somebody stays answered: it is as its provider shows it."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the log of one event."""

    seq: int
    kind: str
    """created, updated, deleted or restored."""
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Kept:
    """What a line would put back and others have changed since."""

    field: str
    """A field, or `deleted`: the event is there, or is not, because of others."""
    seq: int
    """The line that is not taken back."""
    present: Any
    wanted: Any


@dataclass(frozen=True, slots=True)
class UndoPlan:
    """What becomes of one event."""

    present: State | None
    """The event as it is; None: it is not there. Likewise `result`."""
    result: State | None
    kept: tuple[Kept, ...] = ()

    @property
    def action(self) -> str:
        """What is to be done: update, delete, restore, or none."""
        if self.present is None or self.result is None:
            there, stays = self.present is not None, self.result is not None
            return "none" if there == stays else "restore" if stays else "delete"
        return "update" if self.changed else "none"

    @property
    def changed(self) -> tuple[str, ...]:
        """The fields that get another value; of what is restored those that are not at their default."""
        if self.result is None:
            return ()
        before = self.present if self.present is not None else _DEFAULTS
        names = tuple(name for name in FIELDS if before.get(name) != self.result[name])
        if not names and self.present is not None and before.get(_HTML) != self.result[_HTML]:
            return (_HTML,)
        return names


def state_of(content: EventContent, metadata: Mapping[str, Any]) -> State:
    """Return an event's fields as the log writes them."""
    return {n: to_json(getattr(content, n)) for n in (*CONTENT_FIELDS, _HTML)} | {METADATA: dict(metadata)}


def content_of_state(state: State) -> EventContent:
    """Return the content again.

    Raises:
        CodecError: the log holds what no event can be.
    """
    return content_from_json({name: value for name, value in state.items() if name != METADATA})


def plan_undo(present: State | None, lines: Iterable[Line], *, force: bool = False) -> UndoPlan:
    """Plan to take lines of one event's log back.

    Args:
        present: the event as it is now; None: deleted, or never there.
        lines: what is to be taken back, in any order.
        force: take it back over what others have changed since.
    """
    state = present
    kept: list[Kept] = []
    for line in sorted(lines, key=lambda line: line.seq, reverse=True):
        if line.kind == "updated":
            state = _take_back_update(state, line, kept, force=force)
        elif line.kind == DELETED:
            state = state if state is not None else _whole(line.fields, "before")
        else:
            state = _take_back_beginning(state, line, kept, force=force)
    return UndoPlan(present, state, tuple(kept))


def _take_back_update(state: State | None, line: Line, kept: list[Kept], *, force: bool) -> State | None:
    if state is None:
        kept.append(Kept(DELETED, line.seq, None, None))
        return None
    result = dict(state)
    for name in FIELDS:
        if name not in line.fields or name == _GIVEN:
            continue
        before, after = line.fields[name].get("before"), line.fields[name].get("after")
        if state[name] == before:
            continue
        if state[name] != after and not force:
            kept.append(Kept(name, line.seq, state[name], before))
            continue
        result[name] = before
        if name == "description":
            result[_HTML] = line.fields.get(_HTML, {}).get("before")
    html = line.fields.get(_HTML)
    if html and "description" not in line.fields and state[_HTML] == html.get("after"):
        result[_HTML] = html.get("before")
    return result


def _take_back_beginning(state: State | None, line: Line, kept: list[Kept], *, force: bool) -> State | None:
    """Delete what came into being, unless others have changed it since: an edit wins over a deletion."""
    if state is None:
        return None
    begun = _whole(line.fields, "after")
    changed = [name for name in FIELDS if state[name] != begun.get(name)]
    if not changed or force:
        return None
    kept.append(Kept(DELETED, line.seq, changed, None))
    return state


def _whole(fields: Mapping[str, Any], side: str) -> dict[str, Any]:
    """Return a whole event from a line that holds what of it is not at its default."""
    values = dict(_DEFAULTS)
    values.update({name: both[side] for name, both in fields.items() if name in FIELDS or name == _HTML})
    return values
