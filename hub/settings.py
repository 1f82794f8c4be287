"""Every setting of the hub, declared once: name, type, default, help, and whether it is a secret.

Settings come from variables that start with `HUB_`, and from the file that `HUB_ENV_FILE` names (the
environment wins). A secret may also be read from the file named by `HUB_<NAME>_FILE`. The core knows no
provider: whatever is not declared here is kept aside, and the provider manager asks for it by
`Settings.provider_settings`.
"""

# `declare` is a field specifier like dataclasses.field, called once for each class attribute.
# ruff: noqa: RUF009

from __future__ import annotations

import dataclasses
import difflib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from hub import settings_values as values
from hub.plugin.types import Setting
from hub.settings_values import Environment, LogFormat, PageAccess, SecretKey

PREFIX = "HUB_"
NOT_OURS = ("HUB_TEST_", "HUB_BENCH_")
"""Prefixes of variables that steer the test suite and the benchmark, never the hub."""


class SettingsError(Exception):
    """The settings cannot be used: the message names every fault, one a line."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)


def declare(
    parse: Callable[[str], Any], default: str, help: str, *, secret: bool = False, needed: bool = False
) -> Any:
    """Declare one setting.

    Args:
        parse: turns the text into the value, or raises ValueError saying what is wanted.
        default: as text; "" often means "derived from the others".
        help: one sentence for operators.
        secret: never shown, and may be read from a file.
        needed: must be given in production.
    """
    about = {"parse": parse, "default": default, "help": help, "secret": secret, "needed": needed}
    return field(metadata=about, repr=not secret)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of one process. Made by `load`, never changed."""

    env: Environment = declare(
        values.one_of(Environment), "embedded", "embedded (one machine, nothing else needed) or production."
    )
    home: Path = declare(
        values.directory, ".hub", "Directory of the data, keys and logs of the embedded hub."
    )
    host: str = declare(values.text, "127.0.0.1", "Address that the web server listens on.")
    port: int = declare(
        values.whole(1, 65535), "8000", "Port of the web server; sandboxes take the next ones."
    )
    public_url: str = declare(
        values.http_url,
        "",
        "Address under which browsers and providers reach the hub; http://HOST:PORT if empty.",
        needed=True,
    )
    database_url: str = declare(
        values.database_url,
        "",
        "SQLite or PostgreSQL, such as postgresql://hub:…@db/hub; HOME/hub.db if empty.",
        secret=True,
        needed=True,
    )
    redis_url: str = declare(
        values.redis_url,
        "",
        "The broker, such as redis://cache:6379/0; if empty, hub run starts its own.",
        secret=True,
        needed=True,
    )
    secret_keys: tuple[SecretKey, ...] = declare(
        values.secret_keys,
        "",
        "Keys that encrypt tokens at rest, id:base64-of-32-bytes, comma separated; the first one encrypts. "
        "If empty, the embedded hub makes one in HOME/secret-keys.",
        secret=True,
        needed=True,
    )
    page_access: PageAccess | None = declare(
        values.optional(values.one_of(PageAccess)),
        "",
        "Who may use the pages: open (everyone who reaches them; loopback and embedded only) or signed "
        "(by a link from the API). If empty, open where that is allowed.",
    )
    session_hours: int = declare(values.whole(1), "12", "Hours until a person's browser session ends.")
    trusted_proxies: int = declare(
        values.whole(0), "0", "Proxies in front of the hub whose X-Forwarded-* headers are believed."
    )
    body_limit: int = declare(values.whole(1024), "1048576", "Largest request body in bytes; more is a 413.")
    web_workers: int = declare(values.whole(1), "1", "Web server processes.")
    web_threads: int = declare(values.whole(1), "32", "Threads of each web server process.")
    worker_processes: int = declare(
        values.whole(1),
        "4",
        "Processes of each worker: more than one account may have calls at a time, so that a provider that "
        "hangs holds not all of them.",
    )
    poll_interval: float = declare(
        values.seconds, "600", "Seconds after which a silent link is pulled, however quiet its provider is."
    )
    sweep_interval: float = declare(
        values.seconds, "5", "Seconds between two looks for work whose hint was lost."
    )
    lease_seconds: float = declare(
        values.seconds,
        "6",
        "Seconds after which the link of a dead worker is free again; one that lives prolongs it.",
    )
    call_deadline: float = declare(values.seconds, "12", "Seconds that one call to a provider may take.")
    quota_share: float = declare(
        values.positive, "1", "Share of the providers' declared quotas that this hub may use."
    )
    retry_base: float = declare(values.seconds, "2", "Seconds before the first retry; they double each time.")
    retry_max: float = declare(values.seconds, "300", "Longest time in seconds between two retries.")
    park_after: int = declare(values.whole(1), "8", "Failed attempts after which one event is parked.")
    guard_least: int = declare(
        values.whole(0), "10", "Deletions of one calendar that are always believed, within HUB_GUARD_WINDOW."
    )
    guard_share: float = declare(
        values.positive, "0.3", "Share of a calendar's events beyond which deletions wait for a person."
    )
    guard_count: int = declare(
        values.whole(1), "100", "Number of deletions beyond which they wait for a person, whatever the share."
    )
    guard_window: float = declare(
        values.seconds, "600", "Seconds over which the deletions of one calendar are counted."
    )
    log_level: str = declare(values.log_level, "INFO", "DEBUG, INFO, WARNING or ERROR.")
    log_format: LogFormat = declare(
        values.one_of(LogFormat), "text", "text for people or json for machines, one line each."
    )
    others: Mapping[str, str] = field(default_factory=dict, repr=False)
    """All other HUB_ variables, without the prefix: the providers' settings, and typing mistakes."""

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Read and check the settings.

        The embedded hub's encryption key is made here when there is none yet.

        Raises:
            SettingsError: some are missing, malformed or contradict each other; all are named.
        """
        faults: list[str] = []
        given = _given(os.environ if environ is None else environ, faults)
        read: dict[str, Any] = {}
        for setting in declared():
            read[setting.name] = _take(setting, given, faults)
        if faults:
            raise SettingsError(faults)
        read |= _derived(read)
        settings = cls(**read, others=given)
        settings._check()
        if settings.secret_keys:
            return settings
        return dataclasses.replace(settings, secret_keys=values.local_keys(settings.home / "secret-keys"))

    @property
    def production(self) -> bool:
        return self.env is Environment.PRODUCTION

    @property
    def open_pages(self) -> bool:
        """Whether everyone who reaches the pages may use them."""
        return self.page_access is PageAccess.OPEN

    def _check(self) -> None:
        faults = []
        if self.production:
            faults += [
                f"{PREFIX}{setting.name.upper()} must be set in production: {setting.metadata['help']}"
                for setting in declared()
                if setting.metadata["needed"] and not getattr(self, setting.name)
            ]
            plain = self.public_url.startswith("http://") and not values.is_loopback(self.public_url)
            if plain:
                faults.append("HUB_PUBLIC_URL must be https in production: providers call no other address.")
        outside = not (values.is_loopback(f"//{self.host}") and values.is_loopback(self.public_url))
        if self.open_pages and (self.production or outside):
            faults.append(
                "HUB_PAGE_ACCESS=open is for an embedded hub whose HUB_HOST and HUB_PUBLIC_URL are loopback; "
                "say signed."
            )
        if self.retry_base > self.retry_max:
            faults.append("HUB_RETRY_BASE must not be above HUB_RETRY_MAX.")
        if faults:
            raise SettingsError(faults)

    def provider_settings(self, name: str, wanted: tuple[Setting, ...]) -> dict[str, str]:
        """Return the values of a provider's declared settings, by their names.

        Raises:
            SettingsError: a required one is missing, or a file cannot be read.
        """
        faults: list[str] = []
        found = {}
        for setting in wanted:
            variable = f"{name}_{setting.name}".upper()
            text = _text(variable, dict(self.others), faults, file_allowed=True)
            found[setting.name] = setting.default if text is None else text
            if setting.required and not found[setting.name]:
                faults.append(f"{PREFIX}{variable} is missing: {setting.help}")
        if faults:
            raise SettingsError(faults)
        return found

    def unknown(self, wanted: Mapping[str, tuple[Setting, ...] | None]) -> tuple[str, ...]:
        """Return a sentence for each variable that nobody declared: most are typing mistakes.

        Args:
            wanted: the settings that each provider declared; None for one that could not be loaded,
                whose variables cannot be judged.
        """
        known = {
            f"{name}_{setting.name}{suffix}".upper()
            for name, settings in wanted.items()
            for setting in settings or ()
            for suffix in ("", "_FILE")
        }
        unjudged = tuple(f"{name}_".upper() for name, settings in wanted.items() if settings is None)
        core = [setting.name.upper() for setting in declared()]
        faults = []
        for name in sorted(self.others):
            if name in known or name.startswith(unjudged):
                continue
            near = difflib.get_close_matches(name, [*core, *sorted(known)], n=1, cutoff=0.8)
            hint = (
                f"did you mean {PREFIX}{near[0]}?"
                if near
                else "unset it, or install the plugin that takes it."
            )
            faults.append(f"{PREFIX}{name} is no setting of the hub or of a loaded provider: {hint}")
        return tuple(faults)


def declared() -> list[dataclasses.Field[Any]]:
    """Return the core's settings in the order of their declaration."""
    return [setting for setting in dataclasses.fields(Settings) if setting.metadata]


