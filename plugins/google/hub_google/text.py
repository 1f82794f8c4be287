"""Descriptions: Google shows them as HTML, the hub keeps plain text, and neither may look like an edit.

Text is written as it is when it reads back unchanged, and escaped otherwise; whatever has tags or
entities is read as HTML.
"""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser

_MARKUP = re.compile(r"</?[a-zA-Z][^<>]*>|<!--|&(?:#\d+|#[xX][0-9a-fA-F]+|[a-zA-Z][a-zA-Z0-9]*);")
_UNSENDABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_BREAKS = {"br", "tr"}
_BLOCKS = {"p", "div", "ul", "ol", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "pre", "table"}


def clean(text: str) -> str:
    """Return the text with LF line ends and without trailing blanks and characters JSON peers refuse."""
    if " \n" not in text and text.replace("\n", "").isprintable():
        return text.rstrip()  # Most texts: of all that is mended below, blanks at the end are left.
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\xa0", " ")
    lines = (line.rstrip() for line in _UNSENDABLE.sub("", text).split("\n"))
    return "\n".join(lines).rstrip("\n")


def one_line(text: str) -> str:
    """Return the text as a title or place: one line without blanks around it."""
    if text.isprintable():
        return text.strip()
    return " ".join(part for part in clean(text).replace("\t", " ").split("\n") if part).strip()


def is_html(text: str) -> bool:
    """Return whether the text has tags or entities and so must be read as HTML."""
    return ("<" in text or "&" in text) and _MARKUP.search(text) is not None


def read_description(text: str) -> str:
    """Return the plain text of a description as Google holds it."""
    if not is_html(text):
        return clean(text)
    reader = _Reader()
    reader.feed(text.replace("\r\n", "\n"))
    reader.close()
    return clean("".join(reader.parts))


def write_description(text: str) -> str:
    """Return what to send, so that `read_description` gives the same text again."""
    text = clean(text)
    return text if read_description(text) == text else html.escape(text, quote=False)


class _Reader(HTMLParser):
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
