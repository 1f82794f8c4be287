"""Event colours: Google has eleven, told by id; the hub keeps a colour value."""

from __future__ import annotations

import webcolors  # type: ignore[import-untyped]

# colors.get, event half. The web page shows other shades, so ids are mapped and never compared by eye.
EVENT_COLORS = {
    "1": "#a4bdfc",
    "2": "#7ae7bf",
    "3": "#dbadff",
    "4": "#ff887c",
    "5": "#fbd75b",
    "6": "#ffb878",
    "7": "#46d6db",
    "8": "#e1e1e1",
    "9": "#5484ed",
    "10": "#51b749",
    "11": "#dc2127",
}


def color_id(color: str) -> str | None:
    """Return the id of the nearest of Google's colours, or None if the value is no colour."""
    try:
        wanted = webcolors.hex_to_rgb(color) if color.startswith("#") else webcolors.name_to_rgb(color)
    except ValueError:
        return None
    return min(EVENT_COLORS, key=lambda i: _distance(webcolors.hex_to_rgb(EVENT_COLORS[i]), wanted))


def color_value(identifier: str | None) -> str | None:
    """Return the colour of an id; None for the calendar's own and for ids not known yet."""
    return EVENT_COLORS.get(identifier or "")


def _distance(one: tuple[int, int, int], other: tuple[int, int, int]) -> int:
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True))
