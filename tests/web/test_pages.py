"""The pages as functions of what is known: right in words, whole as HTML, and a stranger's text stays text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prober.event import (
    Event,
    Leading,
    ProbeSkipped,
    StandingViolation,
    ViolationFound,
    ViolationsStand,
    WritesRestricted,
)
from prober.outcome import (
    Claim,
    Ordering,
    OutageState,
    Outcome,
    ProbeName,
    RaceOutcome,
    SkipReason,
    Standing,
    Violation,
)
from prober.publish.evidence import Evidence
from prober.publish.journal.encoding import plain
from prober.publish.journal.stored import StoredOutage, StoredRace, StoredSuite, StoredViolation
from prober.publish.printable import utc
from prober.result import RaceHistory, RaceResult, RaceRows
from prober.suites.report.markup import Markup
from prober.web.api import status_document
from prober.web.assets import ASSETS, CONTENT_SECURITY_POLICY, badge, icon
from prober.web.board import Board
from prober.web.day import Day
from prober.web.incidents import Incident
from prober.web.pages.layout import Frame, document
from prober.web.pages.now import figures_section, lasted, open_section, services_section, verdict_section
from prober.web.pages.one import accepts, incident_content, race_content
from prober.web.pages.past import day_section, incidents_table, races_table, suites_table
from tests.web.event_samples import WALL, answer, at, changed, outage, race, ran, redis, started, webhook
from tests.web.random_events import events

EVIL = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'&\x1b[2J\u202e"
ONLY_REDIS = started(probes={ProbeName.REDIS: 1.0}, at=at(98.0))
VOID = {"meta", "link", "br", "img"}


class Read(HTMLParser):
    """What a browser would make of it: every element is closed, ids are unique, nothing is inline."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.ids: list[str] = []
        self.tags: set[str] = set()
        self.words: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []
        assert len(self.ids) == len(set(self.ids))
        assert "img" not in self.tags
        assert "style" not in self.tags

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        assert not [name for name in given if name.startswith("on") or name == "style"]
        assert tag != "script" or (given.get("src") or "").startswith("/static/")
        self.tags.add(tag)
        self.ids += [given["id"] or ""] if "id" in given else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def known(*happened: Event, now: float = 105.0) -> tuple[Mapping[str, Any], Day]:
    board, day = Board(), Day()
    for event in happened:
        board.record(event)
        day.record(event)
    status = status_document(board, at(now), now)
    assert status is not None
    return status, day


def sections(*happened: Event, now: float = 102.0) -> dict[str, Read]:
    status, day = known(*happened, now=now)
    return {
        "verdict": Read(verdict_section(status)),
        "services": Read(services_section(status, day)),
        "open": Read(open_section(status)),
        "figures": Read(figures_section(status)),
        "day": Read(day_section(day, WALL + now, status["probes"])),
    }


@pytest.mark.parametrize(
    ("happened", "now", "said"),
    [
        ((), 102.0, "Redis not run yet"),
        ((ran(redis()),), 102.0, "Redis up no outage known 2 ms 1.99 ms 1.99 ms 1 s ago"),
        ((ran(redis()),), 111.0, "Redis not known"),
        ((ran(redis(outcome=Outcome.OOM, detail="no memory")),), 102.0, "Redis oom no memory"),
        (
            (ran(redis()), changed(OutageState.DOWN, outage(began=100.0))),
            *(105.0, "Redis down refused: nobody listens 5.0 s 2027-01-15 08:01:40.000 UTC"),
        ),
        (
            (
                changed(OutageState.DOWN, outage(began=100.0)),
                changed(OutageState.UP, outage(began=100.0, ended=101.0)),
                ran(redis()),
            ),
            *(105.0, "Redis up 4.0 s 2027-01-15 08:01:41.000 UTC 2 ms"),
        ),
    ],
)
def test_a_probe_says_what_is_known_now(happened: tuple[Event, ...], now: float, said: str) -> None:
    assert said in sections(ONLY_REDIS, *happened, now=now)["services"].text


