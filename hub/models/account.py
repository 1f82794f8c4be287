"""A user at a provider: the account, its grant, the calendars it can see, and consents under way."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from hub.db import Base


class AccountState(StrEnum):
    """Whether the hub may call the provider for this account."""

    CONNECTED = "connected"
    NEEDS_RECONNECT = "needs_reconnect"
    DISCONNECTED = "disconnected"


class Account(Base):
    """A user at one provider."""

    __tablename__ = "accounts"
    __table_args__ = (UniqueConstraint("user_id", "provider", "remote_id"),)

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"), index=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    provider: Mapped[str] = mapped_column(String(40))
    remote_id: Mapped[str] = mapped_column(String(512))
    """Who it is at the provider; never changes."""
    email: Mapped[str] = mapped_column(String(320))
    name: Mapped[str] = mapped_column(String(200), default="")
    state: Mapped[str] = mapped_column(String(20), default=AccountState.CONNECTED)
    problem: Mapped[str | None] = mapped_column(Text)
    """What is wrong and what to do, in a sentence for people."""
    problem_at: Mapped[datetime | None]
    blocked_until: Mapped[datetime | None]
    """The provider asked the whole account to wait."""
    calendars_at: Mapped[datetime | None]
    """When its list of calendars was last read."""
    created_at: Mapped[datetime]

    grant: Mapped[Grant | None] = relationship(back_populates="account", cascade="all, delete-orphan")
    remote_calendars: Mapped[list[RemoteCalendar]] = relationship(
        back_populates="account", cascade="all, delete-orphan"
    )


class Grant(Base):
    """An account's tokens, encrypted, and what they allow."""

    __tablename__ = "grants"

    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True)
    access_token: Mapped[str] = mapped_column(Text)
    refresh_token: Mapped[str | None] = mapped_column(Text)
    expires_at: Mapped[datetime]
    scopes: Mapped[list[str]]
    refresh_owner: Mapped[str | None] = mapped_column(String(40))
    """Who is refreshing now; others wait for the result."""
    refresh_until: Mapped[datetime | None]
    updated_at: Mapped[datetime]

    account: Mapped[Account] = relationship(back_populates="grant")


class Consent(Base):
    """An OAuth flow that a person has begun and not yet ended: single use, short-lived."""

    __tablename__ = "consents"

    state_digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"))
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    provider: Mapped[str] = mapped_column(String(40))
    account_id: Mapped[str | None] = mapped_column(String(40))
    """The account that is being reconnected: another one is refused."""
    code_verifier: Mapped[str] = mapped_column(Text)
    """Encrypted (RFC 7636)."""
    browser_digest: Mapped[str | None] = mapped_column(String(64))
    """Binds the flow to the browser that began it."""
    return_to: Mapped[str] = mapped_column(Text)
    expires_at: Mapped[datetime] = mapped_column(index=True)


class RemoteCalendar(Base):
    """A calendar that an account can see at its provider."""

    __tablename__ = "remote_calendars"
    __table_args__ = (UniqueConstraint("account_id", "remote_id"),)

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"))
    remote_id: Mapped[str] = mapped_column(String(512))
    name: Mapped[str] = mapped_column(Text)
    access_role: Mapped[str] = mapped_column(String(20))
    zone: Mapped[str | None] = mapped_column(String(64))
    color: Mapped[str | None] = mapped_column(String(20))
    primary: Mapped[bool] = mapped_column(default=False)
    can_watch: Mapped[bool] = mapped_column(default=True)
    missing_since: Mapped[datetime | None]
    """Since when the provider's list does not show it any more."""

    account: Mapped[Account] = relationship(back_populates="remote_calendars")
