"""Frozen dataclasses that are made quickly: a page of a listing makes thousands of them.

The `__init__` of a frozen dataclass sets each field by a call of `object.__setattr__`, which takes six times
as long as an assignment: making the values of an event took longer than reading them.
"""

from __future__ import annotations

from dataclasses import MISSING, Field, fields
from typing import Any, TypeVar

T = TypeVar("T")


def quickly_made(cls: type[T]) -> type[T]:
    """Give a frozen dataclass with slots an `__init__` that assigns its fields; nothing else changes.

    Defaults are values, not factories; a subclass has to be a dataclass itself. While it runs, the instance
    is of a twin class that has the same slots and is not frozen.
    """
    known: tuple[Field[Any], ...] = fields(cls)  # type: ignore[arg-type]
    names: dict[str, Any] = {
        "be": object.__setattr__,
        "open_twin": type(f"Open{cls.__name__}", (), {"__slots__": tuple(f.name for f in known)}),
        "cls": cls,
    }
    names |= {f"default_{f.name}": f.default for f in known}
    arguments = (f.name if f.default is MISSING else f"{f.name}=default_{f.name}" for f in known)
    lines = [
        f"def __init__(self, {', '.join(arguments)}):",
        " be(self, '__class__', open_twin)",
        *(f" self.{f.name} = {f.name}" for f in known),
        " self.__class__ = cls",
    ]
    if hasattr(cls, "__post_init__"):
        lines.append(" self.__post_init__()")
    exec("\n".join(lines), names)  # noqa: S102
    names["__init__"].__qualname__ = f"{cls.__qualname__}.__init__"
    cls.__init__ = names["__init__"]  # type: ignore[method-assign]
    return cls
