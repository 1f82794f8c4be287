"""A sandbox over real HTTP with Ann connected to it, as in the contract, for the tests of this plugin."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pluggy
import pytest

import hub_outlook.hooks
from hub.plugin import PROJECT, spec
from hub.plugin.control import SandboxControl, serving
from hub.plugin.testing import PERSON, VERIFIER, Callback, Connected, free_port
from hub.plugin.types import AuthorizationRequest, CodeExchange, NewGrant, RemoteCalendar, SandboxOptions
from hub_outlook.testing import Wire

Connect = Callable[..., NewGrant]
BACK = "http://127.0.0.1:9/connect/callback"


@pytest.fixture(scope="session")
def hooks() -> Any:
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(spec)
    manager.register(hub_outlook.hooks)
    return manager.hook


@pytest.fixture
def box(hooks: Any) -> Iterator[tuple[SandboxControl, dict[str, str]]]:
    port = free_port()
    sandbox = hooks.sandbox(options=SandboxOptions(f"http://127.0.0.1:{port}", seed=7, checked=True))
    with serving(sandbox, port):
        yield SandboxControl(f"http://127.0.0.1:{port}"), dict(sandbox.settings)


@pytest.fixture(scope="session")
def connect(hooks: Any) -> Connect:
    """Consents as a person and exchanges the code, as the hub does."""

    def connected(control: SandboxControl, settings: dict[str, str], person: str = PERSON) -> NewGrant:
        challenge = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=")
        request = AuthorizationRequest(BACK, "s", challenge.decode())
        url = hooks.authorization_url(settings=settings, request=request)
        code = parse_qs(urlsplit(control.consent(url, person)).query)["code"][0]
        exchange = CodeExchange(code, BACK, VERIFIER)
        grant = hooks.exchange_code(settings=settings, request=exchange, now=datetime.now(UTC))
        assert isinstance(grant, NewGrant)
        return grant

    return connected


@pytest.fixture
def ann(hooks: Any, box: tuple[SandboxControl, dict[str, str]], connect: Connect) -> Iterator[Connected]:
    control, settings = box
    grant = connect(control, settings)
    callback = Callback(hooks, settings)
    yield Connected(hooks, control, settings, grant, callback, datetime.now(UTC).replace(microsecond=0))
    callback.close()


@pytest.fixture
def wire(ann: Connected) -> Wire:
    return Wire(ann)


@pytest.fixture
def cal(ann: Connected) -> RemoteCalendar:
    return ann.calendar
