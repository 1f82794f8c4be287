"""Microsoft Graph's calendar and sign-in, played locally for tests, demos and plugin authors.

`model` holds the mailboxes; `accept` and `show` read and write an event's JSON; `series` computes
occurrences and `delta` rounds of changes; `graph` and `login` speak the wire; `notifier` tells
subscribers; `control` plays the person; `faults` makes things go wrong; `state` keeps it all in a file.
"""

from __future__ import annotations

from pathlib import Path

from flask import Flask

from hub.plugin.types import Sandbox, SandboxOptions
from hub_outlook.sandbox.clock import Clock
from hub_outlook.sandbox.contract import Contract
from hub_outlook.sandbox.control import Control
from hub_outlook.sandbox.faults import FaultyWire
from hub_outlook.sandbox.grants import Grants
from hub_outlook.sandbox.graph import GraphWire
from hub_outlook.sandbox.login import Login
from hub_outlook.sandbox.model import Model
from hub_outlook.sandbox.notifier import Notifier
from hub_outlook.sandbox.state import State


def make_sandbox(options: SandboxOptions) -> Sandbox:
    """Return a sandbox that plays Graph under `options.base_url`."""
    model = Model(Clock(), options.seed, options.base_url)
    grants = Grants(model)
    notifier = Notifier(model)
    login = Login(model, grants, options)
    app = Flask(__name__)
    wire = FaultyWire(app)
    contract = Contract()
    if options.checked:
        wire.check = contract.check
    graph = GraphWire(model, grants, notifier)
    graph.outside = wire
    app.register_blueprint(graph.blueprint)
    app.register_blueprint(login.blueprint)
    app.register_blueprint(Control(model, login, notifier, wire, graph).blueprint)
    state = (
        State(Path(options.state_path), model, grants, notifier.subscriptions) if options.state_path else None
    )
    if not (state and state.load()):
        _seed(model)
    notifier.start()
    if state:
        state.start()
        if options.durable:
            app.after_request(state.keep)

    def close() -> None:
        wire.close()
        notifier.close()
        if state:
            state.close()

    return Sandbox(wire, _settings(options), close, contract.faults)


def _seed(model: Model) -> None:
    ann = model.add_person("ann@example.test", "Ann")
    model.add_folder(ann, "Team", hex_color="#107c10")
    model.add_folder(ann, "Birthdays", can_edit=False, group="Other Calendars")


def _settings(options: SandboxOptions) -> dict[str, str]:
    login = f"{options.base_url}/common/oauth2/v2.0"
    return {
        "API_URL": f"{options.base_url}/v1.0",
        "AUTHORIZE_URL": f"{login}/authorize",
        "TOKEN_URL": f"{login}/token",
        "CLIENT_ID": options.client_id,
        "CLIENT_SECRET": options.client_secret,
    }
