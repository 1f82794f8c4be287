"""The in-memory provider that other tests stand on keeps the contract of every plugin."""

from hub.plugin.testing import ProviderContract
from tests.memory_provider import MemoryPlugin


class TestMemoryProvider(ProviderContract):
    plugin = MemoryPlugin()
