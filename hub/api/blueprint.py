"""The kind of blueprint that all resources of the API are made with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar, cast

from flask_smorest import Blueprint  # type: ignore[import-untyped]
from marshmallow import RAISE, Schema, fields

from hub.api.auth import authenticate
from hub.api.body import check_body

IF_MATCH = {
    "in": "header",
    "name": "If-Match",
    "schema": {"type": "string"},
    "description": 'The ETag that the change is based on, such as "3"; 412 if it is not the present one.',
}
IDEMPOTENCY_KEY = {
    "in": "header",
    "name": "Idempotency-Key",
    "schema": {"type": "string", "maxLength": 255},
    "description": "Any text of your choice; a repeated request with the same key is answered from memory.",
}


Decorated = TypeVar("Decorated")


class Resource(Protocol):
    """What is used of a flask-smorest Blueprint, which has no types."""

    name: str

    def route(self, rule: str) -> Callable[[Decorated], Decorated]: ...

    def arguments(
        self, schema: Any, **options: Any
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]: ...

    def response(
        self, status: int, schema: Any = None
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]: ...

    def doc(self, **document: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]: ...


def resource(name: str, description: str) -> Resource:
    """Return a blueprint under /v1 whose every route asks for an API key first."""
    blueprint = Blueprint(name, name, url_prefix="/v1", description=description)
    blueprint.before_request(authenticate)
    blueprint.before_request(check_body)
    return cast(Resource, blueprint)


def query_of(blueprint: Resource, schema: type[Schema]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Take the query string by a schema; unknown parameters are faults, too."""
    return blueprint.arguments(schema, location="query", unknown=RAISE)


def page_of(item: type[Schema]) -> type[Schema]:
    """Return the schema of a page: `items` and `next_cursor`."""
    cursor = fields.String(
        allow_none=True, metadata={"description": "pass it as `cursor`; null on the last page"}
    )
    content: dict[str, Any] = {
        "items": fields.List(fields.Nested(item), required=True),
        "next_cursor": cursor,
    }
    return Schema.from_dict(content, name=f"{item.__name__.removesuffix('Schema')}Page")
