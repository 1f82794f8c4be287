"""`hub keys`: API keys for consumers, and the keys that encrypt tokens at rest."""

from __future__ import annotations

import os
import re
from datetime import timedelta
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from hub.accounts.keys import SCOPES, add_key, revoke_key
from hub.models import ApiKey, Grant, Tenant
from hub.ports import Ports
from hub.processes.embedded import hold
from hub.processes.offline import ports_without_plugins
from hub.settings import Settings
from hub.settings_values import SecretKey, secret_keys, write_private

BATCH = 200


class NoSuchKeyError(Exception):
    """There is no live API key of that id."""


def create(settings: Settings, name: str, tenant: str, read_only: bool, days: int | None) -> str:
    """Make an API key, and its tenant if there is none of that name; return its clear text."""
    ports = ports_without_plugins(settings)
    expires_at = ports.clock.now() + timedelta(days=days) if days else None
    with ports.db.transaction() as session:
        owner = _tenant(session, ports, tenant)
        scopes = ("read",) if read_only else SCOPES
        _, clear = add_key(session, ports, owner.id, name, scopes, expires_at)
    return clear


def _tenant(session: Session, ports: Ports, name: str) -> Tenant:
    found = session.scalars(select(Tenant).where(Tenant.name == name)).one_or_none()
    if found is None:
        found = Tenant(id=ports.ids.new("ten"), name=name, created_at=ports.clock.now())
        session.add(found)
        session.flush()
    return found


def listing(settings: Settings) -> list[tuple[str, ...]]:
    """Return a row for each API key: id, tenant, name, first characters, scopes, last used, state."""
    ports = ports_without_plugins(settings)
    query = (
        select(ApiKey, Tenant.name).join(Tenant, Tenant.id == ApiKey.tenant_id).order_by(ApiKey.created_at)
    )
    with ports.db.reading() as session:
        return [
            (
                key.id,
                tenant,
                key.name,
                f"{key.hint}…",
                " ".join(key.scopes),
                f"{key.last_used_at:%Y-%m-%d}" if key.last_used_at else "never",
                _state(key, ports),
            )
            for key, tenant in session.execute(query)
        ]


def _state(key: ApiKey, ports: Ports) -> str:
    if key.revoked_at is not None:
        return "revoked"
    if key.expires_at is not None and key.expires_at <= ports.clock.now():
        return "expired"
    return "valid"


def revoke(settings: Settings, key_id: str) -> None:
    """End an API key at once."""
    ports = ports_without_plugins(settings)
    with ports.db.transaction() as session:
        if not revoke_key(session, ports, key_id):
            raise NoSuchKeyError(f"There is no live API key {key_id!r}; see hub keys list.")


def generate(key_id: str) -> str:
    """Return a new encryption key in the form that HUB_SECRET_KEYS takes."""
    encoded = SecretKey.generate(key_id).encoded()
    secret_keys(encoded)
    return encoded


def rotate(settings: Settings) -> tuple[str, int]:
    """Seal all stored tokens with the first key; return its id and how many grants were sealed anew.

    A hub whose key lies in HOME gets a new first key before, and must not be running: its processes
    would not know that key.
    """
    path = settings.home / "secret-keys"
    if settings.production or not path.exists() or settings.secret_keys != secret_keys(path.read_text()):
        return settings.secret_keys[0].id, _reseal(settings)
    with hold(settings.home):
        _put_first(path, SecretKey.generate(_next_id(settings.secret_keys)))
        renewed = Settings.load()
        return renewed.secret_keys[0].id, _reseal(renewed)


def _next_id(keys: tuple[SecretKey, ...]) -> str:
    numbers = [int(found[1]) for key in keys if (found := re.fullmatch(r"k([0-9]+)", key.id))]
    return f"k{max(numbers, default=0) + 1}"


def _put_first(path: Path, key: SecretKey) -> None:
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    write_private(fresh, key.encoded() + "\n" + path.read_text(encoding="utf-8"))
    os.replace(fresh, path)


def _reseal(settings: Settings) -> int:
    """Walk over all grants in short transactions, so that the workers never wait long."""
    ports = ports_without_plugins(settings)
    sealed, last = 0, ""
    while True:
        query = select(Grant).where(Grant.account_id > last).order_by(Grant.account_id).limit(BATCH)
        with ports.db.transaction() as session:
            # A row that a refresh writes meanwhile is locked, so that no newer token is overwritten.
            grants = list(session.scalars(query.with_for_update()))
            for grant in grants:
                sealed += _reseal_grant(ports, grant)
        if not grants:
            return sealed
        last = grants[-1].account_id


def _reseal_grant(ports: Ports, grant: Grant) -> bool:
    changed = False
    for column in ("access_token", "refresh_token"):
        envelope = getattr(grant, column)
        if envelope and not ports.vault.is_current(envelope):
            place = f"grants.{column}:{grant.account_id}"
            setattr(grant, column, ports.vault.seal(ports.vault.open(envelope, place), place))
            changed = True
    return changed
