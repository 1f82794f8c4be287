"""The schema goes up, down and up again, and is then what the models say."""

from __future__ import annotations

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect

import hub.models  # noqa: F401 - fills the metadata
from hub import migrations
from hub.db import Base, Database


def tables(db: Database) -> set[str]:
    return set(inspect(db.engine).get_table_names()) - {"alembic_version"}


def test_up_down_and_up_again(empty_database_url: str) -> None:
    db = Database(empty_database_url)
    assert migrations.pending(db)
    migrations.upgrade(empty_database_url)
    assert tables(db) == set(Base.metadata.tables) and not migrations.pending(db)
    migrations.downgrade(empty_database_url, "base")
    assert tables(db) == set() and migrations.pending(db)
    migrations.upgrade(empty_database_url)
    assert tables(db) == set(Base.metadata.tables)
    db.engine.dispose()


def test_the_migrated_schema_is_what_the_models_say(empty_database_url: str) -> None:
    migrations.upgrade(empty_database_url)
    db = Database(empty_database_url)
    with db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        assert compare_metadata(context, Base.metadata) == []
    db.engine.dispose()
