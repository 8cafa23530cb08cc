"""The log of the web process on stderr: a line only for what somebody should look at."""

from __future__ import annotations

import logging
import sys

import structlog

from prober.publish.frames import LogFormat

log = structlog.get_logger(process="web")


def configure_log(wanted: LogFormat) -> None:
    """Send our lines, and warnings of libraries, to stderr in the wanted form."""
    processors: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if wanted is LogFormat.JSON:
        processors += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    else:
        processors.append(
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            )
        )
    structlog.configure(processors=processors, logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    logging.basicConfig(level=logging.WARNING, handlers=[_ToStructlog()], force=True)


class _ToStructlog(logging.Handler):
    """Hands the records of libraries on, so that there is one form of log line."""

    def emit(self, record: logging.LogRecord) -> None:
        method = log.error if record.levelno >= logging.ERROR else log.warning
        method(record.getMessage(), logger=record.name, exc_info=record.exc_info or None)
