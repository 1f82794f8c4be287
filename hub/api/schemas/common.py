"""Fields and bases that all schemas share."""

# The signatures of marshmallow's hooks are given.
# ruff: noqa: ARG002

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from marshmallow import RAISE, Schema, ValidationError, fields, validate

from hub.api.schemas.standing import KeptString


class Strict(Schema):
    """Refuses unknown fields."""

    class Meta:
        unknown = RAISE


class Text(KeptString):
    """Text that every database and calendar can hold: LF line ends, no NUL, no half of a surrogate pair."""

    def __init__(self, most: int = 1000, least: int = 0, **kwargs: Any) -> None:
        told = f"must have {least} to {most} characters" if least else f"must have {most} characters at most"
        checks = [validate.Length(least, most, error=told), *kwargs.pop("validate", [])]
        super().__init__(validate=checks, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = str(super()._deserialize(value, attr, data, **kwargs))
        if unstorable(text):
            raise ValidationError("must not hold NUL characters or lone surrogates")
        return text.replace("\r\n", "\n").replace("\r", "\n")


def unstorable(text: str) -> bool:
    """Whether a text holds what no database and no calendar takes."""
    return "\0" in text or any("\ud800" <= c <= "\udfff" for c in text)


class Choice(fields.String):
    """One of a few words."""

    def __init__(self, choices: Any, **kwargs: Any) -> None:
        super().__init__(validate=validate.OneOf([str(c) for c in choices]), **kwargs)


class Instant(fields.DateTime):
    """An instant with offset, such as 2026-12-24T09:00:00Z; written in UTC."""

    def _serialize(self, value: Any, attr: Any, obj: Any, **kwargs: Any) -> str | None:
        if value is None:
            return None
        return str(value.astimezone(UTC).isoformat().replace("+00:00", "Z"))

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> datetime:
        wanted = "must be an instant with offset, such as 2026-12-24T09:00:00Z"
        try:
            # In a query string the plus sign of an offset arrives as a blank.
            moment = datetime.fromisoformat(str(value).replace(" ", "+"))
            if moment.tzinfo is None:
                raise ValueError
            return moment.astimezone(UTC)
        except (ValueError, OverflowError):
            raise ValidationError(wanted) from None


def check_year(value: Any) -> Any:
    if value is None or not 1900 <= value.year < 2200:
        raise ValidationError("must lie between the years 1900 and 2199")
    return value


def iana_zone(value: str) -> None:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        raise ValidationError(f"{value!r} is not an IANA time zone such as Europe/Berlin") from None


def http_url(value: str) -> None:
    """Accept http(s) addresses only: others could run as script on a page."""
    if not value.lower().startswith(("http://", "https://")) or any(c.isspace() for c in value):
        raise ValidationError("must be an http or https address")


class PageQuery(Strict):
    """Which page."""

    limit = fields.Integer(
        load_default=50, validate=validate.Range(1, 200), metadata={"description": "lines per page"}
    )
    cursor = fields.String(
        load_default=None,
        validate=validate.Length(max=500),
        metadata={"description": "`next_cursor` of the page before"},
    )
