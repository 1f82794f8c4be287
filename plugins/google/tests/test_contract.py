"""The contract of all providers, over Google's sandbox."""

import hub_google.hooks
from hub.plugin.testing import ProviderContract


class TestContract(ProviderContract):
    plugin = hub_google.hooks
