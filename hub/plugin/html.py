"""HTML that others wrote, read as a browser reads it: Python's parser gives up at some of it."""

from __future__ import annotations

from html.parser import HTMLParser


class HtmlReader(HTMLParser):
    """A parser that reads whatever is there.

    `<![…]>` is a comment that is not well made, up to the first `>` (HTML: markup declaration open state).
    The standard library's parser looks for a word of SGML in it, and raises an AssertionError at any other.
    """

    def parse_marked_section(self, i: int, report: bool = True) -> int:
        """Return the end of what begins with `<![` at `i`; -1 if it has none."""
        return self.parse_bogus_comment(i, report)
