"""Secrets at rest: AES-256-GCM with rotatable keys, bound to the row and column they belong to.

The envelope is text: `v1.<key id>.<base64url of nonce and ciphertext>`. The associated data names
table, column and row, so that a ciphertext moved to another row does not open.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM


class VaultError(Exception):
    """A secret cannot be opened: wrong key, moved or damaged."""


class Vault:
    """Seals and opens secrets.

    Args:
        keys: 32-byte keys by id, the current one first; the others only open.
    """

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        if not keys:
            raise ValueError("at least one encryption key is needed")
        self._keys = {name: AESGCM(key) for name, key in keys.items()}
        self.current = next(iter(keys))

    def seal(self, secret: str, place: str) -> str:
        """Return the sealed form of `secret` for `place`, such as `grants.access_token:acc_…`."""
        nonce = os.urandom(12)
        sealed = self._keys[self.current].encrypt(nonce, secret.encode(), place.encode())
        return f"v1.{self.current}.{base64.urlsafe_b64encode(nonce + sealed).decode()}"

    def open(self, envelope: str, place: str) -> str:
        """Return the secret.

        Raises:
            VaultError: the key is unknown, or the envelope is damaged or of another place.
        """
        try:
            version, key_id, body = envelope.split(".", 2)
            if version != "v1":
                raise VaultError(f"unknown envelope version {version!r}")
            raw = base64.urlsafe_b64decode(body)
            return self._keys[key_id].decrypt(raw[:12], raw[12:], place.encode()).decode()
        except KeyError:
            raise VaultError(f"the key {key_id!r} is not among HUB_SECRET_KEYS") from None
        except (InvalidTag, ValueError) as error:
            raise VaultError("a stored secret does not open: wrong key, or it was moved") from error

    def is_current(self, envelope: str) -> bool:
        """Whether the envelope was sealed with the current key."""
        return envelope.split(".", 2)[1] == self.current
