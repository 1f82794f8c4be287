"""Statements that are executed again and again go straight to SQLite.

SQLite needs some microseconds for most statements of the hub; what SQLAlchemy does around each of them
takes several times as long. A statement that is made once is compiled for good when it is executed for
the second time: from then on its values go straight to the driver, and its rows come back as
SQLAlchemy's own. Whatever is not as plain (options, many rows at once, what classes load) goes
SQLAlchemy's way, and so does everything while somebody listens to the engine.
"""

from __future__ import annotations

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar
from weakref import WeakKeyDictionary

from sqlalchemy import BindParameter, Connection, Delete, Executable, Row, Select, Update
from sqlalchemy.engine import Dialect
from sqlalchemy.engine.result import IteratorResult, SimpleResultMetaData
from sqlalchemy.exc import DBAPIError, MultipleResultsFound, NoResultFound
from sqlalchemy.sql.compiler import SQLCompiler

EXACT = 16
"""Lists of so many values have a text of their own; longer ones share it with those of about their length."""
MOST = 8192
"""Longer lists are left to SQLAlchemy."""
Make = Callable[[Any], Any]
Plain = Select[*tuple[Any, ...]] | Update | Delete
_T = TypeVar("_T")
_NEEDED = object()
"""Stands for a value that has to be given."""


class _Place(NamedTuple):
    """One value of a statement, or a list of them."""

    name: str
    make: Make | None
    """What makes of it what the driver takes."""
    default: Any
    is_list: bool


class Form:
    """A compiled statement."""

    def __init__(self, compiled: SQLCompiler, dialect: Dialect) -> None:
        self._compiled = compiled
        # What is known of a statement ends with it (`Known`), so this must not keep it.
        compiled.statement = compiled.compile_state = None
        self._places = tuple(
            _place(compiled, compiled.binds[name], dialect) for name in compiled.positiontup or ()
        )
        self._lists = tuple({place.name: None for place in self._places if place.is_list})
        self._texts: dict[tuple[int, ...], str] = {} if self._lists else {(): str(compiled)}
        self.columns = compiled._result_columns
        self.makes: list[Any] = [
            column.type.dialect_impl(dialect).result_processor(dialect, None) for column in self.columns
        ]
        """What makes a value of what the driver gives, by column."""
        self._makes = self.makes if any(self.makes) else None
        names = [column.keyname for column in self.columns]
        self._row = SimpleResultMetaData(names, [column.objects for column in self.columns])

    def result(self, found: list[Any], rowcount: int) -> DirectResult:
        """Return what the driver has found."""
        row, makes = self._row, self._makes
        return DirectResult(row, [Row(row, makes, row._key_to_index, values) for values in found], rowcount)

    def text(self, given: Mapping[str, Any]) -> str | None:
        """Return the SQL for lists as long as the given ones; None if they are too long."""
        lengths = tuple([_rounded(len(given[name])) for name in self._lists]) if self._lists else ()
        text = self._texts.get(lengths)
        if text is None and max(lengths) <= MOST:
            filled = dict(given) | {name: _filled(given[name]) for name in self._lists}
            text = self._compiled.construct_expanded_state(filled).statement
            self._texts[lengths] = text
        return text

    def values(self, given: Mapping[str, Any]) -> list[Any]:
        """Return the values in the order of their places.

        Raises:
            KeyError: one is missing.
        """
        values: list[Any] = []
        for name, make, default, is_list in self._places:
            value = given.get(name, default)
            if value is _NEEDED:
                raise KeyError(name)
            if is_list:
                filled = _filled(value)
                values.extend(filled if make is None else map(make, filled))
            else:
                values.append(value if make is None else make(value))
        return values


