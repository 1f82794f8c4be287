"""Docs are complete and true: whatever is added must be written down, and what is written down must work."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from flask import Flask

from demo.stage import Stage, running_hub, wait_until
from hub import settings
from hub.cli import main
from hub.plugin import errors
from hub.plugin import types as border
from hub.plugin.control import SandboxControl
from hub.providers.manager import HOOKS, Providers
from hub.settings import Settings
from hub.web import words
from hub_google.sandbox import state as google
from hub_outlook.sandbox import switches as outlook
from tests.unit.api.hub_app import HubApp

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
API = ROOT / "docs" / "api.md"
PLUGINS = ROOT / "hub" / "plugin" / "README.md"
EXAMPLE = ROOT / "config" / "production.env.example"
PERSON = "ann@example.test"


def tracked() -> list[Path]:
    """Return the files of the repository; without git, those of the tree but for what is built."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listing.returncode == 0:
        found = [ROOT / name for name in listing.stdout.split("\0") if name]
    else:
        built = re.compile(r"/(\.[a-z_]+|__pycache__|build|dist|[^/]+\.egg-info)/")
        found = [p for p in ROOT.rglob("*") if not built.search(f"/{p.relative_to(ROOT)}/")]
    return [path for path in found if path.is_file()]


PAGES = sorted(path for path in tracked() if path.suffix == ".md")


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


def section(page: Path, heading: str) -> str:
    found = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", page.read_text(), re.MULTILINE | re.DOTALL)
    assert found, f"{named(page)} has no section {heading!r}"
    return found[1]


# --- the plugin border ---


def test_each_hook_has_its_heading_in_the_order_of_the_specification() -> None:
    assert re.findall(r"^### `(\w+)`$", section(PLUGINS, "The hooks"), re.MULTILINE) == list(HOOKS)


def test_each_hook_of_the_specification_says_what_it_is_for() -> None:
    from hub.plugin import spec

    assert [name for name in HOOKS if not (getattr(spec, name).__doc__ or "").strip()] == []


def test_each_error_of_the_border_has_its_line() -> None:
    kinds = [k for k in vars(errors).values() if isinstance(k, type) and issubclass(k, errors.ProviderError)]
    text = section(PLUGINS, "Errors")
    assert [kind.__name__ for kind in kinds if f"`{kind.__name__}" not in text] == []


def test_each_call_of_the_control_api_has_its_line() -> None:
    module = sys.modules[SandboxControl.__module__]
    calls = set(re.findall(r"^\| (GET|POST|PATCH|DELETE) ([a-z/]+)", module.__doc__ or "", re.MULTILINE))
    assert len(calls) > 10
    text = section(PLUGINS, "The sandbox and its control API")
    missing = [f"{m} {path}" for m, path in calls if not re.search(rf"`{m}[^|]*\b{path}`", text)]
    assert missing == []


def test_the_skeleton_of_a_plugin_loads_and_implements_every_hook(tmp_path: Path) -> None:
    module = types.ModuleType("hub_example")
    exec(compile(blocks(PLUGINS, "python")[0], "hub_example.py", "exec"), module.__dict__)
    given = {"HUB_HOME": str(tmp_path), "HUB_EXAMPLE_CLIENT_ID": "id", "HUB_EXAMPLE_CLIENT_SECRET": "secret"}
    providers = Providers()
    providers.add("example", "hub-example", module, Settings.load(given))
    (status,) = providers.statuses
    assert (status.name, status.state, status.reason) == ("example", "loaded", None)
    box = providers.get("example").hooks.sandbox(options=border.SandboxOptions("http://127.0.0.1:1"))
    declared = {setting.name for setting in status.info.settings} if status.info else set()
    assert set(box.settings) <= declared


# --- settings and commands ---


def test_each_setting_is_in_the_example_with_its_default() -> None:
    lines = dict(re.findall(r"^#?HUB_([A-Z_]+)=(.*)$", EXAMPLE.read_text(), re.MULTILINE))
    commented = dict(re.findall(r"^#HUB_([A-Z_]+)=(.*)$", EXAMPLE.read_text(), re.MULTILINE))
    for setting in settings.declared():
        name = setting.name.upper()
        assert name in lines, f"HUB_{name} is not in {named(EXAMPLE)}"
        if name in commented:
            assert commented[name] == setting.metadata["default"], f"HUB_{name}: another default"


