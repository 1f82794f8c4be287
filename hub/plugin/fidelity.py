"""What becomes of each field of a provider's event, and what of each field of the hub's event it can hold.

Declared by a plugin in `ProviderInfo.fidelity`; `hub fidelity` writes it down for people.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Fate(StrEnum):
    """What the hub does with a field of a provider's event."""

    MAPPED = "mapped"
    """Read and written."""
    READ = "read"
    """Read, and never written."""
    KEPT = "kept"
    """Left alone: it is the provider's own, means nothing elsewhere, and survives every write."""
    LOST = "not carried"
    """It means something to people, survives every write, and does not come to other calendars."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a provider's event; what stands for a whole part of it stands for all that is in it."""

    name: str
    """As the provider writes it, parts joined by dots."""
    fate: Fate
    model: tuple[str, ...] = ()
    """The fields of `EventContent` or `RemoteEvent` that it is read into."""
    note: str = ""
    """Why, or how, in a sentence for people."""


class Extent(StrEnum):
    """How much of a field of the hub's event a provider can hold."""

    WHOLE = "whole"
    PART = "in part"
    READ = "read only"
    """It shows its own, and takes nobody else's."""
    NOT = "not at all"


@dataclass(frozen=True, slots=True)
class Held:
    """What a provider can hold of one field of `EventContent`."""

    name: str
    extent: Extent
    note: str = ""


@dataclass(frozen=True, slots=True)
class Fidelity:
    """All of it, for one provider."""

    resource: str
    """What the provider calls its events, and where that is published."""
    fields: tuple[Field, ...]
    holds: tuple[Held, ...]
