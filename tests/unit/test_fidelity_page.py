"""docs/fidelity.md is what the plugins declare, and the hub shows it for any plugin."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from hub.cli import main
from hub.commands.fidelity import written
from hub.plugin.fidelity import Extent, Fate, Fidelity, Field, Held
from hub.plugin.types import CONTENT_FIELDS, ProviderInfo

PAGE = Path(__file__).parents[2] / "docs" / "fidelity.md"


def test_the_page_is_what_the_plugins_say() -> None:
    printed = CliRunner().invoke(main, ["fidelity"])
    assert printed.exit_code == 0
    assert printed.output == PAGE.read_text(), "run make docs"


def test_each_field_of_the_hubs_event_is_told_of_for_each_provider() -> None:
    text = PAGE.read_text()
    assert "not told" not in text
    assert all(f"\n| `{name}` | " in text for name in CONTENT_FIELDS)


def test_a_plugin_that_says_nothing_of_a_field_is_shown_so() -> None:
    told = Fidelity("things", (Field("name", Fate.MAPPED, ("title",)),), (Held("title", Extent.WHOLE),))
    page = written([ProviderInfo("a", "A", ()), ProviderInfo("b", "B", (), fidelity=told)])
    assert "| field | B |" in page
    assert "| `title` | whole |" in page and "| `url` | not told |" in page
    assert "| `name` | mapped | `title` |  |" in page
