"""HTTP and paging: Google's own client over a small transport; the access token is handed in.

`Client` lives for one hook call. The service is built once per address from the discovery document
inside google-api-python-client, so nothing is fetched; connections are kept per thread, since they
must never be shared (docs/thread_safety.md of the client).
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any

import httplib2
import requests
from googleapiclient.discovery import build_from_document  # type: ignore[import-untyped]
from googleapiclient.errors import HttpError  # type: ignore[import-untyped]

from hub.plugin.errors import ProviderError, RetryLaterError, TooHeavyError
from hub.plugin.paging import START
from hub.plugin.text import clean_json
from hub.plugin.types import Call
from hub_google.errors import LISTS, About, error_for

API_URL = "https://www.googleapis.com/calendar/v3/"
_SERVICE_PATH = "/calendar/v3"
_WITHOUT_ANSWER = frozenset({"calendar.events.delete", "calendar.channels.stop"})
_local = threading.local()


def session() -> requests.Session:
    """Return this thread's HTTP session."""
    if not hasattr(_local, "session"):
        _local.session = requests.Session()
    found: requests.Session = _local.session
    return found


class Bearer(requests.auth.AuthBase):
    """Sets the header itself, else requests would prefer what a .netrc file says."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


@cache
def _document() -> Mapping[str, Any]:
    path = resources.files("googleapiclient") / "discovery_cache" / "documents" / "calendar.v3.json"
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


@cache
def _resources(api_url: str) -> Mapping[str, Any]:
    """Return the API's resources at an address; making them costs a millisecond each."""
    root = (api_url or API_URL).rstrip("/").removesuffix(_SERVICE_PATH) + "/"
    document = {**_document(), "rootUrl": root, "servicePath": _SERVICE_PATH.strip("/") + "/"}
    service = build_from_document(document, http=httplib2.Http())
    return {
        "events": service.events(),
        "calendarList": service.calendarList(),
        "channels": service.channels(),
    }


class SilentError(ProviderError):
    """Google took a request and did not answer it in time."""


class Client:
    """Calls Google for one account until the deadline of one hook call."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self._ends = time.monotonic() + call.deadline * 0.95
        found = _resources(call.settings.get("API_URL", ""))
        self.events, self.calendar_list = found["events"], found["calendarList"]
        self.channels = found["channels"]

    def run(self, request: Any, about: About, if_match: str = "") -> Any:
        """Execute one request.

        Raises:
            ProviderError: what Google's answer means.
        """
        if if_match:
            request.headers["If-Match"] = if_match
        try:
            answer = request.execute(http=self, num_retries=0)
        except SilentError as e:
            raise (TooHeavyError if about in LISTS else RetryLaterError)(e.message) from None
        except HttpError as e:
            raise error_for(int(e.resp.status), e.content, dict(e.resp), about, self.call.now) from None
        except (ValueError, UnicodeDecodeError) as e:
            raise RetryLaterError(f"Google answered what cannot be read ({type(e).__name__}).") from None
        if request.methodId not in _WITHOUT_ANSWER and not (answer and isinstance(answer, dict)):
            raise RetryLaterError("Google answered nothing, and said that all was well.")
        return answer

    def pages(self, list_method: Callable[..., Any], about: About, **query: Any) -> Iterator[Any]:
        """Yield the pages of a listing to its end.

        Raises:
            RetryLaterError: it has none; a part of a listing must never be taken for the whole.
        """
        token: str | None = None
        circle = START
        while not circle.is_closed:
            page = self.run(list_method(pageToken=token, **query), about)
            yield page
            token = page.get("nextPageToken")
            if not token:
                return
            circle = circle.after((str(item.get("id")) for item in page.get("items") or ()), token)
        raise RetryLaterError("Google shows the same pages of a list again and again.", code="pageLoop")

    def request(
        self, uri: str, method: str = "GET", body: Any = None, headers: Any = None, **_: Any
    ) -> tuple[httplib2.Response, bytes]:
        """Send a request as the client's transport (the signature of `httplib2.Http.request`)."""
        left = self._ends - time.monotonic()
        if left <= 0:
            raise RetryLaterError("Google did not answer in time.")
        try:
            answer = session().request(
                method,
                uri,
                data=body,
                headers={k: v for k, v in (headers or {}).items() if k.lower() != "content-length"},
                auth=Bearer(self.call.access_token),
                timeout=left,
                allow_redirects=False,
            )
        except requests.ReadTimeout:
            raise SilentError("Google did not answer in time.") from None
        except requests.RequestException as e:
            raise RetryLaterError(f"Google could not be reached ({type(e).__name__}).") from None
        info = {k.lower(): v for k, v in answer.headers.items()} | {"status": str(answer.status_code)}
        return httplib2.Response(info), clean_json(answer.content)
