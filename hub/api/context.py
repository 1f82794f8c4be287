"""What a view needs of its surroundings: the ports, who calls, and the run that its changes belong to."""

from __future__ import annotations

from typing import cast

from flask import current_app, g

from hub.models import Actor, ApiKey
from hub.outbound.edit import Author
from hub.ports import Ports

EXTENSION = "hub"


def ports() -> Ports:
    """Return the ports of the running app."""
    return cast(Ports, current_app.extensions[EXTENSION])


def caller() -> ApiKey:
    """Return the key that this request came with."""
    return cast(ApiKey, g.api_key)


def tenant_id() -> str:
    return caller().tenant_id


def author() -> Author:
    """Return who makes the changes of this request, for the change log: a request is one run."""
    return Author(Actor.API_KEY, caller().id, cast(str, g.run_id))
