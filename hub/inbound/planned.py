"""The listing that a plan has already read: a link that carries out a plan begins with exactly that.

Comes after `hub.planning` has applied a plan, in the place of the provider's own pages (see `pull`); what
has changed at the provider since then comes with the next listing, which follows at once.
"""

from __future__ import annotations

import dataclasses

from hub.models import PlannedLink, PlannedPage
from hub.plugin.codec import from_json
from hub.plugin.errors import CursorExpiredError
from hub.plugin.types import ChangePage
from hub.ports import Ports


def read_page(ports: Ports, planned_id: str, page: str | None) -> ChangePage:
    """Return one stored page; its `next_page` is the number of the next one.

    Raises:
        CursorExpiredError: the plan is gone, so that the provider must be asked.
    """
    number = int(page or 0)
    with ports.db.reading() as session:
        planned = session.get(PlannedLink, planned_id)
        row = session.get(PlannedPage, (planned_id, number))
    if planned is None or row is None:
        raise CursorExpiredError("The plan that this link was made by is not kept any more.")
    stored = from_json(ChangePage, row.content)
    if number + 1 < planned.pages:
        return dataclasses.replace(stored, next_page=str(number + 1), next_cursor=None)
    return dataclasses.replace(stored, next_page=None, next_cursor=planned.cursor)
