"""Schema migrations (Alembic): up, down, and whether the database is behind."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from hub.db import Database


def _config(db: Database) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["engine"] = db.engine
    return config


def upgrade(database_url: str, revision: str = "head") -> None:
    """Bring the database to a revision, the newest by default."""
    db = Database(database_url)
    command.upgrade(_config(db), revision)
    db.engine.dispose()


def downgrade(database_url: str, revision: str) -> None:
    """Take the database back to a revision; `base` is the empty database."""
    db = Database(database_url)
    command.downgrade(_config(db), revision)
    db.engine.dispose()


def pending(db: Database) -> bool:
    """Whether the database is not at the newest revision that this code knows."""
    script = ScriptDirectory.from_config(_config(db))
    with db.engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_heads()
    return set(current) != set(script.get_heads())
