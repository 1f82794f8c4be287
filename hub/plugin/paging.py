"""Following pages without trusting that they end: for plugins whose provider may repeat a page for ever.

A provider's token may change on every page while the page does not, so what is watched is what the pages
hold; of empty pages, which say nothing, their tokens. It takes constant memory, so that it can travel in a
page token.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

MEETINGS = 2
"""So often the same page must come again: one repeated page is no circle."""
MOST_BLANK = 1000
"""So many empty pages in a row are one, though the token changes. Both providers may send any number."""


@dataclass(frozen=True, slots=True)
class Circle:
    """Notices that pages repeat, however long the circle is (Brent's algorithm)."""

    anchor: str = ""
    """Digest of the page that later ones are compared with; it moves on at each power of two."""
    steps: int = 0
    limit: int = 1
    met: int = 0
    blank: int = 0
    blank_anchor: str = ""
    """Digest of the token of an empty page, which moves on at each power of two of them in a row."""

    def after(self, page: Iterable[str], token: str) -> Circle:
        """Return what is known after one more page, of these ids, which says to go on at `token`."""
        ids = sorted(page)
        if not ids:
            return self._after_blank(_digest(token))
        digest = _digest("\n".join(ids))
        met = self.met + (digest == self.anchor)
        if self.steps + 1 == self.limit:
            return Circle(digest, 0, self.limit * 2, met if digest == self.anchor else 0)
        return Circle(self.anchor, self.steps + 1, self.limit, met)

    def _after_blank(self, digest: str) -> Circle:
        """A token that comes again leads where it led before."""
        blank = MOST_BLANK if digest == self.blank_anchor else self.blank + 1
        anchor = digest if blank & (blank - 1) == 0 else self.blank_anchor
        return replace(self, blank=blank, blank_anchor=anchor)

    @property
    def is_closed(self) -> bool:
        """Whether the pages go round and round."""
        return self.met >= MEETINGS or self.blank >= MOST_BLANK


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


START = Circle()
"""What is known before the first page."""
