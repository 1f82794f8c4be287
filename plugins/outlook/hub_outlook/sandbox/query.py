"""The few OData query options that lists of events know (Graph: query-parameters)."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from hub_outlook.sandbox import extensions, show
from hub_outlook.sandbox.model import Item, Model
from hub_outlook.sandbox.problems import GraphError
from hub_outlook.sandbox.show import Preferences

TEXT = r"'((?:[^']|'')*)'"
TAGGED = re.compile(
    rf"singleValueExtendedProperties/any\((\w+):\s*\1/id eq {TEXT} and \1/value eq {TEXT}\)", re.IGNORECASE
)
EXTENDED = re.compile(rf"Extensions/any\((\w+):\s*\1/id eq {TEXT}\)", re.IGNORECASE)
EXPAND_TAG = re.compile(rf"singleValueExtendedProperties\(\$filter=id eq {TEXT}\)", re.IGNORECASE)
COMPARED = re.compile(
    rf"(start/dateTime|end/dateTime|iCalUId|uid|subject) (eq|ge|gt|le|lt) {TEXT}", re.IGNORECASE
)
COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda a, b: a == b,
    "ge": lambda a, b: a >= b,
    "gt": lambda a, b: a > b,
    "le": lambda a, b: a <= b,
    "lt": lambda a, b: a < b,
}

_Test = Callable[[Item], bool]


def matcher(model: Model, text: str) -> _Test:
    """Return the test of a $filter: comparisons joined by `and`.

    Raises:
        GraphError: it holds something else.
    """
    tests: list[_Test] = []
    rest = text.strip()
    while rest:
        tagged, compared, extended = TAGGED.match(rest), COMPARED.match(rest), EXTENDED.match(rest)
        if extended:
            tests.append(lambda item, name=extended[2]: bool(extensions.named(item, name)))  # type: ignore[misc]
        elif tagged:
            tests.append(_tagged(tagged[2], tagged[3]))
        elif compared:
            tests.append(_compared(model, compared[1].casefold(), compared[2].casefold(), compared[3]))
        found = extended or tagged or compared
        if not found:
            raise GraphError(
                400, "ErrorInvalidUrlQueryFilter", "The query filter contains an invalid condition."
            )
        rest = rest[found.end() :].strip()
        if rest:
            joined, rest = rest[:3], rest[3:].strip()
            if joined.casefold() != "and" or not rest:
                raise GraphError(400, "ErrorInvalidUrlQueryFilter", "Only `and` can join conditions here.")
    return lambda item: all(test(item) for test in tests)


def _tagged(name: str, value: str) -> _Test:
    # The id's case counts, the value's does not.
    wanted = value.replace("''", "'").casefold()
    return lambda item: item.extended.get(name.replace("''", "'"), "\0").casefold() == wanted


def _compared(model: Model, name: str, operator: str, text: str) -> _Test:
    compare, value = COMPARE[operator], text.replace("''", "'")
    if name.endswith("/datetime"):
        moment = datetime.fromisoformat(value[:19])
        at = 0 if name.startswith("start") else 1
        return lambda item: compare(model.span(item)[at], moment)
    if name == "subject":
        return lambda item: compare((item.values["subject"] or "").casefold(), value.casefold())
    return lambda item: compare(item.uid, value)


def ordered(model: Model, items: list[Item], text: str) -> list[Item]:
    """Return events sorted by an $orderby."""
    name, _, direction = text.partition(" ")
    keys: dict[str, Callable[[Item], Any]] = {
        "start/datetime": lambda item: model.span(item)[0],
        "createddatetime": lambda item: item.created,
        "lastmodifieddatetime": lambda item: item.modified,
        "subject": lambda item: (item.values["subject"] or "").casefold(),
    }
    key = keys.get(name.casefold())
    if key is None:
        raise GraphError(400, "ErrorInvalidUrlQuery", f"Cannot order by {name}.")
    return sorted(items, key=key, reverse=direction.strip().casefold() == "desc")


def decorated(
    model: Model, item: Item, shown: dict[str, Any], query: dict[str, str], prefer: Preferences, single: bool
) -> dict[str, Any]:
    """Apply $select and $expand to a shown event."""
    names = [n.strip() for n in query.get("$select", "").split(",") if n.strip()]
    expand = query.get("$expand", "")
    picked = shown
    if names:
        lower = {n.casefold() for n in names} | {"id", "@odata.etag"}
        picked = {k: v for k, v in shown.items() if k.casefold() in lower}
        if single and item.recurrence and "cancelledoccurrences" in lower:
            days = sorted(item.cancelled)
            picked["cancelledOccurrences"] = [f"OID.{model.event_id(item, False)}.{day}" for day in days]
        if (
            single
            and item.recurrence
            and "exceptionoccurrences" in lower
            and "exceptionOccurrences" in expand
        ):
            picked["exceptionOccurrences"] = _exceptions(model, item, lower, prefer)
    tag = EXPAND_TAG.search(expand)
    if tag and tag[1] in item.extended and not shown.get("seriesMasterId"):
        picked = picked | {"singleValueExtendedProperties": [{"id": tag[1], "value": item.extended[tag[1]]}]}
    return picked | extensions.expanded(item, expand)


def _exceptions(model: Model, item: Item, names: set[str], prefer: Preferences) -> list[dict[str, Any]]:
    days = sorted(datetime.fromisoformat(d).date() for d in item.exceptions)
    whole = [show.full(model, item, prefer, day) for day in days]
    return [{k: v for k, v in event.items() if k.casefold() in names} for event in whole]
