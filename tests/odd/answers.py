"""A sandbox whose answers are bent on their way out: a value of an event dropped, renamed, retyped, huge."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from werkzeug.wrappers import Response

LISTS = ("items", "value")
"""Under which key the providers' listings hold what they list."""
Path = tuple[str | int, ...]
GARBAGE: tuple[Any, ...] = (
    None, "", "x", 0, -1, 2**70, 1.5, True, [], {}, [None], [[]], {"x": 1}, ["x"], "\x00", "\ud800",
    "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.9999999Z", "2027-02-30T00:00:00", "20270101T000000Z",
    "newEnumValue", "RRULE:FREQ=SECONDLY", "1601-01-01", float("nan"), float("-inf"), "NaN", "x" * 1_000_000,
)  # fmt: skip
DROP, RENAME = object(), object()
BENDS = (*GARBAGE, DROP, RENAME)


class Bending:
    """WSGI around a sandbox's app; `bend` is told each event of an answer, and may change it."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self.bend: Callable[[dict[str, Any]], None] | None = None

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if self.bend is None or path.startswith("/_control") or environ["REQUEST_METHOD"] != "GET":
            return self._app(environ, start_response)  # type: ignore[no-any-return]
        answer = Response.from_app(self._app, environ, buffered=True)
        body = _object(answer)
        if body is not None:
            for event in events_of(body):
                self.bend(event)
            answer.set_data(json.dumps(body))
        return answer(environ, start_response)


def _object(answer: Response) -> dict[str, Any] | None:
    if answer.status_code != 200 or "json" not in (answer.content_type or ""):
        return None
    found = json.loads(answer.get_data())
    return found if isinstance(found, dict) else None


def events_of(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the events that an answer shows: those it lists, or itself."""
    listed = next((body[key] for key in LISTS if isinstance(body.get(key), list)), [body])
    return [item for item in listed if "id" in item and ("start" in item or "status" in item)]


def paths(value: Any, root: Path = ()) -> Iterator[Path]:
    """Yield the place of each value in an event, deep ones too."""
    pairs: Iterable[tuple[str | int, Any]] = ()
    if isinstance(value, dict):
        pairs = value.items()
    elif isinstance(value, list):
        pairs = enumerate(value)
    for key, item in pairs:
        yield (*root, key)
        yield from paths(item, (*root, key))


def bent(event: dict[str, Any], path: Path, how: Any) -> dict[str, Any]:
    """Return an event with one of its values made otherwise; as it is where there is no such value."""
    event = copy.deepcopy(event)
    place: Any = event
    try:
        for step in path[:-1]:
            place = place[step]
        value = place[path[-1]]
    except (LookupError, TypeError):
        return event
    if how is DROP or how is RENAME:
        del place[path[-1]]
        if how is RENAME and isinstance(place, dict):
            place[f"{path[-1]}V2"] = value
    else:
        place[path[-1]] = how
    return event


def any_bend(event: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    """Return an event with one value made otherwise, other than its id."""
    found = [path for path in paths(event) if path != ("id",)]
    return bent(event, rng.choice(found), rng.choice(BENDS))
