"""What a server checks before it starts."""

from __future__ import annotations

from hub.providers.manager import Providers, load_providers
from hub.settings import Settings, SettingsError


def unknown_settings(settings: Settings, providers: Providers) -> tuple[str, ...]:
    """Return a sentence for each HUB_ variable that neither the hub nor a plugin declared."""
    wanted = {status.name: status.info.settings if status.info else None for status in providers.statuses}
    return settings.unknown(wanted)


def check_provider_settings(settings: Settings) -> None:
    """Refuse to start with such variables.

    Raises:
        SettingsError: naming every one of them.
    """
    if faults := unknown_settings(settings, load_providers(settings)):
        raise SettingsError(list(faults))
