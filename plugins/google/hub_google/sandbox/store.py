"""The sandbox's state in a file, so that a restart finds tokens, channels and events again."""

from __future__ import annotations

import dataclasses
import json
import os
import threading
from pathlib import Path
from typing import Any

from hub_google.sandbox.state import (
    Access,
    CalendarState,
    ChannelState,
    Grant,
    ListEntry,
    Person,
    Record,
    State,
)

_PAUSE = 0.3
"""Seconds between a change and its writing: many changes cost one file."""


def dump(state: State) -> dict[str, Any]:
    """Return everything that must outlive a restart."""
    parts = ("people", "calendars", "grants", "access", "codes", "channels", "clients", "switches", "mails")
    found = {name: _plain(getattr(state, name)) for name in parts}
    generator = state.random.getstate()
    return found | {
        "offset": state.offset,
        "counter": state.counter,
        "random": [generator[0], list(generator[1]), generator[2]],
    }


def load(state: State, data: dict[str, Any]) -> None:
    """Put back what `dump` returned."""
    state.people = {
        k: Person(**{**v, "entries": {i: ListEntry(**e) for i, e in v["entries"].items()}})
        for k, v in data["people"].items()
    }
    state.calendars = {
        k: CalendarState(**{**v, "records": {i: Record(**r) for i, r in v["records"].items()}})
        for k, v in data["calendars"].items()
    }
    state.clients |= data["clients"]
    state.grants = {k: Grant(**v) for k, v in data["grants"].items()}
    state.access = {k: Access(**v) for k, v in data["access"].items()}
    state.channels = {k: ChannelState(**v) for k, v in data["channels"].items()}
    state.codes, state.mails = data["codes"], data["mails"]
    state.switches |= data["switches"]
    state.offset, state.counter = data["offset"], data["counter"]
    version, numbers, spare = data["random"]
    state.random.setstate((version, tuple(numbers), spare))


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    return value


class Keeper:
    """Writes the state to its file a moment after it changed, whole or not at all."""

    def __init__(self, state: State, path: Path) -> None:
        self._state, self._path = state, path
        self._file = threading.Lock()
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        if path.exists():
            load(state, json.loads(path.read_text("utf-8")))
        self._thread.start()

    def changed(self) -> None:
        """Ask for the state to be written soon."""
        self._wake.set()

    def close(self) -> None:
        """Write what is not written yet and end."""
        self._closing.set()
        self._wake.set()
        self._thread.join(timeout=10)

    def _work(self) -> None:
        while not self._closing.is_set():
            self._wake.wait()
            self._closing.wait(_PAUSE)
            self._wake.clear()
            self.save()

    def save(self) -> None:
        """Write the state as it is now."""
        with self._file:
            with self._state.lock:
                text = json.dumps(dump(self._state))
            self._path.parent.mkdir(parents=True, exist_ok=True)
            half = self._path.with_suffix(".part")
            half.write_text(text, "utf-8")
            os.replace(half, self._path)
