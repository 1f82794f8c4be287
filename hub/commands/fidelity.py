"""`hub fidelity`: what the plugins declare of the fields of events, as a page for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hub.plugin.fidelity import Fidelity, Held
from hub.plugin.types import CONTENT_FIELDS, ProviderInfo

HEAD = """# What arrives of an event

Written by `make docs` from what the plugins declare; their tests hold the declarations to the providers'
published contracts and to what is really read and written. A value that a provider cannot hold stays in the
hub, is no edit when the provider shows less, and comes back when the event is written anew.

## What each provider can hold of the hub's event
"""
FATES = """
## {label}: each field of {resource}

A field is *mapped* (read and written), *read* (and never written), *kept* (left alone at the provider: it
survives every write and means nothing elsewhere) or *not carried* (it means something to people, survives
every write, and does not come to other calendars; the reason is given).
"""


def written(providers: Iterable[ProviderInfo]) -> str:
    """Return the page; providers whose plugin declares nothing are left out."""
    known = sorted(providers, key=lambda info: info.label)
    told = {info.label: info.fidelity for info in known if info.fidelity is not None}
    parts = [HEAD, *_holds(told)]
    for label, fidelity in told.items():
        parts += [FATES.format(label=label, resource=fidelity.resource), *_fields(fidelity)]
    return "\n".join(parts) + "\n"


def _holds(told: dict[str, Fidelity]) -> Iterator[str]:
    yield _row("field", *told)
    yield _row(*["---"] * (len(told) + 1))
    held = [{h.name: h for h in fidelity.holds} for fidelity in told.values()]
    for name in CONTENT_FIELDS:
        yield _row(f"`{name}`", *(_extent(of.get(name)) for of in held))


def _extent(held: Held | None) -> str:
    if held is None:
        return "not told"
    return f"{held.extent}: {held.note}" if held.note else str(held.extent)


def _fields(fidelity: Fidelity) -> Iterator[str]:
    yield _row("field", "", "of the hub's event", "")
    yield _row(*["---"] * 4)
    for field in sorted(fidelity.fields, key=lambda f: f.name.casefold()):
        names = ", ".join(f"`{name}`" for name in field.model)
        yield _row(f"`{field.name}`", str(field.fate), names, field.note)


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"
