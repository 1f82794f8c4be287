"""What an event says already is taken as it is: providers keep much that the API would not take anew.

So a consumer can send back what it got, or a list of guests with one more, whatever else stands there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from marshmallow import ValidationError, fields

_TIMES = ("start", "end", "original_start", "recurrence")
"""What is checked in any case: it is reckoned with."""


@dataclass
class Standing:
    """The values that stand in an event and its exceptions, by the names of their fields."""

    values: dict[str, set[Any]] = field(default_factory=dict)
    lengths: dict[str, int] = field(default_factory=dict)
    """The length of the longest list."""

    def add(self, name: str, value: Any) -> None:
        """Add a field of an event as the store holds it, with all that is in it."""
        if isinstance(value, dict):
            for inner, each in value.items():
                if inner not in _TIMES:
                    self.add(inner, each)
        elif isinstance(value, list):
            self.lengths[name] = max(self.lengths.get(name, 0), len(value))
            for each in value:
                self.add(name, each)
        else:
            self.values.setdefault(name, set()).add(value)


_NOTHING = Standing()
_standing: ContextVar[Callable[[], Standing]] = ContextVar("standing", default=lambda: _NOTHING)


@contextmanager
def standing_in(read: Callable[[], dict[str, Any]]) -> Iterator[None]:
    """Take in the block what stands in an event.

    Args:
        read: gives the event's content as the store holds it; asked only if a value has a fault.
    """

    @lru_cache
    def found() -> Standing:
        standing = Standing()
        standing.add("", read())
        return standing

    before = _standing.set(found)
    try:
        yield
    finally:
        _standing.reset(before)


class _Kept(fields.Field[Any]):
    """A field of which a value that stands in the event already has no fault."""

    def _validate(self, value: Any) -> None:
        try:
            super()._validate(value)
        except ValidationError:
            if value not in _standing.get()().values.get(self.name or "", ()):
                raise


class KeptString(_Kept, fields.String):
    """A text, unless it stands there already."""


class KeptInteger(_Kept, fields.Integer):
    """A whole number, unless it stands there already."""


class KeptFloat(_Kept, fields.Float):
    """A number, unless it stands there already."""


class KeptList(fields.List[Any]):
    """A list that may be as long as it is already."""

    def _validate(self, value: Any) -> None:
        try:
            super()._validate(value)
        except ValidationError:
            if len(value) > _standing.get()().lengths.get(self.name or "", 0):
                raise