def test_the_example_names_no_setting_that_is_not_there() -> None:
    known = {setting.name.upper() for setting in settings.declared()}
    core = section_of_example("Providers", without=True)
    assert set(re.findall(r"^#?HUB_([A-Z_]+)=", core, re.MULTILINE)) <= known


def section_of_example(heading: str, *, without: bool) -> str:
    parts = re.split(r"(?=^# --- )", EXAMPLE.read_text(), flags=re.MULTILINE)
    return "".join(p for p in parts if p.startswith(f"# --- {heading}") != without)


def own_settings() -> set[str]:
    """Return every variable of the hub and of the plugins of this repository."""
    names = {f"HUB_{setting.name}".upper() for setting in settings.declared()}
    names |= {f"{name}_FILE" for name in names} | {"HUB_ENV_FILE"}
    for text in (path.read_text() for path in ROOT.glob("plugins/*/hub_*/hooks.py")):
        provider = re.search(r'name="(\w+)"', text) or re.search(r'NAME = "(\w+)"', text)
        assert provider
        names |= {f"HUB_{provider[1]}_{n}".upper() for n in re.findall(r'Setting\(\s*"([A-Z_]+)"', text)}
    return names


def test_docs_name_no_setting_that_is_not_there() -> None:
    known = own_settings()
    for page in (README, API, *sorted((ROOT / "docs").glob("*.md"))):
        named_there = set(re.findall(r"\bHUB_[A-Z_]+[A-Z]\b", page.read_text()))
        named_there -= {"HUB_PROVIDER", "HUB_NAME_FILE"}
        unknown = {name for name in named_there if name not in known and not name.startswith("HUB_TEST_")}
        assert unknown == set(), f"{named(page)} names {unknown}"


def commands(group: click.Group, prefix: str = "hub") -> Iterator[str]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{prefix} {name}")
        else:
            yield f"{prefix} {name}"


@pytest.mark.parametrize("command", list(commands(main)))
def test_each_command_is_told_in_the_docs(command: str) -> None:
    text = "".join(page.read_text() for page in (README, ROOT / "docs" / "operations.md", PLUGINS, API))
    assert re.search(rf"\b{command}\b", text), f"no page tells of {command!r}"


# --- the API ---


@pytest.fixture
def app(sqlite_url: str, tmp_path: Path) -> Flask:
    return HubApp(sqlite_url, tmp_path).app


def endpoints(app: Flask) -> set[str]:
    """Return `METHOD /path` of all that is not the page's own."""
    found = set()
    for rule in app.url_map.iter_rules():
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
        ours = rule.endpoint.startswith("page.") and not path.startswith(("/connect", "/sign"))
        if rule.endpoint != "static" and not ours:
            found |= {f"{method} {path}" for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}}
    return found


def test_the_table_of_the_api_is_the_app_s_own(app: Flask) -> None:
    told = re.findall(r"`((?:GET|POST|PATCH|PUT|DELETE) /\S*)`", section(API, "Every address"))
    assert sorted(told) == sorted(endpoints(app))


