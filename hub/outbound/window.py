"""The span of time that a link keeps in step."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from hub.models import Account, Link
from hub.ports import Ports

_PROVIDER = select(Account.provider).where(Account.id == bindparam("account_id"))


def window_of(session: Session, ports: Ports, link: Link) -> tuple[datetime, datetime]:
    """Return the link's span, within what its provider can list.

    What ended before it is neither brought in nor copied there, since it could not be seen whether that
    calendar holds it already; what is there stays.
    """
    provider = session.connection().execute(_PROVIDER, {"account_id": link.account_id}).scalar_one()
    return window_at(ports, provider, link.past_days, link.future_days, link.planned_at or ports.clock.now())


def window_at(
    ports: Ports, provider: str, past_days: int, future_days: int, now: datetime
) -> tuple[datetime, datetime]:
    """Return the span that a link of so many days keeps in step at an instant."""
    past, future = past_days, future_days
    bound = ports.gateway.info(provider).window_days
    if bound is not None:
        past, future = min(past, bound[0]), max(future, bound[1])
    return now - timedelta(days=past), now + timedelta(days=future)
