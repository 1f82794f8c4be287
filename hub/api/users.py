"""Users: a tenant's end users, their sign-in to the page, and the start of connecting an account."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from flask.views import MethodView
from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from hub.accounts import sessions
from hub.accounts.connect import begin
from hub.accounts.disconnect import disconnect
from hub.accounts.tickets import connect_ticket
from hub.api import find
from hub.api.blueprint import IDEMPOTENCY_KEY, page_of, query_of, resource
from hub.api.context import ports, tenant_id
from hub.api.errors import fault, invalid
from hub.api.idempotency import idempotent
from hub.api.paging import page
from hub.api.schemas.people import (
    ConnectSchema,
    ConsentSchema,
    SignInSchema,
    UserPatchSchema,
    UserQuery,
    UserSchema,
)
from hub.models import Account, AccountState, Calendar, Change, IdempotentReply, User

blp = resource("users", "A tenant's end users")


@blp.route("/users")
class Users(MethodView):
    @query_of(blp, UserQuery)
    @blp.response(200, page_of(UserSchema))
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """List users, oldest first."""
        wanted = select(User).where(User.tenant_id == tenant_id())
        if "external_id" in query:
            wanted = wanted.where(User.external_id == query["external_id"])
        with ports().db.reading() as session:
            items, cursor = page(
                session, wanted, User.created_at, User.id, cursor=query["cursor"], limit=query["limit"]
            )
        return {"items": items, "next_cursor": cursor}

    @idempotent
    @blp.arguments(UserSchema)
    @blp.response(201, UserSchema)
    @blp.doc(parameters=[IDEMPOTENCY_KEY])
    def post(self, data: dict[str, Any]) -> User:
        """Add a user."""
        world = ports()
        user = User(id=world.ids.new("usr"), tenant_id=tenant_id(), created_at=world.clock.now(), **data)
        try:
            with world.db.transaction() as session:
                session.add(user)
        except IntegrityError:
            raise invalid([fault("/external_id", "is the external_id of another user already")]) from None
        return user


@blp.route("/users/<user_id>")
class OneUser(MethodView):
    @blp.response(200, UserSchema)
    def get(self, user_id: str) -> User:
        """Get a user."""
        with ports().db.reading() as session:
            return find.user(session, user_id)

    @blp.arguments(UserPatchSchema)
    @blp.response(200, UserSchema)
    def patch(self, data: dict[str, Any], user_id: str) -> User:
        """Change a user's name or email."""
        with ports().db.transaction() as session:
            user = find.user(session, user_id)
            for name, value in data.items():
                setattr(user, name, value)
            return user

    @blp.response(204)
    def delete(self, user_id: str) -> None:
        """Delete a user with all that the hub holds for it; events at the providers stay."""
        world = ports()
        with world.db.reading() as session:
            user = find.user(session, user_id)
            query = select(Account.id).where(
                Account.user_id == user.id, Account.state != AccountState.DISCONNECTED
            )
            account_ids = session.scalars(query).all()
        for account_id in account_ids:
            disconnect(world, account_id)
        with world.db.transaction() as session:
            user = find.user(session, user_id)
            own = select(Calendar.id).where(Calendar.user_id == user.id)
            # The log stays without gaps, but keeps nothing of what the events were.
            session.execute(
                update(Change)
                .where(Change.tenant_id == user.tenant_id, Change.calendar_id.in_(own))
                .values(fields={})
            )
            _forget_replies(session, user)
            session.delete(user)


@blp.route("/users/<user_id>/connect")
class Connect(MethodView):
    # Not repeatable by Idempotency-Key: its reply holds a secret, and beginning twice does no harm.
    @blp.arguments(ConnectSchema)
    @blp.response(201, ConsentSchema)
    def post(self, data: dict[str, Any], user_id: str) -> dict[str, Any]:
        """Begin connecting an account: send the person to the address in the answer."""
        with ports().db.transaction() as session:
            user = find.user(session, user_id)
            return consent_of(session, user, data["provider"], data["return_to"])


def consent_of(
    session: Any, user: User, provider: str, return_to: str, account: Account | None = None
) -> dict[str, Any]:
    """Begin a flow; return both addresses a person can be sent to."""
    world = ports()
    begun = begin(session, world, user, provider, return_to=return_to, account=account)
    ticket = connect_ticket(
        world, user.id, provider, return_to=return_to, account_id=account.id if account else None
    )
    query = urlencode({"ticket": ticket})
    return {
        "authorization_url": begun.authorization_url,
        "connect_url": f"{world.settings.public_url}/connect/{provider}?{query}",
        "expires_at": begun.expires_at,
    }


@blp.route("/users/<user_id>/sign_in")
class SignIn(MethodView):
    @blp.response(201, SignInSchema)
    def post(self, user_id: str) -> dict[str, Any]:
        """Make a link that signs the user in to the page, once, within ten minutes."""
        world = ports()
        with world.db.transaction() as session:
            user = find.user(session, user_id)
            ticket, expires_at = sessions.add_ticket(session, world, user.id)
        query = urlencode({"ticket": ticket})
        return {"url": f"{world.settings.public_url}/sign-in?{query}", "expires_at": expires_at}


def _forget_replies(session: Session, user: User) -> None:
    """Delete the stored replies that tell of a user, of their accounts or of what is in their calendars."""
    names = [user.id.encode()]
    for owned in (Calendar, Account):
        names += [i.encode() for i in session.scalars(select(owned.id).where(owned.user_id == user.id))]
    stored = select(IdempotentReply.key, IdempotentReply.body).where(
        IdempotentReply.tenant_id == user.tenant_id, IdempotentReply.body.is_not(None)
    )
    found = session.execute(stored.execution_options(yield_per=500))
    keys = [key for key, body in found if body and any(name in body for name in names)]
    for first in range(0, len(keys), 500):
        session.execute(
            delete(IdempotentReply).where(
                IdempotentReply.tenant_id == user.tenant_id,
                IdempotentReply.key.in_(keys[first : first + 500]),
            )
        )
