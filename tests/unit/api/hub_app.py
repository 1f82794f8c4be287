"""The app over a `World`, and clients that speak to it as an application or as a person's browser."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from hub.accounts import keys
from hub.models import Tenant
from tests.apps import app_over
from tests.memory_provider import MemoryPlugin
from tests.world import World

PUBLIC_URL = "http://127.0.0.1:8000"


class HubApp:
    """A hub with two memory providers, an app, and the key of its tenant."""

    def __init__(self, url: str, home: Path, *plugins: MemoryPlugin, **settings: str) -> None:
        self.world = World(url, home, *plugins, **({"public_url": PUBLIC_URL} | settings))
        self.app: Flask = app_over(self.world.ports)
        self.key = self.add_key("tnt_1")

    def add_key(self, tenant_id: str, *scopes: str) -> str:
        with self.world.ports.db.transaction() as session:
            ports = self.world.ports
            if session.get(Tenant, tenant_id) is None:
                session.add(Tenant(id=tenant_id, name=tenant_id, created_at=ports.clock.now()))
                session.flush()
            return keys.add_key(session, ports, tenant_id, "test", scopes or keys.SCOPES)[1]

    def call(
        self, method: str, path: str, json: Any = None, key: str | None = None, **headers: str
    ) -> TestResponse:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        given["Authorization"] = f"Bearer {key or self.key}"
        return self.app.test_client().open(path, method=method, json=json, headers=given)

    def browser(self) -> FlaskClient:
        return self.app.test_client()

    def signed_in(self, user_id: str = "usr_1", key: str | None = None) -> FlaskClient:
        """Return a browser that has come by a sign-in link; the hub must ask for one (page_access)."""
        url: str = self.call("POST", f"/v1/users/{user_id}/sign_in", key=key).get_json()["url"]
        browser, path = self.browser(), url.removeprefix(PUBLIC_URL)
        answer = self.submit(browser, "/sign-in", page=path, ticket=path.split("ticket=")[1])
        assert answer.status_code == 303
        return browser

    def get(self, browser: FlaskClient, path: str, **options: Any) -> TestResponse:
        return browser.get(path, base_url=PUBLIC_URL, **options)

    def submit(self, browser: FlaskClient, path: str, page: str = "/", **form: Any) -> TestResponse:
        """Send a form as the page holds it, token included."""
        html = self.get(browser, page).get_data(as_text=True)
        found = re.search(r'name="csrf" value="(\w+)"', html)
        assert found, f"{page} holds no form"
        return browser.post(path, data=form | {"csrf": found[1]}, base_url=PUBLIC_URL)


def an_event(**changes: Any) -> dict[str, Any]:
    """Return the body of a valid event."""
    return {
        "calendar_id": "cal_1",
        "title": "Lunch",
        "start": {"date_time": "2026-12-01T12:00:00", "time_zone": "Europe/Berlin"},
        "end": {"date_time": "2026-12-01T13:00:00", "time_zone": "Europe/Berlin"},
    } | changes


def pointers(response: TestResponse) -> list[str]:
    assert response.content_type == "application/problem+json"
    return sorted(error.get("pointer", error.get("parameter", "")) for error in response.get_json()["errors"])
