"""Structured logs: a constant event name, ids as fields, one line each, no secret in any of them.

`configure` is called once per process; afterwards our own loggers (`get_logger`) and those of libraries
(Celery, gunicorn, SQLAlchemy) write through the same processors. `bind` ties ids to everything that the
request or task at hand logs.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO

import structlog
from structlog.contextvars import bind_contextvars, bound_contextvars, clear_contextvars
from structlog.typing import EventDict, Processor, WrappedLogger

__all__ = ["bind", "bound", "configure", "get_logger", "redact", "unbind_all"]

bind = bind_contextvars
"""Tie fields to all that this request or task logs from here on."""
bound = bound_contextvars
"""The same as a context manager."""
unbind_all = clear_contextvars
"""Forget the fields of the request or task before."""

MASK = "***"
SECRET_NAMES = frozenset(
    {
        *("authorization", "proxy_authorization", "cookie", "set_cookie"),
        *("token", "secret", "password", "passwd", "api_key", "apikey", "secret_keys"),
        *("code", "code_verifier", "client_state", "clientstate"),
    }
)
SECRET_ENDINGS = ("_token", "_secret", "_password", "_api_key", "_verifier")
HARMLESS_NAMES = frozenset({"page_token", "status_code", "error_code"})
_SECRET_TEXTS = (
    re.compile(r"(?i)(\b(?:bearer|basic)\s+)[\w.~+/=-]{8,}"),
    re.compile(r"(?i)(\b(?:\w*token|\w*secret|code|code_verifier|api_key|password)=)[^&\s\"']+"),
    re.compile(r"([?&]state=)[^&\s\"']+"),
    re.compile(r"(://[^/\s:@]*:)[^/\s@]+(?=@)"),
)
NOISY = (
    "alembic",
    "kombu",
    "urllib3",
    "httpx",
    "werkzeug",
    "celery.beat",
    "celery.app.trace",
    "celery.worker.strategy",
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def get_logger(**fields: Any) -> Any:
    """Return a logger; call it as `log.info("channel_renewed", link_id=…)`."""
    return structlog.get_logger(**fields)


def configure(level: str = "INFO", format: str = "text", stream: TextIO | None = None) -> None:
    """Send all logs of this process to `stream` (standard error), in the given format."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redact,
    ]
    render: Processor = structlog.processors.JSONRenderer(default=str) if format == "json" else render_text
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    # These tell at INFO what our own events say better.
    for name in NOISY:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(level)))


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Mask what must not be read, by the names of fields and by the look of texts."""
    return {name: _clean(name, value) for name, value in event.items()}


def _is_secret(name: str) -> bool:
    plain = name.lower().replace("-", "_")
    return plain not in HARMLESS_NAMES and (plain in SECRET_NAMES or plain.endswith(SECRET_ENDINGS))


def _clean(name: str, value: Any) -> Any:
    if name.startswith("_"):  # structlog's own, such as _record
        return value
    if value is not None and _is_secret(name):
        return MASK
    if isinstance(value, str):
        for pattern in _SECRET_TEXTS:
            value = pattern.sub(rf"\g<1>{MASK}", value)
        return value
    if isinstance(value, Mapping):
        return {str(key): _clean(str(key), inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_clean("", inner) for inner in value]
    return value


def render_text(_logger: WrappedLogger, _method: str, event: MutableMapping[str, Any]) -> str:
    """Render `time level event name=value …`; no text from outside can begin a line of its own."""
    trace = event.pop("exception", None)
    head = [event.pop("timestamp", ""), f"{event.pop('level', ''):<7}", one_line(str(event.pop("event", "")))]
    fields = (f"{one_line(name)}={_quoted(value)}" for name, value in event.items() if value is not None)
    line = " ".join([*head, *fields])
    if trace:
        line += "".join("\n    | " + one_line(part) for part in str(trace).splitlines())
    return line


def one_line(text: str) -> str:
    """Return the text with its control characters written out."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def _quoted(value: Any) -> str:
    text = one_line(str(value))
    if text == "" or re.search(r"[\s\"=]", text):
        return '"' + text.replace('"', '\\"') + '"'
    return text