def test_the_verdict_is_the_first_that_is_read() -> None:
    verdict = sections(ONLY_REDIS, ran(redis()), changed(OutageState.DOWN, outage(began=92.0)))["verdict"]
    assert verdict.text.startswith("Ordering is in trouble: redis down for 10.0 s test watches demo, up for 4.0 s")


def test_an_outage_that_lasts_survives_a_restart_on_the_page() -> None:
    kept = started(probes={ProbeName.REDIS: 1.0}, recent_outages=(outage(began=-60.0),))
    assert "redis is down under way 1 min 05 s" in sections(kept, now=5.0)["open"].text


def test_a_probe_that_may_not_run_says_why_and_one_that_fails_since_when() -> None:
    away = Leading(leading=False, at=at(99.0), holder="prober-b")
    left = ProbeSkipped(probe=ProbeName.RACE, reason=SkipReason.NOT_LEADER)
    only_race = started(probes={ProbeName.RACE: 1.0}, at=at(98.0))
    assert "Vendor races left to the writer never" in sections(only_race, away, left)["services"].text
    assert "Vendor races not run yet never" in sections(only_race, left)["services"].text
    held = WritesRestricted(at=at(1), paused=True, maintenance=False, sentence="paused until noon")
    paused = ProbeSkipped(probe=ProbeName.RACE, reason=SkipReason.PAUSED)
    ran_once = ran(race(), fresh_until=101.0)
    assert "Vendor races paused 500 ms" in sections(only_race, held, ran_once, paused)["services"].text
    bad = {"race_outcome": RaceOutcome.SETUP_FAILED, "outcome": Outcome.SETUP_FAILED, "detail": "no vendors"}
    twice = [ran(race(started=at(start), **bad)) for start in (90.0, 100.0)]
    said = sections(only_race, *twice, now=102.0)["services"].text
    assert f"Vendor races setup failed no vendors 12.0 s {utc(at(90.0).wall)}" in said


def test_what_holds_writes_back_and_who_writes() -> None:
    held = WritesRestricted(at=at(1), paused=True, maintenance=False, sentence="paused until noon (deploy)")
    assert "no writes paused until noon (deploy)" in sections(ONLY_REDIS, held)["verdict"].text
    assert "Maintenance, pause paused until noon (deploy)" in sections(ONLY_REDIS, held)["figures"].text
    alone = sections(ONLY_REDIS, Leading(leading=True, at=at(1.0)), now=1e9)
    assert "Who writes" not in alone["figures"].text
    begins = Leading(leading=False, at=at(1.0))
    seen = Leading(leading=False, at=at(2.0), holder="prober-b<")
    takes = Leading(leading=True, at=at(50.0), until=60.0, fence=7, sentence="took the lease under number 7")
    assert "only watches: no replica is known to write." in sections(ONLY_REDIS, begins)["verdict"].text
    elsewhere = sections(ONLY_REDIS, begins, seen)
    assert f"watching This replica only watches: prober-b< writes, as seen since {utc(at(2.0).wall)}." in (
        elsewhere["verdict"].text
    )
    ours = sections(ONLY_REDIS, begins, seen, takes, now=59.0)
    assert f"Who writes this replica, since {utc(at(50.0).wall)}, under number 7" in ours["figures"].text
    assert "watches:" not in ours["verdict"].text
    # Frozen since its last renewal, it must not pass for the one that writes.
    assert "no replica is known to write" in sections(ONLY_REDIS, begins, takes, now=68.0)["verdict"].text


def test_races_without_an_answer_are_wrong_now() -> None:
    only_race = started(probes={ProbeName.RACE: 1.0}, at=at(98.0))
    lost = ran(race(race_outcome=RaceOutcome.UNAVAILABLE, outcome=Outcome.NOT_KNOWN, detail="5 failed"))
    once = sections(only_race, lost)["open"].text
    assert f"no answer to a race 1 race 2.0 s {utc(at(100.0).wall)} 5 failed races" in once
    assert "no vendor can accept 3 races 2.0 s" in sections(only_race, lost, lost, lost)["open"].text
    assert sections(only_race, lost, ran(race()))["open"].text == ""


