"""Whether this process lives, and whether the hub is ready: each check with how to mend what it finds."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import Blueprint, Response, jsonify
from sqlalchemy import select, text
from sqlalchemy.exc import SQLAlchemyError

from hub import migrations
from hub.api.context import ports
from hub.models import Heartbeat
from hub.ports import Ports

blp = Blueprint("health", __name__)
FRESH = timedelta(seconds=60)


@blp.get("/healthz")
def healthz() -> Response:
    """Answer as long as the process can."""
    return jsonify(status="ok")


@blp.get("/readyz")
def readyz() -> tuple[Response, int]:
    """Say whether requests will be served well."""
    checks = run_checks(ports())
    ready = all(check["ok"] for check in checks.values())
    return jsonify(status="ready" if ready else "not_ready", checks=checks), 200 if ready else 503


def run_checks(ports: Ports) -> dict[str, dict[str, Any]]:
    """Return each check by its name."""
    checks = {"database": _database(ports)}
    if checks["database"]["ok"]:
        checks["migrations"] = _migrations(ports)
    if all(check["ok"] for check in checks.values()):
        checks |= _workers(ports)
    checks["providers"] = _providers(ports)
    return checks


def _good(**figures: Any) -> dict[str, Any]:
    return {"ok": True, **figures}


def _bad(problem: str, mend: str) -> dict[str, Any]:
    return {"ok": False, "problem": problem, "mend": mend}


def _database(ports: Ports) -> dict[str, Any]:
    try:
        with ports.db.reading() as session:
            session.execute(text("SELECT 1"))
    except SQLAlchemyError:
        return _bad("The database cannot be reached.", "Start it, or correct HUB_DATABASE_URL.")
    return _good()


def _migrations(ports: Ports) -> dict[str, Any]:
    if migrations.pending(ports.db):
        return _bad("The database is not at the newest revision.", "Run 'hub migrate'.")
    return _good()


def _workers(ports: Ports) -> dict[str, dict[str, Any]]:
    """Say of each queue whether a worker takes from it.

    Only queues that ever had one are asked for: a hub without workers has none to wait for.
    """
    now = ports.clock.now()
    with ports.db.reading() as session:
        rows = session.scalars(select(Heartbeat).order_by(Heartbeat.name)).all()
    found = {}
    for row in rows:
        age = round((now - row.at).total_seconds(), 1)
        found[f"worker {row.name}"] = (
            _good(age_seconds=age)
            if now - row.at <= FRESH
            else _bad(
                f"Nobody has taken anything from the queue {row.name!r} for {age:.0f} seconds.",
                "See that Redis, 'hub beat' and a 'hub worker' of this queue run; start again what does not.",
            )
        )
    return found


def _providers(ports: Ports) -> dict[str, Any]:
    loaded = [info.name for info in ports.gateway.providers()]
    if not loaded:
        return _bad(
            "No provider plugin is loaded.", "Install one; 'hub plugins' says why an installed one is not."
        )
    return _good(loaded=loaded)
