"""JSON for the types of the border: one form, used by the store, the sandboxes' control API and saved files.

Fields at their default are left out. Dates are `2026-12-24`, wall times `2026-12-24T09:00:00`.
Unknown keys are refused by `from_json`, so that a typing mistake cannot pass for "not set".
Writers and readers are made once per type: a page of a listing passes here thousands of times.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from datetime import date, datetime
from enum import Enum, StrEnum
from functools import cache
from operator import attrgetter
from typing import Any, TypeVar

from hub.plugin.types import EventContent

T = TypeVar("T")
Convert = Callable[[Any], Any]


class CodecError(ValueError):
    """A JSON value does not fit the type; `pointer` says where (RFC 6901)."""

    def __init__(self, pointer: str, message: str) -> None:
        super().__init__(f"{pointer or '/'}: {message}")
        self.pointer = pointer
        self.message = message


# --- writing ---


def to_json(value: Any) -> Any:
    """Return a dataclass of `hub.plugin.types` (or a part of one) as plain JSON values."""
    return _WRITERS[type(value)](value)


class _Writers(dict[type, Convert]):
    """A writer for each type of value, made when it is first met."""

    def __missing__(self, kind: type) -> Convert:
        self[kind] = made = _writer(kind)
        return made


def _writer(kind: type) -> Convert:
    if is_dataclass(kind):
        return _dataclass_writer(kind)
    if issubclass(kind, (tuple, frozenset)):
        return _write_list
    if issubclass(kind, StrEnum):
        return attrgetter("_value_")
    if issubclass(kind, (date, datetime)):
        return kind.isoformat
    return _as_it_is


def _as_it_is(value: Any) -> Any:
    return value


def _write_list(values: Any) -> list[Any]:
    return [_WRITERS[type(value)](value) for value in values]


def _dataclass_writer(cls: type) -> Convert:
    """Write the writer as source, as `dataclasses` does: most fields are at their default, and a loop
    over them takes five times as long."""
    lines = ["def write(value):", " result = {}"]
    for f in fields(cls):
        lines += [
            f" item = value.{f.name}",
            f" if item is not default_{f.name} and (",
            f"  item != default_{f.name} or type(item) is not type(default_{f.name})",
            " ):",
            f"  result[{f.name!r}] = item if type(item) is str else writers[type(item)](item)",
        ]
    names: dict[str, Any] = {f"default_{f.name}": f.default for f in fields(cls)} | {"writers": _WRITERS}
    exec("\n".join([*lines, " return result"]), names)  # noqa: S102
    return typing.cast(Convert, names["write"])


_WRITERS = _Writers()


# --- reading ---


def from_json(cls: type[T], data: Any) -> T:
    """Return the instance of `cls` that `to_json` wrote.

    Raises:
        CodecError: for a missing or unknown key, or a value of another kind.
    """
    kind: Any = cls
    return typing.cast(T, _reader(kind)(data))


def content_from_json(data: Any) -> EventContent:
    return from_json(EventContent, data)


@cache
def _reader(kind: Any) -> Convert:
    origin = typing.get_origin(kind)
    if origin is types.UnionType or origin is typing.Union:
        return _union_reader(typing.get_args(kind))
    if origin is tuple:
        return _list_reader(_reader(typing.get_args(kind)[0]))
    if is_dataclass(kind):
        return _dataclass_reader(typing.cast(type, kind))
    if kind in (date, datetime):
        return _time_reader(kind)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return _enum_reader(kind)
    return _plain_reader(kind)


def _plain_reader(kind: type) -> Convert:
    def read(data: Any) -> Any:
        if type(data) is kind:
            return data
        if kind is float and type(data) is int:
            return float(data)
        if not isinstance(data, kind) or isinstance(data, bool):
            raise CodecError("", f"must be of type {kind.__name__}")
        return data

    return read


def _enum_reader(kind: type[Enum]) -> Convert:
    members = {member.value: member for member in kind}

    def read(data: Any) -> Any:
        try:
            return members[data]
        except (KeyError, TypeError):
            raise CodecError("", f"must be one of {', '.join(members)}") from None

    return read


def _time_reader(kind: Any) -> Convert:
    example = "2026-12-24" if kind is date else "2026-12-24T09:00:00"
    parse = kind.fromisoformat

    def read(data: Any) -> Any:
        try:
            return parse(data)
        except (TypeError, ValueError):
            raise CodecError("", f"must look like {example}") from None

    return read


def _union_reader(options: tuple[Any, ...]) -> Convert:
    optional = type(None) in options
    rest = set(options) - {type(None)}
    if rest == {date, datetime}:
        read_value: Convert = _read_date_or_wall_time
    else:
        (option,) = rest
        read_value = _reader(option)

    def read(data: Any) -> Any:
        return None if data is None and optional else read_value(data)

    return read


def _read_date_or_wall_time(data: Any) -> Any:
    kind: Any = date if isinstance(data, str) and len(data) == 10 else datetime
    return _reader(kind)(data)


def _list_reader(read_item: Convert) -> Convert:
    def read(data: Any) -> Any:
        if not isinstance(data, (list, tuple)):
            raise CodecError("", "must be a list")
        try:
            return tuple(map(read_item, data))
        except CodecError:
            for place, item in enumerate(data):
                _at(str(place), read_item, item)
            raise

    return read


def _dataclass_reader(cls: type) -> Convert:
    hints = typing.get_type_hints(cls)
    all_fields = fields(cls)
    readers = {f.name: _reader(hints[f.name]) for f in all_fields}
    required = [f.name for f in all_fields if f.default is MISSING and f.default_factory is MISSING]

    def read(data: Any) -> Any:
        if not isinstance(data, dict):
            raise CodecError("", "must be an object")
        try:
            return cls(**{name: readers[name](value) for name, value in data.items()})
        except (CodecError, KeyError, TypeError):
            _explain(data)
            raise

    def _explain(data: dict[str, Any]) -> None:
        unknown = data.keys() - readers.keys()
        if unknown:
            raise CodecError(f"/{min(unknown)}", "is not a known field")
        for name in readers:
            if name in data:
                _at(name, readers[name], data[name])
            elif name in required:
                raise CodecError(f"/{name}", "is required")

    return read


def _at(name: str, read: Convert, data: Any) -> None:
    """Read a part that may be the wrong one, to say where it stands."""
    try:
        read(data)
    except CodecError as error:
        raise CodecError(f"/{name}{error.pointer}", error.message) from None
