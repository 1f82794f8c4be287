"""What a hub has to say when a test with a browser fails."""

from __future__ import annotations

import json
from collections.abc import Generator

import pytest

from demo.stage import Stage, last_words


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Function) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add to the report how the links do now, and the ends of the logs: the hub itself is gone soon."""
    report = yield
    stage = item.funcargs.get("stage")
    if report.failed and isinstance(stage, Stage):
        links = [link["health"] for link in stage.api("GET", "/links")["items"]]
        report.sections.append(("the links at the hub", json.dumps(links, indent=1)))
        report.sections.append(("the hub's logs", last_words(stage.home)))
    return report
