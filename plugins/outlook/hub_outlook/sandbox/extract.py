"""Makes `published.json` anew: the part of Graph's schema that the sandbox plays, from the SDK's own models.

Microsoft generates the models from Graph's published metadata. Run it after an update of the SDK:

    python -m hub_outlook.sandbox.extract > plugins/outlook/hub_outlook/sandbox/published.json
"""

from __future__ import annotations

import importlib
import inspect
import json
import re
import sys
from enum import Enum
from typing import Any

ROOTS = ("event", "calendar", "calendar_group", "subscription", "user", "mailbox_settings")
ONLY: dict[str, tuple[str, ...]] = {
    "user": ("id", "displayName", "mail", "userPrincipalName", "@odata.type"),
    "mailboxSettings": ("timeZone", "@odata.type"),
    "calendarGroup": ("id", "name", "changeKey", "classId", "@odata.type"),
}
"""Of these only what the sandbox shows, since they are large or lead to all of Graph."""
LEFT_OUT = ("attachments", "extensions", "calendarPermissions", "multiValueExtendedProperties")
"""Parts of events and calendars that the sandbox does not play."""
PLAIN = {
    "get_str_value": "string",
    "get_bool_value": "boolean",
    "get_int_value": "integer",
    "get_float_value": "number",
    "get_datetime_value": "date-time",
    "get_date_value": "date",
}
_FIELD = re.compile(r'"([\w@.]+)": lambda n : setattr\(self, \'\w+\', n\.(\w+)\(([\w.]*)\)\)')


def extract() -> dict[str, Any]:
    """Return the fields of each type by name: a plain kind, the values of an enum, or another type's name."""
    found: dict[str, Any] = {}
    waiting = [_model(name) for name in ROOTS]
    while waiting:
        model = waiting.pop()
        name = _name(model)
        if name in found:
            continue
        found[name] = fields = {}
        for field, (reader, argument) in sorted(_fields(model).items()):
            if field in LEFT_OUT or field not in ONLY.get(name, (field,)):
                continue
            kind, needed = _kind(reader, argument)
            fields[field] = [kind] if "collection" in reader else kind
            waiting += needed
    return dict(sorted(found.items()))


def _model(module: str) -> Any:
    loaded = importlib.import_module(f"msgraph.generated.models.{module}")
    return getattr(loaded, "".join(part.title() for part in module.split("_")))


def _name(model: Any) -> str:
    name: str = model.__name__
    return name[0].lower() + name[1:]


def _fields(model: Any) -> dict[str, tuple[str, str]]:
    """Return how the model reads each field, those of its bases among them."""
    found: dict[str, tuple[str, str]] = {}
    for part in reversed(model.__mro__):
        if "get_field_deserializers" in vars(part):
            source = inspect.getsource(part.get_field_deserializers)
            found |= {m[1]: (m[2], m[3]) for m in _FIELD.finditer(source)}
    return found


def _kind(reader: str, argument: str) -> tuple[Any, list[Any]]:
    if reader in PLAIN:
        return PLAIN[reader], []
    if argument == "str" or not argument:
        return "string", []
    named = _named(argument)
    if issubclass(named, Enum):
        return {"enum": [member.value for member in named]}, []
    return _name(named), [named]


def _named(name: str) -> Any:
    """Return a class by its name; the SDK has each in a module of its own."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    return getattr(importlib.import_module(f"msgraph.generated.models.{snake}"), name)


def written() -> str:
    """Return the file's text."""
    return json.dumps(extract(), indent=1) + "\n"


if __name__ == "__main__":
    sys.stdout.write(written())
