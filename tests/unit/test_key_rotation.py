"""Rotating the encryption key seals every stored token anew, and loses none."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from hub.accounts.keys import local_user
from hub.commands import keys
from hub.models import Account, Grant
from hub.plugin.types import Tokens
from hub.processes.embedded import CannotRunError, hold
from hub.processes.offline import ports_without_plugins
from hub.providers.grants import save_tokens
from hub.settings import Settings
from hub.settings_values import SecretKey
from hub.vault import VaultError

NOON = datetime(2027, 1, 1, 12, tzinfo=UTC)


def connect(settings: Settings, *account_ids: str) -> None:
    ports = ports_without_plugins(settings)
    with ports.db.transaction() as session:
        user = local_user(session, ports)
        for id in account_ids:
            session.add(
                Account(
                    id=id,
                    tenant_id=user.tenant_id,
                    user_id=user.id,
                    provider="any",
                    remote_id=id,
                    email=f"{id}@example.test",
                    created_at=NOON,
                )
            )
            session.flush()
            save_tokens(
                session, ports.vault, ports.clock, id, Tokens(f"access {id}", NOON, ("x",), f"refresh {id}")
            )
    ports.db.engine.dispose()


def tokens(settings: Settings) -> list[tuple[str, str]]:
    ports = ports_without_plugins(settings)
    with ports.db.reading() as session:
        found = []
        for grant in session.query(Grant).order_by(Grant.account_id):
            assert grant.refresh_token is not None
            found.append(
                (
                    ports.vault.open(grant.access_token, f"grants.access_token:{grant.account_id}"),
                    ports.vault.open(grant.refresh_token, f"grants.refresh_token:{grant.account_id}"),
                )
            )
    ports.db.engine.dispose()
    return found


def test_production_seals_all_with_the_first_key(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = SecretKey.generate("old").encoded(), SecretKey.generate("new").encoded()

    def settings(*secret_keys: str) -> Settings:
        given = {"HUB_DATABASE_URL": database_url, "HUB_HOME": str(tmp_path / "home")}
        return Settings.load(given | {"HUB_SECRET_KEYS": ",".join(secret_keys)})

    # More than a batch, so that the walk goes on where it left off.
    monkeypatch.setattr(keys, "BATCH", 2)
    connect(settings(old), "acc_1", "acc_2", "acc_3")
    with pytest.raises(VaultError):
        tokens(settings(new))
    assert keys.rotate(settings(new, old)) == ("new", 3)
    expected = [(f"access acc_{n}", f"refresh acc_{n}") for n in (1, 2, 3)]
    assert tokens(settings(new)) == expected
    assert keys.rotate(settings(new, old)) == ("new", 0)


def test_an_embedded_hub_gets_a_new_first_key_while_it_is_not_running(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUB_HOME", str(tmp_path))
    monkeypatch.setenv("HUB_DATABASE_URL", database_url)
    connect(Settings.load(), "acc_1")
    with hold(tmp_path), pytest.raises(CannotRunError):
        keys.rotate(Settings.load())
    assert keys.rotate(Settings.load()) == ("k2", 1)
    assert [key.id for key in Settings.load().secret_keys] == ["k2", "k1"]
    assert tokens(Settings.load()) == [("access acc_1", "refresh acc_1")]
