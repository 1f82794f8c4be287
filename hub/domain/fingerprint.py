"""Short digests of an event's fields: equal digests mean equal meaning."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from hub.plugin.codec import to_json
from hub.plugin.types import CONTENT_FIELDS, EventContent


def fingerprint(value: Any) -> str:
    """Return 16 hexadecimal digits for one field's value."""
    text = json.dumps(to_json(value), sort_keys=True, ensure_ascii=False)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


_DEFAULTS: dict[Any, str] = {}


def fingerprints(content: EventContent) -> dict[str, str]:
    """Return the fingerprint of each field, fields at a common default cheaply."""
    result = {}
    for name in CONTENT_FIELDS:
        value = getattr(content, name)
        if value is None or value == () or value == "" or isinstance(value, str):
            if value not in _DEFAULTS:
                if len(_DEFAULTS) > 512:
                    _DEFAULTS.clear()
                _DEFAULTS[value] = fingerprint(value)
            result[name] = _DEFAULTS[value]
        else:
            result[name] = fingerprint(value)
    return result
