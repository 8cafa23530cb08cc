"""Every expression of every dashboard answers with series, on a real Prometheus that saw incidents."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from prober.dashboards.declarations import DASHBOARDS
from prober.demo import prometheus
from prober.demo.process import Owner
from prober.demo.target.control_client import ControlClient
from prober.suites.presence import FOLDER
from prober.suites.results import write
from proofs.asking import Window, ask_all, ask_marks, complaints
from proofs.dashboards import SCRAPE, scraping
from proofs.dashboards_page import page
from proofs.planting import RACE, maintained, outages, paused, plantable_stack, suites, violations
from tests.suites.report import samples
from tests.system.watching import Watched, until

pytestmark = pytest.mark.skipif(
    not prometheus.installed() and "CI" not in os.environ, reason="needs Prometheus: apt-get install prometheus"
)


async def test_every_expression_answers_with_series_during_incidents(owner: Owner, tmp_path: Path) -> None:
    stack = plantable_stack(owner)
    await stack.start_services()
    start = time.time()
    server = await maintained(stack, scraping)
    watched = Watched(stack)
    await watched.clean_again()
    async with ControlClient(stack.target.control_url) as control:
        await violations(watched, control, server)
    await outages(watched, server)
    await paused(watched, server)
    # One suite is really run; the results of the others are handed to the daemon as a suite does it.
    await suites(watched, RACE)
    for number, results in enumerate(samples.every_kind().values()):
        one = results.model_copy(update={"run_id": f"20260102-030405-{number:04x}"})
        write(one, stack.data_dir / FOLDER / f"{one.run_id}.json")

    async def shown() -> bool:
        return len({one.suite for one in watched.reader.suites()}) == 4

    await until("the results of all four suites", shown)
    await server.wait_for('count(count by (suite) (prober_suite_last_verdict{job="prober"})) == 4')
    window = Window.since(start, scrape=SCRAPE)
    answers = {each.place: await ask_all(server, each, window) for each in DASHBOARDS}
    marks = await ask_marks(server, window)
    assert complaints([*(one for of_one in answers.values() for one in of_one), *marks]) == []
    text = page(answers, marks, window)
    (tmp_path / "dashboards.md").write_text(text, encoding="utf-8")
    for dashboard in DASHBOARDS:
        for panel in dashboard.panels:
            assert f"### {panel.title}\n" in text
            assert panel.question in text
