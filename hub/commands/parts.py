"""What several commands need of the hub's parts."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import click

from hub.processes.child import CONFIG_FAULT
from hub.processes.embedded import environment_file, is_running
from hub.settings import Settings, SettingsError
from hub.settings_values import env_file

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def load_settings() -> Settings:
    """Read the settings; beside a running embedded hub, with the broker and sandboxes that it made up."""
    settings = Settings.load()
    path = environment_file(settings.home)
    if is_running(settings.home) and path.exists():
        settings = Settings.load(env_file(path.read_text(encoding="utf-8")) | dict(os.environ))
    return settings


def tell_faults(command: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Have a command end with a sentence for each wrong setting instead of a stack trace."""

    @wraps(command)
    def run(*arguments: Parameters.args, **options: Parameters.kwargs) -> Result:
        try:
            return command(*arguments, **options)
        except SettingsError as error:
            for fault in error.faults:
                click.echo(f"hub: {fault}", err=True)
            raise SystemExit(CONFIG_FAULT) from error

    return run
