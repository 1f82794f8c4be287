"""Calls to Graph with Microsoft's SDK, from synchronous workers.

The SDK is asynchronous and its clients belong to one event loop, so each process has one daemon thread
with one loop, made at the first call (after any fork). Requests are built with the SDK's builders and
go through its middleware; answers are read as plain JSON, since the typed models cost eighty times more.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import threading
import time
import uuid
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import httpx
from kiota_abstractions.authentication import (
    AccessTokenProvider,
    AllowedHostsValidator,
    AnonymousAuthenticationProvider,
    BaseBearerTokenAuthenticationProvider,
)
from kiota_abstractions.base_request_builder import BaseRequestBuilder
from kiota_abstractions.method import Method
from kiota_abstractions.native_response_handler import NativeResponseHandler
from kiota_abstractions.request_information import RequestInformation
from kiota_http.middleware.options import (
    RedirectHandlerOption,
    ResponseHandlerOption,
    RetryHandlerOption,
    UrlReplaceHandlerOption,
)
from msgraph.graph_request_adapter import GraphRequestAdapter
from msgraph.graph_request_adapter import options as sdk_options
from msgraph.graph_service_client import GraphServiceClient
from msgraph_core import GraphClientFactory

from hub.plugin.errors import RetryLaterError
from hub.plugin.text import clean_json
from hub.plugin.types import Call
from hub_outlook.errors import About, raise_for

DEFAULT_API = "https://graph.microsoft.com/v1.0"
IMMUTABLE = 'IdType="ImmutableId"'
"""Sent with every call: only immutable ids survive a move (Graph: outlook-immutable-id)."""
UTC_TIMES = 'outlook.timezone="UTC"'
TEXT_BODIES = 'outlook.body-content-type="text"'
AS_TEXT = (UTC_TIMES, TEXT_BODIES)
AS_HTML = (UTC_TIMES, 'outlook.body-content-type="html"')

# A repeated POST may duplicate and a sleeping handler blocks a worker: the hub itself tries again.
_OPTIONS = {
    **sdk_options,
    UrlReplaceHandlerOption.get_key(): sdk_options[UrlReplaceHandlerOption.get_key()],
    RetryHandlerOption.get_key(): RetryHandlerOption(max_retries=0, should_retry=False),
    RedirectHandlerOption.get_key(): RedirectHandlerOption(should_redirect=False),
}


class _Engine:
    """The event loop thread and the connections of one process."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, name="hub-outlook", daemon=True).start()
        # Deadlines are set per call, around the whole exchange.
        client = httpx.AsyncClient(verify=ssl.create_default_context(), timeout=None)  # noqa: S113
        self.http = GraphClientFactory.create_with_default_middleware(client=client, options=_OPTIONS)


def _load_builders() -> None:
    """Import the SDK's builders used here, which else load at first use, each with a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        client = GraphServiceClient(request_adapter=GraphRequestAdapter(AnonymousAuthenticationProvider()))
        calendar = client.me.calendars.by_calendar_id("x")
        event = client.me.events.by_event_id("x")
        groups = client.me.calendar_groups.by_calendar_group_id("x")
        _ = (
            client.me.calendar,
            calendar.calendar_view.delta,
            calendar.events.by_event_id("x"),
            event.instances,
            event.accept,
            event.tentatively_accept,
            event.decline,
            groups.calendars,
            client.subscriptions.by_subscription_id("x"),
        )


_load_builders()

_engine: _Engine | None = None
_engine_lock = threading.Lock()


def _current_engine() -> _Engine:
    """Return this process's engine; threads and connections do not survive a fork."""
    global _engine
    with _engine_lock:
        if _engine is None or _engine.pid != os.getpid():
            _engine = _Engine()
        return _engine


