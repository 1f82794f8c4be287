"""BEAT -> UPKEEP: renew channels, sweep for work whose hint was lost, forget old tombstones."""
