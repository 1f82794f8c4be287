"""If-Match: the version of an event that a change is based on."""

from __future__ import annotations

import re

from flask import request

from hub.outbound.edit import StaleVersionError


def expected_version() -> int | None:
    """Return the version that If-Match names; None if the change is for whatever is there.

    Raises:
        StaleVersionError: it names none that we ever gave out.
    """
    header = request.headers.get("If-Match", "").strip()
    if header in ("", "*"):
        return None
    match = re.fullmatch(r'"(\d{1,9})"', header)
    if match is None:
        raise StaleVersionError
    return int(match[1])
