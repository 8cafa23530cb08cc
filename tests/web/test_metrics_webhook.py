"""What the webhook's metrics count, result by result."""

from __future__ import annotations

import pytest

from prober.event import ProbeRan, ViolationFound, ViolationsStand, WebhookSettled
from prober.outcome import Outcome, Phase, Settlement, Violation, WebhookCheck
from tests.web.event_samples import TRACE, WALL, Scraped, at, ran, started, webhook

PROBE = {"source": "probe"}
DURATION = "whatsapp_webhook_duration_seconds"


def run(**changes: object) -> ProbeRan:
    event: ProbeRan = ran(webhook(**changes), lateness=None)
    return event


@pytest.mark.parametrize(
    ("event", "requests", "errors", "durations"),
    [
        pytest.param(run(), "200", None, 1, id="accepted"),
        pytest.param(
            run(code=None, outcome=Outcome.TIMEOUT, accepted=False), "none", "timeout", 1, id="timed out"
        ),
        pytest.param(
            run(code=None, outcome=Outcome.REFUSED, accepted=False, sent=False),
            *("none", "refused", 0),
            id="not even connected",
        ),
        pytest.param(
            run(code=503, outcome=Outcome.SERVER_ERROR, accepted=False), "503", "server_error", 0, id="5xx"
        ),
        pytest.param(
            run(code=404, outcome=Outcome.UNEXPECTED_STATUS, accepted=False),
            *("404", "unexpected_status", 0),
            id="unexpected 4xx",
        ),
        pytest.param(
            run(code=418, outcome=Outcome.UNEXPECTED_STATUS, accepted=False),
            *("other", "unexpected_status", 0),
            id="a code outside of the set",
        ),
        pytest.param(
            run(code=429, outcome=Outcome.RATE_LIMITED, accepted=False), "429", None, 0, id="rate limited"
        ),
        pytest.param(
            run(code=None, outcome=Outcome.SETUP_FAILED, accepted=False, sent=False),
            *(None, None, 0),
            id="the claim failed, nothing was sent",
        ),
        pytest.param(
            run(code=200, outcome=Outcome.FORGED_ACCEPTED, check=WebhookCheck.DELIVERY),
            *("200", None, 1),
            id="forged but taken is a violation, no failure to answer",
        ),
    ],
)
def test_a_webhook_is_counted_once_in_each_place(
    event: ProbeRan, requests: str | None, errors: str | None, durations: int
) -> None:
    expected = {f"prober_probe_runs_total{{outcome={event.result.outcome},probe=webhook}}": 1.0}
    if requests:
        expected[f"whatsapp_webhook_requests_total{{check=delivery,code={requests},source=probe}}"] = 1.0
    if errors:
        expected[f"whatsapp_webhook_errors_total{{reason={errors},source=probe}}"] = 1.0
    if durations:
        expected[f"{DURATION}_count{{source=probe}}"] = durations
    assert Scraped(started()).rises(event) == expected


def test_the_duration_is_the_result_s_and_phases_add_up_to_it() -> None:
    scraped = Scraped(started(), run(duration=0.15, phases={Phase.SEND: 0.05, Phase.WAIT: 0.1}))
    assert scraped.value(f"{DURATION}_sum", PROBE) == 0.15
    assert scraped.value(f"{DURATION}_bucket", {**PROBE, "le": "0.1"}) == 0
    assert scraped.value(f"{DURATION}_bucket", {**PROBE, "le": "0.15"}) == 1
    sums = [scraped.value("whatsapp_webhook_phase_seconds_sum", {"phase": phase}) or 0 for phase in Phase]
    assert sum(sums) == pytest.approx(0.15)


def test_buckets_and_requests_carry_the_trace_that_was_sent() -> None:
    families = list(Scraped(started(), run(duration=0.15)).metrics.series.collect())
    found = {
        (sample.name, sample.labels.get("le", sample.labels.get("code", ""))): sample.exemplar
        for family in families
        for sample in family.samples
        if sample.exemplar is not None
    }
    assert set(found) == {(f"{DURATION}_bucket", "0.15"), ("whatsapp_webhook_requests_total", "200")}
    assert all(exemplar.labels == {"trace_id": TRACE} for exemplar in found.values())