def test_violations_with_what_they_are_and_how_many() -> None:
    found = ViolationFound(id="split_order-1", kind=Violation.SPLIT_ORDER, at=at(7), sentence="two winners")
    one = StandingViolation(found=found, standing=Standing.KNOWN, until_wall=WALL + 900, reason="ticket 7")
    stand = ViolationsStand(at=at(8), open={}, known={Violation.SPLIT_ORDER: 3}, newest=(one,))
    text = sections(ONLY_REDIS, stand)["open"].text
    assert text.startswith("Known, and not paging What ")
    assert "split order (3) known 2027-01-15 08:00:07.000 UTC known until 2027-01-15 08:15:00.000 UTC" in text
    assert "two winners (ticket 7) evidence all 3" in text
    both = replace(stand, open={Violation.LOST_MESSAGE: 1})
    text = sections(ONLY_REDIS, both)["open"].text
    assert "What is wrong now" in text
    assert "lost message open all 1 split order (3) known" in text
    nothing = sections(ONLY_REDIS)["open"]
    assert (nothing.text, nothing.ids) == ("", ["open"])


def test_the_day_is_drawn_from_good_runs_and_outages() -> None:
    over = changed(OutageState.UP, outage(began=90.0, ended=91.5))
    status, day = known(ONLY_REDIS, ran(redis()), over)
    drawn = day_section(day, WALL + 105, status["probes"])
    assert drawn.count('class="fill won"') == 2 + 1  # two widths, and the key
    assert drawn.count('class="fill failed"') == 2 + 1
    assert "redis down since 2027-01-15 08:01:30.000 UTC, 1.500 s" in drawn
    assert "The last minute" in drawn
    day.add(ProbeName.REDIS, WALL - 290, 0.001)
    assert "The last 7 minutes" in day_section(day, WALL + 105, status["probes"])
    day.complete = True
    day.add(ProbeName.REDIS, WALL - 7200, 0.001)
    whole = day_section(day, WALL + 105, status["probes"])
    assert "The last 3 hours" in whole
    assert "The journal is still being read" not in whole


STORED = StoredRace(
    seq=1,
    id=EVIL,
    released_wall=WALL,
    outcome=EVIL,
    violation=True,
    sentence=EVIL,
    routing_id=EVIL,
    order_id=EVIL,
    race_duration=0.04,
)


def evidence_of(result: RaceResult) -> StoredRace:
    document = json.loads(json.dumps(plain(result)))
    return StoredRace(
        seq=1,
        id=result.run_id,
        released_wall=result.released.wall,
        outcome=str(result.race_outcome),
        violation=result.race_outcome.is_violation,
        sentence=result.sentence,
        routing_id=result.routing_id,
        order_id=result.order_id,
        race_duration=result.race_duration,
        evidence=document,
    )


def page(*content: Markup) -> Read:
    return Read(document(Frame("/", EVIL, Ordering.WRONG, live=True), EVIL, *content))


def test_a_race_is_told_by_its_timeline_its_rows_and_a_sentence() -> None:
    answers = (
        answer(vendor_id="v-1", claim=Claim.WON),
        answer(vendor_id="v-2"),
        answer(vendor_id="v-3", sent=None),
    )
    rows = RaceRows(locked_vendor="v-2", accepted_vendors=("v-2",))
    told = race(
        race_outcome=RaceOutcome.PHANTOM_WINNER,
        sentence="v-1 was told it won",
        history=RaceHistory(answers=answers, rows=rows),
        race_duration=0.041,
    )
    stored = evidence_of(told)
    read = page(*race_content(stored, Evidence(race=stored), WALL + 200))
    assert "Race phantom winner v-1 was told it won Released 2027-01-15 08:01:40.100 UTC Lasted 41 ms" in read.text
    assert "v-1 race 1 ms 41 ms 200 won LOST_RACE" in read.text
    assert "v-3 race never 41 ms" in read.text
    assert "after the race v-2 v-2" in read.text
    assert "svg" in read.tags
    assert "race run: phantom_winner" in read.text


