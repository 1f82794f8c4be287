"""Settings: each declared once, all faults of a start named at once, no secret shown."""

from __future__ import annotations

import base64
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hub.plugin.types import Setting
from hub.settings import Settings, SettingsError, declared
from hub.settings_values import PageAccess, env_file, local_keys

KEY = base64.b64encode(bytes(range(32))).decode()
EXAMPLE = Path(__file__).parents[2] / "config" / "production.env.example"


def load(home: Path, **variables: str) -> Settings:
    return Settings.load(
        {"HUB_HOME": str(home)} | {f"HUB_{name}": value for name, value in variables.items()}
    )


def faults(**variables: str) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        Settings.load({f"HUB_{name}": value for name, value in variables.items()})
    return caught.value.faults


PRODUCTION = {
    "ENV": "production",
    "PUBLIC_URL": "https://hub.example.org",
    "DATABASE_URL": "postgres://hub:pw@db/hub",
    "REDIS_URL": "redis://cache/0",
    "SECRET_KEYS": f"k1:{KEY}",
}


def test_nothing_set_is_an_embedded_hub_on_loopback(tmp_path: Path) -> None:
    settings = load(tmp_path)
    assert settings.public_url == "http://127.0.0.1:8000"
    assert settings.database_url == f"sqlite:///{tmp_path}/hub.db"
    assert settings.redis_url == "" and settings.open_pages and not settings.production


def test_every_fault_is_named_at_once() -> None:
    found = faults(PORT="eighty", ENV="prod", LEASE_SECONDS="-1", DATABASE_URL="mysql://x", REDIS_URL="x")
    assert [fault.split()[0] for fault in found] == [
        "HUB_ENV",
        "HUB_PORT",
        "HUB_DATABASE_URL",
        "HUB_REDIS_URL",
        "HUB_LEASE_SECONDS",
    ]


def test_production_asks_for_all_that_it_needs() -> None:
    found = faults(ENV="production")
    names = [fault.split()[0] for fault in found]
    assert names == ["HUB_PUBLIC_URL", "HUB_DATABASE_URL", "HUB_REDIS_URL", "HUB_SECRET_KEYS"]


def test_production_makes_no_key_and_no_page_for_everyone(tmp_path: Path) -> None:
    settings = load(tmp_path / "home", **PRODUCTION)
    assert settings.page_access is PageAccess.SIGNED and not (tmp_path / "home").exists()
    assert settings.database_url == "postgresql+psycopg://hub:pw@db/hub"


@pytest.mark.parametrize(
    ("variable", "value", "fault"),
    [
        ("PUBLIC_URL", "http://hub.example.org", "HUB_PUBLIC_URL must be https"),
        ("PAGE_ACCESS", "open", "HUB_PAGE_ACCESS=open is for an embedded hub"),
        ("SECRET_KEYS", "k1:c2hvcnQ=", "HUB_SECRET_KEYS must be id:base64-of-32-bytes"),
        ("RETRY_BASE", "1000", "HUB_RETRY_BASE must not be above HUB_RETRY_MAX"),
    ],
)
def test_what_would_be_unsafe_in_production_is_refused(variable: str, value: str, fault: str) -> None:
    found = faults(**(PRODUCTION | {variable: value}))
    assert len(found) == 1 and found[0].startswith(fault)


def test_an_embedded_hub_that_others_can_reach_has_signed_pages(tmp_path: Path) -> None:
    assert not load(tmp_path, HOST="0.0.0.0").open_pages
    assert faults(HOST="0.0.0.0", PAGE_ACCESS="open")[0].startswith("HUB_PAGE_ACCESS=open")


def test_secrets_are_shown_nowhere(tmp_path: Path) -> None:
    settings = load(tmp_path, **PRODUCTION, GOOGLE_CLIENT_SECRET="hush")
    for secret in ("pw", "cache", KEY, "hush"):
        assert secret not in repr(settings) + repr(settings.secret_keys)
    assert "c2hvcnQ" not in faults(SECRET_KEYS="k1:c2hvcnQ=")[0]


