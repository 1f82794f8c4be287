"""The hub's app over the ports of a test: routes, API document and templates are made once in a process."""

from __future__ import annotations

from copy import copy

from flask import Flask

from hub.api.context import EXTENSION
from hub.app import create_app
from hub.ports import Ports

_MADE: dict[int, Flask] = {}
"""What `create_app` returned, by the only setting that is kept in an app itself: the longest body."""


def app_over(ports: Ports) -> Flask:
    """Return an app as `create_app` makes it: of all that is in it, a test has only its ports for itself."""
    if ports.settings.trusted_proxies:
        return create_app(ports=ports)
    limit = ports.settings.body_limit
    if limit not in _MADE:
        _MADE[limit] = create_app(ports=ports)
        # An environment that is made before the copies is theirs, too, with its templates.
        _MADE[limit].jinja_env.auto_reload = False
    app = copy(_MADE[limit])
    app.extensions = {**app.extensions, EXTENSION: ports}
    return app
