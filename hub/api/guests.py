"""Guests as a consumer names them, changes that they are told of, and the owner's own answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Session

from hub.api.context import ports
from hub.api.errors import fault, invalid
from hub.models import Event
from hub.outbound import home
from hub.plugin.types import Answer, Attendee, Role


def guests(
    given: Sequence[Mapping[str, str]], before: Sequence[Attendee], place: str = "/attendees"
) -> tuple[Attendee, ...]:
    """Return the guests that a consumer names; of who is one already, what is left out stays.

    Raises:
        Problem: somebody is named more often than once, and than the provider has it.
    """
    known: dict[str, list[Attendee]] = {}
    for guest in before:
        known.setdefault(guest.email.casefold(), []).append(guest)
    found: list[Attendee] = []
    named: set[str] = set()
    for number, row in enumerate(given):
        address = row["email"].casefold()
        same = known.get(address, [])
        if address in named and not same:
            raise invalid([fault(f"{place}/{number}/email", "stands there twice")])
        named.add(address)
        guest = _taken(same, row["email"])
        found.append(
            Attendee(
                guest.email,
                row.get("name", guest.name),
                Role(row.get("role", guest.role)),
                Answer(row.get("answer", guest.answer)),
            )
        )
    return tuple(found)


def _taken(same: list[Attendee], address: str) -> Attendee:
    """Take out the guest that a row means, the one that is written as it is there if there are several."""
    if not same:
        return Attendee(address)
    place = next((n for n, guest in enumerate(same) if guest.email == address), 0)
    return same.pop(place)


def tell(session: Session, event: Event, said: Mapping[str, Any], link_id: str | None = None) -> str | None:
    """Have the guests told of a change, if that is what the consumer says; return the home's link.

    Args:
        link_id: the home, where the consumer need not name it.
    """
    if not said["notify"]:
        return None
    return home.notify(session, ports(), event, link_id or said.get("notify_from"))
