"""Who uses the hub: tenants, their keys, their users; and small housekeeping rows."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from hub.db import Base


class Tenant(Base):
    """An application that uses the hub's API."""

    __tablename__ = "tenants"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    change_seq: Mapped[int] = mapped_column(default=0)
    """The last number given out in this tenant's change log: without gaps, in order of commit."""
    created_at: Mapped[datetime]


class ApiKey(Base):
    """A key of a tenant. Only its digest is kept."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(200))
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    hint: Mapped[str] = mapped_column(String(16))
    """The first characters, to tell keys apart."""
    scopes: Mapped[list[str]]
    """`read` and `write`."""
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class User(Base):
    """A tenant's end user, found by the tenant's own `external_id`."""

    __tablename__ = "users"
    __table_args__ = (UniqueConstraint("tenant_id", "external_id"),)

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"))
    external_id: Mapped[str] = mapped_column(String(200))
    name: Mapped[str] = mapped_column(String(200), default="")
    email: Mapped[str] = mapped_column(String(320), default="")
    created_at: Mapped[datetime]


class PageSession(Base):
    """A person who is signed in to the page, or (`is_ticket`) a link that signs in once."""

    __tablename__ = "page_sessions"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    is_ticket: Mapped[bool] = mapped_column(default=False)
    expires_at: Mapped[datetime] = mapped_column(index=True)


class IdempotentReply(Base):
    """The stored reply of one request with an Idempotency-Key (IETF idempotency-key-header draft)."""

    __tablename__ = "idempotent_replies"

    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    request_digest: Mapped[str] = mapped_column(String(64))
    status: Mapped[int | None]
    """None while the first request is still under way."""
    headers: Mapped[dict[str, Any] | None]
    body: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(index=True)


class Tick(Base):
    """When a periodic job was last begun, so that a beat that sends it too often does no harm."""

    __tablename__ = "ticks"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    at: Mapped[datetime]


class ZoneRelease(Base):
    """By which zone data the windows of all events were computed (`hub.keeping.zones`)."""

    __tablename__ = "zone_releases"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    release: Mapped[str] = mapped_column(String(40))
    """Such as 2026a."""
    reached: Mapped[str | None] = mapped_column(String(40))
    """The last event that has been brought to that release; None: all have been."""


class Heartbeat(Base):
    """When the workers of a queue last took a task from it; `name` is the queue."""

    __tablename__ = "heartbeats"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    at: Mapped[datetime]