def _rounded(length: int) -> int:
    """Return how long a list is made, so that few statements have to be prepared."""
    if length <= EXACT:
        return length
    step = 1 << (length.bit_length() - 4)
    return -(-length // step) * step


def _filled(values: Sequence[Any]) -> Sequence[Any]:
    """Return a list with its last value so often that it has its rounded length: it stands for the same."""
    lacking = _rounded(len(values)) - len(values)
    return [*values, *[values[-1]] * lacking] if lacking else values


def _place(compiled: SQLCompiler, bind: BindParameter[Any], dialect: Dialect) -> _Place:
    make = bind.type.dialect_impl(dialect).bind_processor(dialect)
    default = _NEEDED if bind.required else bind.value
    return _Place(bind.key, make, default, bind in compiled.post_compile_params)


class Known(Generic[_T]):
    """What was made of statements when they were executed for the second time.

    Args:
        make: makes it of a statement that sets such columns; None if there is nothing to be made of it.
    """

    def __init__(self, make: Callable[[Plain, tuple[str, ...], Dialect], _T | None]) -> None:
        self._make = make
        self._made: WeakKeyDictionary[Executable, dict[tuple[str, ...], _T | None]] = WeakKeyDictionary()

    def find(self, statement: Executable, given: Mapping[str, Any], dialect: Dialect) -> _T | None:
        """Return what is known of a statement; None when it comes for the first time."""
        made = self._made.get(statement)
        if made is None:
            self._made[statement] = {}
            return None
        names = tuple(given) if isinstance(statement, Update) else ()
        if names not in made:
            made[names] = (
                self._make(statement, names, dialect)
                if isinstance(statement, Select | Update | Delete)
                else None
            )
        return made[names]


def compiled_form(statement: Plain, names: tuple[str, ...], dialect: Dialect) -> Form | None:
    """Return a statement's form; None if there is more to be seen to than its values and rows."""
    compiled = statement.compile(dialect=dialect, column_keys=list(names))
    assert isinstance(compiled, SQLCompiler)
    is_plain = not (
        compiled.literal_execute_params
        or compiled.insert_prefetch
        or compiled.update_prefetch
        or any(bind.callable or bind.type._is_tuple_type for bind in compiled.binds.values())
    )
    return Form(compiled, dialect) if is_plain else None


def _form(statement: Plain, names: tuple[str, ...], dialect: Dialect) -> Form | None:
    return None if statement.get_execution_options() else compiled_form(statement, names, dialect)


_forms = Known(_form)


class _Found(ABC):
    """What was found, all of it read; what is seldom asked of a result is left to SQLAlchemy's."""

    def __init__(self, found: list[Any]) -> None:
        self._found = found

    def __iter__(self) -> Iterator[Any]:
        return iter(self.all())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._result(), name)

    @abstractmethod
    def _result(self) -> Any: ...

    def all(self) -> list[Any]:
        """Return the rest."""
        found, self._found = self._found, []
        return found

    def first(self) -> Any:
        """Return the first; None if there is none."""
        return next(iter(self), None)

    def one_or_none(self) -> Any:
        """Return the only one, or None.

        Raises:
            MultipleResultsFound: there are several.
        """
        if len(self._found) > 1:
            raise MultipleResultsFound("one row was expected, and there are several")
        return self.first()

    def one(self) -> Any:
        """Return the only one.

        Raises:
            NoResultFound: there is none.
            MultipleResultsFound: there are several.
        """
        if not self._found:
            raise NoResultFound("one row was expected, and there is none")
        return self.one_or_none()


class DirectResult(_Found):
    """Rows, and how many rows the statement found."""

    def __init__(self, row: SimpleResultMetaData, found: list[Any], rowcount: int) -> None:
        super().__init__(found)
        self._row = row
        self.rowcount = rowcount

    def _result(self) -> Any:
        return IteratorResult(self._row, iter(self._found))

    def scalar(self) -> Any:
        """Return the first value of the first row; None if there is none."""
        return self.scalars().first()

    def scalar_one(self) -> Any:
        """Return the first value of the only row."""
        return self.scalars().one()

    def scalars(self) -> _Values:
        """Return the first value of each row."""
        return _Values([row[0] for row in self.all()])


class _Values(_Found):
    def _result(self) -> Any:
        return IteratorResult(_VALUE, iter([(value,) for value in self._found])).scalars()


_VALUE = SimpleResultMetaData(["value"])


class DirectConnection(Connection):
    """A connection to SQLite that executes the statements of this module's kind itself."""

    def execute(
        self,
        statement: Executable,
        parameters: Any = None,
        *,
        execution_options: Mapping[str, Any] | None = None,
    ) -> Any:
        """Execute a statement, straight if it can be."""
        given = {} if parameters is None else parameters
        if not execution_options and isinstance(given, dict) and self.is_direct:
            form = _forms.find(statement, given, self.dialect)
            found = form and self.rows(form, given)
            if form and found:
                return form.result(*found)
        return super().execute(statement, parameters, execution_options=execution_options)

    @property
    def is_direct(self) -> bool:
        """Whether it is within a transaction, and nobody listens."""
        return self.in_transaction() and not (self._has_events or self.engine._has_events or self._echo)

    def run(self, sql: str, rows: Sequence[Sequence[Any]]) -> int:
        """Execute a text for rows of values; return how many rows it found."""
        if not self.is_direct:
            return self.exec_driver_sql(sql, [tuple(row) for row in rows]).rowcount
        _, found = self._run(sql, rows[0]) if len(rows) == 1 else self._run(sql, rows, is_many=True)
        return found

    def rows(self, form: Form, given: Mapping[str, Any]) -> tuple[list[Any], int] | None:
        """Execute a form; return its rows, and how many there were or were changed.

        None if the values do not fit: SQLAlchemy is to tell what is wrong with them.
        """
        try:
            text = form.text(given)
            values = form.values(given) if text is not None else []
        except Exception:
            return None
        return None if text is None else self._run(text, values)

    def _run(self, sql: str, values: Sequence[Any], *, is_many: bool = False) -> tuple[list[Any], int]:
        raw: Any = self.connection.driver_connection
        try:
            cursor = raw.executemany(sql, values) if is_many else raw.execute(sql, values)
            return cursor.fetchall(), cursor.rowcount
        except sqlite3.Error as error:
            raise DBAPIError.instance(sql, values, error, sqlite3.Error, dialect=self.dialect) from error
