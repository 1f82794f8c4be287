"""Reads that lag behind what was written: for some seconds they show an event as it was before."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hub_outlook.sandbox.problems import not_found

if TYPE_CHECKING:
    from hub_outlook.sandbox.model import Item, Model

MOST = 5
"""So many states of an event are remembered."""
PARTS = (
    *("values", "start", "end", "zone", "modified", "change_key", "recurrence"),
    *("exceptions", "cancelled", "generation", "extended"),
)


def begin(model: Model) -> None:
    """Remember how everything is when reads begin to lag."""
    for item in model.items.values():
        item.history = [(0.0, _state(item))]


def remember(model: Model, item: Item) -> None:
    """Remember how an event is after a change."""
    if model.switches["read_lag"]:
        item.history = [*item.history[1 - MOST :], (model.clock.now().timestamp(), _state(item))]


def visible(model: Model, item: Item) -> Item:
    """Return an event as a read shows it.

    Raises:
        GraphError: it is not there for reads yet.
    """
    lag = float(model.switches["read_lag"])
    if not lag or not item.history:
        return item
    newest = model.clock.now().timestamp() - lag
    shown = [state for at, state in item.history if at <= newest]
    if not shown:
        raise not_found()
    return replace(item, **shown[-1])


def _state(item: Item) -> dict[str, Any]:
    return {name: deepcopy(getattr(item, name)) for name in PARTS}