def test_a_trace_id_beyond_what_openmetrics_allows_is_left_out() -> None:
    scraped = Scraped(started(), run(trace_id="x" * 121), run(trace_id=""))
    samples = [s for family in scraped.metrics.series.collect() for s in family.samples]
    assert not [sample for sample in samples if sample.exemplar is not None]
    assert scraped.value(f"{DURATION}_count", PROBE) == 2


@pytest.mark.parametrize(
    ("settlement", "delay", "also"),
    [
        (Settlement.DONE, 0.4, None),
        (Settlement.LOST, None, "whatsapp_webhook_lost_total"),
        (Settlement.LATE, 75.0, "whatsapp_webhook_late_total"),
        (Settlement.NOT_KNOWN, None, None),
    ],
)
def test_a_settled_webhook(settlement: Settlement, delay: float | None, also: str | None) -> None:
    event = WebhookSettled(
        message_sid="SM",
        run_id="run",
        settlement=settlement,
        at=at(5),
        delay=delay,
        effects=1,
        sentence="",
    )
    expected = {f"whatsapp_webhook_settled_total{{settlement={settlement}}}": 1.0}
    if delay is not None:
        expected["whatsapp_webhook_processing_seconds_count"] = 1.0
    if also:
        expected[also] = 1.0
    assert Scraped(started()).rises(event) == expected


@pytest.mark.parametrize("kind", Violation)
def test_every_violation_has_one_counter_and_a_time(kind: Violation) -> None:
    scraped = Scraped(started())
    rises = scraped.rises(ViolationFound(id="1", kind=kind, at=at(7), sentence=""))
    assert len(rises) == 1
    (name,) = rises
    assert name in (
        f"whatsapp_webhook_violations_total{{kind={kind}}}",
        f"vendor_routing_race_conditions_total{{kind={kind}}}",
    )
    assert scraped.value("prober_last_violation_timestamp_seconds", {"kind": kind}) == WALL + 7


def test_what_stands_is_a_number_for_every_kind() -> None:
    stand = ViolationsStand(
        at=at(7), open={Violation.SPLIT_ORDER: 2}, known={Violation.SPLIT_ORDER: 3, Violation.NO_WINNER: 1}
    )
    scraped = Scraped(started(), stand)
    for kind in Violation:
        assert scraped.value("prober_open_violations", {"kind": kind}) == stand.open.get(kind, 0)
        assert scraped.value("prober_known_violations", {"kind": kind}) == stand.known.get(kind, 0)
    scraped.metrics.record(ViolationsStand(at=at(8), open={}, known={}))
    assert {scraped.value("prober_open_violations", {"kind": kind}) for kind in Violation} == {0}
    assert {scraped.value("prober_known_violations", {"kind": kind}) for kind in Violation} == {0}


def test_what_the_journal_kept_is_restored_once_and_only_once() -> None:
    kept = started(
        violations={Violation.LOST_MESSAGE: 3, Violation.LATE_WINNER: 2},
        last_violations={Violation.LATE_WINNER: WALL - 50},
        lost=3,
        late=1,
    )
    scraped = Scraped(kept)
    again = ViolationFound(id="1", kind=Violation.LATE_WINNER, at=at(7), sentence="")
    assert scraped.value("vendor_routing_race_conditions_total", {"kind": "late_winner"}) == 2
    assert scraped.value("prober_last_violation_timestamp_seconds", {"kind": "late_winner"}) == WALL - 50
    assert scraped.rises(again) == {"vendor_routing_race_conditions_total{kind=late_winner}": 1.0}
    assert scraped.rises(kept) == {}
    assert scraped.value("whatsapp_webhook_violations_total", {"kind": "lost_message"}) == 3
    assert scraped.value("whatsapp_webhook_lost_total") == 3
    assert scraped.value("whatsapp_webhook_late_total") == 1


def test_the_end_of_the_certificate_is_absent_over_plain_http() -> None:
    name = "prober_target_tls_not_after_timestamp_seconds"
    assert Scraped(started(), run()).value(name) is None
    assert Scraped(started(), run(tls_not_after=WALL + 1000)).value(name) == WALL + 1000
