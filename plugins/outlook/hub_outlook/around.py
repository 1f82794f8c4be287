"""A text that holds more than text: written anew around what Outlook keeps in its HTML. Pure.

Graph ends an online meeting when how to join it is taken out of the body, and a picture shows as long as
the body refers to it by its `cid` (Graph: event-update, outlook-calendar-online-meetings). So both are taken
from the HTML as it is, and put around or into the text that is written.
"""

from __future__ import annotations

import html
import re
from typing import NamedTuple

from hub.plugin.html import HtmlReader
from hub_outlook.project import PICTURE

LINE = re.compile(r"_{20,}")
JOINING = re.compile(r"teams\.(?:microsoft|live)\.com|Microsoft Teams")
DEEPEST = 500
"""Elements within each other that are told apart; nobody writes so many."""
_VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"}
)
_INLINE = frozenset(
    {"a", "abbr", "b", "big", "code", "em", "font", "i", "o:p", "s", "small", "span", "strong", "sub", "sup"}
    | {"tt", "u"}
)
"""Elements that begin no line."""
_BLANKS = re.compile(r"^ | (?= )")


class UnkeepableError(ValueError):
    """What Outlook keeps in the text could not stay; the message is a sentence for people."""


def rewritten(source: str, before: str, text: str, *, is_meeting: bool, is_optional: bool = False) -> str:
    """Return the HTML of a body with another text.

    Args:
        source: the HTML as it is.
        before: its text as the hub knows it, with `PICTURE` where a picture is.
        text: what it is to say, with `PICTURE` where one is to stay.
        is_meeting: whether `before` lacks how to join an online meeting, which stays in the body. Of other
            events such a block, which somebody has copied, is text like any.
        is_optional: whether there may be no such block.

    Raises:
        UnkeepableError: it is not sure what would be kept where.
    """
    read = _Reader(source, is_meeting=is_meeting)
    if is_meeting and read.block is None and not is_optional:
        raise UnkeepableError(
            "How to join the online meeting was not found in this text in Outlook, and the meeting ends if "
            "that is lost: please change the text there."
        )
    end = len(source) if read.block is None else read.block
    pictures = [tag for at, tag in read.pictures if at < end]
    if before.count(PICTURE) != len(pictures):
        raise UnkeepableError(
            "Where the pictures of this text stand in Outlook is not clear: please change the text there."
        )
    if any(picture != PICTURE for picture in pictures[text.count(PICTURE) :]):
        raise UnkeepableError(
            f"There is a picture in this text in Outlook and no {PICTURE} for it in the new text: put that "
            "where it is to stay, or take the picture out in Outlook."
        )
    head = source[: read.inner] if read.inner else "<html><body>"
    return f"{head}<div>{_html(text, pictures)}</div>{read.tail}</body></html>"


def _html(text: str, pictures: list[str]) -> str:
    lines = (_BLANKS.sub("&nbsp;", html.escape(line, quote=False)) for line in text.split("\n"))
    first, *others = "<br>\r\n".join(lines).split(PICTURE)
    more = [*pictures, *(PICTURE for _ in others[len(pictures) :])]
    return first + "".join(picture + part for picture, part in zip(more, others, strict=True))


class _Open(NamedTuple):
    """An element that is open: where it begins, and how much was seen before it."""

    tag: str
    at: int
    seen: int


class _Reader(HtmlReader):
    """Finds where people's text begins, its pictures, and where Exchange's block on how to join begins."""

    def __init__(self, source: str, *, is_meeting: bool) -> None:
        super().__init__(convert_charrefs=False)
        self.inner = 0
        """Where the inside of the body begins; 0 if there is no such element."""
        self.pictures: list[tuple[int, str]] = []
        """Where pictures are, and their elements; a `PICTURE` that somebody wrote is there as it is."""
        self.block: int | None = None
        """Where the block begins: before every element that holds nothing else."""
        self._source = source
        self._lines = [0, *(found.end() for found in re.finditer("\n", source))]
        self._joins = max((found.end() for found in JOINING.finditer(source)), default=0) * is_meeting
        self._open: list[_Open] = []
        self._seen = 0
        self._begins_line = True
        self._end = len(source)
        self._stray: list[int] = []
        self.feed(source)
        self.close()

    @property
    def tail(self) -> str:
        """The block as it is, without the ends of elements that began before it."""
        if self.block is None:
            return ""
        parts, at = [], self.block
        for stray in self._stray:
            parts.append(self._source[at:stray])
            at = self._source.index(">", stray) + 1
        return "".join((*parts, self._source[at : self._end]))

    @property
    def _at(self) -> int:
        line, column = self.getpos()
        return self._lines[line - 1] + column

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._begins_line = tag != "img" and (self._begins_line or tag not in _INLINE)
        whole = self.get_starttag_text() or ""
        if tag == "body" and not self.inner:
            self.inner, self._seen, self._open = self._at + len(whole), 0, []
        elif tag == "img" and (dict(attrs).get("src") or "").casefold().startswith("cid:"):
            self.pictures.append((self._at, whole))
            self._seen += 1
        elif tag not in _VOID and len(self._open) < DEEPEST:
            self._open.append(_Open(tag, self._at, self._seen))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _VOID:
            self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        self._begins_line = self._begins_line or tag not in _INLINE
        places = [n for n, one in enumerate(self._open) if one.tag == tag]
        if tag in ("body", "html"):
            self._end = min(self._end, self._at)
        elif places:
            del self._open[places[-1] :]
        elif self.block is not None and self._at < self._end:
            self._stray.append(self._at)

    def handle_data(self, data: str) -> None:
        if (
            self.block is None
            and self._at < self._joins
            and self._begins_line
            and LINE.fullmatch(data.strip())
        ):
            around = [o for o in self._open if o.seen == self._seen]
            self.block = around[0].at if around else self._at + len(data) - len(data.lstrip())
            self._open = around
        self.pictures += [(self._at, PICTURE)] * data.count(PICTURE)
        self._see(is_blank=not data.strip())

    def handle_entityref(self, name: str) -> None:
        self._see(is_blank=name == "nbsp")

    def handle_charref(self, name: str) -> None:
        self._see(is_blank=name in ("160", "xA0", "xa0"))

    def _see(self, *, is_blank: bool) -> None:
        self._seen += not is_blank
        self._begins_line = self._begins_line and is_blank
