"""Who stands behind the lines of the change log: a key, a person (at a provider, on the page), the hub."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from hub.models import Account, Actor, ApiKey, Change, Link, RemoteCalendar, Undo, User


@dataclass(frozen=True, slots=True)
class AuthorName:
    """The author of a change in words, and where a person at a provider made it."""

    kind: str
    """As `Change.actor`."""
    id: str | None
    name: str
    """The key's name, the person's, or the account's address; empty if it is not known any more."""
    provider: str | None = None
    account_id: str | None = None
    link_id: str | None = None
    calendar: str | None = None
    """The name of the remote calendar."""


def authors_of(
    session: Session, changes: Iterable[Change | Undo]
) -> dict[tuple[str, str | None], AuthorName]:
    """Return the authors of changes (or undos) by actor and actor's id, in three queries."""
    wanted = {(change.actor, change.actor_id) for change in changes}
    ids = {kind: {i for actor, i in wanted if actor == kind and i} for kind in Actor}
    found = {pair: AuthorName(*pair, "") for pair in wanted}
    via = (
        select(Link.id, RemoteCalendar.name, Account.id, Account.provider, Account.email)
        .join(RemoteCalendar, RemoteCalendar.id == Link.remote_calendar_id)
        .join(Account, Account.id == Link.account_id)
        .where(Link.id.in_(ids[Actor.PROVIDER]))
    )
    for link_id, calendar, account_id, provider, email in session.execute(via):
        found[Actor.PROVIDER, link_id] = AuthorName(
            Actor.PROVIDER, link_id, email, provider, account_id, link_id, calendar
        )
    for key in session.scalars(select(ApiKey).where(ApiKey.id.in_(ids[Actor.API_KEY]))):
        found[Actor.API_KEY, key.id] = AuthorName(Actor.API_KEY, key.id, key.name)
    for user in session.scalars(select(User).where(User.id.in_(ids[Actor.PAGE]))):
        found[Actor.PAGE, user.id] = AuthorName(Actor.PAGE, user.id, user.name or user.external_id)
    return found
