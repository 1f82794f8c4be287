"""The web process: gunicorn with threads, set up from the hub's settings alone."""

from __future__ import annotations

from typing import Any

from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]
from gunicorn.glogging import Logger  # type: ignore[import-untyped]

from hub import log
from hub.settings import Settings


class WebLogger(Logger):  # type: ignore[misc]
    """Lets gunicorn's messages through the hub's own log."""

    def setup(self, cfg: Any) -> None:
        self.cfg = cfg
        self._access_log_enabled = False
        self.loglevel: int = self.LOG_LEVELS[cfg.loglevel]
        self.error_log.handlers.clear()
        self.error_log.propagate = True


class WebServer(BaseApplication):  # type: ignore[misc]
    """Serves `hub.app:create_app` on HUB_HOST:HUB_PORT."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        super().__init__()

    def load_config(self) -> None:
        settings = self.settings
        for name, value in {
            "bind": f"[{settings.host}]:{settings.port}"
            if ":" in settings.host
            else f"{settings.host}:{settings.port}",
            "workers": settings.web_workers,
            "worker_class": "gthread",
            "threads": settings.web_threads,
            # A page that streams changes holds its thread: it is let go when the server ends.
            "graceful_timeout": 3,
            "keepalive": 15,
            "timeout": 60,
            "control_socket_disable": True,
            "logger_class": WebLogger,
            "loglevel": settings.log_level.lower(),
            "proc_name": "hub web",
        }.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        from hub.app import create_app

        return create_app(self.settings)


def serve(settings: Settings) -> None:
    """Run the web server in the foreground."""
    log.configure(settings.log_level, settings.log_format)
    # Imported before gunicorn forks, so that each web worker starts with the modules at hand.
    import hub.app  # noqa: F401
    from hub.processes.watch import warn_of_eviction

    if settings.redis_url:
        warn_of_eviction(settings.redis_url)
    WebServer(settings).run()
