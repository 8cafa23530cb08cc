"""`python -m proofs.election`: three replicas in trouble at random for minutes, and never two that write."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from proofs import election_judge as judge
from proofs.electing import Trial, at_random, trial, until_led
from proofs.election_judge import IN_FLIGHT, Fault, Handover
from proofs.page import DOCS, head, table

WHAT = """\
Three daemons with `election: enabled` beside one target. At random one, at times two of them are killed, frozen
for longer than the lease, or cut off from PostgreSQL (silently, or refused), and come back. Everything below is
counted from what others have written down: the requests by the target's own record, the passings of the lease and
every row that a replica wrote by triggers in the database, in the very transactions."""
WARM_UP_PATH = "/synthetic-prober-none/"


@dataclass(frozen=True)
class Verdict:
    """What was seen, and everything that must not have been (`wrong`, in sentences)."""

    requests: int
    rows: int
    passings: int
    samples: int
    excused: int
    handovers: Sequence[Handover]
    faults: Sequence[Fault]
    wrong: Sequence[str]


async def verdict(found: Trial) -> Verdict:
    """Hold the records against what an election promises."""
    passings, rows = await found.passings(), await found.rows_written()
    requests, others = await found.requests()
    wrong = []
    late = judge.late(requests, passings)
    excuses = [judge.excused(request, found.faults, passings) for request in late]
    for request, excuse in zip(late, excuses, strict=True):
        if excuse is None:
            wrong.append(f"written when the lease had passed to another: {request}")
    for fault, count in Counter(excuse for excuse in excuses if excuse is not None).items():
        if count > IN_FLIGHT:
            wrong.append(f"{count} late requests after one freeze, of at most {IN_FLIGHT} in flight: {fault}")
    wrong += [f"a number that it did not hold: {each}" for each in judge.strangers(requests, passings)]
    wrong += [f"a row of another than the holder: {each}" for each in judge.foreign(rows)]
    wrong += [f"told, though nothing was planted: {each}" for each in found.told()]
    wrong += [f"two led at one time: {pair}" for pair in judge.both_lead(found.samples, passings)]
    names = [replica.name for replica in found.replicas]
    handovers = judge.handovers(found.faults, passings, requests, names, found.term)
    for each in handovers:
        if each.taken is None or each.taken > 2 * found.term:
            wrong.append(f"nobody took the lease within two terms: {each}")
    for entry in others:
        refused = (
            entry["path"].endswith("/webhook") and entry["status"] in (200, None) and entry["method"] == "POST"
        )
        accepts = entry["path"].endswith("/accept") and WARM_UP_PATH not in entry["path"]
        if refused or accepts:
            wrong.append(f"a write without a number: {entry}")
    return Verdict(
        requests=len(requests),
        rows=len(rows),
        passings=len(passings),
        samples=len(found.samples),
        excused=len(late),
        handovers=handovers,
        faults=found.faults,
        wrong=wrong,
    )


def page(proved: Verdict, term: float, seconds: float, seed: int) -> str:
    """docs/election.md."""
    sure = [h for h in proved.handovers if h.taken is not None]
    kinds = Counter(f"{fault.kind}{', the writer' if fault.led else ''}" for fault in proved.faults)
    rows = [
        ("requests that carried a fencing number", proved.requests),
        (
            "… begun when the lease had passed to another",
            len([w for w in proved.wrong if w.startswith("written")]),
        ),
        (f"… past their check when a freeze struck, and late (allowed: {IN_FLIGHT} a freeze)", proved.excused),
        ("rows written in the database", proved.rows),
        ("… by another than the holder of the lease", len([w for w in proved.wrong if w.startswith("a row")])),
        ("times the lease changed hands or was taken afresh", proved.passings),
        ("times `prober_leader` was asked for", proved.samples),
        ("… two replicas at 1 at one time", len([w for w in proved.wrong if w.startswith("two led")])),
        ("violations told, though none was planted", len([w for w in proved.wrong if w.startswith("told")])),
        ("losses of the writer while another replica was well for two leases", len(sure)),
        ("… from the loss until the lease was taken, longest", f"{max(h.taken or 0 for h in sure):.1f} s"),
        ("… until the first write, longest", f"{max(h.wrote or 0 for h in sure):.1f} s"),
        ("everything that must not be", f"**{len(proved.wrong)}**"),
    ]
    return "\n\n".join(
        [
            head("Election", "make election", WHAT).rstrip(),
            f"Lease {term:g} s, {seconds:.0f} s long, seed {seed}. Two leases are {2 * term:g} s.",
            table(["seen", "how many"], rows),
            "## What was done",
            table(["trouble", "times"], kinds.most_common()),
            *(f"- {sentence}" for sentence in proved.wrong),
        ]
    )


async def run(seconds: float, term: float, seed: int) -> Verdict:
    """One long trial."""
    async with trial(term) as found:
        await until_led(found)
        await at_random(found, seconds, seed)
        await asyncio.sleep(2 * term)
        return await verdict(found)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--lease", type=float, default=3.0, help="seconds")
    parser.add_argument("--seed", type=int, default=None)
    given = parser.parse_args()
    chosen = secrets.randbits(32) if given.seed is None else given.seed
    print(f"seed {chosen}", file=sys.stderr)
    told = asyncio.run(run(given.seconds, given.lease, chosen))
    (DOCS / "election.md").write_text(page(told, given.lease, given.seconds, chosen) + "\n", encoding="utf-8")
    for sentence in told.wrong:
        print(sentence, file=sys.stderr)
    sys.exit(1 if told.wrong else 0)
