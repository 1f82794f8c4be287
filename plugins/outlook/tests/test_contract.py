"""Outlook keeps the contract that all providers keep."""

from __future__ import annotations

import hub_outlook.hooks
from hub.plugin.testing import ProviderContract


class TestContract(ProviderContract):
    plugin = hub_outlook.hooks
