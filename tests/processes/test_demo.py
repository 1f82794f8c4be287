"""The whole hub as real processes, in both sizes: the demo's person connects, links and edits everywhere."""

from __future__ import annotations

import pytest

from demo.play import PROVIDERS, Demo
from demo.stage import running_hub
from tests import servers


@pytest.mark.timeout(300)
def test_the_demo_plays_on_the_embedded_default() -> None:
    with running_hub(PROVIDERS) as stage:
        Demo(stage).play()


@pytest.mark.timeout(300)
def test_the_demo_plays_on_postgresql_and_redis(postgres_url: str, redis_url: str) -> None:
    with (
        servers.database(postgres_url) as database_url,
        running_hub(PROVIDERS, HUB_DATABASE_URL=database_url, HUB_REDIS_URL=redis_url) as stage,
    ):
        Demo(stage).play()