class _HandedIn(AccessTokenProvider):
    """The access token of this call; the hub refreshes it, not the SDK."""

    def __init__(self, token: str) -> None:
        self._token = token
        self._hosts = AllowedHostsValidator([])

    async def get_authorization_token(
        self,
        uri: str,  # noqa: ARG002
        additional_authentication_context: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> str:
        return self._token

    def get_allowed_hosts_validator(self) -> AllowedHostsValidator:
        return self._hosts


@dataclass
class Graph:
    """Graph as one account sees it, until a deadline."""

    settings: Mapping[str, str]
    token: str = field(repr=False)
    now: datetime
    deadline: float
    owner: str = ""
    """Address of the mailbox's owner."""
    _end: float = field(init=False)

    def __post_init__(self) -> None:
        self._end = time.monotonic() + self.deadline
        self._engine = _current_engine()
        provider = BaseBearerTokenAuthenticationProvider(_HandedIn(self.token))
        self._adapter = GraphRequestAdapter(provider, client=self._engine.http)
        self._adapter.base_url = api_url(self.settings)
        self.sdk = GraphServiceClient(request_adapter=self._adapter)

    @classmethod
    def of(cls, call: Call) -> Graph:
        return cls(call.settings, call.access_token, call.now, call.deadline, call.account.email)

    @property
    def me(self) -> Any:
        """The SDK's builders under /me."""
        return self.sdk.me

    @property
    def time_left(self) -> float:
        """Seconds until the hub stops waiting."""
        return self._end - time.monotonic()

    def get(
        self,
        builder: BaseRequestBuilder,
        about: About,
        query: Mapping[str, str] | None = None,
        prefer: tuple[str, ...] = (),
    ) -> dict[str, Any]:
        """Read one thing."""
        info = RequestInformation(Method.GET, builder.url_template, builder.path_parameters)
        for name, value in (query or {}).items():
            info.query_parameters[name.replace("$", "%24")] = value
        return self._send(info, about, prefer)

    def follow(self, link: str, about: About, prefer: tuple[str, ...] = ()) -> dict[str, Any]:
        """Read a link that Graph gave us, verbatim."""
        if not self.is_own(link):
            raise RetryLaterError("Outlook gave a link to another server.")
        info = RequestInformation(Method.GET)
        info.url = link
        return self._send(info, about, prefer)

    def write(
        self,
        method: Method,
        builder: BaseRequestBuilder,
        about: About,
        body: Mapping[str, Any] | None = None,
        *,
        if_match: str | None = None,
        prefer: tuple[str, ...] = (),
    ) -> dict[str, Any]:
        """Create, change or delete one thing; return what Graph shows of it."""
        info = RequestInformation(method, builder.url_template, builder.path_parameters)
        if body is not None:
            info.set_stream_content(json.dumps(body).encode(), "application/json")
        if if_match:
            info.headers.add("If-Match", if_match)
        return self._send(info, about, prefer)

    def is_own(self, link: str) -> bool:
        """Whether a link leads to the API: the token must go nowhere else."""
        return _origin(api_url(self.settings)) == _origin(link)

    def _send(self, info: RequestInformation, about: About, prefer: tuple[str, ...]) -> dict[str, Any]:
        for preference in (IMMUTABLE, *prefer):
            info.headers.add("Prefer", preference)
        info.headers.add("Accept", "application/json")
        info.headers.add("client-request-id", str(uuid.uuid4()))
        info.add_request_options([ResponseHandlerOption(NativeResponseHandler())])
        response = self._exchange(info)
        body = _json(response)
        if not response.is_success:
            raise_for(
                response.status_code,
                body,
                empty=not response.content.strip(),
                about=about,
                write=info.http_method is not Method.GET,
                retry=response.headers.get("retry-after"),
                challenge=response.headers.get("www-authenticate", ""),
                now=self.now,
            )
        if response.content.strip() and not isinstance(body, dict):
            raise RetryLaterError("Outlook answered something that is not JSON.")
        return body or {}

    def _exchange(self, info: RequestInformation) -> httpx.Response:
        left = self.time_left
        if left <= 0:
            raise RetryLaterError("Outlook did not answer in time.")
        sent = asyncio.run_coroutine_threadsafe(
            asyncio.wait_for(self._adapter.send_primitive_async(info, "bytes", {}), left), self._engine.loop
        )
        try:
            response = sent.result(left + 5)
        except TimeoutError:
            sent.cancel()
            raise RetryLaterError("Outlook did not answer in time.") from None
        except httpx.HTTPError as error:
            raise RetryLaterError(f"Outlook could not be reached ({type(error).__name__}).") from error
        assert isinstance(response, httpx.Response)
        return response


def _origin(url: str) -> tuple[str, str | None, int | None] | None:
    """Return scheme, host and port of an address, which may leave its usual port out; None if it is none."""
    parts = urlsplit(url)
    try:
        return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return None


def api_url(settings: Mapping[str, str]) -> str:
    """Return the address of the API with its version, which the setting may leave out."""
    url = (settings.get("API_URL") or DEFAULT_API).rstrip("/")
    return url if url.endswith("/v1.0") else f"{url}/v1.0"


def _json(response: httpx.Response) -> Any:
    try:
        return json.loads(clean_json(response.content))
    except ValueError:
        return None
