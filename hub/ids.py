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


_PAIRS = tuple(one + two for one in _ALPHABET for two in _ALPHABET)
_OF_TIME = (40, 30, 20, 10, 0)
_OF_CHANCE = (70, 60, 50, 40, 30, 20, 10, 0)


def _encode(number: int, shifts: tuple[int, ...]) -> str:
    """Return a number as characters, two at a time: those 10 bits that are left by each shift."""
    return "".join([_PAIRS[(number >> shift) & 1023] for shift in shifts])


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
            time = _encode(millis, _OF_TIME)
            self._last = (millis, time)
        return time + _encode(int.from_bytes(secrets.token_bytes(10)), _OF_CHANCE)

    def secret(self) -> str:
        return secrets.token_urlsafe(32)

    def jitter(self) -> float:
        return secrets.randbelow(1 << 20) / (1 << 20)


def digest(secret: str) -> str:
    """Return the form in which a secret of high entropy is stored: hexadecimal SHA-256."""
    return hashlib.sha256(secret.encode()).hexdigest()
