"""The log: structured lines on stderr, JSON where a machine reads them and plain where a person does."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, MutableMapping
from typing import Any

import structlog

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def is_console(form: str) -> bool:
    """Whether the log is for a person: asked for, or `auto` on a terminal."""
    return form == "console" or (form == "auto" and sys.stderr.isatty())


def configure_log(level: str, form: str, redact: Callable[[str], str]) -> None:
    """Set the log up, or another level of it after a reload.

    `form` is auto, json or console; every text goes through `redact`.
    """
    console = is_console(form)
    renderer: Any = structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer()

    def without_secrets(_logger: Any, _name: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        for key, value in line.items():
            if isinstance(value, str):
                line[key] = redact(value)
        return line

    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            without_secrets,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        # A cached logger would keep the level that it was made with.
        cache_logger_on_first_use=False,
    )
    # Libraries that log by the standard way say their warnings in the same form.
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")
