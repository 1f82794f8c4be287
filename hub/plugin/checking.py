"""Whether a value that crossed the border is what its type says, down to each character.

The hub stores what a plugin reads from a provider's answer, and a page is stored as one: a number where
a text should be, half a surrogate or a NUL in it would cost the other events of the page, or come to light
only when the event is read again. Checkers are made once per type, as in `hub.plugin.codec`.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from datetime import date, datetime
from enum import Enum
from functools import cache
from math import isfinite
from typing import Any

from hub.plugin.types import When

Check = Callable[[Any], str | None]
"""Returns what is wrong, beginning with where it is (RFC 6901); None if nothing is."""
_NONE = object()


def fault_in(value: Any) -> str | None:
    """Return what is wrong with a dataclass of `hub.plugin.types`, such as `/title must be text`, or None."""
    kind: Any = type(value)
    return _checker(kind)(value)


@cache
def _checker(kind: Any) -> Check:
    origin = typing.get_origin(kind)
    if origin is types.UnionType or origin is typing.Union:
        return _union(typing.get_args(kind))
    if origin in (tuple, frozenset):
        return _list(origin, _checker(typing.get_args(kind)[0]))
    if is_dataclass(kind):
        return _dataclass(typing.cast(type, kind))
    if kind is str:
        return _text
    if kind is datetime:
        return _instant
    if kind is float:
        return _number
    return _of(kind)


def _of(kind: Any) -> Check:
    wanted = "one of its words" if issubclass(kind, Enum) else kind.__name__
    return lambda value: None if type(value) is kind else f" must be {wanted}"


def _text(value: Any) -> str | None:
    if type(value) is not str:
        return " must be text"
    if "\0" in value:
        return " holds a NUL"
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            return " holds half a character"
    return None


def _number(value: Any) -> str | None:
    fine = type(value) in (int, float) and isfinite(value)
    return None if fine else " must be a number"


def _instant(value: Any) -> str | None:
    fine = type(value) is datetime and value.tzinfo is not None
    return None if fine else " must be an instant with its offset"


def _date_or_wall_time(value: Any) -> str | None:
    fine = type(value) is date or (type(value) is datetime and value.tzinfo is None)
    return None if fine else " must be a date or a wall time"


def _union(options: tuple[Any, ...]) -> Check:
    rest = set(options) - {type(None)}
    if rest == {date, datetime}:
        check: Check = _date_or_wall_time
    else:
        (option,) = rest
        check = _checker(option)
    optional = type(None) in options
    return lambda value: None if value is None and optional else check(value)


def _required(kind: Any) -> Any:
    """Return a type without None."""
    rest = tuple(option for option in typing.get_args(kind) if option is not type(None))
    return rest[0] if len(rest) == 1 and type(None) in typing.get_args(kind) else kind


def _list(kind: Any, check: Check) -> Check:
    def check_list(values: Any) -> str | None:
        if type(values) is not kind:
            return f" must be a {kind.__name__}"
        for place, value in enumerate(values):
            if fault := check(value):
                return f"/{place}{fault}"
        return None

    return check_list


def _dataclass(cls: type) -> Check:
    """Write the checker as source: most fields are at their default or plain text; a loop takes longer."""
    hints = typing.get_type_hints(cls)
    lines = ["def check(value):", " if type(value) is not cls:", "  return wrong"]
    names: dict[str, Any] = {"cls": cls, "wrong": f" must be a {cls.__name__}", "kinds": _kinds}
    for f in fields(cls):
        names[f"default_{f.name}"] = _NONE if f.default is MISSING else f.default
        names[f"check_{f.name}"] = _checker(_required(hints[f.name]) if f.default is None else hints[f.name])
        is_text = hints[f.name] in (str, str | None)
        odd = " and (type(item) is not str or not item.isascii() or '\\0' in item)" if is_text else ""
        lines += [
            f" item = value.{f.name}",
            f" if item is not default_{f.name}{odd}:",
            f"  fault = check_{f.name}(item)",
            "  if fault:",
            f"   return '/{f.name}' + fault",
        ]
    lines.append(" return kinds(value)" if cls is When else " return None")
    exec("\n".join(lines), names)  # noqa: S102
    return typing.cast(Check, names["check"])


def _kinds(when: When) -> str | None:
    kind = type(when.start)
    fine = type(when.end) is kind and all(type(e.original_start) is kind for e in when.exceptions)
    return None if fine else " must hold dates only or wall times only"
