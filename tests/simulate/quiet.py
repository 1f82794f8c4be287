"""Keeps the hub's log out of a simulation, whose story is its trace."""

from __future__ import annotations

import logging

import structlog


def hush() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL), cache_logger_on_first_use=False)
