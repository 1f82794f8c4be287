"""HTML that others wrote: as plain text, and as HTML that is safe to show. Pure.

Safe is what was written anew from a few harmless elements, none of which loads anything: whatever else
stood there is dropped, its text kept.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from html import escape

from hub.plugin.html import HtmlReader

_BLOCKS = frozenset(
    {"p", "div", "ul", "ol", "li", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "pre", "table", "tr"}
)
_KEPT = _BLOCKS | {
    "br",
    "hr",
    "a",
    "b",
    "strong",
    "i",
    "em",
    "u",
    "s",
    "code",
    "span",
    "sub",
    "sup",
    "td",
    "th",
}
_ALONE = frozenset({"br", "hr"})
_UNSEEN = frozenset(
    {"script", "style", "head", "title", "template", "noscript", "iframe", "object", "svg", "math"}
)
_SCHEMES = ("http://", "https://", "mailto:", "tel:")
_DEEPEST = 60


class _Reader(HtmlReader, ABC):
    """Walks through HTML as a browser would, without what is never seen."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._unseen: list[str] = []
        self._times_unseen: Counter[str] = Counter()
        """How often each element stands in `_unseen`."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _UNSEEN:
            self._unseen.append(tag)
            self._times_unseen[tag] += 1
        elif not self._unseen:
            self.begun(tag, dict(attrs))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _UNSEEN:
            self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if self._times_unseen[tag]:
            last = ""
            while last != tag:
                last = self._unseen.pop()
                self._times_unseen[last] -= 1
        elif not self._unseen:
            self.ended(tag)

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.said(data)

    @abstractmethod
    def begun(self, tag: str, attributes: dict[str, str | None]) -> None:
        """An element begins that people see."""

    @abstractmethod
    def ended(self, tag: str) -> None:
        """It ends."""

    @abstractmethod
    def said(self, text: str) -> None:
        """Text that people see."""


def text_of(html: str) -> str:
    """Return what people read of HTML, with LF where a browser breaks lines, and addresses behind links."""
    reader = _Text()
    reader.feed(html.replace("\r\n", "\n"))
    reader.close()
    lines = "".join(reader.parts).replace("\u00a0", " ").split("\n")
    return "\n".join(line.rstrip(" \t") for line in lines).strip("\n")


class _Text(_Reader):
    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._link: tuple[str, int] | None = None
        """The address of the link that is open, and how many parts are before it."""
        self._kept = 0
        """How many elements are open in which line ends count."""

    def begun(self, tag: str, attributes: dict[str, str | None]) -> None:
        if tag == "br":
            self.parts.append("\n")
        elif tag in _BLOCKS:
            self._new_line()
            self.parts += ["- "] if tag == "li" else []
        self._kept += tag == "pre"
        if tag == "a":
            self._end_link()  # No link is within another one.
            self._link = (attributes.get("href") or "", len(self.parts))

    def ended(self, tag: str) -> None:
        if tag == "a":
            self._end_link()
        if tag in _BLOCKS:
            self._new_line()
        if tag == "pre" and self._kept:
            self._kept -= 1

    def said(self, text: str) -> None:
        if not self._kept:
            text = " ".join(_words(text))
            if not self.parts or self.parts[-1].endswith(("\n", " ")):
                text = text.lstrip(" ")
        if text:
            self.parts.append(text)

    def _end_link(self) -> None:
        if self._link is None:
            return
        address, since = self._link
        self._link = None
        shown = "".join(self.parts[since:]).strip()
        if address.lower().startswith(_SCHEMES) and shown not in (address, address.partition(":")[2]):
            self.parts.append(f" ({address})" if shown else address)

    def _new_line(self) -> None:
        if self.parts and not self.parts[-1].endswith("\n"):
            self.parts.append("\n")


def _words(text: str) -> list[str]:
    """Return the words of a text, with an empty one where blanks stand at an end."""
    words = text.split()
    if not words:
        return ["", ""] if text else []
    return ([""] if text[0].isspace() else []) + words + ([""] if text[-1].isspace() else [])


def safe(html: str) -> str:
    """Return HTML that shows what was meant and can do nothing: it runs, styles and loads nothing."""
    writer = _Safe()
    writer.feed(html)
    writer.close()
    return "".join([*writer.parts, *(f"</{tag}>" for tag in reversed(writer.open))])


class _Safe(_Reader):
    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.open: list[str] = []

    def begun(self, tag: str, attributes: dict[str, str | None]) -> None:
        if tag not in _KEPT or len(self.open) >= _DEEPEST:
            return
        if tag in _ALONE:
            self.parts.append(f"<{tag}>")
            return
        self.open.append(tag)
        address = (attributes.get("href") or "").strip() if tag == "a" else ""
        if address.lower().startswith(_SCHEMES):
            self.parts.append(
                f'<a href="{escape(address)}" rel="noopener noreferrer nofollow" target="_blank">'
            )
        else:
            self.parts.append(f"<{tag}>")

    def ended(self, tag: str) -> None:
        if tag not in self.open:
            return
        while (last := self.open.pop()) != tag:
            self.parts.append(f"</{last}>")
        self.parts.append(f"</{tag}>")

    def said(self, text: str) -> None:
        self.parts.append(escape(text, quote=False))
