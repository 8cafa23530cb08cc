"""The prober process: its signals, its web process and its journal around the daemon."""

from __future__ import annotations

import asyncio
import signal
from functools import partial
from pathlib import Path

import structlog

from prober import __version__
from prober.clock import now
from prober.daemon.daemon import Daemon
from prober.daemon.derived import keep_of
from prober.daemon.ending import Ending, Stop
from prober.daemon.masked import MaskedSink
from prober.daemon.outlet import tell_journal_news
from prober.daemon.permission import Paused, paused_by
from prober.daemon.reload import Reloader
from prober.daemon.settings import Settings
from prober.log import is_console
from prober.publish.frames import LogFormat
from prober.publish.journal.journal import Journal
from prober.publish.link import Link, WebProcessError

log = structlog.get_logger()


async def run_daemon(settings: Settings, reloader: Reloader, config_file: Path) -> Ending:
    """Run until SIGTERM or SIGINT, or until the web process is gone. SIGHUP reloads, SIGUSR1 and 2 pause."""
    config, redact = settings.config, settings.redact
    stop, paused = Stop(), paused_by(config, now())
    _listen_for_signals(stop, paused, reloader)
    try:
        link = await Link.start(
            config.listen.host,
            config.listen.port,
            on_exit=stop.web_process_ended,
            on_reload=reloader.asked,
            web=settings.web,
            data_dir=config.data_dir.absolute(),
            log_format=LogFormat.CONSOLE if is_console(config.log.format) else LogFormat.JSON,
        )
    except WebProcessError as error:
        log.error("cannot serve", detail=str(error))
        return Ending.COULD_NOT_RUN
    reloader.serve = link.reconfigure
    journal = Journal(
        config.data_dir, report=partial(tell_journal_news, link), redact=redact, keep=keep_of(config)
    )
    try:
        async with journal:
            log.info("prober runs", instance=config.instance, listen=link.ready.url, version=__version__)
            daemon = Daemon(
                config,
                settings.contract,
                journal,
                MaskedSink(link, redact),
                stop,
                paused,
                reloader,
                redact,
                config_file,
            )
            return await daemon.run()
    finally:
        await link.close()


def _listen_for_signals(stop: Stop, paused: Paused, reloader: Reloader) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.asked_to)
    loop.add_signal_handler(signal.SIGHUP, reloader.signalled)
    loop.add_signal_handler(signal.SIGUSR1, lambda: paused.begin(now(), "signal SIGUSR1"))
    loop.add_signal_handler(signal.SIGUSR2, paused.end)
