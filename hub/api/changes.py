"""What happened: the change log since a number; and which providers are there."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView
from sqlalchemy import select

from hub.api import find
from hub.api.blueprint import query_of, resource
from hub.api.context import ports, tenant_id
from hub.api.schemas.calendars import ChangesQuery, ChangesSchema
from hub.api.schemas.people import ProvidersSchema
from hub.models import Change
from hub.providers.gateway import ProviderGateway
from hub.providers.manager import ProviderStatus

blp = resource("changes", "What happened, and which providers there are")


@blp.route("/changes")
class Changes(MethodView):
    @query_of(blp, ChangesQuery)
    @blp.response(200, ChangesSchema)
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """Catch up: all changes beyond `after`, in order and without gaps."""
        limit = query["limit"]
        wanted = select(Change).where(Change.tenant_id == tenant_id(), Change.seq > query["after"])
        with ports().db.reading() as session:
            if "calendar_id" in query:
                find.calendar(session, query["calendar_id"])
                wanted = wanted.where(Change.calendar_id == query["calendar_id"])
            for name in ("event_id", "run_id"):
                if name in query:
                    wanted = wanted.where(getattr(Change, name) == query[name])
            rows = session.scalars(wanted.order_by(Change.seq).limit(limit + 1)).all()
        items = rows[:limit]
        next_after = items[-1].seq if items else query["after"]
        return {"items": items, "next_after": next_after, "more": len(rows) > limit}


@blp.route("/providers")
class ProviderList(MethodView):
    @blp.response(200, ProvidersSchema)
    def get(self) -> dict[str, Any]:
        """List the installed providers, what a person is asked to allow, and why one is not loaded."""
        gateway = ports().gateway
        assert isinstance(gateway, ProviderGateway)
        return {"items": [_provider(status) for status in gateway.loaded.statuses]}


def _provider(status: ProviderStatus) -> dict[str, Any]:
    info = status.info
    return {
        "name": status.name,
        "label": info.label if info else status.name,
        "state": status.state,
        "reason": status.reason,
        "scopes": info.scopes if info else [],
    }
