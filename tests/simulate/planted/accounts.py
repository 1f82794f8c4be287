"""Bugs around accounts: their tokens, what is asked of providers, and what is told of a link's health."""

from __future__ import annotations

GRANTS, GATEWAY, HEALTH = "hub.providers.grants", "hub.providers.gateway", "hub.accounts.health"

BUGS = []
