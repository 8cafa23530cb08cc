"""`python -m proofs.suites`: the eighteen scenarios at their documented sizes, beside the target's own record.

Each runs as a user runs it, `prober load|race|drill …`, on one demo stack without a daemon, so that the record is
of the suite alone. Writes docs/suites.md and a report of each scenario under docs/suites/.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from prober.demo.process import Owner
from prober.demo.stack import FROM_NUMBER, Stack
from prober.demo.target.control_client import ControlClient
from prober.demo.target.decision import Verdict as Decided
from prober.demo.target.record import Kind
from prober.guide.saying import say
from prober.outcome import Claim
from prober.suites.report.markdown import markdown
from prober.suites.results import Results, read
from prober.suites.results_drill import DrillDetail
from prober.suites.results_load import LoadDetail
from prober.suites.results_race import RaceDetail
from prober.suites.scenarios import LOAD, RACE
from proofs.drills import AGREEMENT, DRILLS, SIGNALS, Ended, Seen, end_in_the_middle, run_drill
from proofs.page import DOCS, head, table
from tests.system.commanding import prober

WHAT = """\
All eighteen scenarios of the guide's four suites, each run as a command on the demo's servers, and each count held
against what the target wrote down itself. Figures are of one small machine on which target, database, Redis and
the suite share the cores: what matters here is that they are true, not that they are good."""
# Enough that the target itself never limits: the demo's own limit is what `rate_limited` is for.
TARGET_SETTINGS = {"rate_limit": {"requests": 10_000_000}}
TARGET_CONFIG = {"rate_limit": "10000000/1m"}
PROBES = {"webhook": {"timeout": "5s", "processing_deadline": "10s", "from_number": FROM_NUMBER}}
# Where the stack of this run lived says nothing to a reader.
_DIRECTORY = re.compile(r"/\S*?/prober-[0-9a-f]{12}")
# The drill that is ended in the middle need not be long.
SHORT = ("--duration", "8s", "--rate", "4")


@dataclass(frozen=True)
class Counted:
    """One scenario: its results, and by name what it counted beside what the target did."""

    command: str
    code: int
    results: Results
    counts: dict[str, tuple[int, int]]

    @property
    def agrees(self) -> bool:
        """Whether every count is within a hundredth of the target's, or one off."""
        return all(abs(ours - theirs) <= max(1, AGREEMENT * theirs) for ours, theirs in self.counts.values())


async def run_load(stack: Stack, control: ControlClient, scenario: str, folder: Path, *options: str) -> Counted:
    """One load scenario."""
    await control.reset_record()
    code, results = await _run(stack, folder, "load", scenario, *options)
    detail = results.detail
    assert isinstance(detail, LoadDetail)
    record = await control.summary()
    effects = detail.effects
    assert effects is not None, "the effects could not be asked"
    processed = record[Kind.PROCESSED] + (await _only_found(control) if record[Kind.FOUND] else 0)
    return Counted(
        f"prober load {scenario}",
        code,
        results,
        {
            "received": (detail.requests.sent + detail.warm_up_sent, record[Kind.REQUEST]),
            "accepted": (effects.accepted, record[Kind.ACCEPTED]),
            "processed": (effects.effective, processed),
            "lost": (effects.lost, record[Kind.ACCEPTED] - processed),
        },
    )


async def _only_found(control: ControlClient) -> int:
    """How many messages the target committed without hearing so, and a second try found done."""
    processed, found = [
        {entry["sid"] for entry in await control.record(kind)} for kind in (Kind.PROCESSED, Kind.FOUND)
    ]
    return len(found - processed)


async def run_race(stack: Stack, control: ControlClient, scenario: str, folder: Path, *options: str) -> Counted:
    """One race scenario."""
    await control.reset_record()
    code, results = await _run(stack, folder, "race", scenario, *options)
    detail = results.detail
    assert isinstance(detail, RaceDetail)
    answers = [answer for race in detail.races for answer in race.answers]
    decisions = [entry for entry in await control.record(Kind.DECISION) if not entry["routing"].endswith("-none")]
    return Counted(
        f"prober race {scenario}",
        code,
        results,
        {
            "accepts": (sum(answer.claim is not Claim.NO_ANSWER for answer in answers), len(decisions)),
            "won": (
                sum(answer.claim is Claim.WON for answer in answers),
                sum(entry["verdict"] == Decided.LOCKED for entry in decisions),
            ),
        },
    )


def counted(seen: Seen) -> Counted:
    """One drill in the same form."""
    detail, record = seen.results.detail, seen.recorded
    assert isinstance(detail, DrillDetail)
    assert detail.followed is not None, "nothing was followed to its end"
    taken = record.accepted | record.lost
    return Counted(
        f"prober drill {' '.join(seen.words)}",
        seen.code,
        seen.results,
        {
            "received": (sum(each.sent for each in detail.phases), len(record.received)),
            "accepted": (detail.followed.accepted, len(taken)),
            "lost": (detail.followed.lost, len(taken - record.processed)),
        },
    )


