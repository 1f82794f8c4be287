"""The floors that are processes: a web server that does nothing, and the bare chain.

    python -m bench.chain null        POST /webhooks/… -> 202, served as `hub serve` serves
    python -m bench.chain hook        the chain's webhook: secret, durable mark, Redis list
    python -m bench.chain work FILE   the chain's worker: takes a mark, lists, commits, writes, commits

The chain does what any hub must do, and nothing else: no echo, no merge, no lease, no retry. It works in
the same kind of database, behind the same web server, and calls the same sandboxes with plain requests.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import sys
import time
from collections.abc import Mapping
from typing import Any

import redis
import requests
from flask import Flask, Response, request
from sqlalchemy import Column, Connection, Integer, MetaData, String, Table, Text, insert, update

from hub.db import Database
from hub.processes.web import WebServer
from hub.settings import Settings

HUB_LIST = "bench:marks"
METADATA = MetaData()
MARKS = Table(
    "bench_marks", METADATA, Column("id", String(40), primary_key=True), Column("notified", Integer)
)
EVENTS = Table(
    "bench_events",
    METADATA,
    Column("id", String(200), primary_key=True),
    Column("content", Text),
    Column("other_id", Text),
)
CHANNEL = "benchchannel0001"


class FloorServer(WebServer):
    """Serves another app with the options of `hub serve`."""

    def __init__(self, settings: Settings, app: Flask) -> None:
        self.floor_app = app
        super().__init__(settings)

    def load(self) -> Any:
        return self.floor_app


def null_app() -> Flask:
    """Return the app that does nothing."""
    app = Flask("null")

    @app.post("/webhooks/<provider>")
    def receive(provider: str) -> Response:  # noqa: ARG001
        return Response(status=202)

    return app


def hook_app(database_url: str, redis_url: str, secret: str) -> Flask:
    """Return the chain's webhook."""
    app, database = Flask("hook"), Database(database_url)
    digest = hashlib.sha256(secret.encode()).hexdigest()

    @app.post("/webhooks/<provider>")
    def receive(provider: str) -> Response:  # noqa: ARG001
        arrived = time.monotonic()
        told = hashlib.sha256(request.headers.get("X-Goog-Channel-Token", "").encode()).hexdigest()
        if request.headers.get("X-Goog-Resource-State") != "exists" or not hmac.compare_digest(told, digest):
            return Response(status=202)
        with database.engine.begin() as connection:
            connection.execute(
                update(MARKS).where(MARKS.c.id == CHANNEL).values(notified=MARKS.c.notified + 1)
            )
        client = redis.Redis.from_url(redis_url) if "redis" not in app.extensions else app.extensions["redis"]
        app.extensions["redis"] = client
        client.lpush(HUB_LIST, str(arrived))
        return Response(status=202)

    return app


class Worker:
    """The chain's worker.

    Args:
        place: addresses and tokens of the two calendars, as `bench.latency` writes them.
    """

    def __init__(self, database_url: str, redis_url: str, place: Mapping[str, str]) -> None:
        self.engine = Database(database_url).engine
        self.marks = redis.Redis.from_url(redis_url, socket_timeout=None)
        self.place = place
        self.google, self.outlook = requests.Session(), requests.Session()
        self.google.headers["Authorization"] = f"Bearer {place['google_token']}"
        self.outlook.headers["Authorization"] = f"Bearer {place['outlook_token']}"
        self.cursor = self._list({})[1]

    def run(self) -> None:
        """Work until the process is ended; print the instants of each change as one line of JSON."""
        print("ready", flush=True)
        while True:
            taken: Any = self.marks.brpop([HUB_LIST], timeout=0)
            items, self.cursor = self._list({"syncToken": self.cursor})
            for item in items:
                self._carry(item, float(taken[1]))

    def _list(self, query: dict[str, str]) -> tuple[list[dict[str, Any]], str]:
        answer = self.google.get(self.place["google_url"], params=query, timeout=10)
        answer.raise_for_status()
        found = answer.json()
        return found.get("items", []), found["nextSyncToken"]

    def _carry(self, item: dict[str, Any], arrived: float) -> None:
        with self.engine.begin() as connection:
            connection.execute(insert(EVENTS).values(id=item["id"], content=json.dumps(item)))
        stored = time.monotonic()
        body = {"subject": item["summary"], "start": _time(item["start"]), "end": _time(item["end"])}
        answer = self.outlook.post(self.place["outlook_url"], json=body, timeout=10)
        answer.raise_for_status()
        with self.engine.begin() as connection:
            change = update(EVENTS).where(EVENTS.c.id == item["id"])
            connection.execute(change.values(other_id=answer.json()["id"]))
        print(json.dumps({"title": item["summary"], "arrived": arrived, "stored": stored}), flush=True)


def _time(value: Mapping[str, str]) -> dict[str, str]:
    return {"dateTime": value["dateTime"][:19], "timeZone": value["timeZone"]}


def prepare(connection: Connection) -> None:
    """Make the chain's tables and its one mark."""
    METADATA.create_all(connection)
    connection.execute(insert(MARKS).values(id=CHANNEL, notified=0))


def main(what: str, *arguments: str) -> None:
    """Be one of the processes until it is ended."""
    if what == "work":
        with open(arguments[0], encoding="utf-8") as file:
            place = json.load(file)
        Worker(os.environ["BENCH_DATABASE_URL"], os.environ["BENCH_REDIS_URL"], place).run()
        return
    app = null_app()
    if what == "hook":
        environ = os.environ
        app = hook_app(environ["BENCH_DATABASE_URL"], environ["BENCH_REDIS_URL"], environ["BENCH_SECRET"])
    FloorServer(Settings.load(), app).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
