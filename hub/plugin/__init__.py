"""The public border: everything that a provider plugin may import, and nothing else of the hub.

`hookimpl` marks a plugin's hook implementations; the hook specifications stand in `hub.plugin.spec`,
the values that cross the border in `hub.plugin.types`, the errors in `hub.plugin.errors`, and the
suite that every plugin inherits in `hub.plugin.testing`.
"""

import pluggy

PROJECT = "hub.providers"
"""The pluggy project name, which is also the entry point group that plugins register under."""

hookimpl = pluggy.HookimplMarker(PROJECT)
hookspec = pluggy.HookspecMarker(PROJECT)

__all__ = ["PROJECT", "hookimpl", "hookspec"]
