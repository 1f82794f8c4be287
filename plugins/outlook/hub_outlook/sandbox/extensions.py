"""Open extensions: data of an application's own beside an event (Graph: resources/opentypeextension).

They are not part of the event: no change of them gives it another version, and delta shows none.
"""

from __future__ import annotations

import re
from typing import Any

from hub_outlook.sandbox.model import Item
from hub_outlook.sandbox.problems import GraphError, not_found

PREFIX = "Microsoft.OutlookServices.OpenTypeExtension."
EXPANDED = re.compile(r"extensions\(\$filter=id eq '((?:[^']|'')*)'\)", re.IGNORECASE)
Answer = tuple[int, dict[str, Any] | None]


def answer(item: Item, method: str, name: str | None, body: dict[str, Any]) -> Answer:
    """Answer …/extensions, and one of them by its name or its id."""
    if name is None and method == "POST":
        return 201, shown(add(item, body))
    if name is None and method == "GET":
        return 200, {"value": [shown(extension) for extension in item.extensions.values()]}
    key = _key(name or "")
    if key not in item.extensions:
        raise not_found()
    if method == "DELETE":
        del item.extensions[key]
        return 204, None
    if method == "PATCH":
        item.extensions[key] |= _values(body)
    return 200, shown(item.extensions[key])


def add(item: Item, body: dict[str, Any]) -> dict[str, Any]:
    """Add an extension to an event; one of the same name takes its place."""
    name = str(body.get("extensionName") or "")
    if not name:
        raise GraphError(400, "ErrorInvalidRequest", "The extension needs an extensionName.")
    item.extensions[_key(name)] = {"extensionName": name} | _values(body)
    return item.extensions[_key(name)]


def shown(extension: dict[str, Any]) -> dict[str, Any]:
    kind = {"@odata.type": "#microsoft.graph.openTypeExtension"}
    return kind | {"id": f"{PREFIX}{extension['extensionName']}"} | extension


def expanded(item: Item, expand: str) -> dict[str, Any]:
    """Return what $expand shows; without an inner filter nothing."""
    found = EXPANDED.search(expand)
    extension = named(item, found[1]) if found else None
    return {"extensions": [shown(extension)]} if extension else {}


def named(item: Item, name: str) -> dict[str, Any] | None:
    return item.extensions.get(_key(name))


def _key(name: str) -> str:
    return name.removeprefix(PREFIX).casefold()


def _values(body: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in body.items() if not k.startswith("@") and k not in ("id", "extensionName")}
