"""Descriptions: Google shows them as HTML, the hub keeps plain text, and neither may look like an edit.

Whatever has tags of HTML or entities is read as HTML. People and other programs put much else into angle
brackets: addresses, names to be filled in, sums. That is text, and stays. Text that a browser would read as
HTML is written escaped.
"""

from __future__ import annotations

import html
import re

from hub.plugin.html import HtmlReader
from hub.plugin.text import clean, join_line, without_join_line

_ELEMENTS = (
    "html head meta style script body html-blob o:p div p br hr h[1-6] pre blockquote center article section "
    "aside header footer main nav figure figcaption ul ol li dl dt dd table caption colgroup col thead tbody "
    "tfoot tr td th a img b strong i em u s strike del ins mark small big font span sub sup tt code kbd samp "
    "var q cite abbr acronym dfn bdi bdo ruby rt rp nobr wbr svg iframe video audio"
)
"""The elements of HTML that texts have, and what Google and Word add.

Those are missing whose names rather are people's, as in `<title>` or `<time>`: a tag that is shown costs
nobody a word.
"""
_BARE = "nowrap noshade border controls hidden compact reversed"
"""The attributes that stand without a value."""
_TAG = (
    rf"/?(?:{'|'.join(_ELEMENTS.split())})"
    rf"(?:(?:\s+(?:{'|'.join(_BARE.split())}))*\s*/?|\s[^<>=]*=[^<>]*)>"
)
"""What follows the `<` of a tag; `a<b and b>c` is none, whose attributes have no values."""
_ENTITY = r"&(?:#\d+|#[xX][0-9a-fA-F]+|[a-zA-Z][a-zA-Z0-9]*);"
_MARKUP = re.compile(rf"<{_TAG}|<!--|{_ENTITY}", re.IGNORECASE | re.ASCII)
_STRAY = re.compile(rf"<(?!{_TAG}|[!?])", re.IGNORECASE | re.ASCII)
_FOR_BROWSERS = re.compile(rf"</?[a-zA-Z]|<[!?]|{_ENTITY}")
"""What a browser, as Google's page is shown in, does not show as it stands."""
_CONFERENCE_BLOCK = re.compile(r"(?<!\s)\s*+-::~[:~]*::-.*?-::~[:~]*::-\s*", re.DOTALL)
"""What Google itself writes into exported descriptions, and takes out of those that it is given."""
_LINE_BEGINS = ("<br>", "<br/>", "<br />", "<p>", "<div>", "<span>")
_BREAKS = {"br", "tr"}
_BLOCKS = {"p", "div", "ul", "ol", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "pre", "table"}


def is_html(text: str) -> bool:
    """Return whether the text has tags or entities and so must be read as HTML."""
    return ("<" in text or "&" in text) and _MARKUP.search(text) is not None


def html_of(text: str) -> str | None:
    """Return HTML with `&lt;` for each bracket that begins no tag; None if the description is text."""
    return _STRAY.sub("&lt;", text) if is_html(text) else None


def read_description(text: str) -> str:
    """Return the plain text of a description as Google holds it."""
    markup = html_of(text)
    if markup is None:
        return _own(text)
    reader = _Reader()
    reader.feed(markup.replace("\r\n", "\n"))
    reader.close()
    return _own("".join(reader.parts))


def read_texts(text: str) -> tuple[str, str | None]:
    """Return the plain text of a description, and the address that the hub's line in it names."""
    return without_join_line(read_description(text))


def read_html(shown: str, text: str, join: str | None) -> str | None:
    """Return the HTML of a description without the hub's line; None if it is text, or more follows that line.

    Args:
        text, join: what `read_texts` gives of it.
    """
    markup = html_of(shown)
    if markup is None or join is None:
        return markup
    rest = markup.rpartition(join_line("", join).removesuffix(join))[0].rstrip()
    while rest.endswith(_LINE_BEGINS):
        rest = rest[: rest.rindex("<")].rstrip()
    return html_of(rest) if read_description(rest) == text else None


def fitted(text: str, most: int, join: str = "") -> str:
    """Return what of a description Google keeps, with room for how to join."""
    text = clean(_own(text)[:most])
    room = most - len(join_line(text, join))
    return text if len(text) <= room else clean(text[:room])


def fitted_html(html_text: str | None, text: str, most: int, join: str = "") -> str | None:
    """Return the HTML of a text that Google keeps, if there is room for it and for how to join."""
    if html_text is None or len(html_text) + len(_html_line(text, join)) > most:
        return None
    return html_text


def write_description(text: str, html_text: str | None = None, join: str = "") -> str:
    """Return what to send, so that `read_texts` gives the same text and address again.

    Args:
        html_text: the HTML that the text was read from, which is sent in its place if it still says the same.
        join: where to join a meeting that Google does not hold.
    """
    text = _own(text)
    line = join_line(text, join)
    whole = text + line
    if html_text is not None and read_description(html_text) == text:
        formatted = html_text + _html_line(text, join)
        if read_texts(formatted) == without_join_line(whole):  # Else the HTML leaves something open.
            return formatted
    return html.escape(whole, quote=False) if _FOR_BROWSERS.search(whole) else whole


def _html_line(text: str, join: str) -> str:
    return html.escape(join_line(text, join), quote=False).replace("\n", "<br>")


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
