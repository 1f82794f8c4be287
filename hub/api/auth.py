"""Who may call: a Bearer API key (RFC 6750) with the scope that the method needs."""

from __future__ import annotations

from flask import g, request

from hub.accounts import keys
from hub.api.context import ports
from hub.api.errors import Problem
from hub.log import bind

_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="coordinoter"'}
READING = frozenset({"GET", "HEAD", "OPTIONS"})


def authenticate() -> None:
    """Find the key of the request and check its scope; runs before every view of the API.

    Raises:
        Problem: 401 or 403.
    """
    scheme, _, clear = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not clear:
        detail = "Send an API key in the header 'Authorization: Bearer …'."
        raise Problem(401, detail, kind="unauthorized", headers=_CHALLENGE)
    world = ports()
    with world.db.reading() as session:
        key = keys.find_key(session, world, clear.strip())
    if key is None:
        headers = {"WWW-Authenticate": _CHALLENGE["WWW-Authenticate"] + ', error="invalid_token"'}
        raise Problem(
            401, "The API key is unknown, expired or revoked.", kind="unauthorized", headers=headers
        )
    g.api_key = key
    bind(tenant_id=key.tenant_id, api_key_id=key.id)
    needed = "read" if request.method in READING else "write"
    # A key that may write may read what it wrote.
    if needed not in key.scopes and not (needed == "read" and "write" in key.scopes):
        raise Problem(403, f"The API key lacks the scope '{needed}'.", kind="forbidden")
    keys.note_use(world, key)
