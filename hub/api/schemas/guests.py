"""What a consumer says of people: whether guests are told, and what the owner answers."""

from __future__ import annotations

from marshmallow import fields

from hub.api.schemas.common import Choice, Strict, Text
from hub.api.schemas.moments import DayOrWallField


class NotifySchema(Strict):
    """Whether people are told of a change."""

    notify = fields.Boolean(
        truthy={True},
        falsy={False},
        load_default=False,
        metadata={
            "description": "invite the guests and tell them of the change, from the event's home; "
            "else guests are data and nobody is told"
        },
    )
    notify_from = fields.String(
        load_default=None,
        allow_none=True,
        metadata={"description": "the link that is the home of an event which has none yet"},
    )


class NotifyQuery(Strict):
    notify = fields.Boolean(
        load_default=False, metadata={"description": "tell the guests that it is cancelled"}
    )


class AnswerSchema(Strict):
    """What the owner answers to an invitation."""

    answer = Choice(("accepted", "tentative", "declined"), required=True)
    comment = Text(1000, load_default="", metadata={"description": "a word to the organiser"})
    notify = fields.Boolean(
        truthy={True},
        falsy={False},
        load_default=True,
        metadata={"description": "whether the organiser is told, where the provider leaves a choice"},
    )
    original_start = DayOrWallField(
        load_default=None,
        allow_none=True,
        metadata={"type": "string", "description": "answer for this occurrence of a series alone"},
    )
    link_id = fields.String(
        load_default=None,
        allow_none=True,
        metadata={"description": "which invitation, if it came to several accounts"},
    )
