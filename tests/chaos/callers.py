"""Many callers of one account in one process, as workers are: each asks once, all at the same moment.

    python -m tests.chaos.callers ACCOUNT_ID COUNT

with the hub's settings in the environment. It says `ready`, waits for a line, and answers with one line of
JSON: what went wrong for each caller that got no answer.
"""

from __future__ import annotations

import json
import sys
import threading

from hub import log
from hub.processes.offline import NoQueue
from hub.settings import Settings
from hub.wiring import build_ports


def main(account_id: str, count: int) -> None:
    log.configure("CRITICAL")  # what goes wrong is answered
    ports = build_ports(Settings.load(), NoQueue())
    go, lost = threading.Event(), []

    def call() -> None:
        go.wait()
        try:
            ports.gateway.call(account_id, "list_calendars")
        except Exception as error:
            lost.append(f"{type(error).__name__}: {error}")

    threads = [threading.Thread(target=call) for _ in range(count)]
    for thread in threads:
        thread.start()
    print("ready", flush=True)
    sys.stdin.readline()
    go.set()
    for thread in threads:
        thread.join()
    print(json.dumps(lost), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
