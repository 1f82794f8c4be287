"""Each planted bug is found, within a minute, by the property that it breaks."""

from __future__ import annotations

import pytest

from tests.simulate.planted import Bug
from tests.simulate.planted.search import BUGS, PAGE, find, known, table


@pytest.mark.timeout(300)
@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_planted_bug_is_found(bug: Bug) -> None:
    found = find(bug, known()[bug.name][0])
    assert found is not None, "not found within a minute"
    assert found[1].caught in bug.properties, found[1].violations


def test_there_are_fifty_and_each_is_named_once() -> None:
    assert len({bug.name for bug in BUGS}) == len(BUGS) >= 50


def test_the_page_tells_what_caught_each() -> None:
    assert list(known()) == [bug.name for bug in BUGS]
    assert table(known()) in PAGE.read_text(encoding="utf-8")
