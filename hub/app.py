"""create_app(): the one place that wires ports, API, webhooks and the page into a Flask app."""

from __future__ import annotations

import re

from flask import Flask, Response, current_app, g, request
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix

from hub import log as hub_log
from hub import worker
from hub.api import (
    accounts,
    calendars,
    changes,
    conflicts,
    events,
    health,
    held,
    history,
    links,
    occurrences,
    plans,
    undo,
    users,
)
from hub.api.context import EXTENSION
from hub.api.errors import ProblemApi, answer, from_exception
from hub.inbound import webhook
from hub.ports import Ports
from hub.settings import Settings
from hub.web import docs, errors, views
from hub.wiring import build_ports

READING = frozenset({"GET", "HEAD", "OPTIONS"})
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'"
)
_PUBLIC = frozenset({"static", "health.healthz", "docs.page", "api-docs.openapi_json"})
"""What may be kept by caches; everything else is somebody's own."""

DESCRIPTION = """Coordinoter Hub keeps calendars of several providers and its own in step, both ways.

Send your API key as `Authorization: Bearer …`. Errors are problem documents (RFC 9457) that name every
fault of a request. Lists come in pages: pass `next_cursor` as `cursor`. Each POST that makes something
may carry an `Idempotency-Key`."""


def create_app(settings: Settings | None = None, ports: Ports | None = None) -> Flask:
    """Return the web app.

    Args:
        settings: read from the environment if None.
        ports: what drivers may touch; the real parts if None.
    """
    if ports is None:
        settings = settings or Settings.load()
        worker.configure(settings)
        ports = build_ports(settings, worker.CeleryQueue())
    app = Flask("hub.web", static_folder="static", template_folder="templates")
    app.extensions[EXTENSION] = ports
    app.config.update(
        MAX_CONTENT_LENGTH=ports.settings.body_limit,
        MAX_FORM_MEMORY_SIZE=ports.settings.body_limit,
        API_TITLE="Coordinoter Hub",
        API_VERSION="v1",
        OPENAPI_VERSION="3.1.0",
        OPENAPI_URL_PREFIX="/",
        OPENAPI_JSON_PATH="openapi.json",
        API_SPEC_OPTIONS={
            "info": {"description": DESCRIPTION},
            "security": [{"api_key": []}],
            "components": {"securitySchemes": {"api_key": {"type": "http", "scheme": "bearer"}}},
        },
    )
    _trust_proxies(app, ports.settings.trusted_proxies)
    app.before_request(_begin)
    app.after_request(_finish)
    api = ProblemApi(app)
    for module in (
        *(users, accounts, calendars, links, held, plans),
        *(events, occurrences, changes, history, undo, conflicts),
    ):
        api.register_blueprint(module.blp)
    for blueprint in (health.blp, webhook.blp, docs.blp, views.blp):
        app.register_blueprint(blueprint)
    app.register_error_handler(HTTPException, _on_error)
    app.register_error_handler(Exception, _on_error)
    return app


def _trust_proxies(app: Flask, hops: int) -> None:
    if hops:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops
        )


def _begin() -> None:
    """Give the request an id, and bind it to all that is logged."""
    world: Ports = current_app.extensions[EXTENSION]
    given = request.headers.get("X-Request-Id", "")
    g.request_id = given if _REQUEST_ID.fullmatch(given) else world.ids.new("req")
    hub_log.unbind_all()
    hub_log.bind(request_id=g.request_id, method=request.method, path=request.path)
    if request.method not in READING:
        # A name of its own for all that this request changes: the caller may send one X-Request-Id for many.
        g.run_id = world.ids.new("run")
        hub_log.bind(run_id=g.run_id)


def _on_error(error: Exception) -> Response:
    """People get a page, programs a problem document."""
    problem = from_exception(error)
    if request.blueprint == views.blp.name or _is_for_people():
        return errors.page(problem.status, problem.detail)
    return answer(problem)


def _is_for_people() -> bool:
    """Whether an address that leads nowhere was asked for by a browser."""
    kinds = ["application/problem+json", "text/html"]
    own = request.path.startswith(("/v1/", "/webhooks/", "/openapi", "/healthz", "/readyz"))
    return not own and request.accept_mimetypes.best_match(kinds) == "text/html"


def _finish(response: Response) -> Response:
    headers = response.headers
    headers["X-Request-Id"] = g.get("request_id", "")
    if "run_id" in g and response.status_code < 400:
        headers["X-Run-Id"] = g.run_id
    headers.setdefault("Content-Security-Policy", _PAGE_POLICY)
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Referrer-Policy"] = "same-origin"
    headers["Cross-Origin-Opener-Policy"] = "same-origin"
    headers["Cross-Origin-Resource-Policy"] = "same-origin"
    headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=()"
    if request.is_secure:
        headers["Strict-Transport-Security"] = "max-age=31536000"
    if request.endpoint not in _PUBLIC:
        headers["Cache-Control"] = "no-store"
    return response
