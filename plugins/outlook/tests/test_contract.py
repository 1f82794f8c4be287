"""Outlook keeps the contract that all providers keep."""

from __future__ import annotations

from typing import Any, ClassVar

import hub_outlook.hooks
from hub.plugin.testing import ProviderContract


class TestContract(ProviderContract):
    plugin: ClassVar[Any] = hub_outlook.hooks
