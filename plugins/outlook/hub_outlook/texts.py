"""Bodies of events as text, as Exchange makes it of its HTML: for answers that show HTML all the same."""

from __future__ import annotations

import re

_PICTURE = re.compile(r"<img\b[^>]*\bsrc=[\"']cid:([^\"'>]+)[\"'][^>]*>", re.IGNORECASE)

_BLANK = "\ue000"
"""What stands for a blank that is not to be broken at meanwhile: it stays also where a line begins."""


def of_html(markup: str) -> str:
    """Return the text of HTML; pictures stand in it as Exchange writes them: `[cid:…]`.

    Raises:
        ValueError: there is no reading it.
    """
    # Seldom needed, and a worker would carry them for ever.
    from inscriptis import get_text
    from inscriptis.css_profiles import CSS_PROFILES
    from inscriptis.model.config import ParserConfig

    try:
        config = ParserConfig(css=CSS_PROFILES["strict"])
        kept = _PICTURE.sub(r"[cid:\1]", markup).replace("&nbsp;", _BLANK).replace("\xa0", _BLANK)
        return str(get_text(kept, config)).strip("\n").replace(_BLANK, "\xa0")
    except Exception as error:
        raise ValueError(f"its HTML cannot be read ({type(error).__name__})") from error
