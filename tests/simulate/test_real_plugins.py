"""A sample of histories between the real plugins, over their sandboxes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.provider_world import interrupted_world
from tests.simulate import real

SEEDS = 8


@pytest.mark.timeout(400)
def test_no_history_between_the_real_plugins_breaks_a_property(tmp_path: Path, sqlite_url: str) -> None:
    with interrupted_world(sqlite_url, tmp_path) as (world, fronts):
        world.link_both()
        broken = {seed: found for seed in range(SEEDS) if (found := real.play(world, fronts, seed))}
        assert broken == {}
        assert world.mails() == []
