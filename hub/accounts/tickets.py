"""Signed connect links: an application hands one to its user, whose browser then begins the flow itself.

A link says for whom, with which provider and until when; it is sealed, so it can be neither read nor
changed. Being opened twice does no harm: each time begins a flow of its own.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime

from hub.accounts.connect import LIFE
from hub.ports import Ports
from hub.vault import VaultError

_PLACE = "connect_ticket"


@dataclass(frozen=True, slots=True)
class ConnectTicket:
    """What a connect link allows."""

    user_id: str
    provider: str
    return_to: str
    account_id: str | None
    expires_at: str


def connect_ticket(
    ports: Ports, user_id: str, provider: str, *, return_to: str = "", account_id: str | None = None
) -> str:
    """Return the ticket of a connect link."""
    expires_at = (ports.clock.now() + LIFE).isoformat()
    ticket = ConnectTicket(user_id, provider, return_to, account_id, expires_at)
    return ports.vault.seal(json.dumps(asdict(ticket)), _PLACE)


def read_ticket(ports: Ports, text: str) -> ConnectTicket | None:
    """Return what a ticket allows, or None if it is forged, damaged or expired."""
    try:
        ticket = ConnectTicket(**json.loads(ports.vault.open(text, _PLACE)))
    except VaultError:
        return None
    expired = datetime.fromisoformat(ticket.expires_at) <= ports.clock.now()
    return None if expired else ticket
