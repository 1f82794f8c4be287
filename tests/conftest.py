"""Fixtures that any test may ask for: databases of both kinds, a broker, and a home for settings."""

from __future__ import annotations

import gc
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import pytest
import redis
from hypothesis import settings

from hub import migrations
from tests import servers

# A loaded machine is no fault of the code: no example has to be quick.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")

KINDS = ["sqlite", "postgresql"] if servers.with_postgres() else ["sqlite"]


def pytest_report_header() -> list[str]:
    return servers.describe()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Ask half of the tests that any database must pass of SQLite and half of PostgreSQL, always the same.

    Both are asked of tests that are marked so, and of all with HUB_TEST_BOTH=1.
    """
    left_out = [item for item in items if _is_for_the_other_kind(item)]
    if left_out and not os.environ.get("HUB_TEST_BOTH"):
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in set(left_out)]


def _is_for_the_other_kind(item: pytest.Item) -> bool:
    kind = getattr(item, "callspec", None) and item.callspec.params.get("database_url")  # type: ignore[attr-defined]
    if kind is None or len(KINDS) == 1 or item.get_closest_marker("both_databases"):
        return False
    return bool(kind != KINDS[crc32(item.nodeid.replace(kind, "").encode()) % len(KINDS)])


def pytest_collection_finish() -> None:
    """Keep what is there before the first test out of searches for garbage; the rest dies with its test."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000)


@pytest.fixture(scope="session", autouse=True)
def plain_environment() -> Iterator[None]:
    """Keep the settings of whoever runs the tests out of them."""
    kept = {name: value for name, value in os.environ.items() if name.startswith("HUB_")}
    for name in kept:
        if not name.startswith("HUB_TEST_"):
            del os.environ[name]
    yield
    os.environ.update(kept)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The maintenance database of a PostgreSQL server of this test process."""
    with servers.postgres() as url:
        yield url


@pytest.fixture(scope="session")
def postgres_template(postgres_url: str) -> Iterator[str]:
    """A migrated database on that server, to be copied."""
    with servers.database(postgres_url) as url:
        migrations.upgrade(url)
        yield servers.database_name(url)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file, to be copied."""
    path = tmp_path_factory.mktemp("template") / "hub.db"
    migrations.upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """A migrated SQLite database, for tests of the page: it asks a database for nothing of its own."""
    path = tmp_path / "hub.db"
    shutil.copy(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture(params=KINDS)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A migrated database of each kind, without rows, for this test alone."""
    if request.param == "sqlite":
        path = tmp_path / "hub.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        yield f"sqlite:///{path}"
        return
    server, template = (request.getfixturevalue(name) for name in ("postgres_url", "postgres_template"))
    with servers.database(server, template) as url:
        yield url


@pytest.fixture(params=KINDS)
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database of each kind without any table, for this test alone."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'hub.db'}"
        return
    with servers.database(request.getfixturevalue("postgres_url")) as url:
        yield url


@pytest.fixture(scope="session")
def redis_server_url() -> Iterator[str]:
    """A Redis of this test process."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    with servers.redis_process(1 + int(worker.removeprefix("gw"))) as url:
        yield url


@pytest.fixture
def redis_url(redis_server_url: str) -> Iterator[str]:
    """That Redis, emptied for this test."""
    with redis.Redis.from_url(redis_server_url) as client:
        client.flushdb()
        yield redis_server_url
        client.flushdb()
