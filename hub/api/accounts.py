"""Accounts: a user at a provider, and the calendars that it can see there."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView
from sqlalchemy import select

from hub.accounts import calendars
from hub.accounts.disconnect import disconnect
from hub.api import find
from hub.api.blueprint import page_of, query_of, resource
from hub.api.context import ports, tenant_id
from hub.api.paging import page
from hub.api.schemas.people import (
    AccountQuery,
    AccountSchema,
    ConsentSchema,
    ReconnectSchema,
    RemoteCalendarsSchema,
)
from hub.api.users import consent_of
from hub.models import Account, RemoteCalendar, User

blp = resource("accounts", "Users at providers, and the calendars they see there")


@blp.route("/accounts")
class Accounts(MethodView):
    @query_of(blp, AccountQuery)
    @blp.response(200, page_of(AccountSchema))
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """List accounts, oldest first."""
        wanted = select(Account).where(Account.tenant_id == tenant_id())
        if "user_id" in query:
            wanted = wanted.where(Account.user_id == query["user_id"])
        with ports().db.reading() as session:
            items, cursor = page(
                session, wanted, Account.created_at, Account.id, cursor=query["cursor"], limit=query["limit"]
            )
        return {"items": items, "next_cursor": cursor}


@blp.route("/accounts/<account_id>")
class OneAccount(MethodView):
    @blp.response(200, AccountSchema)
    def get(self, account_id: str) -> Account:
        """Get an account."""
        with ports().db.reading() as session:
            return find.account(session, account_id)

    @blp.response(204)
    def delete(self, account_id: str) -> None:
        """Disconnect: links end, the grant is given back, tokens are deleted; events stay on both sides."""
        with ports().db.reading() as session:
            find.account(session, account_id)
        disconnect(ports(), account_id)


@blp.route("/accounts/<account_id>/reconnect")
class Reconnect(MethodView):
    @blp.arguments(ReconnectSchema)
    @blp.response(201, ConsentSchema)
    def post(self, data: dict[str, Any], account_id: str) -> dict[str, Any]:
        """Begin connecting this account again; links and settings stay."""
        with ports().db.transaction() as session:
            account = find.account(session, account_id)
            user = session.get_one(User, account.user_id)
            return consent_of(session, user, account.provider, data["return_to"], account)


@blp.route("/accounts/<account_id>/remote_calendars")
class RemoteCalendars(MethodView):
    @blp.response(200, RemoteCalendarsSchema)
    def get(self, account_id: str) -> dict[str, Any]:
        """List the calendars that the account was last seen to have."""
        return {"items": _remote_calendars(account_id)}


@blp.route("/accounts/<account_id>/refresh_calendars")
class RefreshCalendars(MethodView):
    @blp.response(200, RemoteCalendarsSchema)
    def post(self, account_id: str) -> dict[str, Any]:
        """Ask the provider for the account's calendars now."""
        with ports().db.reading() as session:
            find.account(session, account_id)
        calendars.refresh(ports(), account_id)
        return {"items": _remote_calendars(account_id)}


def _remote_calendars(account_id: str) -> list[RemoteCalendar]:
    with ports().db.reading() as session:
        account = find.account(session, account_id)
        query = select(RemoteCalendar).where(RemoteCalendar.account_id == account.id)
        return list(session.scalars(query.order_by(RemoteCalendar.primary.desc(), RemoteCalendar.name)))
