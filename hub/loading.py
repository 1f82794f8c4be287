"""Rows of classes straight from the driver, by statements that are executed again and again.

What SQLAlchemy's session does to load one row takes ten times as long as SQLite does (`hub.direct`). Here
rows become objects of the session as its own loading makes them, if that is plain: whole rows, alone or
beside columns, without loader options.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Executable, Row, Select, inspect
from sqlalchemy.engine import Dialect
from sqlalchemy.engine.result import SimpleResultMetaData
from sqlalchemy.orm import Mapper, Session
from sqlalchemy.orm.attributes import instance_dict, instance_state

from hub.direct import DirectConnection, DirectResult, Form, Known, Make, Plain, compiled_form


@dataclass(frozen=True, slots=True)
class _Whole:
    """The columns of a row that becomes an object."""

    mapper: Mapper[Any]
    start: int
    end: int
    names: tuple[str, ...]
    columns: frozenset[str]
    """The same names."""
    key: tuple[int, ...]
    """Where the columns of its key are."""
    related: tuple[str, ...]

    def load(self, session: Session, values: Sequence[Any], *, refresh: bool) -> Any:
        """Return the session's object of a row; None if the row has none.

        Args:
            refresh: whether what the session has of it is replaced.
        """
        key = (self.mapper.class_, tuple([values[place] for place in self.key]), None)
        found = session.identity_map.get(key)
        own = values[self.start : self.end]
        if found is None:
            return None if None in key[1] else self._add(session, key, own)
        state, here = instance_state(found), instance_dict(found)
        if refresh:
            here.update(zip(self.names, own, strict=True))
            for name in self.related:
                state._reset(here, name)
            state._commit_all(here, session.identity_map)
        elif not here.keys() >= self.columns:
            unloaded = state.unloaded
            lacking = {n: v for n, v in zip(self.names, own, strict=True) if n in unloaded}
            here.update(lacking)
            state._commit(here, lacking)
        return found

    def _add(self, session: Session, key: tuple[Any, ...], own: Sequence[Any]) -> Any:
        made = self.mapper.class_manager.new_instance()
        state = instance_state(made)
        state.key, state.session_id = key, session.hash_key
        session.identity_map._add_unpresent(state, key)
        instance_dict(made).update(zip(self.names, own, strict=True))
        return made


@dataclass(frozen=True, slots=True)
class _Loads:
    """What a statement loads."""

    form: Form
    makes: tuple[tuple[int, Make], ...]
    parts: tuple[_Whole | int, ...]
    """In the order of a row of the result: objects, and columns by their place."""
    row: SimpleResultMetaData
    refresh: bool

    def load(self, session: Session, found: list[Any]) -> list[Any]:
        loaded: list[Any] = []
        for row in found:
            values = list(row)
            for place, make in self.makes:
                if values[place] is not None:
                    values[place] = make(values[place])
            made = [
                values[part] if isinstance(part, int) else part.load(session, values, refresh=self.refresh)
                for part in self.parts
            ]
            loaded.append(Row(self.row, None, self.row._key_to_index, made))
        return loaded


def directly(session: Session, statement: Executable, given: Mapping[str, Any] | None) -> DirectResult | None:
    """Execute a statement of a session; None if that is left to SQLAlchemy."""
    connection, values = session.connection(), {} if given is None else given
    if not (isinstance(connection, DirectConnection) and isinstance(values, dict) and connection.is_direct):
        return None
    loads = _known.find(statement, values, connection.dialect)
    found = loads and connection.rows(loads.form, values)
    return DirectResult(loads.row, loads.load(session, found[0]), found[1]) if loads and found else None


def _loads(statement: Plain, names: tuple[str, ...], dialect: Dialect) -> _Loads | None:
    """Return what a statement loads, if it is a plain one."""
    options = statement.get_execution_options()
    if not isinstance(statement, Select) or statement._with_options or options.keys() - {"populate_existing"}:
        return None
    form = compiled_form(statement, names, dialect)
    parts = None if form is None else _parts(statement, form)
    if form is None or parts is None:
        return None
    makes = tuple([(place, make) for place, make in enumerate(form.makes) if make is not None])
    labels = [str(found["name"]) for found in statement.column_descriptions]
    return _Loads(form, makes, parts, SimpleResultMetaData(labels), bool(options.get("populate_existing")))


def _parts(statement: Select[*tuple[Any, ...]], form: Form) -> tuple[_Whole | int, ...] | None:
    """Return which columns make up what a row holds; None where one is neither a class nor a column."""
    parts: list[_Whole | int] = []
    place = 0
    for found in statement.column_descriptions:
        if not isinstance(found["expr"], type):
            parts.append(place)
            place += 1
            continue
        whole = None if found["aliased"] else _whole(inspect(found["expr"]), form, place)
        if whole is None:
            return None
        parts.append(whole)
        place = whole.end
    return tuple(parts) if place == len(form.columns) else None


def _whole(mapper: Mapper[Any], form: Form, start: int) -> _Whole | None:
    end = start + len(mapper.column_attrs)
    of_column: dict[Any, str] = {attribute.columns[0]: attribute.key for attribute in mapper.column_attrs}
    names = [
        next((of_column[made_of] for made_of in column.objects if made_of in of_column), None)
        for column in form.columns[start:end]
    ]
    events = mapper.class_manager.dispatch
    if set(names) != set(of_column.values()) or mapper.inherits or events.load or events.refresh:
        return None
    key = tuple([start + names.index(of_column[column]) for column in mapper.primary_key])
    columns = frozenset(of_column.values())
    return _Whole(
        mapper, start, end, tuple(map(str, names)), columns, key, tuple(mapper.relationships.keys())
    )


_known = Known(_loads)
