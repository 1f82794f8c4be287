"""Cursors and page tokens: Graph's links sealed with what a listing must remember between its pages."""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import asdict, dataclass
from typing import Any

from hub.plugin.errors import CursorExpiredError


@dataclass(frozen=True)
class PageToken:
    """Where a listing goes on."""

    link: str
    """Graph's nextLink; its deltaLink if `final`."""
    final: bool = False
    """Whether the round has ended and only `pending` series are left to read."""
    pending: tuple[str, ...] = ()
    """Masters of series that the pages so far touched, still to be read as a whole."""
    window: tuple[str, str] | None = None
    """The span of a full listing."""
    digest: str = ""
    """Of the ids on the page before: service faults repeat a page for ever (msgraph-sdk-dotnet#3070)."""
    repeats: int = 0
    pages: int = 0


def seal_page(token: PageToken) -> str:
    """Return the opaque form of a page token."""
    return _seal("op1", asdict(token))


def open_page(text: str) -> PageToken:
    """Return what `seal_page` sealed.

    Raises:
        CursorExpiredError: this is no page token of ours.
    """
    values = _open("op1", text)
    try:
        window = values["window"]
        return PageToken(
            **values
            | {"pending": tuple(values["pending"]), "window": (window[0], window[1]) if window else None}
        )
    except (KeyError, TypeError):
        raise _garbage() from None


def seal_cursor(link: str) -> str:
    """Return the opaque form of a deltaLink."""
    return _seal("oc1", {"link": link})


def open_cursor(text: str) -> str:
    """Return the deltaLink in a cursor.

    Raises:
        CursorExpiredError: this is no cursor of ours.
    """
    link = _open("oc1", text).get("link")
    if not isinstance(link, str):
        raise _garbage()
    return link


def _seal(kind: str, values: dict[str, Any]) -> str:
    packed = zlib.compress(json.dumps(values, separators=(",", ":")).encode(), 6)
    return f"{kind}.{base64.urlsafe_b64encode(packed).decode()}"


def _open(kind: str, text: str) -> dict[str, Any]:
    prefix, _, packed = text.partition(".")
    try:
        values = json.loads(zlib.decompress(base64.urlsafe_b64decode(packed.encode())))
    except (ValueError, zlib.error):
        raise _garbage() from None
    if prefix != kind or not isinstance(values, dict):
        raise _garbage()
    return values


def _garbage() -> CursorExpiredError:
    return CursorExpiredError("This is no place in an Outlook listing.")
