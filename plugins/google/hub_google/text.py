"""Descriptions: Google shows them as HTML, the hub keeps plain text, and neither may look like an edit.

Text is written as it is when it reads back unchanged, and escaped otherwise; whatever has tags or
entities is read as HTML.
"""

from __future__ import annotations

import html
import re

from hub.plugin.html import HtmlReader
from hub.plugin.text import clean, join_line, without_join_line

_MARKUP = re.compile(r"</?[a-zA-Z][^<>]*>|<!--|&(?:#\d+|#[xX][0-9a-fA-F]+|[a-zA-Z][a-zA-Z0-9]*);")
_CONFERENCE_BLOCK = re.compile(r"\s*-::~[:~]*::-.*?-::~[:~]*::-\s*", re.DOTALL)
"""What Google itself writes into exported descriptions, and takes out of those that it is given."""
_BREAKS = {"br", "tr"}
_BLOCKS = {"p", "div", "ul", "ol", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "pre", "table"}


def is_html(text: str) -> bool:
    """Return whether the text has tags or entities and so must be read as HTML."""
    return ("<" in text or "&" in text) and _MARKUP.search(text) is not None


def read_description(text: str) -> str:
    """Return the plain text of a description as Google holds it."""
    if not is_html(text):
        return _own(text)
    reader = _Reader()
    reader.feed(text.replace("\r\n", "\n"))
    reader.close()
    return _own("".join(reader.parts))


def read_texts(text: str) -> tuple[str, str | None]:
    """Return the plain text of a description, and the address that the hub's line in it names."""
    return without_join_line(read_description(text))


def fitted(text: str, most: int, join: str = "") -> str:
    """Return what of a description Google keeps, with room for how to join."""
    text = clean(_own(text)[:most])
    room = most - len(join_line(text, join))
    return text if len(text) <= room else clean(text[:room])


def write_description(text: str, html_text: str | None = None, join: str = "") -> str:
    """Return what to send, so that `read_texts` gives the same text and address again.

    Args:
        html_text: the HTML that the text was read from, which is sent in its place if it still says the same.
        join: where to join a meeting that Google does not hold.
    """
    text = _own(text)
    line = join_line(text, join)
    if html_text is not None and read_description(html_text) == text:
        return html_text + html.escape(line, quote=False)
    whole = text + line
    return whole if read_description(whole) == whole else html.escape(whole, quote=False)


def _own(text: str) -> str:
    """Return the text as people wrote it."""
    return clean(_CONFERENCE_BLOCK.sub("\n\n", text).lstrip("\n") if "-::~" in text else text)


class _Reader(HtmlReader):
    """Collects text, with line breaks where a browser shows them."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._link: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _BREAKS:
            self.parts.append("\n")
        elif tag in _BLOCKS:
            self._new_line()
        elif tag == "li":
            self._new_line()
            self.parts.append("- ")
        elif tag == "a":
            self._link = dict(attrs).get("href")

    def handle_endtag(self, tag: str) -> None:
        if tag in _BLOCKS or tag == "li":
            self._new_line()
        elif tag == "a" and self._link:
            # A link whose text is not its address would lose the address in plain text.
            if not "".join(self.parts).rstrip().endswith(self._link.removeprefix("mailto:")):
                self.parts.append(f" ({self._link})")
            self._link = None

    def handle_data(self, data: str) -> None:
        self.parts.append(data)

    def _new_line(self) -> None:
        if self.parts and not self.parts[-1].endswith("\n"):
            self.parts.append("\n")
