"""How a function's time grows with its input, whatever else the machine is doing."""

from __future__ import annotations

from collections.abc import Callable
from time import process_time

TIMES = 8
"""So many times as long is the longer text."""
MOST = 30
"""So many times as long it may take: well over `TIMES`, well under the square of that."""


def is_even(function: Callable[[str], object], short: str) -> bool:
    """Whether a longer text takes about as many times longer, at the third try at the latest."""
    return any(_seconds(function, short * TIMES) < MOST * _seconds(function, short) for _ in range(3))


def _seconds(function: Callable[[str], object], text: str) -> float:
    begun = process_time()
    function(text)
    return process_time() - begun
