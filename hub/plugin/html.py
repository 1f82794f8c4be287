"""HTML that others wrote, read as a browser reads it: Python's parser gives up at some of it."""

from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser


class HtmlReader(HTMLParser):
    """A parser that reads whatever is there, in a time that grows as its length; to be fed once, with all.

    What begins and never ends is text, and so is all that follows. The standard library's parser looks for
    the end of each such tag and comment anew, up to the end of the text.

    `<![…]>` is a comment that is not well made, up to the first `>` (HTML: markup declaration open state).
    The standard library's parser looks for a word of SGML in it, and raises an AssertionError at any other.
    """

    _last_end = -1
    """Where the last `>` stands: what begins later has no end."""
    _is_text_from_here = False

    def goahead(self, end: bool) -> None:
        """Read all that there is."""
        self._last_end = self.rawdata.rfind(">")
        super().goahead(end)

    def parse_starttag(self, i: int) -> int:
        """Return the end of a tag that begins at `i`."""
        return self._end_of(super().parse_starttag, i)

    def parse_endtag(self, i: int) -> int:
        """Return the end of what begins with `</` at `i`."""
        return self._end_of(super().parse_endtag, i)

    def parse_pi(self, i: int) -> int:
        """Return the end of what begins with `<?` at `i`."""
        return self._end_of(super().parse_pi, i)

    def parse_comment(self, i: int, report: bool = True) -> int:
        """Return the end of what begins with `<!--` at `i`."""
        return self._end_of(lambda at: super(HtmlReader, self).parse_comment(at, report), i)

    def parse_html_declaration(self, i: int) -> int:
        """Return the end of any other that begins with `<!` at `i`."""
        return self._end_of(super().parse_html_declaration, i)

    def parse_marked_section(self, i: int, report: bool = True) -> int:
        """Return the end of what begins with `<![` at `i`; -1 if it has none."""
        return self.parse_bogus_comment(i, report)

    def _end_of(self, parse: Callable[[int], int], i: int) -> int:
        if not self._is_text_from_here and i < self._last_end and (end := parse(i)) >= 0:
            return end
        self._is_text_from_here = True
        self.handle_data("<")
        return i + 1
