"""A sandbox served over HTTP, with a person who consented."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import pytest

from hub.plugin.control import SandboxControl, serving
from hub.plugin.testing import free_port
from hub.plugin.types import SandboxOptions
from hub_google import hooks
from hub_google.testing import Google, connect

Start = Callable[..., Google]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a sandbox; may be called more than once."""
    with ExitStack() as stack:

        def begin(**options: Any) -> Google:
            port = free_port()
            box = hooks.sandbox(
                SandboxOptions(f"http://127.0.0.1:{port}", **{"seed": 7, "checked": True, **options})
            )
            stack.enter_context(serving(box, port))
            control = SandboxControl(f"http://127.0.0.1:{port}")
            settings = dict(box.settings)
            grant = connect(control, settings)
            return Google(f"http://127.0.0.1:{port}", control, settings, grant, datetime.now(UTC))

        yield begin


@pytest.fixture
def google(start: Start) -> Google:
    return start()
