"""The hub's line in people's texts: found where it stands alone, taken out without a trace."""

from __future__ import annotations

import pytest

from hub.plugin.text import join_line, without_join_line
from tests.growth import is_even

URL = "https://meet.test/1"
LINE = join_line("", URL)


@pytest.mark.parametrize("text", ["", "One", "One\n\n\ntwo", f"Other: {LINE}"])
def test_the_line_below_a_text_is_taken_out_of_it_again(text: str) -> None:
    if URL not in text:
        assert without_join_line(text + join_line(text, URL)) == (text, URL)
    assert without_join_line(text) == (text, None)


@pytest.mark.parametrize(
    ("text", "rest", "url"),
    [
        (f"{LINE}\n\nBelow", "Below", URL),
        (f"\n\n{LINE}\n\nBelow", "Below", URL),
        (f"Above\n\n\n{LINE}\nBelow", "Above\nBelow", URL),
        (f"Above\n{LINE} <{URL}/>  \n\n", "Above", URL),
        (f"Above\n{LINE}\n{LINE}2\nBelow", "Above\nBelow", f"{URL}2"),
        (f"See {URL}\n{LINE}", f"See {URL}\n{LINE}", None),
        (f"{LINE} at ten", f"{LINE} at ten", None),
    ],
)
def test_the_line_is_found_wherever_it_stands_alone(text: str, rest: str, url: str | None) -> None:
    assert without_join_line(text) == (rest, url)


@pytest.mark.parametrize("piece", ["\n", "\n ", f"{LINE} ", f"\n{LINE}", f"{LINE}((", "(", "<"])
def test_no_text_makes_the_search_for_the_line_slow(piece: str) -> None:
    short = piece * (2000 // len(piece))
    assert is_even(lambda text: without_join_line(f"{LINE}{text} {LINE} "), short)
