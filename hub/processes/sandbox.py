"""The sandbox process: one provider, played locally, served over HTTP until it is told to end."""

from __future__ import annotations

import json
import os
import signal
import threading
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import FrameType
from typing import Any

import pluggy

from hub.plugin import PROJECT, spec
from hub.plugin.control import serving
from hub.plugin.types import SandboxOptions

HOST = "127.0.0.1"


class NoSuchProviderError(Exception):
    """No installed plugin teaches that provider, or it could not be loaded."""


def installed() -> list[EntryPoint]:
    """Return the plugins' entry points, in the alphabetical order of their names."""
    return sorted(entry_points(group=PROJECT), key=lambda point: point.name)


def serve(name: str, port: int, state: Path | None, announce: Path | None, *, durable: bool = False) -> None:
    """Play provider `name` on a loopback port, in the foreground.

    Args:
        state: where it keeps its calendars over restarts; memory only if None.
        durable: answers wait until they are kept there, so that a kill loses nothing that was said.
        announce: a file that gets the plugin's settings as JSON once the sandbox answers; if None, they
            are printed as environment variables.

    Raises:
        NoSuchProviderError: there is no such plugin, or it is broken.
    """
    points = [point for point in installed() if point.name == name]
    if not points:
        known = ", ".join(point.name for point in installed()) or "none"
        raise NoSuchProviderError(f"No installed plugin is called {name!r}; there are: {known}.")
    hooks = _hooks(points[0])
    if state is not None:
        state.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = str(state) if state else None
    options = SandboxOptions(f"http://{HOST}:{port}", state_path=path, durable=durable)
    sandbox = hooks.sandbox(options=options)
    ended = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        ended.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    with serving(sandbox, port, HOST):
        _tell(name, dict(sandbox.settings), announce)
        ended.wait()


def _hooks(point: EntryPoint) -> Any:
    """Load one plugin without its settings, which is what its sandbox is there to provide."""
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(spec)
    try:
        manager.register(point.load(), point.name)
    except Exception as error:
        raise NoSuchProviderError(
            f"The plugin {point.name!r} could not be loaded: {type(error).__name__}: {error}"
        ) from error
    return manager.hook


def variables(name: str, values: dict[str, str]) -> dict[str, str]:
    """Return a plugin's settings as the environment variables that carry them."""
    return {f"HUB_{name}_{key}".upper(): value for key, value in values.items()}


def _tell(name: str, values: dict[str, str], announce: Path | None) -> None:
    if announce is None:
        for variable, value in variables(name, values).items():
            print(f"{variable}={value}", flush=True)  # noqa: T201 - meant for the terminal or a file
        return
    fresh = announce.with_suffix(".new")
    fresh.write_text(json.dumps(values), encoding="utf-8")
    os.replace(fresh, announce)
