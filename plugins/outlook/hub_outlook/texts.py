"""Bodies of events as text, as Exchange makes it of its HTML: for answers that show HTML all the same."""

from __future__ import annotations

import html
import re

_PICTURE = re.compile(r"<img\b[^<>]*\bsrc=[\"']cid:([^\"'<>]+)[\"'][^<>]*>", re.IGNORECASE)
_LINK = re.compile(r"(<a\s[^<>]*>)((?:(?!</?a\b).)*)(?=</a\b)", re.IGNORECASE | re.DOTALL)
_HREF = re.compile(r"\shref\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s>]+))", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]*>")
_SCHEMES = ("http://", "https://", "mailto:", "tel:")

_BLANK = "\ue000"
"""What stands for a blank that is not to be broken at meanwhile: it stays also where a line begins."""


def of_html(markup: str) -> str:
    """Return the text of HTML; pictures and links stand in it as Exchange writes them.

    That is `[cid:…]`, and `text<address>` where the text of a link is not its address.

    Raises:
        ValueError: there is no reading it.
    """
    # Seldom needed, and a worker would carry them for ever.
    from inscriptis import get_text
    from inscriptis.css_profiles import CSS_PROFILES
    from inscriptis.model.config import ParserConfig

    try:
        config = ParserConfig(css=CSS_PROFILES["strict"])
        kept = _LINK.sub(_with_address, _PICTURE.sub(r"[cid:\1]", markup))
        kept = kept.replace("&nbsp;", _BLANK).replace("\xa0", _BLANK)
        return str(get_text(kept, config)).strip("\n").replace(_BLANK, "\xa0")
    except Exception as error:
        raise ValueError(f"its HTML cannot be read ({type(error).__name__})") from error


def _with_address(link: re.Match[str]) -> str:
    """Return a link, but for its end, with its address after its text."""
    href = _HREF.search(link[1])
    address = html.unescape("".join(href.groups(""))).strip() if href else ""
    shown = " ".join(html.unescape(_TAG.sub("", link[2])).split())
    if not address.lower().startswith(_SCHEMES) or shown in (address, address.partition(":")[2]):
        return link[0]
    return f"{link[0]}&lt;{html.escape(address, quote=False)}&gt;"
