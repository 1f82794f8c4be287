"""JSON for the types of the border: one form, used by the store, the sandboxes' control API and saved files.

Fields at their default are left out. Dates are `2026-12-24`, wall times `2026-12-24T09:00:00`.
Unknown keys are refused by `from_json`, so that a typing mistake cannot pass for "not set".
"""

from __future__ import annotations

import types
import typing
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import date, datetime
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar

from hub.plugin.types import EventContent

T = TypeVar("T")


class CodecError(ValueError):
    """A JSON value does not fit the type; `pointer` says where (RFC 6901)."""

    def __init__(self, pointer: str, message: str) -> None:
        super().__init__(f"{pointer or '/'}: {message}")
        self.pointer = pointer
        self.message = message


_PLAIN = frozenset({str, int, float, bool, type(None)})


@cache
def _defaults(cls: type) -> tuple[tuple[str, Any], ...] | None:
    """Return a dataclass' fields with their defaults; None for what is no dataclass."""
    return tuple((f.name, f.default) for f in fields(cls)) if is_dataclass(cls) else None


def to_json(value: Any) -> Any:
    """Return a dataclass of `hub.plugin.types` (or a part of one) as plain JSON values."""
    kind: type = type(value)
    if kind in _PLAIN:
        return value
    known = _defaults(kind)
    if known is not None:
        result = {}
        for name, default in known:
            item = getattr(value, name)
            if item is default or (item == default and type(item) is type(default)):
                continue
            result[name] = to_json(item)
        return result
    if isinstance(value, (tuple, frozenset)):
        return [to_json(item) for item in value]
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    return value


def from_json(cls: type[T], data: Any, pointer: str = "") -> T:
    """Return the instance of `cls` that `to_json` wrote.

    Raises:
        CodecError: for a missing or unknown key, or a value of another kind.
    """
    return typing.cast(T, _read(cls, data, pointer))


def content_from_json(data: Any) -> EventContent:
    return from_json(EventContent, data)


@cache
def _hints(cls: type) -> tuple[dict[str, Any], tuple[Field[Any], ...]]:
    return typing.get_type_hints(cls), fields(cls)


def _read(kind: Any, data: Any, pointer: str) -> Any:
    origin = typing.get_origin(kind)
    if origin is types.UnionType or origin is typing.Union:
        return _read_union(typing.get_args(kind), data, pointer)
    if origin is tuple:
        if not isinstance(data, (list, tuple)):
            raise CodecError(pointer, "must be a list")
        return tuple(_read(typing.get_args(kind)[0], x, f"{pointer}/{i}") for i, x in enumerate(data))
    if is_dataclass(kind):
        return _read_dataclass(typing.cast(type, kind), data, pointer)
    if kind in (date, datetime):
        return _read_time(kind, data, pointer)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        try:
            return kind(data)
        except ValueError:
            raise CodecError(pointer, f"must be one of {', '.join(kind)}") from None
    if kind is float and isinstance(data, int) and not isinstance(data, bool):
        return float(data)
    if not isinstance(data, kind) or (isinstance(data, bool) and kind is not bool):
        raise CodecError(pointer, f"must be of type {kind.__name__}")
    return data


def _read_union(options: tuple[Any, ...], data: Any, pointer: str) -> Any:
    if data is None and type(None) in options:
        return None
    if set(options) - {type(None)} == {date, datetime}:
        is_date = isinstance(data, str) and len(data) == 10
        return _read_time(date if is_date else datetime, data, pointer)
    (option,) = (o for o in options if o is not type(None))
    return _read(option, data, pointer)


def _read_time(kind: type, data: Any, pointer: str) -> Any:
    try:
        return kind.fromisoformat(data)  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        example = "2026-12-24" if kind is date else "2026-12-24T09:00:00"
        raise CodecError(pointer, f"must look like {example}") from None


def _read_dataclass(cls: type, data: Any, pointer: str) -> Any:
    if not isinstance(data, dict):
        raise CodecError(pointer, "must be an object")
    hints, all_fields = _hints(cls)
    unknown = data.keys() - {f.name for f in all_fields}
    if unknown:
        raise CodecError(f"{pointer}/{sorted(unknown)[0]}", "is not a known field")
    values = {}
    for f in all_fields:
        if f.name in data:
            values[f.name] = _read(hints[f.name], data[f.name], f"{pointer}/{f.name}")
        elif f.default is MISSING and f.default_factory is MISSING:
            raise CodecError(f"{pointer}/{f.name}", "is required")
    return cls(**values)
