"""A remote calendar has one writer in the whole hub, so that no two links copy each other's copies."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from hub.accounts.links import change_link
from hub.models import Account, Calendar, Link, RemoteCalendar, User
from hub.outbound import linking
from hub.outbound.linking import LinkingError
from tests.world import World

SECOND = "cal_2"


@pytest.fixture
def world(tmp_path: Path, database_url: str) -> World:
    """Both main calendars are linked; a second user has connected the same account at `left`."""
    world = World(database_url, tmp_path)
    world.linked_pair()
    now = world.clock.now()
    with world.ports.db.transaction() as session:
        session.add(User(id="usr_2", tenant_id="tnt_1", external_id="you", created_at=now))
        session.flush()
        session.add(
            Calendar(id=SECOND, tenant_id="tnt_1", user_id="usr_2", name="Mine", zone="UTC", created_at=now)
        )
        account = session.get_one(Account, "acc_left_ann")
        remote = session.scalars(
            select(RemoteCalendar).where(RemoteCalendar.account_id == account.id, RemoteCalendar.primary)
        ).one()
        session.add(
            Account(
                id="acc_2",
                tenant_id="tnt_1",
                user_id="usr_2",
                provider=account.provider,
                remote_id=account.remote_id,
                email=account.email,
                created_at=now,
            )
        )
        session.flush()
        session.add(
            RemoteCalendar(
                id="rcal_2",
                account_id="acc_2",
                remote_id=remote.remote_id,
                name=remote.name,
                access_role="owner",
                primary=True,
            )
        )
    return world


def link_again(world: World, direction: str) -> Link:
    with world.ports.db.transaction() as session:
        calendar = session.get_one(Calendar, SECOND)
        remote = session.get_one(RemoteCalendar, "rcal_2")
        return linking.create_link(session, world.ports, calendar, remote, direction=direction)


@pytest.mark.parametrize("direction", ["two_way", "export"])
def test_a_second_writer_is_refused_even_if_another_user_asks(world: World, direction: str) -> None:
    with pytest.raises(LinkingError, match="only one link may write"):
        link_again(world, direction)


def test_another_user_may_read_it_and_cannot_turn_that_into_writing(world: World) -> None:
    link_id = link_again(world, "import").id
    with (
        world.ports.db.transaction() as session,
        pytest.raises(LinkingError, match="only one link may write"),
    ):
        change_link(session, world.ports, session.get_one(Link, link_id), direction="two_way")


def test_the_same_user_links_it_once(world: World) -> None:
    with pytest.raises(LinkingError, match="already linked"):
        world.link("acc_left_ann")
