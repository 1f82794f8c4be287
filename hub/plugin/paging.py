"""Following pages without trusting that they end: for plugins whose provider may repeat a page for ever.

A provider's token may change on every page while the page does not, so what is watched is what the pages
hold. It takes constant memory, so that it can travel in a page token.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

MEETINGS = 2
"""So often the same page must come again: one repeated page is no circle."""
MOST_BLANK = 50
"""So many empty pages in a row are one. A few are normal."""


@dataclass(frozen=True, slots=True)
class Circle:
    """Notices that pages repeat, however long the circle is (Brent's algorithm)."""

    anchor: str = ""
    """Digest of the page that later ones are compared with; it moves on at each power of two."""
    steps: int = 0
    limit: int = 1
    met: int = 0
    blank: int = 0

    def after(self, page: Iterable[str]) -> Circle:
        """Return what is known after one more page of these ids."""
        ids = sorted(page)
        if not ids:
            return Circle(self.anchor, self.steps, self.limit, self.met, self.blank + 1)
        digest = hashlib.sha256("\n".join(ids).encode()).hexdigest()[:16]
        met = self.met + (digest == self.anchor)
        if self.steps + 1 == self.limit:
            return Circle(digest, 0, self.limit * 2, met if digest == self.anchor else 0)
        return Circle(self.anchor, self.steps + 1, self.limit, met)

    @property
    def is_closed(self) -> bool:
        """Whether the pages go round and round."""
        return self.met >= MEETINGS or self.blank >= MOST_BLANK


START = Circle()
"""What is known before the first page."""