def test_a_secret_may_lie_in_a_file_but_not_in_two_places(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"k7:{KEY}\n")
    settings = load(tmp_path, SECRET_KEYS_FILE=str(tmp_path / "key"))
    assert [key.id for key in settings.secret_keys] == ["k7"]
    both = faults(SECRET_KEYS_FILE=str(tmp_path / "key"), SECRET_KEYS=f"k1:{KEY}")
    assert both == ("HUB_SECRET_KEYS and HUB_SECRET_KEYS_FILE are both set: keep one.",)
    assert faults(DATABASE_URL_FILE=str(tmp_path / "none"))[0].startswith(
        "HUB_DATABASE_URL_FILE cannot be read"
    )


def test_the_first_key_encrypts_and_ids_differ(tmp_path: Path) -> None:
    assert [key.id for key in load(tmp_path, SECRET_KEYS=f"k2:{KEY}, k1:{KEY}").secret_keys] == ["k2", "k1"]
    assert "differ" in faults(SECRET_KEYS=f"k1:{KEY},k1:{KEY}")[0]


def test_the_embedded_key_is_made_once_and_read_by_its_owner_only(tmp_path: Path) -> None:
    first = load(tmp_path / "home").secret_keys
    assert load(tmp_path / "home").secret_keys[0].key == first[0].key
    assert stat.S_IMODE((tmp_path / "home" / "secret-keys").stat().st_mode) == 0o600


def test_processes_that_start_together_agree_on_the_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: local_keys(tmp_path / "secret-keys"), range(8)))
    assert len({keys[0].key for keys in made}) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["secret-keys"]


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_text("# the hub\nexport HUB_PORT=9000\nHUB_LOG_LEVEL='debug'\n\nPATH=/elsewhere\n")
    settings = load(tmp_path, ENV_FILE=str(file), PORT="9001")
    assert (settings.port, settings.log_level) == (9001, "DEBUG")
    file.write_text("HUB_PORT 9000\n")
    assert "line 1 is not KEY=value" in faults(ENV_FILE=str(file))[0]


def test_a_provider_gets_what_it_declared(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hush\n")
    settings = load(tmp_path, ACME_CLIENT_ID="me", ACME_CLIENT_SECRET_FILE=str(tmp_path / "secret"))
    wanted = (
        Setting("CLIENT_ID", "Id.", required=True),
        Setting("CLIENT_SECRET", "Secret.", secret=True),
        Setting("API_URL", "Address.", default="https://api.example.org"),
    )
    assert settings.provider_settings("acme", wanted) == {
        "CLIENT_ID": "me",
        "CLIENT_SECRET": "hush",
        "API_URL": "https://api.example.org",
    }
    assert settings.unknown({"acme": wanted}) == ()
    with pytest.raises(SettingsError, match="HUB_OTHER_CLIENT_ID is missing"):
        settings.provider_settings("other", wanted)


def test_typing_mistakes_are_found_and_corrected(tmp_path: Path) -> None:
    settings = load(tmp_path, SWEEP_INTERVALL="5", ACME_CLIENT_IDD="x", FOO="1", BROKEN_THING="2", TEST_X="3")
    found = settings.unknown({"acme": (Setting("CLIENT_ID", "Id."),), "broken": None})
    assert len(found) == 3
    assert "HUB_ACME_CLIENT_ID?" in found[0] and "HUB_FOO" in found[1] and "HUB_SWEEP_INTERVAL?" in found[2]


def test_the_production_example_explains_every_setting(tmp_path: Path) -> None:
    text = EXAMPLE.read_text()
    shown = {
        line.removeprefix("#").partition("=")[0]
        for line in text.splitlines()
        if "=" in line and "HUB_" in line
    }
    for setting in declared():
        assert f"HUB_{setting.name.upper()}" in shown, f"HUB_{setting.name.upper()} is missing in the example"
        assert setting.metadata["help"].endswith(".")


def test_the_production_example_is_accepted_once_its_secrets_are_filled_in(tmp_path: Path) -> None:
    given = {name: value for name, value in env_file(EXAMPLE.read_text()).items() if name.startswith("HUB_")}
    settings = Settings.load(given | {"HUB_SECRET_KEYS": f"k1:{KEY}", "HUB_HOME": str(tmp_path)})
    assert settings.production and settings.page_access is PageAccess.SIGNED
