"""Rules only: pure functions on the values of `hub.plugin.types`; no I/O, no clock, no session."""
