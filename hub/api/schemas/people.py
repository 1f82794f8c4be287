"""Users, accounts, remote calendars and providers."""

from __future__ import annotations

from urllib.parse import urlsplit

from marshmallow import Schema, ValidationError, fields

from hub.api.schemas.common import Instant, PageQuery, Strict, Text, http_url


class UserSchema(Strict):
    """A tenant's end user."""

    id = fields.String(dump_only=True)
    external_id = Text(
        200, 1, required=True, metadata={"description": "your own id of this user; unique, never changed"}
    )
    name = Text(200, load_default="")
    email = Text(320, load_default="")
    created_at = Instant(dump_only=True)


class UserPatchSchema(Strict):
    """What may be changed of a user."""

    name = Text(200)
    email = Text(320)


class UserQuery(PageQuery):
    external_id = fields.String(metadata={"description": "only the user with this id of yours"})


def _return_address(value: str) -> None:
    """Only an application's own key may name it, so it may lie elsewhere; plain http only on loopback."""
    http_url(value)
    try:
        parts = urlsplit(value)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        raise ValidationError("is not an address") from None
    if parts.scheme != "https" and host not in ("localhost", "127.0.0.1", "::1"):
        raise ValidationError("must be https (http is accepted for this machine only)")


class ConnectSchema(Strict):
    """Begin connecting an account."""

    provider = Text(40, 1, required=True, metadata={"description": "a name from /v1/providers"})
    return_to = Text(
        2000,
        load_default="",
        validate=[_return_address],
        metadata={"description": "where the person goes afterwards, with `account_id` in the query"},
    )


class ReconnectSchema(Strict):
    """Begin connecting an account again."""

    return_to = ConnectSchema._declared_fields["return_to"]


class ConsentSchema(Schema):
    """Where to send the person."""

    connect_url = fields.String(
        metadata={"description": "open it in the person's browser: binds the sign-in to that browser"}
    )
    authorization_url = fields.String(
        metadata={"description": "the provider's consent page itself, bound to no browser"}
    )
    expires_at = Instant()


class SignInSchema(Schema):
    """A link that signs the user in to the page, once."""

    url = fields.String()
    expires_at = Instant()


class AccountSchema(Schema):
    """A user at a provider."""

    id = fields.String()
    user_id = fields.String()
    provider = fields.String()
    email = fields.String()
    name = fields.String()
    state = fields.String(metadata={"description": "connected, needs_reconnect or disconnected"})
    problem = fields.String(allow_none=True, metadata={"description": "what is wrong and what to do"})
    problem_at = Instant(allow_none=True)
    calendars_at = Instant(allow_none=True)
    created_at = Instant()


class AccountQuery(PageQuery):
    user_id = fields.String()


class RemoteCalendarSchema(Schema):
    """A calendar that an account can see at its provider."""

    id = fields.String()
    account_id = fields.String()
    name = fields.String()
    access_role = fields.String(metadata={"description": "owner, writer, reader or free_busy"})
    zone = fields.String(allow_none=True)
    color = fields.String(allow_none=True)
    primary = fields.Boolean()
    can_watch = fields.Boolean(metadata={"description": "whether the provider notifies of changes"})
    missing_since = Instant(allow_none=True)


class RemoteCalendarsSchema(Schema):
    """All calendars of an account."""

    items = fields.List(fields.Nested(RemoteCalendarSchema))


class ProviderSchema(Schema):
    """An installed plugin."""

    name = fields.String()
    label = fields.String()
    state = fields.String(metadata={"description": "loaded or failed"})
    reason = fields.String(allow_none=True, metadata={"description": "why it is not loaded"})
    scopes = fields.List(fields.String(), metadata={"description": "what a person is asked to allow"})


class ProvidersSchema(Schema):
    """All installed plugins."""

    items = fields.List(fields.Nested(ProviderSchema))
