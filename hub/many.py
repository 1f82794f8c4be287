"""Many rows by one statement, without what SQLAlchemy does for each of them.

Its own way to execute a statement for a list of rows costs as much as SQLite itself: here the statement is
compiled once for the columns that the rows have, and the values go straight to the driver.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from operator import is_
from typing import Any

from sqlalchemy import Column, Connection, Insert, Update
from sqlalchemy.engine import Dialect

from hub.direct import DirectConnection

Prepare = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A statement as the driver takes it."""

    sql: str
    columns: tuple[tuple[str, Prepare | None], ...]
    """Each value's name, in the order of the statement, and what makes of it what the driver takes."""
    defaults: Mapping[str, Any]
    is_positional: bool

    def values(self, rows: Sequence[Mapping[str, Any]]) -> Any:
        """Return the parameters of each row, made column by column: many have one value in all rows."""
        columns = [self._column(name, make, rows) for name, make in self.columns]
        if self.is_positional:
            return list(zip(*columns, strict=True))
        names = [name for name, _ in self.columns]
        return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]

    def _column(self, name: str, make: Prepare | None, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
        is_default = name in self.defaults
        values = [self.defaults[name]] * len(rows) if is_default else [row[name] for row in rows]
        if make is None:
            return values
        if all(map(is_, values, repeat(values[0]))):
            return [make(values[0])] * len(rows)
        return [make(value) for value in values]


class Many:
    """An INSERT, or an UPDATE of one row each, for many rows that have the same columns."""

    def __init__(self, statement: Insert | Update) -> None:
        self._statement = statement
        self._prepared: dict[tuple[str, tuple[str, ...]], _Prepared] = {}

    def execute(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> int:
        """Execute it for rows of values by the names of columns and parameters; return how many it found."""
        if not rows:
            return 0
        names = tuple(sorted(rows[0]))
        key = connection.dialect.name, names
        if key not in self._prepared:
            self._prepared[key] = self._prepare(connection.dialect, list(names))
        prepared = self._prepared[key]
        values = prepared.values(rows)
        if isinstance(connection, DirectConnection):
            return connection.run(prepared.sql, values)
        return connection.exec_driver_sql(prepared.sql, values).rowcount

    def _prepare(self, dialect: Dialect, names: list[str]) -> _Prepared:
        compiled = self._statement.compile(dialect=dialect, column_keys=names)
        order = compiled.positiontup if compiled.positional else list(compiled.binds)
        assert order is not None
        types = {name: compiled.binds[name].type.dialect_impl(dialect) for name in order}
        columns = tuple((name, types[name].bind_processor(dialect)) for name in order)
        defaults = {column.key: _default(column) for column in compiled.insert_prefetch}
        return _Prepared(str(compiled), columns, defaults, compiled.positional)


def _default(column: Column[Any]) -> Any:
    default: Any = column.default
    return default.arg(None) if default.is_callable else default.arg