def test_each_operation_of_the_openapi_document_says_what_it_does(app: Flask) -> None:
    document = app.test_client().get("/openapi.json").get_json()
    operations = [
        (method, path, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method != "parameters"
    ]
    assert len(operations) > 30
    assert [(method, path) for method, path, operation in operations if not operation.get("summary")] == []


def test_each_kind_of_problem_is_explained() -> None:
    kinds: set[str] = set()
    for source in (ROOT / "hub" / "api").rglob("*.py"):
        kinds |= set(re.findall(r'kind="(\w+)"', source.read_text()))
    told = section(API, "Conventions")
    assert {k for k in kinds if k not in told} <= {"not_found", "unknown_provider"}
    assert len(kinds) > 8


CURL = """#!{python}
import sys
import requests

given, headers, method, data, show, url = iter(sys.argv[1:]), {{}}, None, None, True, ""
for word in given:
    if word in ("-H", "-X", "-d", "-o"):
        value = next(given)
        if word == "-H":
            name, _, text = value.partition(":")
            headers[name] = text.strip()
        elif word == "-X":
            method = value
        elif word == "-d":
            data = value
        else:
            show = False
    elif not word.startswith("-"):
        url = word
answer = requests.request(method or ("POST" if data else "GET"), url, headers=headers, data=data, timeout=30)
if "-i" in sys.argv:
    print("HTTP/1.1", answer.status_code)
if show:
    print(answer.text)
"""
"""What the examples use of curl, for a machine that has none."""


PATIENT = """set -eu
sleep() {
  for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
    command sleep "$1"
    api GET "/links?calendar_id=$calendar" | grep -q 'syncing\\|behind' || return 0
  done
}
"""
"""A reader looks again when it is not there yet; so does this shell, on a machine that is slow."""


@pytest.fixture
def stage() -> Iterator[Stage]:
    with running_hub(("google", "outlook")) as running:
        yield running


def paste(stage: Stage, tmp_path: Path, *pages: Path) -> str:
    """Run a page's examples in a shell, in a directory where the hub runs, and return what they print."""
    first = int(stage.url.rsplit(":", 1)[1])
    (tmp_path / ".hub").mkdir()
    key = str(stage._session.headers["Authorization"]).removeprefix("Bearer ")
    (tmp_path / ".hub" / "api-key").write_text(key)
    script = PATIENT + "".join("".join(blocks(page, "sh")) for page in pages)
    for place, port in enumerate(("8000", "8001", "8002")):
        script = script.replace(f"127.0.0.1:{port}", f"127.0.0.1:{first + place}")
        script = script.replace(f"google {port}", f"google {first + place}")
        script = script.replace(f"outlook {port}", f"outlook {first + place}")
    bin = tmp_path / "bin"
    bin.mkdir()
    if shutil.which("curl") is None:
        (bin / "curl").write_text(CURL.format(python=sys.executable))
        (bin / "curl").chmod(0o755)
    (bin / "python3").symlink_to(sys.executable)
    environ = {"PATH": f"{bin}{os.pathsep}{os.environ['PATH']}", "HOME": str(tmp_path)}
    ended = subprocess.run(
        ["sh"], input=script, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=200
    )
    assert ended.returncode == 0, ended.stdout[-2000:] + ended.stderr[-2000:]
    return ended.stdout


@pytest.mark.timeout(300)
def test_the_examples_work_when_they_are_pasted(stage: Stage, tmp_path: Path) -> None:
    printed = paste(stage, tmp_path, README, API)
    for name, box in stage.sandboxes.items():
        person = next(p for p in box.people() if p["email"] == PERSON)
        main_calendar = next(c["remote_id"] for c in person["calendars"] if c["primary"])

        def shown(box: SandboxControl = box, calendar: str = main_calendar) -> bool:
            titles = sorted(content.title for content in box.events(PERSON, calendar).values())
            return titles == ["Interview", "Late lunch", "Once", "Review", "Review", "Stand-up"]

        wait_until(shown, f"{name} to show what the examples made")
    for told in (
        '"kind": "updated"',
        '"actor": "provider"',
        "urn:coordinoter:problem:stale_version",
        "/colour",
    ):
        assert told in printed
    once = re.findall(r'"id":"(evt_\w+)"[^\n]*"title":"Once"', printed)
    assert len(once) == 2 and once[0] == once[1]


# --- the repository ---


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(page: Path) -> list[str]:
    return [
        one or other for one, other in re.findall(r'\]\(([^)\s]+)\)|<img src="([^"]+)"', page.read_text())
    ]


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_each_relative_link_leads_somewhere(page: Path) -> None:
    for target in links(page):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), f"{named(page)} links to {target}"
        assert not anchor or anchor in anchors(there), f"{named(page)} links to {target}"


def test_each_picture_is_shown_somewhere() -> None:
    shown = {(page.parent / target).resolve() for page in PAGES for target in links(page)}
    assert [named(p) for p in tracked() if p.suffix == ".png" and p not in shown] == []


def test_there_are_pages_to_check() -> None:
    assert {README, API, PLUGINS, ROOT / "docs" / "architecture.md", ROOT / "CHANGELOG.md"} <= set(PAGES)


def test_each_plugin_tells_its_settings_and_where_to_register() -> None:
    for name in {name for name in own_settings() if name.startswith(("HUB_GOOGLE_", "HUB_OUTLOOK_"))}:
        _, provider, setting = name.split("_", 2)
        text = (ROOT / "plugins" / provider.lower() / "README.md").read_text()
        assert setting in text, f"{name} is not in the plugin's README"


