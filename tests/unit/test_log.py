"""Logs: one line each, ids as fields, no secret, whoever writes them."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from hub import log


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield io.StringIO()
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()
    log.unbind_all()


def test_fields_of_the_request_are_on_each_line(stream: io.StringIO) -> None:
    log.configure(stream=stream)
    with log.bound(link_id="lnk_1"):
        log.get_logger().info("link_pulled", pages=2)
    log.get_logger().info("link_idle")
    first, second = stream.getvalue().splitlines()
    assert "link_pulled" in first and "link_id=lnk_1" in first and "pages=2" in first
    assert "lnk_1" not in second


@pytest.mark.parametrize("format", ["text", "json"])
@pytest.mark.parametrize(
    "name",
    [
        "access_token",
        "refresh_token",
        "Authorization",
        "client_secret",
        "code",
        "code_verifier",
        "api_key",
        "Set-Cookie",
    ],
)
def test_secrets_are_masked_by_name_at_any_depth(stream: io.StringIO, format: str, name: str) -> None:
    log.configure(format=format, stream=stream)
    log.get_logger().info("asked", headers={name: "hush"}, list=[{name: "hush"}])
    log.get_logger().info("asked", **{name: "hush"})
    assert "hush" not in stream.getvalue() and stream.getvalue().count("***") == 3


@pytest.mark.parametrize(
    "text",
    [
        "GET /callback?state=hush-hush&code=hush-hush",
        "Authorization: Bearer hush-hush-hush",
        "cannot connect to redis://:hush@cache/0",
        "refresh_token=hush-hush",
    ],
)
def test_secrets_in_the_texts_of_libraries_are_masked(stream: io.StringIO, text: str) -> None:
    log.configure(stream=stream)
    logging.getLogger("library").warning("failed: %s", text)
    assert "hush" not in stream.getvalue() and "***" in stream.getvalue()


def test_what_is_harmless_is_kept(stream: io.StringIO) -> None:
    log.configure(format="json", stream=stream)
    log.get_logger().info("answered", status_code=200, error_code="gone", token=None)
    assert json.loads(stream.getvalue())["status_code"] == 200
    assert json.loads(stream.getvalue())["error_code"] == "gone"


@pytest.mark.parametrize("format", ["text", "json"])
def test_nobody_can_forge_a_line(stream: io.StringIO, format: str) -> None:
    log.configure(format=format, stream=stream)
    forged = "x\n2027-01-01T00:00:00Z info forged\r\u2028\x1b[31m"
    log.get_logger().info("seen", title=forged)
    logging.getLogger("library").warning(forged)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2 and "\x1b" not in stream.getvalue()


def test_a_stack_trace_belongs_to_its_line(stream: io.StringIO) -> None:
    log.configure(stream=stream)
    try:
        raise ValueError("first\n2027-01-01 forged")
    except ValueError:
        log.get_logger().exception("failed")
    first, *rest = stream.getvalue().splitlines()
    assert "failed" in first and rest and all(line.startswith("    | ") for line in rest)
