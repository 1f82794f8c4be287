"""The lines between the parts that an import contract cannot draw."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.simulate.planted.search import BUGS

ROOT = Path(__file__).parents[1]
HUB = ROOT / "hub"
SOURCES = sorted(p for p in HUB.rglob("*") if p.suffix in (".py", ".html", ".js", ".css", ".mako"))
OUTSIDE_THE_PORTS = {"pulse.py", "clock.py", "db.py", "ids.py", "vault.py"}
"""Where time and chance come from, and where writers wait for the database."""
UNSIMULATED = ("processes", "commands", "plugin", "settings_values.py", "cli.py")
"""What starts processes or tests plugins: no driver, so no part of a simulation."""
FORBIDDEN_CALLS = {
    "datetime.now", "datetime.utcnow", "date.today", "time.time", "time.sleep", "time.monotonic",
    "uuid.uuid4", "uuid4", "random.random", "random.choice", "secrets.token_hex", "secrets.token_urlsafe",
    "threading.Thread",
}  # fmt: skip
FLASK_HOMES = re.compile(r"^(app\.py|api/|web/|inbound/webhook\.py|processes/)")
CELERY_HOMES = re.compile(r"^(worker\.py|processes/|commands/)")


def python_files() -> Iterator[tuple[str, ast.Module]]:
    for path in SOURCES:
        if path.suffix == ".py":
            yield path.relative_to(HUB).as_posix(), ast.parse(path.read_text())


def imported(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_nothing_in_the_core_names_a_provider(path: Path) -> None:
    found = re.findall(r"google|outlook|msgraph|\bgraph\b|microsoft", path.read_text(), re.IGNORECASE)
    assert found == []


def test_time_chance_and_threads_come_only_through_the_ports() -> None:
    guilty = []
    for name, tree in python_files():
        if name in OUTSIDE_THE_PORTS or name.startswith(UNSIMULATED):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                guilty += [f"{name}:{node.lineno} {called}"] if called in FORBIDDEN_CALLS else []
    assert guilty == []


@pytest.mark.parametrize(
    ("package", "homes"), [("flask", FLASK_HOMES), ("celery", CELERY_HOMES), ("flask_smorest", FLASK_HOMES)]
)
def test_a_framework_stays_in_its_room(package: str, homes: re.Pattern[str]) -> None:
    users = {
        name
        for name, tree in python_files()
        if any(module.split(".")[0] == package for module in imported(tree))
    }
    assert {name for name in users if not homes.match(name)} == set()


def test_schemas_know_no_database() -> None:
    for name, tree in python_files():
        if name.startswith("api/schemas"):
            assert not {m for m in imported(tree) if m.split(".")[0] == "sqlalchemy"}, name


def test_importing_the_border_loads_nothing_else_of_the_hub() -> None:
    import subprocess
    import sys

    code = (
        "import sys, hub.plugin.spec, hub.plugin.types, hub.plugin.errors, hub.plugin.codec;"
        "print([m for m in sys.modules if m.startswith('hub.') and not m.startswith('hub.plugin')],"
        " [m for m in ('flask', 'celery', 'sqlalchemy') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["[]", "[]"]


@pytest.mark.parametrize("module", sorted({bug.module for bug in BUGS}))
def test_each_planted_bug_knows_the_text_that_it_replaces(module: str) -> None:
    """Who changes such a text says in `tests/simulate/planted` how the bug looks now."""
    text = (ROOT / f"{module.replace('.', '/')}.py").read_text()
    own = [bug for bug in BUGS if bug.module == module]
    assert [bug.name for bug in own if text.count(bug.old) != 1] == []
