"""Bugs in the rules: the merge, times, and how an event is kept."""

from __future__ import annotations

MERGE = "hub.domain.merge"

BUGS = []
