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

    def values(self, columns: Mapping[str, Sequence[Any]], count: int) -> Any:
        """Return the parameters of each row, made column by column: many have one value in all rows."""
        made = [self._column(name, make, columns, count) for name, make in self.columns]
        if self.is_positional:
            return list(zip(*made, strict=True))
        names = [name for name, _ in self.columns]
        return [dict(zip(names, values, strict=True)) for values in zip(*made, strict=True)]

    def _column(
        self, name: str, make: Prepare | None, columns: Mapping[str, Sequence[Any]], count: int
    ) -> Sequence[Any]:
        values = [self.defaults[name]] * count if name in self.defaults else columns[name]
        if make is None:
            return values
        if count == 1 or all(map(is_, values, repeat(values[0]))):
            return [make(values[0])] * count
        return list(map(make, values))


class Many:
    """An INSERT, or an UPDATE of one row each, for many rows that have the same columns."""

    def __init__(self, statement: Insert | Update) -> None:
        self._statement = statement
        self._prepared: dict[tuple[str, tuple[str, ...]], _Prepared] = {}

    def execute(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> int:
        """Execute it for rows of values by the names of columns and parameters; return how many it found."""
        if not rows:
            return 0
        if len(rows) == 1:
            return self.columns(connection, {name: (value,) for name, value in rows[0].items()})
        return self.columns(connection, {name: [row[name] for row in rows] for name in rows[0]})

    def columns(self, connection: Connection, columns: Mapping[str, Sequence[Any]]) -> int:
        """Execute it for as many rows as each column has values, one at least."""
        names = tuple(columns)
        key = connection.dialect.name, names
        if key not in self._prepared:
            self._prepared[key] = self._prepare(connection.dialect, list(names))
        prepared = self._prepared[key]
        values = prepared.values(columns, len(columns[names[0]]))
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
