"""Browser sessions of the page: a one-time link signs a person in, a row ends it whenever we say so.

Only digests are kept. Open pages (one machine, loopback) need no session.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import delete
from sqlalchemy.orm import Session

from hub.ids import digest
from hub.models import PageSession, User
from hub.ports import Ports

TICKET_LIFE = timedelta(minutes=10)


def add_ticket(session: Session, ports: Ports, user_id: str) -> tuple[str, datetime]:
    """Return the secret of a link that signs the user in once, and its end."""
    return _add(session, ports, user_id, TICKET_LIFE, is_ticket=True)


def redeem(session: Session, ports: Ports, ticket: str) -> str | None:
    """Spend a ticket; return the secret of a new session, or None if it is unknown, spent or expired."""
    now = ports.clock.now()
    user_id = session.scalar(
        delete(PageSession)
        .where(PageSession.digest == digest(ticket), PageSession.is_ticket, PageSession.expires_at > now)
        .returning(PageSession.user_id)
    )
    if user_id is None:
        return None
    session.execute(delete(PageSession).where(PageSession.expires_at <= now))
    life = timedelta(hours=ports.settings.session_hours)
    return _add(session, ports, user_id, life, is_ticket=False)[0]


def find_user(session: Session, ports: Ports, secret: str) -> User | None:
    """Return the user of a live session, else None."""
    row = session.get(PageSession, digest(secret))
    if row is None or row.is_ticket or row.expires_at <= ports.clock.now():
        return None
    return session.get(User, row.user_id)


def end(session: Session, secret: str) -> None:
    """Sign out: the session's secret is worth nothing from now on."""
    session.execute(delete(PageSession).where(PageSession.digest == digest(secret)))


def _add(
    session: Session, ports: Ports, user_id: str, life: timedelta, *, is_ticket: bool
) -> tuple[str, datetime]:
    secret = ports.ids.secret()
    expires_at = ports.clock.now() + life
    session.add(
        PageSession(digest=digest(secret), user_id=user_id, is_ticket=is_ticket, expires_at=expires_at)
    )
    return secret, expires_at
