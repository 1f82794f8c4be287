"""Short digests of the values of an event's fields: equal digests mean equal meaning."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from hub.plugin.codec import to_json

_write = json.JSONEncoder(sort_keys=True, ensure_ascii=False).encode


def fingerprint(value: Any) -> str:
    """Return 16 hexadecimal digits for one field's value, be it of the border's types or plain."""
    return hashlib.blake2b(_write(to_json(value)).encode(), digest_size=8).hexdigest()
