"""Texts as every side means them, and the one line that plugins may write into people's own texts.

Providers rewrite texts: line ends, trailing blanks, characters that no other program takes. `clean` and
`one_line` undo that, for reading and for comparing, so that it never looks like an edit.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

_UNSENDABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_ESCAPED = re.compile(rb"\\u(?:00[01]|007[fF]|[dD][89a-fA-F]|[fF]{3}[eEfF])")
"""How what `_UNSENDABLE` finds may stand in JSON, and little else."""
_JOIN = "Join the meeting: "
_JOIN_LINE = re.compile(rf"(?<![^\n]){_JOIN}(https?://[^\s<>]++)(?: ?[<(][^\s<>]*[>)])?[ \t]*(?=\n|$)")
_ADDRESS = re.compile(r"https?://[^\s<>]+")


def clean(text: str) -> str:
    """Return the text with LF line ends and without trailing blanks and characters JSON peers refuse."""
    if " \n" not in text and text.replace("\n", "").isprintable():
        return text.rstrip()  # Most texts: of all that is mended below, blanks at the end are left.
    text = _UNSENDABLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n").replace("\xa0", " "))
    return "\n".join(line.rstrip() for line in text.split("\n")).rstrip("\n")


def one_line(text: str) -> str:
    """Return the text as a title or place: one line without blanks around it."""
    if text.isprintable():
        return text.strip()
    return " ".join(part for part in clean(text).replace("\t", " ").split("\n") if part).strip()


def clean_json(body: bytes) -> bytes:
    """Return a provider's JSON without characters that no store and no other provider takes.

    A title may be cut in the middle of an emoji, or hold what somebody pasted from a terminal. What is
    no JSON comes back as it is.
    """
    if not _ESCAPED.search(body):
        return body
    try:
        return json.dumps(_cleaned(json.loads(body)), ensure_ascii=False).encode()
    except ValueError:
        return body


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return _UNSENDABLE.sub("", value)
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    if isinstance(value, dict):
        return {name: _cleaned(item) for name, item in value.items()}
    return value


# --- how to join ---


def join_line(text: str, url: str) -> str:
    """Return what to put after a text for people to join an online meeting; "" if it says so already.

    Providers take no meeting of another service, so the mirror of an event has it in its text.
    """
    if not _ADDRESS.fullmatch(url) or url in text:
        return ""
    return f"\n\n{_JOIN}{url}" if text else f"{_JOIN}{url}"


def without_join_line(text: str) -> tuple[str, str | None]:
    """Return a text without such a line, and the address that stood in it (of several, the last).

    A line whose address the rest of the text has, too, is no line of the hub's.
    """
    if _JOIN not in text:
        return text, None
    lines = list(_JOIN_LINE.finditer(text))
    around = _without(text, lines)
    found = [line for line in lines if line[1] not in around]
    if not found:
        return text, None
    rest = _without(text, found).rstrip("\n")
    return (rest.lstrip("\n") if not text[: found[0].start()].strip("\n") else rest), found[-1][1]


def _without(text: str, lines: Iterable[re.Match[str]]) -> str:
    """Return a text without some of its lines and the line ends before them."""
    parts, at = [], 0
    for line in lines:
        parts.append(text[at : line.start()].rstrip("\n"))
        at = line.end()
    return "".join((*parts, text[at:]))
