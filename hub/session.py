"""A session that writes the changed columns of rows by short statements, and leaves the rest to SQLAlchemy.

Most transactions of the hub change a few columns of a row or two. SQLAlchemy's unit of work is made for more
than that: it takes several times as long as the statements themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import Any, cast

from sqlalchemy import ClauseElement, Connection, Select, Table, bindparam, inspect, select, update
from sqlalchemy.exc import NoResultFound
from sqlalchemy.orm import InstanceState, Mapper, Session
from sqlalchemy.orm.exc import StaleDataError

from hub.loading import directly
from hub.many import Many

_OF_KEY = "of_"
"""Begins the names of the parameters that say which row."""


@dataclass(frozen=True, slots=True)
class _Model:
    """How rows of one class are updated."""

    place: int
    """Its table's, in an order in which none refers to a later one: so all are written, as everywhere."""
    columns: frozenset[str]
    """The attributes that are columns, but for the key."""
    key: tuple[str, ...]
    update: Many

    def which(self, key: tuple[Any, ...]) -> dict[str, Any]:
        """Return the parameters of `update` that name a row."""
        return {_OF_KEY + name: value for name, value in zip(self.key, key, strict=True)}


class HubSession(Session):
    """Writes itself what was only updated; what is new, deleted or newly related, as SQLAlchemy does.

    Args:
        connection: in a transaction, which whoever began it ends, too.
    """

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, expire_on_commit=False, autoflush=False)
        self._own = connection

    def close(self) -> None:
        """Let go of all rows."""
        if self._transaction is not None:
            super().close()
        elif states := self.identity_map.all_states():
            InstanceState._detach_states(states, self)

    def connection(self, *_options: Any, **_named: Any) -> Connection:
        """Return the connection in whose transaction the session is."""
        return self._own

    def execute(self, statement: Any, params: Any = None, **options: Any) -> Any:
        """Execute a statement, straight if it can be."""
        found = None if options else directly(self, statement, params)
        return super().execute(statement, params, **options) if found is None else found

    def scalars(self, statement: Any, params: Any = None, **options: Any) -> Any:
        """Execute a statement; return the first value of each row."""
        found = None if options else directly(self, statement, params)
        return super().scalars(statement, params, **options) if found is None else found.scalars()

    def get(self, entity: Any, ident: Any, **options: Any) -> Any:
        """Return a row by its key, or None; read it straight if it can be."""
        if isinstance(ident, str) and not any(options.values()):
            found = self.identity_map.get((entity, (ident,), None))
            if found is None:
                return self.scalars(_by_key(entity), {"key": ident}).one_or_none()
        return super().get(entity, ident, **options)

    def get_one(self, entity: Any, ident: Any, **options: Any) -> Any:
        """Return a row by its key.

        Raises:
            NoResultFound: there is none.
        """
        found = self.get(entity, ident, **options)
        if found is None:
            raise NoResultFound("there is no such row")
        return found

    def flush(self, objects: Sequence[Any] | None = None) -> None:
        """Write all that has changed.

        Raises:
            StaleDataError: a row to be updated is not there any more.
        """
        # By its public ways all this takes ten times as long.
        states = list(self.identity_map._modified)
        changes = [] if self._new or self._deleted else [_Change.of(state) for state in states]
        if len(changes) < len(states) or not states or None in changes:
            super().flush(objects)
            return
        self._update([change for change in changes if change is not None and change.values])
        for state in states:
            # For the session it stands now as it was read.
            state._commit_all(state.dict, self.identity_map)

    def _update(self, changes: Iterable[_Change]) -> None:
        """Update rows in the order of their tables and keys; neighbours with the same columns at once."""
        ordered = sorted(changes, key=lambda change: (change.model.place, change.key))
        for (_, names), alike in groupby(ordered, key=lambda c: (c.model.place, tuple(sorted(c.values)))):
            found = list(alike)
            model = found[0].model
            rows = [
                {**{name: change.values[name] for name in names}, **model.which(change.key)}
                for change in found
            ]
            if model.update.execute(self.connection(), rows) != len(rows):
                raise StaleDataError("a row that was to be updated is not there any more")


@dataclass(frozen=True, slots=True)
class _Change:
    """What has changed of one row."""

    model: _Model
    key: tuple[Any, ...]
    values: Mapping[str, Any]
    """By column."""

    @classmethod
    def of(cls, state: InstanceState[Any]) -> _Change | None:
        """Return the change of a row; None if it is not of its own columns alone, or not of values."""
        model, now, values = _model(state.mapper), state.dict, {}
        for name, before in state.committed_state.items():
            if name not in model.columns or name not in now:
                return None
            value = now[name]
            if isinstance(value, ClauseElement):
                return None
            if value is not before and value != before:
                values[name] = value
        assert state.key is not None
        return cls(model, state.key[1], values)


@cache
def _by_key(entity: type[Any]) -> Select[Any]:
    (key,) = inspect(entity).primary_key
    return select(entity).where(key == bindparam("key"))


@cache
def _model(mapper: Mapper[Any]) -> _Model:
    table = cast(Table, mapper.local_table)
    key = tuple(column.key for column in table.primary_key)
    columns = frozenset(mapper.column_attrs.keys())
    places = {other: place for place, other in enumerate(table.metadata.sorted_tables)}
    which = [table.c[name] == bindparam(_OF_KEY + name) for name in key]
    return _Model(
        places[table],
        columns - frozenset(key),
        key,
        Many(update(table).where(*which)),
    )
