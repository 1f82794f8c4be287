"""What a setting's text may be: small parsers that raise ValueError saying what is wanted."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import math
import os
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

Value = TypeVar("Value")
Choice = TypeVar("Choice", bound=StrEnum)


class Environment(StrEnum):
    EMBEDDED = "embedded"
    PRODUCTION = "production"


class PageAccess(StrEnum):
    OPEN = "open"
    SIGNED = "signed"


class LogFormat(StrEnum):
    TEXT = "text"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class SecretKey:
    """One encryption key; what it encrypted names it by its id."""

    id: str
    key: bytes = field(repr=False)
    """32 random bytes."""

    @classmethod
    def generate(cls, id: str) -> SecretKey:
        return cls(id, secrets.token_bytes(32))

    def encoded(self) -> str:
        return f"{self.id}:{base64.b64encode(self.key).decode()}"


def text(text: str) -> str:
    return text


def optional(parse: Callable[[str], Value]) -> Callable[[str], Value | None]:
    return lambda text: parse(text) if text else None


def one_of(choices: type[Choice]) -> Callable[[str], Choice]:
    def parse(text: str) -> Choice:
        try:
            return choices(text.lower())
        except ValueError:
            raise ValueError(" or ".join(choices)) from None

    return parse


def whole(least: int, most: int | None = None) -> Callable[[str], int]:
    def parse(text: str) -> int:
        wanted = f"a whole number from {least}" + (f" to {most}" if most is not None else "")
        if not re.fullmatch(r"[0-9]{1,18}", text) or int(text) < least:
            raise ValueError(wanted)
        if most is not None and int(text) > most:
            raise ValueError(wanted)
        return int(text)

    return parse


def seconds(text: str) -> float:
    return _above_zero(text, "a number of seconds above 0")


def positive(text: str) -> float:
    return _above_zero(text, "a number above 0")


def _above_zero(text: str, wanted: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise ValueError(wanted) from None
    if not math.isfinite(number) or number <= 0:
        raise ValueError(wanted)
    return number


def directory(text: str) -> Path:
    return Path(text).expanduser().absolute()


def log_level(text: str) -> str:
    if text.upper() not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        raise ValueError("DEBUG, INFO, WARNING or ERROR")
    return text.upper()


def http_url(text: str) -> str:
    """Accept an absolute http(s) address without query; a trailing slash is dropped."""
    parts = urlsplit(text)
    if text and (
        parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment
    ):
        raise ValueError("an address like https://hub.example.org")
    return text.rstrip("/")


def database_url(text: str) -> str:
    """Accept SQLite and PostgreSQL in their usual spellings; PostgreSQL is spoken by psycopg."""
    if re.match(r"sqlite(\+pysqlite)?:///.+", text) or not text:
        return text
    if match := re.match(r"postgres(?:ql)?(?:\+psycopg)?://(.+)", text):
        return f"postgresql+psycopg://{match[1]}"
    raise ValueError("sqlite:////path/to/file or postgresql://user:password@host/database")


def redis_url(text: str) -> str:
    if text and not re.match(r"rediss?://[^/\s]+", text):
        raise ValueError("redis://host:6379/0, or rediss:// for TLS")
    return text


def secret_keys(text: str) -> tuple[SecretKey, ...]:
    """Parse `id:base64` pairs; the message of a fault never repeats the text."""
    keys = []
    for part in filter(None, (part.strip() for part in re.split(r"[,\n]", text))):
        id, _, encoded = part.partition(":")
        try:
            key = base64.b64decode(
                encoded, altchars=b"-_" if set(encoded) & set("-_") else None, validate=True
            )
        except (binascii.Error, ValueError):
            key = b""
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,32}", id) or len(key) != 32:
            raise ValueError(
                "id:base64-of-32-bytes, comma separated (hub keys encryption generate makes one)"
            )
        keys.append(SecretKey(id, key))
    if len({key.id for key in keys}) < len(keys):
        raise ValueError("a list of keys whose ids all differ")
    return tuple(keys)


def local_keys(path: Path) -> tuple[SecretKey, ...]:
    """Return the keys kept in `path`; the first process that asks makes the first key."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        fresh = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        write_private(fresh, SecretKey.generate("k1").encoded() + "\n")
        try:
            # A link, unlike a rename, never replaces the key that another process has just made.
            os.link(fresh, path)
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return secret_keys(path.read_text(encoding="utf-8"))


def write_private(path: Path, text: str) -> None:
    """Write a new file that only its owner may read."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)


def is_loopback(url: str) -> bool:
    """Say whether an address's host is this machine."""
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def env_file(text: str) -> dict[str, str]:
    """Parse lines `KEY=value`: `#` starts a comment line, one pair of quotes around a value is dropped."""
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.strip().removeprefix("export ")
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not equals or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name.strip()):
            raise ValueError(f"line {number} is not KEY=value")
        value = value.strip()
        if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        found[name.strip()] = value
    return found
