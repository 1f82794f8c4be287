"""The lock files hold all that the three distributions ask for, by hash, and name no index."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
OWN = {"coordinoter-hub", "hub-google", "hub-outlook"}
LOCKS = ["bootstrap.txt", "run.txt", "test.txt"]


def locked(name: str) -> dict[str, str]:
    found = re.findall(
        r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", (ROOT / "requirements" / name).read_text(), re.MULTILINE
    )
    return {canonicalize_name(package): version for package, version in found}


def asked(*groups: str) -> list[Requirement]:
    lines = []
    for path in [ROOT / "pyproject.toml", *sorted(ROOT.glob("plugins/*/pyproject.toml"))]:
        project = tomllib.loads(path.read_text())
        lines += project["project"]["dependencies"] + project["build-system"]["requires"]
        for group in groups:
            lines += project.get("dependency-groups", {}).get(group, [])
    return [wanted for line in lines if canonicalize_name((wanted := Requirement(line)).name) not in OWN]


@pytest.mark.parametrize(("lock", "groups"), [("run.txt", ()), ("test.txt", ("test", "dev"))])
def test_each_requirement_is_locked_to_a_version_it_accepts(lock: str, groups: tuple[str, ...]) -> None:
    versions = locked(lock)
    for wanted in asked(*groups):
        version = versions.get(canonicalize_name(wanted.name))
        assert version is not None, f"{wanted} is not in requirements/{lock}: run make lock"
        assert wanted.specifier.contains(version, prereleases=True), f"{wanted}: {version}; run make lock"


def test_tests_run_on_the_versions_that_run_in_production() -> None:
    assert locked("run.txt").items() <= locked("test.txt").items()


@pytest.mark.parametrize("lock", LOCKS)
def test_every_line_of_a_lock_is_a_version_or_a_hash(lock: str) -> None:
    for line in (ROOT / "requirements" / lock).read_text().splitlines():
        assert re.fullmatch(r"[A-Za-z0-9._-]+==\S+( ; .+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?", line), (
            line
        )
