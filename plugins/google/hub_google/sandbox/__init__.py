"""Google Calendar played locally: `build` returns the WSGI app that `make run` and the tests serve.

`state` holds everything, `events`, `listing`, `people`, `oauth` and `channels` are the rules, `wire`,
`pages` and `control` speak HTTP over them, `faults` stands in front.
"""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

from flask import Flask, Response, request
from werkzeug.test import Client

from hub.plugin.types import Sandbox, SandboxOptions
from hub_google.sandbox import batch, channels, contract, control, faults, pages, people, wire
from hub_google.sandbox.state import Record, State
from hub_google.sandbox.store import Keeper

FIRST_PERSON = "ann@example.test"
_HOLIDAYS = (
    (1, 1, "New Year's Day"),
    (5, 1, "Labour Day"),
    (10, 3, "German Unity Day"),
    (12, 25, "Christmas Day"),
)


def build(options: SandboxOptions) -> Sandbox:
    """Return the sandbox; somebody lives in it from the start."""
    state = State(options.base_url, options.client_id, options.client_secret, options.seed)
    keeper = Keeper(state, Path(options.state_path)) if options.state_path else None
    if not state.people:
        _seed(state)
    sender = channels.Sender(state)
    app = Flask("hub_google.sandbox")
    app.json.sort_keys = False  # type: ignore[attr-defined]
    front = faults.FaultyApp(app.wsgi_app, state)
    app.wsgi_app = front  # type: ignore[method-assign]
    batch.register(app, lambda: Client(front))
    published = contract.Contract(wire.BASE)
    if options.checked:
        front.check = published.check
    wire.register(app, wire.Api(state, sender))
    pages.register(app, state)
    control.register(app, control.Control(state, sender, front))

    @app.after_request
    def keep(response: Response) -> Response:
        if keeper and request.method not in ("GET", "HEAD"):
            keeper.save() if options.durable else keeper.changed()
        return response

    def close() -> None:
        front.close()
        sender.close()
        if keeper:
            keeper.close()

    return Sandbox(app, settings(options), close, published.faults)


def settings(options: SandboxOptions) -> dict[str, str]:
    """Return the plugin's settings that point at this sandbox."""
    return {
        "API_URL": f"{options.base_url}{wire.BASE}/",
        "AUTHORIZE_URL": f"{options.base_url}/o/oauth2/v2/auth",
        "TOKEN_URL": f"{options.base_url}/token",
        "REVOKE_URL": f"{options.base_url}/revoke",
        "CLIENT_ID": options.client_id,
        "CLIENT_SECRET": options.client_secret,
    }


def _seed(state: State) -> None:
    """Make one person with a primary calendar, a second one, and holidays that cannot be watched."""
    ann = people.add_person(state, FIRST_PERSON, "Ann")
    people.add_calendar(state, ann, "Team", people.ZONE, "owner")
    calendar = people.add_calendar(state, ann, "Holidays in Germany", people.ZONE, "reader", people.HOLIDAYS)
    year = state.moment().year
    for month, day, name in _HOLIDAYS:
        for first in (date(year, month, day), date(year + 1, month, day)):
            record = Record(
                id=f"{first:%Y%m%d}_holiday",
                uid=f"{first:%Y%m%d}_holiday@google.com",
                data={
                    "summary": name,
                    "status": "confirmed",
                    "transparency": "transparent",
                    "visibility": "public",
                    "start": {"date": first.isoformat()},
                    "end": {"date": (first + timedelta(days=1)).isoformat()},
                },
                organizer={"email": calendar.id, "displayName": calendar.summary},
                creator={"email": calendar.id},
                created=state.stamp(),
            )
            state.add(calendar, record)
            state.changed(calendar, record)
    state.touched.clear()