def _given(environ: Mapping[str, str], faults: list[str]) -> dict[str, str]:
    """Return all HUB_ variables without the prefix, those of the file beneath those of the environment."""
    given = {}
    if path := environ.get(f"{PREFIX}ENV_FILE"):
        try:
            given = values.env_file(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            faults.append(f"{PREFIX}ENV_FILE cannot be read: {error}")
    given |= environ
    return {
        name.removeprefix(PREFIX): value
        for name, value in given.items()
        if name.startswith(PREFIX) and not name.startswith(NOT_OURS) and name != f"{PREFIX}ENV_FILE"
    }


def _take(setting: dataclasses.Field[Any], given: dict[str, str], faults: list[str]) -> Any:
    """Take one setting out of `given` and parse it; a fault is noted without the text of a secret."""
    name, about = setting.name.upper(), setting.metadata
    text = _text(name, given, faults, file_allowed=about["secret"])
    text = (text or "").strip() or about["default"]
    try:
        return about["parse"](text)
    except ValueError as error:
        shown = "" if about["secret"] else f", not {text!r}"
        faults.append(f"{PREFIX}{name} must be {error}{shown}.")


def _text(name: str, given: dict[str, str], faults: list[str], *, file_allowed: bool) -> str | None:
    """Pop a variable, or what the file named by its _FILE twin holds."""
    text = given.pop(name, None)
    path = given.pop(f"{name}_FILE", None) if file_allowed else None
    if path is None:
        return text
    if text is not None:
        faults.append(f"{PREFIX}{name} and {PREFIX}{name}_FILE are both set: keep one.")
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        faults.append(f"{PREFIX}{name}_FILE cannot be read: {error}")
        return None


def _derived(read: Mapping[str, Any]) -> dict[str, Any]:
    """Return the defaults that depend on other settings; production wants the needed ones given."""
    derived: dict[str, Any] = {}
    embedded = read["env"] is Environment.EMBEDDED
    if embedded and not read["public_url"]:
        host = f"[{read['host']}]" if ":" in read["host"] else read["host"]
        derived["public_url"] = f"http://{host}:{read['port']}"
    if embedded and not read["database_url"]:
        derived["database_url"] = f"sqlite:///{read['home'] / 'hub.db'}"
    if read["page_access"] is None:
        public_url = derived.get("public_url", read["public_url"])
        safe = embedded and values.is_loopback(f"//{read['host']}") and values.is_loopback(public_url)
        derived["page_access"] = PageAccess.OPEN if safe else PageAccess.SIGNED
    return derived
