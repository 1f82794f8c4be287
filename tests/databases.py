"""The databases of tests: each has its own engine, but what SQLAlchemy makes of a statement is made once."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine

from hub.db import Database

_FIRST: dict[str, Any] = {}
"""By kind of database: the dialect and the statements of the first engine of this process."""


def opened(url: str) -> Database:
    """Return a `Database`; compiling anew what others have compiled took a third of a test."""
    db = Database(url)
    _share(db.engine)
    return db


def _share(engine: Engine) -> None:
    if engine.dialect.name not in _FIRST:
        with engine.connect():
            pass  # A dialect looks at its server at the first connection.
        _FIRST[engine.dialect.name] = engine.dialect, engine._compiled_cache
    # SQLAlchemy keeps statements by the dialect itself, in the engine and in each mapper.
    engine.dialect, engine._compiled_cache = _FIRST[engine.dialect.name]
    engine.pool._dialect = engine.dialect
