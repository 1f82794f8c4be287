"""A running hub with its sandboxes, and the parts that a person and an application play on it.

Everything goes over HTTP, as it would for a stranger: the REST API with a key, the OAuth consent pages
as a browser sees them, and the sandboxes' control API for what the person does at the provider.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import requests

from hub.plugin.control import SandboxControl

READY_WITHIN = 90.0


class StageError(Exception):
    """The demo cannot go on; the message says why."""


class Stage:
    """A hub at `url`, its API key, the sandboxes by provider, and its home."""

    def __init__(
        self, url: str, key: str, sandboxes: dict[str, SandboxControl], process: int, home: Path
    ) -> None:
        self.url = url
        self.sandboxes = sandboxes
        self.process = process
        self.home = home
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {key}"

    def api(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """Call the REST API; an error is raised with the problem's own words."""
        answer = self._session.request(method, f"{self.url}/v1{path}", json=body, params=query, timeout=30)
        if answer.status_code >= 400:
            raise StageError(f"{method} {path}: {answer.status_code} {answer.text[:500]}")
        return answer.json() if answer.content else None

    def me(self) -> dict[str, Any]:
        users = self.api("GET", "/users")["items"]
        return next(u for u in users if u["external_id"] == "me")

    def connect(self, provider: str, person: str) -> dict[str, Any]:
        """Connect an account as a person does: through the provider's consent page."""
        user = self.me()
        begun = self.api("POST", f"/users/{user['id']}/connect", {"provider": provider})
        browser = requests.Session()
        page = browser.get(begun["authorization_url"], timeout=30)
        form = ConsentForm.of(page)
        landed = browser.post(form.action, data=form.answer(person, "allow"), timeout=60)
        if landed.status_code >= 400:
            raise StageError(
                f"the consent for {provider} ended with {landed.status_code}: {landed.text[:500]}"
            )
        accounts = self.api("GET", "/accounts", user_id=user["id"])["items"]
        return next(a for a in accounts if a["provider"] == provider)

    def remote_calendar(self, account: dict[str, Any], name: str | None = None) -> dict[str, Any]:
        """Return one of an account's calendars: by name, or its primary one."""
        found = self.api("GET", f"/accounts/{account['id']}/remote_calendars")["items"]
        return next(c for c in found if (c["name"] == name if name else c["primary"]))


class ConsentForm(HTMLParser):
    """The form of a consent page, as a browser would send it."""

    def __init__(self, page_url: str) -> None:
        super().__init__()
        self.action = page_url
        self._fields: list[tuple[str, str]] = []

    @classmethod
    def of(cls, page: requests.Response) -> ConsentForm:
        page.raise_for_status()
        form = cls(page.url)
        form.feed(page.text)
        return form

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.action = urljoin(self.action, values.get("action", ""))
        elif tag == "input" and values.get("name"):
            ticked = values.get("type") not in ("checkbox", "radio") or "checked" in values
            if ticked and values["name"] != "person":
                self._fields.append((values["name"], values.get("value", "on")))

    def answer(self, person: str, decision: str) -> list[tuple[str, str]]:
        return [*self._fields, ("person", person), ("decision", decision)]


def free_ports(count: int) -> int:
    """Return the first of `count` (at most ten) neighbouring ports that are free now.

    Each process begins at a ten of its own, below the ports that systems give to connections: the last
    of these ports is taken seconds after it was found free.
    """
    for first in range(20000 + os.getpid() % 1200 * 10, 60000, 10):
        try:
            for port in range(first, first + count):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return first
    raise StageError("no free ports were found")


@contextmanager
def running_hub(providers: tuple[str, ...], **environ: str) -> Iterator[Stage]:
    """Run `hub run` on free ports in an empty home, and end it afterwards."""
    home = Path(tempfile.mkdtemp(prefix="hub-demo-"))
    port = free_ports(len(providers) + 1)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
    clean |= {"HUB_HOME": str(home), "HUB_PORT": str(port)} | environ
    hub = Path(sys.executable).with_name("hub")
    output = home / "output.txt"
    with output.open("w") as out:
        process = subprocess.Popen(
            [str(hub), "run"], env=clean, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: _is_ready(url, process, output), "the hub to be ready", READY_WITHIN)
        boxes = {
            name: SandboxControl(f"http://127.0.0.1:{port + place}")
            for place, name in enumerate(sorted(providers), 1)
        }
        yield Stage(url, (home / "api-key").read_text().strip(), boxes, process.pid, home)
    except BaseException:
        sys.stderr.write(last_words(home))
        raise
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        shutil.rmtree(home, ignore_errors=True)


def last_words(home: Path) -> str:
    """Return the ends of the logs of a hub's processes."""
    logs = sorted((home / "logs").glob("*.log"))
    return "".join(f"--- {log.name}\n{log.read_text(errors='replace')[-3000:]}\n" for log in logs)


def _is_ready(url: str, process: subprocess.Popen[bytes], output: Path) -> bool:
    if process.poll() is not None:
        raise StageError(f"hub run ended at once:\n{output.read_text()}")
    try:
        ready = requests.get(f"{url}/readyz", timeout=5).status_code == 200
    except requests.RequestException:
        return False
    return ready and (output.parent / "api-key").exists() and "http" in output.read_text()


def wait_until(test: Callable[[], Any], what: str, seconds: float = 20.0, pause: float = 0.02) -> float:
    """Ask until `test` is true, with a pause in between; return how many seconds it took."""
    start = time.monotonic()
    while time.monotonic() - start < seconds:
        if test():
            return time.monotonic() - start
        time.sleep(pause)
    raise StageError(f"waited {seconds:g} seconds in vain for {what}")
