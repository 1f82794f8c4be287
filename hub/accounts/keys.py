"""API keys: made here once in clear text, kept as a digest, and checked at every request.

A key reads `hub_api_` + 43 characters of secret (256 bits) + 6 of checksum, so that a cut or mistyped
key is refused without a look at the database, and leaked ones can be searched for.
"""

from __future__ import annotations

import hmac
import zlib
from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from hub.ids import digest
from hub.models import ApiKey, Tenant, User
from hub.ports import Ports
from hub.settings_values import write_private

PREFIX = "hub_api_"
SCOPES = ("read", "write")
LOCAL_TENANT = "local"
LOCAL_USER = "me"
_SECRET_LENGTH = 43
_USE_NOTED_EVERY = timedelta(minutes=5)


def add_key(
    session: Session,
    ports: Ports,
    tenant_id: str,
    name: str,
    scopes: Iterable[str] = SCOPES,
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """Make a key; return its row and its clear text, which cannot be had again."""
    wanted = sorted(set(scopes))
    if not wanted or not set(wanted) <= set(SCOPES):
        raise ValueError(f"the scopes of a key are {' and '.join(SCOPES)}")
    secret = ports.ids.secret()
    clear = f"{PREFIX}{secret}{_checksum(secret)}"
    row = ApiKey(
        id=ports.ids.new("key"),
        tenant_id=tenant_id,
        name=name,
        digest=digest(clear),
        hint=clear[: len(PREFIX) + 4],
        scopes=wanted,
        created_at=ports.clock.now(),
        expires_at=expires_at,
    )
    session.add(row)
    session.flush()
    return row, clear


def find_key(session: Session, ports: Ports, clear: str) -> ApiKey | None:
    """Return the row of a key that is valid now, else None."""
    if not looks_right(clear):
        return None
    wanted = digest(clear)
    row = session.scalars(select(ApiKey).where(ApiKey.digest == wanted)).one_or_none()
    if row is None or not hmac.compare_digest(row.digest, wanted) or row.revoked_at is not None:
        return None
    if row.expires_at is not None and row.expires_at <= ports.clock.now():
        return None
    return row


def note_use(ports: Ports, key: ApiKey) -> None:
    """Remember that a key was used, at most every few minutes."""
    now = ports.clock.now()
    if key.last_used_at is None or key.last_used_at < now - _USE_NOTED_EVERY:
        with ports.db.transaction() as session:
            session.execute(update(ApiKey).where(ApiKey.id == key.id).values(last_used_at=now))


def revoke_key(session: Session, ports: Ports, key_id: str) -> bool:
    """End a key at once; return whether there was a live one."""
    result = session.execute(
        update(ApiKey)
        .where(ApiKey.id == key_id, ApiKey.revoked_at.is_(None))
        .values(revoked_at=ports.clock.now())
        .returning(ApiKey.id)
    )
    return result.first() is not None


def looks_right(clear: str) -> bool:
    """Say whether a text has the form and the checksum of a key."""
    secret, checksum = clear[len(PREFIX) : -6], clear[-6:]
    return (
        clear.isascii()
        and clear.startswith(PREFIX)
        and len(secret) == _SECRET_LENGTH
        and hmac.compare_digest(checksum, _checksum(secret))
    )


def _checksum(secret: str) -> str:
    alphabet = "0123456789abcdefghijklmnopqrstuv"
    number = zlib.crc32(secret.encode())
    return "".join(alphabet[(number >> shift) & 31] for shift in range(25, -1, -5))


def ensure_local(ports: Ports) -> str:
    """Make sure of the local tenant, its user and its key; return the key's clear text.

    The embedded hub keeps it in HOME/api-key, readable by its owner only. If the file is lost or its
    key was revoked, a new key is made.
    """
    path = ports.settings.home / "api-key"
    kept = path.read_text(encoding="utf-8").strip() if path.exists() else ""
    with ports.db.transaction() as session:
        user = local_user(session, ports)
        found = find_key(session, ports, kept)
        if found is not None and found.tenant_id == user.tenant_id:
            return kept
        _, clear = add_key(session, ports, user.tenant_id, "local")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    write_private(path, clear + "\n")
    return clear


def find_local_user(session: Session) -> User | None:
    """Return the user that visitors of an open page are, if there was a visit before."""
    query = select(User).join(Tenant, Tenant.id == User.tenant_id)
    return session.scalars(
        query.where(Tenant.name == LOCAL_TENANT, User.external_id == LOCAL_USER)
    ).one_or_none()


def local_user(session: Session, ports: Ports) -> User:
    """Return the user that visitors of an open page are, made at the first visit."""
    now = ports.clock.now()
    tenant = session.scalars(select(Tenant).where(Tenant.name == LOCAL_TENANT)).one_or_none()
    if tenant is None:
        tenant = Tenant(id=ports.ids.new("ten"), name=LOCAL_TENANT, created_at=now)
        session.add(tenant)
        session.flush()
    user = session.scalars(
        select(User).where(User.tenant_id == tenant.id, User.external_id == LOCAL_USER)
    ).one_or_none()
    if user is None:
        user = User(
            id=ports.ids.new("usr"), tenant_id=tenant.id, external_id=LOCAL_USER, name="Me", created_at=now
        )
        session.add(user)
        session.flush()
    return user