def test_decisions_are_numbered_without_gaps_and_say_what_was_decided() -> None:
    pages = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    assert [int(page.name[:4]) for page in pages] == list(range(1, len(pages) + 1))
    for page in pages:
        title = page.read_text().splitlines()[0]
        assert re.match(rf"# {int(page.name[:4])}\. \S", title), named(page)


def test_the_changelog_tells_of_this_version() -> None:
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version and f"## [{version[1]}]" in (ROOT / "CHANGELOG.md").read_text()


AMERICAN = re.compile(
    r"\b(?:organiz|recogniz|synchroniz|summariz|customiz|color|favor|behavior|neighbor|honor|center|cancele|canceling|"
    r"gray\b)\w*",
    re.IGNORECASE,
)
NOT_PROSE = re.compile(r"^```.*?^```|`[^`]*`|\"[^\"]*\"|\]\([^)]*\)", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_prose_has_one_spelling_and_names_of_fields_their_own(page: Path) -> None:
    assert AMERICAN.findall(NOT_PROSE.sub("", page.read_text())) == []


def test_the_page_calls_each_field_by_a_word_of_that_spelling() -> None:
    templates = (ROOT / "hub" / "web" / "templates").glob("*.html")
    texts = [re.sub(r"{[{%].*?[%}]}|<[^>]*>", " ", path.read_text(), flags=re.DOTALL) for path in templates]
    assert texts and AMERICAN.findall(" ".join([*texts, *map(words.field, border.CONTENT_FIELDS)])) == []


MACHINES = re.compile(
    r"(?<![\w.])/(?:home|Users|root|work|tmp)/\w|[A-Z]:\\Users|/\.pyenv/|index-url|extra-index|find-links"
)
ALLOWED = {
    "tests/test_docs.py",  # the pattern itself
    "Makefile",  # tells the lock not to name an index
}


def test_no_file_names_a_developer_s_machine_or_a_package_index() -> None:
    guilty = []
    for path in tracked():
        if named(path) in ALLOWED or path.suffix in (".png", ".svg"):
            continue
        if path.parent.name == "requirements":
            guilty += [f"{named(path)} names an address"] if "://" in path.read_text() else []
        for number, line in enumerate(path.read_text().splitlines(), 1):
            guilty += [f"{named(path)}:{number}: {line.strip()[:120]}"] if MACHINES.search(line) else []
    assert guilty == []


def test_each_test_that_a_promise_names_is_there() -> None:
    promised = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", (ROOT / "docs" / "guarantees.md").read_text())
    assert len(promised) > 20
    missing = [
        f"{path}::{name}"
        for path, name in promised
        if not (ROOT / path).is_file() or (name and f"def {name}(" not in (ROOT / path).read_text())
    ]
    assert missing == []


SANDBOXES = ROOT / "docs" / "sandboxes.md"


@pytest.fixture(scope="module")
def all_tests() -> set[str]:
    """Return the names of all test functions."""
    files = [
        *ROOT.glob("tests/**/*.py"),
        *ROOT.glob("plugins/*/tests/**/*.py"),
        ROOT / "hub/plugin/testing.py",
    ]
    return {
        name for file in files for name in re.findall(r"^ *def (test_\w+)\(", file.read_text(), re.MULTILINE)
    }


@pytest.mark.parametrize("heading", ["Google", "Outlook"])
def test_each_line_of_a_sandbox_names_tests_that_are_there(heading: str, all_tests: set[str]) -> None:
    rows = re.findall(
        r"^\| (?!---|Microsoft \||Google \|)(.*) \|$", section(SANDBOXES, heading), re.MULTILINE
    )
    assert rows
    assert [row for row in rows if not re.search(r"`test_\w+`[^|]*$", row)] == [], "no test shows these"
    named_there = {name for row in rows for name in re.findall(r"`(test_\w+)`", row)}
    assert named_there - all_tests == set()


@pytest.mark.parametrize(
    ("heading", "switches"), [("Google", google.SWITCHES), ("Outlook", outlook.SWITCHES)]
)
def test_each_switch_of_a_sandbox_stands_on_the_page(heading: str, switches: dict[str, Any]) -> None:
    page = section(SANDBOXES, heading)
    assert [name for name in switches if f"`{name}`" not in page] == []