async def _run(stack: Stack, folder: Path, command: str, scenario: str, *options: str) -> tuple[int, Results]:
    file = folder / f"{command}-{scenario}.json"
    said = await prober(stack.config_file, command, scenario, "--output", str(file), *options)
    if not file.exists():
        raise AssertionError(f"prober {command} {scenario} wrote no results:\n{said.err}")
    return said.code, read(file)


async def all_suites(options: Sequence[str]) -> tuple[list[Counted], list[Ended]]:
    """Everything, one after the other."""
    found: list[Counted] = []
    async with Owner() as owner:
        stack = Stack(
            owner=owner,
            directory=owner.directory,
            probes=PROBES,
            target_settings=TARGET_SETTINGS,
            target_config=TARGET_CONFIG,
            drillable=True,
        )
        await stack.start_services()
        folder = owner.directory / "results"
        folder.mkdir()
        async with ControlClient(stack.target.control_url) as control:
            found += [_told(await run_load(stack, control, each, folder, *options)) for each in LOAD]
            found += [_told(await run_race(stack, control, each, folder, *options)) for each in RACE]
            await control.reset_record()
            found += [_told(counted(await run_drill(stack, words, *options))) for words in DRILLS]
        ended = []
        for words in DRILLS:
            for how in SIGNALS:
                ended.append(await end_in_the_middle(stack, words, how, *SHORT))
                print(f"{' '.join(words)}, {how.name}: restored {ended[-1].restored}", file=sys.stderr, flush=True)
        await stack.stop_drills()
    return found, ended


def _told(counted: Counted) -> Counted:
    verdict = counted.results.judgement.verdict
    took = counted.results.duration_seconds
    said = f"{counted.command}: exit {counted.code}, {verdict}, {counted.counts}, {took:.0f} s"
    print(said, file=sys.stderr, flush=True)
    return counted


def _figures(results: Results) -> str:
    points = results.judgement.breaking_points
    return ", ".join(f"{point.name} {say(point.measure, point.value)}" for point in points)


def page(found: Sequence[Counted], ended: Sequence[Ended], command: str, minutes: float) -> str:
    """docs/suites.md."""
    rows = [
        (
            f"[`{each.command}`](suites/{_name(each)}.md)",
            f"{each.results.duration_seconds:.0f} s",
            each.results.judgement.verdict or "no verdict",
            each.code,
            _figures(each.results),
            ", ".join(f"{name} {ours} / {theirs}" for name, (ours, theirs) in each.counts.items()),
            "yes" if each.agrees else "**no**",
        )
        for each in found
    ]
    endings = [
        (
            f"`prober drill {' '.join(words)}`",
            *(
                "restored, said" if one.restored and one.said else f"**restored {one.restored}, said {one.said}**"
                for how in SIGNALS
                for one in ended
                if (one.words, one.how) == (words, how)
            ),
        )
        for words in DRILLS
    ]
    return (
        head("The suites", command, WHAT)
        + f"\n{minutes:.0f} minutes. *Counts*: what the suite says / what the target's own record says; they "
        "agree when no count differs by more than a hundredth (or by one).\n\n"
        + table(["command", "took", "verdict", "exit", "figures", "counts", "agree"], rows)
        + "\n\n## Ended in the middle\n\nEach drill ended while its fault was in force: whether servers, proxies, "
        "locks and the ledger were as before afterwards, asked of themselves, and whether the output said so.\n\n"
        + table(["drill", *(how.name for how in SIGNALS)], endings)
        + "\n"
    )


def _name(counted: Counted) -> str:
    return "-".join(counted.command.split()[1:])


def main() -> int:
    """Run it, write the pages, and return 1 where a count disagrees or something was not restored."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", default=None, help="shorten every scenario, such as 0.05")
    given = parser.parse_args()
    options = [] if given.scale is None else ["--scale", given.scale]
    began = time.monotonic()
    found, ended = asyncio.run(all_suites(options))
    command = " ".join(["python -m proofs.suites", *options])
    folder = DOCS / "suites"
    folder.mkdir(exist_ok=True)
    for each in found:
        (folder / f"{_name(each)}.md").write_text(_DIRECTORY.sub("DIR", markdown(each.results)), encoding="utf-8")
    (DOCS / "suites.md").write_text(page(found, ended, command, (time.monotonic() - began) / 60), encoding="utf-8")
    wrong = [each.command for each in found if not each.agrees]
    wrong += [f"{' '.join(one.words)} after {one.how.name}" for one in ended if not (one.restored and one.said)]
    for one_of_them in wrong:
        print(f"not as it should be: {one_of_them}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
