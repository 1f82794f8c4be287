"""The tables: one family a file. Import models from here."""

from hub.models.account import Account, AccountState, Consent, Grant, RemoteCalendar
from hub.models.calendar import Calendar
from hub.models.change import Actor, Change, ChangeKind, Conflict
from hub.models.copy import EventCopy, ParkedChange
from hub.models.event import Event
from hub.models.link import (
    Channel,
    ChannelState,
    Detail,
    Direction,
    Link,
    LinkSignal,
    LinkState,
    Policy,
    Unholdable,
    Verdict,
)
from hub.models.plan import LinkPlan, PlannedAction, PlannedLink, PlannedPage, PlanState
from hub.models.tenant import ApiKey, Heartbeat, IdempotentReply, PageSession, Tenant, Tick, User, ZoneRelease
from hub.models.undo import Undo, UndoState

__all__ = [
    "Account",
    "AccountState",
    "Actor",
    "ApiKey",
    "Calendar",
    "Change",
    "ChangeKind",
    "Channel",
    "ChannelState",
    "Conflict",
    "Consent",
    "Detail",
    "Direction",
    "Event",
    "EventCopy",
    "Grant",
    "Heartbeat",
    "IdempotentReply",
    "Link",
    "LinkPlan",
    "LinkSignal",
    "LinkState",
    "PageSession",
    "ParkedChange",
    "PlanState",
    "PlannedAction",
    "PlannedLink",
    "PlannedPage",
    "Policy",
    "RemoteCalendar",
    "Tenant",
    "Tick",
    "Undo",
    "UndoState",
    "Unholdable",
    "User",
    "Verdict",
    "ZoneRelease",
]
