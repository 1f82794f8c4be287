"""A text of which a provider shows the beginning only keeps its end when a person edits that. Pure."""

from __future__ import annotations

import re
from collections import Counter

TEXTS = frozenset({"title", "description"})
_BLANKS = str.maketrans(dict.fromkeys("\u00a0\u1680\u2000\u2001\u2002\u2003\u2007\u202f\u205f\u3000\t", " "))
"""Providers write plain blanks for others."""
_LAST_WORD = re.compile(r"\S{1,20}\Z")
_REST_OF_WORD = re.compile(r"\A\S{1,20}(?!\S)")


def with_hidden_end(value: str | None, before: str | None, own: str | None) -> str | None:
    """Return an edited text with the end that its provider never showed, unless it was replaced or cleared.

    Args:
        value: the text as it was edited.
        before: what was shown when it was edited.
        own: the whole text.
    """
    if not value or not before or not own or not _is_edit(before, value):
        return value
    if not own.translate(_BLANKS).startswith(before.translate(_BLANKS)):
        return value
    end = own[len(before) :]
    last = _LAST_WORD.search(before)
    if last and not value.endswith(last[0]):
        # The word that the cut went through was taken out, or written over.
        end = _REST_OF_WORD.sub("", end)
    return value + end


def _is_edit(before: str, after: str) -> bool:
    """Whether a text was edited rather than replaced: half of it is still there."""
    around = _alike(before, after) + _alike(before[::-1], after[::-1])
    words, left = Counter(before.split()), Counter(after.split())
    return 2 * around >= len(before) or 2 * (words & left).total() >= words.total()


def _alike(one: str, other: str) -> int:
    """Return with how many characters both begin."""
    return next(
        (n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )
