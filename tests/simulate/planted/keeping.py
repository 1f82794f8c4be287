"""Bugs in the upkeep: channels and the sweep."""

from __future__ import annotations

CHANNELS, SWEEP = "hub.keeping.subscriptions", "hub.keeping.sweep"

BUGS = []
