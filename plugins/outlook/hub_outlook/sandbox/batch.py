"""$batch: up to twenty requests in one, each answered by the sandbox as if it had come alone.

Graph: json-batching. Faults and the ledger see the inner requests as well as the outer one.
"""

from __future__ import annotations

import json
from typing import Any

from werkzeug.test import Client

from hub_outlook.sandbox.problems import GraphError

MOST = 20
METHODS = frozenset({"GET", "POST", "PATCH", "PUT", "DELETE"})


def answer(app: Any, authorization: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the answers to the requests of a batch, in the order in which they were made.

    Raises:
        GraphError: the batch as a whole makes no sense.
    """
    requests = body.get("requests")
    _check(requests)
    assert isinstance(requests, list)
    answers: dict[str, dict[str, Any]] = {}
    waiting = list(requests)
    while waiting:
        ready = [r for r in waiting if all(d in answers for d in r.get("dependsOn") or ())]
        if not ready:
            raise _malformed("The requests of the batch depend on each other in a circle.")
        for request in ready:
            waiting.remove(request)
            failed = any(answers[d]["status"] >= 400 for d in request.get("dependsOn") or ())
            answers[request["id"]] = _dependent() if failed else _ask(app, authorization, request)
    return [{"id": request_id, **given} for request_id, given in answers.items()]


def _check(requests: Any) -> None:
    if not isinstance(requests, list) or not requests:
        raise _malformed("The batch holds no requests.")
    if len(requests) > MOST:
        raise GraphError(400, "MaximumValueExceeded", f"Number of batch request steps exceeds {MOST}.")
    ids = [r.get("id") if isinstance(r, dict) else None for r in requests]
    if None in ids or len(set(ids)) < len(ids):
        raise _malformed("Each request of a batch needs an id of its own.")
    for request in requests:
        url = str(request.get("url") or "")
        is_nested = url.lstrip("/").casefold().startswith("$batch")
        if str(request.get("method") or "").upper() not in METHODS or "://" in url or not url or is_nested:
            raise _malformed("A request of a batch needs a method and an address relative to the version.")
        if set(request.get("dependsOn") or ()) - set(ids):
            raise _malformed("A request of a batch depends on one that is not there.")


def _malformed(message: str) -> GraphError:
    return GraphError(400, "BadRequest", message)


def _dependent() -> dict[str, Any]:
    error = {"code": "FailedDependency", "message": "A request that this one depends on has failed."}
    return {"status": 424, "headers": {}, "body": {"error": error}}


def _ask(app: Any, authorization: str, request: dict[str, Any]) -> dict[str, Any]:
    headers = {str(k): str(v) for k, v in (request.get("headers") or {}).items()}
    if "body" in request and "content-type" not in {name.casefold() for name in headers}:
        error = {"code": "BadRequest", "message": "Content-Type is missing."}
        return {"status": 400, "headers": {}, "body": {"error": error}}
    sent = json.dumps(request["body"]) if "body" in request else None
    try:
        given = Client(app).open(
            f"/v1.0/{request['url'].lstrip('/')}",
            method=str(request["method"]).upper(),
            headers=headers | {"Authorization": authorization},
            data=sent,
        )
    except ConnectionAbortedError:
        return {"status": 504, "headers": {}, "body": {"error": {"code": "GatewayTimeout", "message": ""}}}
    kept = {name: value for name, value in given.headers.items() if name.casefold() != "content-length"}
    return {"status": given.status_code, "headers": kept, "body": given.get_json(silent=True)}
