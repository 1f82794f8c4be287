"""Public ids: a readable prefix and 26 characters that sort by time of making.

The alphabet is base32hex in lower case (RFC 4648 section 7), which is also what calendar providers
accept for ids that a client chooses.
"""

from __future__ import annotations

import hashlib
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

    def secret(self) -> str:
        """Return 43 URL-safe characters that cannot be guessed."""

    def jitter(self) -> float:
        """Return a number in [0, 1), to spread timers."""


_LETTERS = (_ALPHABET * 8).encode()
"""A character for each byte: every one of them as often as any other."""
_OF_TIME = range(45, -1, -5)


def _encode(millis: int) -> str:
    """Return 50 bits as 10 characters."""
    return "".join([_ALPHABET[(millis >> shift) & 31] for shift in _OF_TIME])


class SystemIds:
    """Ids from the operating system's generator: 48 bits of time, 80 bits of chance."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last = (-1, "")
        """The last millisecond that an id was made in, and how it is written: a page makes many ids."""

    def new(self, prefix: str) -> str:
        return f"{prefix}_{self.bare()}"

    def bare(self) -> str:
        millis = int(self._clock.now().timestamp() * 1000)
        written, time = self._last
        if written != millis:
            time = _encode(millis)
            self._last = (millis, time)
        return time + secrets.token_bytes(16).translate(_LETTERS).decode()

    def secret(self) -> str:
        return secrets.token_urlsafe(32)

    def jitter(self) -> float:
        return secrets.randbelow(1 << 20) / (1 << 20)


def digest(secret: str) -> str:
    """Return the form in which a secret of high entropy is stored: hexadecimal SHA-256."""
    return hashlib.sha256(secret.encode()).hexdigest()
