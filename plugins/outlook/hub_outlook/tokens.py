"""Cursors and page tokens: Graph's links sealed with what a listing must remember between its pages."""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import asdict, dataclass
from typing import Any

from hub.plugin.errors import CursorExpiredError
from hub.plugin.paging import START, Circle


@dataclass(frozen=True)
class PageToken:
    """Where a listing goes on."""

    legs: tuple[str, ...]
    """What is to be listed, the first one under way: each a deltaLink, or `start/end` of a span."""
    link: str = ""
    """Graph's nextLink in the first leg; empty at its beginning."""
    done: tuple[str, ...] = ()
    """The deltaLinks that the finished legs ended with."""
    pending: tuple[str, ...] = ()
    """Masters of series that the pages so far touched, still to be read as a whole."""
    window: tuple[str, str] | None = None
    """The span of a full listing."""
    circle: Circle = START
    """What the pages of this leg held: service faults repeat them for ever (msgraph-sdk-dotnet#3070)."""
    sized: bool = True
    """Whether pages of our size are asked for: without, a listing that runs in circles may end."""
    removed: tuple[str, ...] = ()
    """Those of `pending` that a page also said are removed."""

    @property
    def is_final(self) -> bool:
        """Whether all is listed, and only `pending` series are left to read."""
        return not self.legs


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
        more = {name: tuple(values[name]) for name in ("legs", "done", "pending", "removed")}
        span = (window[0], window[1]) if window else None
        return PageToken(**values | more | {"window": span, "circle": Circle(**values["circle"])})
    except (KeyError, TypeError):
        raise _garbage() from None


def seal_cursor(links: tuple[str, ...], *, sized: bool = True) -> str:
    """Return the opaque form of deltaLinks, and whether pages of our size are asked for."""
    return _seal("oc1", {"links": links, "sized": sized})


def open_cursor(text: str) -> tuple[tuple[str, ...], bool]:
    """Return what `seal_cursor` sealed.

    Raises:
        CursorExpiredError: this is no cursor of ours.
    """
    values = _open("oc1", text)
    links, sized = values.get("links"), values.get("sized")
    if not isinstance(links, list) or not links or not all(isinstance(link, str) for link in links):
        raise _garbage()
    return tuple(links), bool(sized)


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
