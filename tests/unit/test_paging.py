"""Circles of pages are noticed, however long; an end that is only far away is not taken for one."""

from __future__ import annotations

import pytest

from hub.plugin.paging import MOST_BLANK, START, Circle


def pages_until_closed(lead: int, length: int, most: int = 2000) -> int:
    """Return how many pages are read of a listing that turns in circles of `length` after `lead` pages."""
    circle = START
    for n in range(1, most):
        page = n if n <= lead else lead + (n - lead) % length
        circle = circle.after([f"event {page}", "the same on all"], f"token {n}")
        if circle.is_closed:
            return n
    return most


@pytest.mark.parametrize(("lead", "length"), [(0, 1), (2, 1), (5, 1), (0, 2), (3, 7), (20, 3), (1, 40)])
def test_a_circle_is_noticed_soon(lead: int, length: int) -> None:
    assert pages_until_closed(lead, length) <= 4 * max(lead, 1) + 6 * length


def test_a_long_listing_is_no_circle_even_if_each_page_comes_twice() -> None:
    circle = START
    for n in range(5000):
        circle = circle.after([f"a{n}", f"b{n}"], "t").after([f"b{n}", f"a{n}"], "t")
        assert not circle.is_closed


def test_empty_pages_are_normal_while_they_go_on_elsewhere_and_without_end_they_are_not() -> None:
    circle = START
    for part in range(3):
        for n in range(MOST_BLANK - 1):
            circle = circle.after([], f"token {part} {n}")
            assert not circle.is_closed
        circle = circle.after(["an event"], "token")
    for n in range(MOST_BLANK):
        circle = circle.after([], f"token {n}")
    assert circle.is_closed
    assert Circle(**{name: getattr(circle, name) for name in Circle.__dataclass_fields__}) == circle


@pytest.mark.parametrize(("lead", "length"), [(0, 1), (3, 1), (0, 2), (5, 7)])
def test_an_empty_page_that_goes_on_where_one_did_before_is_a_circle(lead: int, length: int) -> None:
    circle, pages = START.after(["an event"], "token"), 0
    while not circle.is_closed:
        pages += 1
        circle = circle.after([], f"token {pages if pages <= lead else lead + (pages - lead) % length}")
    assert pages <= 2 * max(lead, length) + length + 1
