"""Partial responses: the `fields` parameter, such as `timeZone,items(id,start/dateTime)`."""

from __future__ import annotations

import re
from typing import Any

Tree = dict[str, Any]


def select(value: Any, fields: str) -> Any:
    """Return what of an answer the selection names.

    Raises:
        ValueError: the selection cannot be read.
    """
    tree, rest = _parse(re.findall(r"[A-Za-z*]+|[(),/]", fields))
    if rest:
        raise ValueError("unbalanced selection")
    return _pick(value, tree)


def _parse(words: list[str]) -> tuple[Tree, list[str]]:
    tree: Tree = {}
    while words and words[0] != ")":
        name, words = words[0], words[1:]
        if name in "(),/":
            raise ValueError("a name is missing")
        node = tree.setdefault(name, {})
        while words and words[0] == "/":
            if len(words) < 2:
                raise ValueError("a name is missing")
            node, words = node.setdefault(words[1], {}), words[2:]
        if words and words[0] == "(":
            inner, words = _parse(words[1:])
            if not words:
                raise ValueError("unbalanced selection")
            node.update(inner)
            words = words[1:]
        if words and words[0] == ",":
            words = words[1:]
    return tree, words


def _pick(value: Any, tree: Tree) -> Any:
    if not tree or "*" in tree:
        return value
    if isinstance(value, list):
        return [_pick(item, tree) for item in value]
    if not isinstance(value, dict):
        return value
    return {key: _pick(value[key], node) for key, node in tree.items() if key in value}
