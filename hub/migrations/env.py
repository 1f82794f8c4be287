"""What Alembic runs for each command: one transaction over the engine that `hub.migrations` hands in."""

from __future__ import annotations

from alembic import context

import hub.models  # noqa: F401 - fills the metadata
from hub.db import Base


def run() -> None:
    """Run the migrations; on SQLite tables are rebuilt where it cannot alter them."""
    engine = context.config.attributes["engine"]
    with engine.connect() as connection:
        context.configure(
            connection,
            target_metadata=Base.metadata,
            render_as_batch=engine.dialect.name == "sqlite",
            user_module_prefix="db.",
        )
        with context.begin_transaction():
            context.run_migrations()
        connection.commit()


run()
