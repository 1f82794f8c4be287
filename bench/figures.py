"""What a benchmark reports: figures of floor and hub from one run, and a ledger that must balance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any


class VoidError(Exception):
    """A ledger does not balance: whatever was measured says nothing."""


def balance(what: str, wanted: object, found: object) -> None:
    """Compare what was sent with what arrived.

    Raises:
        VoidError: they differ.
    """
    if wanted != found:
        raise VoidError(f"{what}: {wanted} wanted, {found} found")


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that `percent` of all values do not exceed."""
    ordered = sorted(values)
    place = -(-len(ordered) * percent // 100)
    return ordered[max(0, int(place) - 1)]


@dataclass(frozen=True)
class Figure:
    """One line of the report; a value per round, floor and hub measured in turn."""

    name: str
    unit: str
    hub: tuple[float, ...]
    floor: tuple[float, ...] = field(default=())
    goal: str = ""

    @property
    def ratios(self) -> tuple[float, ...]:
        """The hub's value over the floor's, round by round."""
        return tuple(h / f for h, f in zip(self.hub, self.floor, strict=True)) if self.floor else ()

    def as_json(self) -> dict[str, Any]:
        ratio = {"ratios": self.ratios, "ratio": median(self.ratios)} if self.ratios else {}
        return asdict(self) | ratio


def table(figures: Sequence[Figure]) -> str:
    """Return the report: medians, with the lowest and the highest round in brackets."""
    header = ("measured", "unit", "floor", "hub", "ratio", "goal")
    rows = [header, *(_row(figure) for figure in figures)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(header))]
    lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def _row(figure: Figure) -> tuple[str, ...]:
    return (
        figure.name,
        figure.unit,
        _spread(figure.floor),
        _spread(figure.hub),
        _spread(figure.ratios),
        figure.goal,
    )


def _spread(values: Sequence[float]) -> str:
    if not values:
        return "-"
    text = _short(median(values))
    return text if len(values) == 1 else f"{text} [{_short(min(values))} .. {_short(max(values))}]"


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
