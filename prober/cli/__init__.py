"""The command line: one module a command; this one knows what there is and how it ends.

Exit codes (SPEC 3): 0 fine, 1 a critical breaking point or a violation, 2 bad usage or config, 3 could not run.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from prober import __version__
from prober.cli import exits
from prober.cli.suite_options import add_suite_options, per_second


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    parser = build_parser()
    given = parser.parse_args(arguments)
    try:
        return int(given.command(given))
    except BrokenPipeError:
        # The reader (`head`, `less`) has seen enough; nothing is wrong.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exits.FINE
    except KeyboardInterrupt:
        return exits.INTERRUPTED


def build_parser() -> argparse.ArgumentParser:
    """Every command with its options. Modules are imported by the commands themselves, so that help is quick."""
    parser = argparse.ArgumentParser(
        prog="prober",
        description="Watches a WhatsApp Ordering System: one effect, one winner, and how long it was away.",
        epilog="Exit codes: 0 fine, 1 violation or critical, 2 bad usage or config, 3 could not run.",
    )
    parser.add_argument("--version", action="version", version=f"prober {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--config", type=Path, default=Path("config.yaml"), help="the config file (default: ./config.yaml)"
    )

    command = commands.add_parser("run", parents=[common], help="the daemon")
    command.set_defaults(command=_run)

    command = commands.add_parser("check", parents=[common], help="every probe once, with a verdict for each")
    command.add_argument("--json", action="store_true", help="machine-readable output")
    command.set_defaults(command=_check)

    command = commands.add_parser(
        "status", parents=[common], help="what a running prober knows; sends nothing to the target"
    )
    command.add_argument("--url", help="where it answers (default: the `listen` of the config)")
    command.add_argument("--json", action="store_true", help="machine-readable output")
    command.add_argument("--user", metavar="NAME", help="with the password in PROBER_STATUS_PASSWORD")
    command.add_argument("--ca-file", type=Path, metavar="PEM", help="the authority of its certificate")
    command.set_defaults(command=_status)

    command = commands.add_parser(
        "evidence", parents=[common], help="one race, webhook, outage or violation as text for a ticket"
    )
    command.add_argument("id", metavar="ID", help="of a violation, a run, a routing, a message or an outage")
    command.add_argument("--json", action="store_true", help="as it is stored")
    command.set_defaults(command=_evidence)

    command = commands.add_parser(
        "ack", parents=[common], help="a violation is known: shown, not paging, until that expires"
    )
    command.add_argument("what", metavar="ID|KIND", help="one violation, or all of a kind")
    command.add_argument(
        "--for", dest="seconds", type=_ack_duration, default="30d", metavar="30d", help="1s to 365d"
    )
    command.add_argument("--reason", required=True, metavar="TEXT", help="why this need not wake anybody")
    command.set_defaults(command=_ack)

    command = commands.add_parser("drill", help="break Redis or PostgreSQL on purpose, under traffic, and undo it")
    services = command.add_subparsers(dest="service", metavar="redis|db", required=True)
    for service, help_text in (
        ("redis", "connection, timeout, slow, crash, recovery"),
        ("db", "graceful, crash, pool, slow, cascade"),
    ):
        action = services.add_parser(service, parents=[common], help=help_text)
        action.add_argument("scenario", metavar="SCENARIO", help=help_text)
        action.add_argument(
            "--duration", type=_duration, metavar="60s", help="of the whole; phases keep their shares"
        )
        action.add_argument("--rate", type=per_second, metavar="2.5", help="messages a second, or as 150/1m")
        add_suite_options(action)
        action.set_defaults(command=_drill)

    command = commands.add_parser("report", help="render results of suites again, or compare two of one suite")
    command.add_argument("files", metavar="FILE", nargs="+", type=Path, help="what load, race or drill wrote")
    form = command.add_mutually_exclusive_group()
    form.add_argument("--markdown", action="store_true", help="for a ticket, or the summary of a CI run")
    form.add_argument("--json", action="store_true", help="machine-readable output")
    command.add_argument("--html", type=Path, metavar="FILE", help="write one self-contained page as well")
    command.set_defaults(command=_report)

    command = commands.add_parser(
        "doctor",
        parents=[common],
        help="walk the contract with the target, and say what mends what fails",
    )
    command.add_argument("--json", action="store_true", help="machine-readable output")
    command.add_argument(
        "--setup", action="store_true", help="show what is missing of our schema and the synthetic fixtures"
    )
    command.add_argument("--yes", action="store_true", help="with --setup: make it without asking")
    command.set_defaults(command=_doctor)

    command = commands.add_parser(
        "cleanup", parents=[common], help="remove synthetic rows and keys of dead runs, and tell how many"
    )
    command.add_argument("--dry-run", action="store_true", help="only tell what would be removed")
    command.add_argument("--fixtures", action="store_true", help="the synthetic retailer and vendors as well")
    command.add_argument("--json", action="store_true", help="machine-readable output")
    command.set_defaults(command=_cleanup)

    command = commands.add_parser(
        "race", parents=[common], help="the vendor race suite: the probe's race, many times, judged"
    )
    _add_race(command)

    command = commands.add_parser(
        "load", parents=[common], help="the load suite: many messages at once; never in production"
    )
    _add_load(command)
    command.set_defaults(command=_load)

    command = commands.add_parser("demo", help="a whole stack of its own, and the daemon watching it")
    command.add_argument("--duration", type=_duration, metavar="60s", help="end after this long (default: Ctrl-C)")
    command.add_argument("--listen", metavar="HOST:PORT", help="where the daemon listens (default: a free port)")
    command.add_argument(
        "--break", dest="faults", action="append", default=[], metavar="FAULT", help="plant a fault; repeatable"
    )
    command.add_argument(
        "--data-dir", type=Path, metavar="DIR", help="where everything of it lives (default: a new one)"
    )
    command.add_argument(
        "--contract",
        default="whatsapp-ordering-system",
        metavar="NAME",
        help="which form the target has: whatsapp-ordering-system (default) or guide",
    )
    command.add_argument("--no-prometheus", action="store_true", help="do not start Prometheus")
    command.add_argument(
        "--rate-limit",
        metavar="1000000/1m",
        help="the target's own limit for each client (default: 200/1m, as deployed), so that it can be loaded",
    )
    command.set_defaults(command=_demo)

    command = commands.add_parser("pause", parents=[common], help="stop all writes to the target for a while")
    command.add_argument(
        "--for", dest="seconds", type=_duration, required=True, metavar="1h", help="how long, from 1s to 30d"
    )
    command.add_argument("--reason", required=True, metavar="TEXT", help="for those who look later")
    command.set_defaults(command=_pause)

    command = commands.add_parser("resume", parents=[common], help="end a pause before its time")
    command.set_defaults(command=_resume)

    command = commands.add_parser("config", help="check or show the config")
    actions = command.add_subparsers(metavar="check|show", required=True)
    action = actions.add_parser("check", parents=[common], help="validate the config and its contract")
    action.set_defaults(command=_config_check)
    action = actions.add_parser("show", parents=[common], help="the effective config, secrets masked")
    action.set_defaults(command=_config_show)

    command = commands.add_parser("metrics", help="list every metric")
    command.add_argument("--markdown", action="store_true", help="as the page docs/metrics.md")
    command.set_defaults(command=_metrics)
    return parser


def _add_race(command: argparse.ArgumentParser) -> None:
    from prober.cli.suite_options import add_suite_options
    from prober.suites.scenarios import RACE

    command.add_argument("scenario", choices=tuple(RACE), help="how many vendors race how often")
    command.add_argument("--races", type=int, metavar="N", help="another number of races")
    add_suite_options(command)
    command.set_defaults(command=_race)


def _add_load(command: argparse.ArgumentParser) -> None:
    from prober.cli.suite_options import add_suite_options, per_second, processes

    command.add_argument(
        "scenario",
        choices=("light", "moderate", "heavy", "stress"),
        metavar="SCENARIO",
        help="light (10 connections), moderate (50), heavy (200) or stress (500)",
    )
    command.add_argument("--duration", type=_duration, metavar="30s", help="how long (default: the scenario's)")
    command.add_argument("--rate", type=per_second, metavar="N", help="open loop: messages a second, such as 200")
    command.add_argument("--processes", type=processes, metavar="N", help="generators (default: by the cores)")
    command.add_argument(
        "--from-locust", type=Path, metavar="FILE", help="judge what the shipped locustfile has sent instead"
    )
    add_suite_options(command)


def _duration(text: str) -> float:
    from prober.config.units import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _ack_duration(text: str) -> float:
    seconds = _duration(text)
    if not 1 <= seconds <= 365 * 86_400:
        raise argparse.ArgumentTypeError("expected a duration from 1s to 365d")
    return seconds


def _run(given: argparse.Namespace) -> int:
    from prober.cli.run import run

    return run(given.config)


def _check(given: argparse.Namespace) -> int:
    from prober.cli.check import check

    return check(given.config, as_json=given.json)


def _status(given: argparse.Namespace) -> int:
    from prober.cli.status import status

    return status(given.config, url=given.url, user=given.user, ca_file=given.ca_file, as_json=given.json)


def _evidence(given: argparse.Namespace) -> int:
    from prober.cli.evidence import show

    return show(given.config, given.id, as_json=given.json)


def _ack(given: argparse.Namespace) -> int:
    from prober.cli.ack import acknowledge

    return acknowledge(given.config, given.what, seconds=given.seconds, reason=given.reason)


def _drill(given: argparse.Namespace) -> int:
    from prober.cli.drill import drill

    return drill(given)


def _report(given: argparse.Namespace) -> int:
    from prober.cli.report import report

    return report(given.files, as_markdown=given.markdown, as_json=given.json, html=given.html)


def _doctor(given: argparse.Namespace) -> int:
    if given.setup:
        from prober.cli.setup import set_up_target

        return set_up_target(given.config, as_json=given.json, agreed=given.yes)
    if given.yes:
        print("prober doctor: --yes goes with --setup", file=sys.stderr)
        return exits.BAD_USAGE
    from prober.cli.doctor import examine_target

    return examine_target(given.config, as_json=given.json)


def _cleanup(given: argparse.Namespace) -> int:
    from prober.cli.cleanup import clean

    return clean(given.config, dry_run=given.dry_run, fixtures=given.fixtures, as_json=given.json)


def _race(given: argparse.Namespace) -> int:
    from prober.cli.race import race

    return race(given)


def _load(given: argparse.Namespace) -> int:
    from prober.cli.load import run_load

    return run_load(given)


def _demo(given: argparse.Namespace) -> int:
    from prober.cli.demo import demo

    return demo(given)


def _pause(given: argparse.Namespace) -> int:
    from prober.cli.pause import pause

    return pause(given.config, given.seconds, given.reason)


def _resume(given: argparse.Namespace) -> int:
    from prober.cli.pause import resume

    return resume(given.config)


def _config_check(given: argparse.Namespace) -> int:
    from prober.cli.config import check_config

    return check_config(given.config)


def _config_show(given: argparse.Namespace) -> int:
    from prober.cli.config import show_config

    return show_config(given.config)


def _metrics(given: argparse.Namespace) -> int:
    from prober.cli.metrics import list_metrics

    return list_metrics(markdown=given.markdown)
