"""`hub doctor`: looks at everything that a hub stands on, and says how to mend what it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import requests
from redis import Redis
from sqlalchemy import text

from hub.commands.start import unknown_settings
from hub.processes.watch import eviction_policy
from hub.providers.manager import Providers, load_providers
from hub.settings import Settings
from hub.settings_values import is_loopback

TIMEOUT = 5
MOST_APART = 2
"""Seconds that the clocks of two machines may differ by."""


@dataclass(frozen=True)
class Finding:
    """What one check found."""

    what: str
    good: bool
    detail: str
    mend: str = ""


def examine(settings: Settings) -> Iterator[Finding]:
    """Yield a finding per check; each check fails alone."""
    yield Finding("settings", True, f"{settings.env.value}, home {settings.home}")
    yield _guarded(
        "database", lambda: _database(settings), "Check HUB_DATABASE_URL and that it accepts connections."
    )
    if not settings.database_url.startswith("sqlite"):
        yield _guarded("clock", lambda: _clock(settings), "Check HUB_DATABASE_URL.")
    yield _guarded("broker", lambda: _broker(settings), "Check HUB_REDIS_URL and that Redis runs.")
    providers = load_providers(settings)
    yield from _plugins(settings, providers)
    for fault in unknown_settings(settings, providers):
        name, _, rest = fault.partition(" ")
        yield Finding(name, False, rest, f"Correct or unset {name}.")
    yield _guarded("public address", lambda: _public_address(settings), _mend_address(settings))


def _guarded(what: str, check: Callable[[], Finding], mend: str) -> Finding:
    try:
        return check()
    except Exception as error:
        reason = str(error).strip().splitlines() or [""]
        return Finding(what, False, f"{type(error).__name__}: {reason[0]}", mend)


def _database(settings: Settings) -> Finding:
    from hub.db import Database
    from hub.migrations import pending

    db = Database(settings.database_url)
    try:
        with db.reading() as session:
            session.execute(text("SELECT 1"))
        if pending(db):
            return Finding(
                "database", False, "its schema is behind this version of the hub", "Run hub migrate."
            )
        return Finding("database", True, f"{db.engine.dialect.name}, reachable and migrated")
    finally:
        db.engine.dispose()


def _clock(settings: Settings) -> Finding:
    """Compare with the database's clock: leases and due times are read by whatever machine comes next."""
    from hub.clock import SystemClock
    from hub.db import Database

    db = Database(settings.database_url)
    try:
        with db.reading() as session:
            theirs = session.execute(text("SELECT clock_timestamp()")).scalar_one()
    finally:
        db.engine.dispose()
    apart = abs((SystemClock().now() - theirs).total_seconds())
    if apart > MOST_APART:
        mend = "Keep the clocks of all machines together (NTP): leases end by them."
        return Finding("clock", False, f"{apart:.0f} seconds apart from the database's", mend)
    return Finding("clock", True, "together with the database's")


def _broker(settings: Settings) -> Finding:
    if not settings.redis_url:
        from hub.processes.broker import redis_server

        kind = redis_server() or "fakeredis"
        return Finding("broker", True, f"embedded: hub run starts one ({kind})")
    with Redis.from_url(settings.redis_url, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT) as redis:
        redis.ping()
        policy = eviction_policy(redis)
    if policy != "noeviction":
        mend = "Set maxmemory-policy noeviction in redis.conf: eviction drops queues."
        return Finding("broker", False, f"reachable, but it evicts keys ({policy})", mend)
    return Finding("broker", True, "reachable")


def _plugins(settings: Settings, providers: Providers) -> Iterator[Finding]:
    if not providers.statuses:
        yield Finding(
            "plugins", False, "none is installed", "Install one for each calendar service that you need."
        )
    for status in providers.statuses:
        what = f"plugin {status.name}"
        client = f"{status.name}_CLIENT_ID".upper()
        without_client = not settings.others.get(client)
        unconfigured = status.info is None and (status.reason or "").startswith("SettingsError")
        if without_client and not settings.production and (unconfigured or status.info):
            yield Finding(
                what, True, f"installed ({status.distribution}); no client id: hub run plays its sandbox"
            )
        elif unconfigured or (without_client and status.info):
            mend = f"Register the hub there and set HUB_{client}; see the README of {status.distribution}."
            yield Finding(what, False, status.reason or f"HUB_{client} is missing: nobody can connect", mend)
        elif status.info is None:
            mend = f"Reinstall {status.distribution}, or tell its authors."
            yield Finding(what, False, status.reason or "not loaded", mend)
        else:
            yield Finding(what, True, f"loaded from {status.distribution}, with a client id")


def _public_address(settings: Settings) -> Finding:
    url = settings.public_url
    if urlsplit(url).scheme != "https" and not is_loopback(url):
        return Finding("public address", False, f"{url} is not https", _mend_address(settings))
    response = requests.get(f"{url}/healthz", timeout=TIMEOUT, allow_redirects=False)
    if response.status_code != 200:
        detail = f"{url}/healthz answers {response.status_code}"
        return Finding("public address", False, detail, _mend_address(settings))
    near = " (loopback: providers themselves cannot reach it, sandboxes can)" if is_loopback(url) else ""
    return Finding("public address", True, f"{url} answers{near}")


def _mend_address(settings: Settings) -> str:
    if is_loopback(settings.public_url):
        return "Start the hub with hub run (or hub serve), or set HUB_PUBLIC_URL to where it is."
    return (
        "Set HUB_PUBLIC_URL to the https address that your proxy passes on to the hub, and start hub serve."
    )
