"""Small faults of the engine, planted to see that the simulator finds them. None of them is ever shipped.

A bug is a change of a module's text, made in memory: the functions get the changed code, wherever they
have been imported, and the module's values are replaced; afterwards everything is as it was.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Bug:
    """One planted bug.

    Attributes:
        name: what is wrong, as one would say it in a review.
        module: where.
        old: the text that is replaced; it stands in the module once.
        new: the text in its place.
        properties: the properties of the oracle that may catch it.
    """

    name: str
    module: str
    old: str
    new: str
    properties: tuple[str, ...]


@contextmanager
def planted(bug: Bug) -> Iterator[None]:
    """Run a block with the bug in place."""
    module = import_module(bug.module)
    path = Path(str(module.__file__))
    text = path.read_text(encoding="utf-8")
    assert text.count(bug.old) == 1, f"{bug.name}: its text is not in {path.name} once"
    changed = types.ModuleType(bug.module)
    changed.__dict__.update(__file__=str(path), __package__=module.__package__)
    exec(compile(text.replace(bug.old, bug.new), str(path), "exec"), changed.__dict__)
    undo: list[Callable[[], None]] = []
    try:
        for name, value in vars(changed).items():
            if not name.startswith("__") and hasattr(module, name):
                _replace(module, name, getattr(module, name), value, undo)
        yield
    finally:
        for step in reversed(undo):
            step()


def _replace(module: types.ModuleType, name: str, old: Any, new: Any, undo: list[Callable[[], None]]) -> None:
    if new is old or isinstance(old, types.ModuleType):
        return
    if isinstance(old, types.FunctionType):
        _swap(old, new, undo)
    elif isinstance(old, type):
        for attribute, method in vars(old).items():
            other = vars(new).get(attribute)
            inner = getattr(method, "__func__", method)
            if isinstance(inner, types.FunctionType) and other is not None:
                _swap(inner, getattr(other, "__func__", other), undo)
    else:
        for holder in [m for n, m in sys.modules.items() if n.startswith("hub.")]:
            if holder is module or not _is_shared(old):
                for alias in [a for a, value in vars(holder).items() if value is old]:
                    setattr(holder, alias, new)
                    undo.append(lambda h=holder, a=alias: setattr(h, a, old))  # type: ignore[misc]


def _is_shared(value: Any) -> bool:
    """Whether equal values of other modules may be this very object: small numbers, texts, None."""
    return value is None or isinstance(value, int | float | str | bool)


def _swap(old: types.FunctionType, new: types.FunctionType, undo: list[Callable[[], None]]) -> None:
    inner, other = getattr(old, "__wrapped__", old), getattr(new, "__wrapped__", new)
    code, defaults, named = inner.__code__, inner.__defaults__, inner.__kwdefaults__
    if code == other.__code__:
        return

    def back() -> None:
        inner.__code__, inner.__defaults__, inner.__kwdefaults__ = code, defaults, named

    undo.append(back)
    inner.__code__, inner.__defaults__, inner.__kwdefaults__ = (
        other.__code__,
        other.__defaults__,
        other.__kwdefaults__,
    )