def test_evidence_of_another_form_is_left_to_the_text() -> None:
    for document_ in ({}, {"history": 7}, {"history": {"answers": [{"vendor_id": 1}, 7], "rows": "none"}}):
        stored = StoredRace(**{**{n: getattr(STORED, n) for n in StoredRace.__slots__}, "evidence": document_})
        read = page(*race_content(stored, Evidence(race=stored), WALL))
        assert "Nothing was sent." in read.text
    assert list(accepts("nonsense")) == []


def test_what_a_target_says_stays_text_on_every_page() -> None:
    happened = (
        started(instance=EVIL, environment=EVIL, at=at(98.0)),
        ran(redis(outcome=Outcome.ERROR, detail=EVIL)),
        WritesRestricted(at=at(1), paused=True, maintenance=False, sentence=EVIL),
    )
    evil_answer = answer(vendor_id=EVIL, told=EVIL, trace_id=EVIL)
    told = evidence_of(
        race(
            sentence=EVIL,
            routing_id=EVIL,
            order_id=EVIL,
            history=RaceHistory(
                answers=(evil_answer,),
                rows=RaceRows(locked_vendor=EVIL, accepted_vendors=(EVIL,)),
                page_winner=EVIL,
            ),
        )
    )
    fallen = StoredOutage(
        seq=1,
        id=EVIL,
        probe=EVIL,
        began_wall=WALL,
        ended_wall=None,
        duration=None,
        uncertainty=None,
        cause=EVIL,
        detail=EVIL,
        failures=1,
    )
    found = StoredViolation(seq=1, id=EVIL, kind=EVIL, first_wall=WALL, last_wall=WALL, sentence=EVIL)
    suite = StoredSuite(
        seq=1,
        run_id=EVIL,
        suite=EVIL,
        scenario=EVIL,
        started_wall=WALL,
        ended_wall=WALL,
        duration=1.0,
        ending=EVIL,
        verdict=EVIL,
        sentence=EVIL,
        summary={},
    )
    status, day = known(*happened)
    everything = page(
        verdict_section(status),
        services_section(status, day),
        incidents_table((Incident(fallen), Incident(found, EVIL, EVIL))),
        races_table((STORED,)),
        suites_table((suite,)),
        *race_content(told, Evidence(race=told), WALL),
    )
    assert "alert(1)</script>" in everything.text
    assert "\x1b" not in everything.text
    assert "\u202e" not in everything.text
    page(*incident_content(Evidence(outage=fallen), EVIL, WALL))


@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(events, max_size=10), st.floats(0, 1000))
def test_whatever_happened_is_a_page(happened: list[Event], now: float) -> None:
    sections(started(), *happened, now=now)


def test_a_length_is_exact_below_a_minute() -> None:
    assert lasted(2.0714, 0.0213) == "2.071 s ± 21.3 ms"
    assert lasted(125.0, None) == "2 min 05 s"
    assert lasted(None, None) == "under way"


def test_pages_load_files_of_ours_and_nothing_else() -> None:
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert "http" not in CONTENT_SECURITY_POLICY
    for asset in ASSETS.values():
        assert b"http:" not in asset.content
        assert b"https:" not in asset.content
        assert b"@import" not in asset.content
    assert sum(len(asset.content) for asset in ASSETS.values()) < 40_000


@pytest.mark.parametrize("state", list(Ordering))
def test_a_badge_says_in_words_what_its_colour_says(state: Ordering) -> None:
    assert f"ordering: {state}" in Read(badge(state).decode()).text
    assert Read(icon(state).decode()).tags == {"svg", "circle", "path"}


def test_a_webhook_that_nobody_took_has_no_answer_time() -> None:
    status, day = known(started(probes={ProbeName.WEBHOOK: 1.0}, at=at(98.0)), ran(webhook(accepted=False)))
    assert "Webhooks up no outage known 150 ms" in Read(services_section(status, day)).text
    assert Read(day_section(day, WALL + 105, status["probes"])).text.count("p99") == 0
