"""Public ids: a readable prefix and 26 characters that sort by time of making.

The alphabet is base32hex in lower case (RFC 4648 section 7), which is also what calendar providers
accept for ids that a client chooses.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from typing import Protocol

from hub.clock import Clock

_ALPHABET = "0123456789abcdefghijklmnopqrstuv"


class Ids(Protocol):
    """Makes ids and secrets; the only source of randomness."""

    def new(self, prefix: str) -> str:
        """Return a fresh id such as `evt_06f1…`."""

    def bare(self) -> str:
        """Return 26 fresh characters of [0-9a-v] without a prefix."""

    def many(self, count: int) -> list[str]:
        """Return so many of the same, the lowest first: an index takes them at its end."""

    def secret(self) -> str:
        """Return 43 URL-safe characters that cannot be guessed."""

    def jitter(self) -> float:
        """Return a number in [0, 1), to spread timers."""


_LETTERS = (_ALPHABET * 8).encode()
"""A character for each byte: every one of them as often as any other."""
_CHANCE = 16
"""The characters of an id that are drawn by lot: 80 bits."""
_DRAWN_AT_ONCE = 64
"""To ask the system for one id's chance takes longer than all the rest of it."""
_OF_TIME = range(45, -1, -5)


def _encode(millis: int) -> str:
    """Return 50 bits as 10 characters."""
    return "".join([_ALPHABET[(millis >> shift) & 31] for shift in _OF_TIME])


def _draw(count: int) -> list[str]:
    letters = secrets.token_bytes(_CHANCE * count).translate(_LETTERS).decode()
    return [letters[at : at + _CHANCE] for at in range(0, len(letters), _CHANCE)]


class SystemIds:
    """Ids from the operating system's generator: 48 bits of time, 80 bits of chance."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last = (-1, "")
        """The last millisecond that an id was made in, and how it is written: a page makes many ids."""
        self._chances: list[str] = []
        """Drawn and not used yet. A process that is forked must not use its parent's."""
        os.register_at_fork(after_in_child=self._chances.clear)

    def new(self, prefix: str) -> str:
        return f"{prefix}_{self.bare()}"

    def bare(self) -> str:
        return self._time() + self._chance()

    def many(self, count: int) -> list[str]:
        time = self._time()
        return [time + chance for chance in sorted(_draw(count))]

    def _time(self) -> str:
        millis = int(self._clock.now().timestamp() * 1000)
        written, time = self._last
        if written != millis:
            time = _encode(millis)
            self._last = (millis, time)
        return time

    def _chance(self) -> str:
        try:
            return self._chances.pop()
        except IndexError:
            first, *others = _draw(_DRAWN_AT_ONCE)
            self._chances += others
            return first

    def secret(self) -> str:
        return secrets.token_urlsafe(32)

    def jitter(self) -> float:
        return secrets.randbelow(1 << 20) / (1 << 20)


def digest(secret: str) -> str:
    """Return the form in which a secret of high entropy is stored: hexadecimal SHA-256."""
    return hashlib.sha256(secret.encode()).hexdigest()
