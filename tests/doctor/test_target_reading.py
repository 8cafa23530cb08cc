"""What the target's answers mean for the set-up: tables of answers and the findings that they come to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prober.config.load import load_strict
from prober.config.units import Rate
from prober.contract import SHIPPED, Contract
from prober.doctor import target_reading as reading
from prober.doctor.finding import Finding, hint, ok, problem, skipped, worst
from prober.http1 import Answer, Exchange
from prober.outcome import Outcome, StepVerdict

CONTRACT = load_strict(SHIPPED / "whatsapp-ordering-system.yaml", Contract)
LIMIT = Rate(200, 60.0)
NOW = 1_700_000_000.0
BAD = (StepVerdict.PROBLEM, StepVerdict.ALARM)


def answer(status: int, body: bytes = b"", **headers: str) -> Answer:
    return Answer(status, "", tuple((name.replace("_", "-"), value) for name, value in headers.items()), body)


def failed(outcome: Outcome) -> Exchange:
    return Exchange(outcome=outcome, detail=f"it was {outcome}", phases={}, started=0.0, finished=1.0)


def answered(tls_not_after: float | None = None) -> Exchange:
    return Exchange(
        outcome=Outcome.OK,
        detail="",
        phases={},
        started=0.0,
        finished=1.0,
        answer=answer(403),
        tls_not_after=tls_not_after,
    )


def the_bad(findings: list[Finding]) -> Finding | None:
    return next((finding for finding in findings if finding.is_bad), None)


@pytest.mark.parametrize(
    ("outcome", "step", "word"),
    [
        (Outcome.DNS, "target.name", "target.url"),
        (Outcome.REFUSED, "target.connection", "target.url"),
        (Outcome.UNREACHABLE, "target.connection", "target.url"),
        (Outcome.TIMEOUT, "target.connection", "firewall"),
        (Outcome.GARBAGE, "target.connection", "https://"),
        (Outcome.TLS, "target.tls", "target.tls.ca_file"),
    ],
)
def test_the_way(outcome: Outcome, step: str, word: str) -> None:
    findings = reading.read_way(failed(outcome), "http://orders.example", NOW)
    bad = the_bad(findings)
    assert bad is not None
    assert bad.name == step
    assert word in bad.mend
    assert [finding.name for finding in findings] == list(reading.WAY)
    after = findings[findings.index(bad) + 1 :]
    assert all(finding.verdict is StepVerdict.SKIPPED for finding in after)


@pytest.mark.parametrize(
    ("ends", "verdict"),
    [(NOW + 90 * 86_400, StepVerdict.OK), (NOW + 86_400, StepVerdict.HINT), (None, StepVerdict.HINT)],
)
def test_the_certificate(ends: float | None, verdict: StepVerdict) -> None:
    findings = reading.read_way(answered(ends), "https://orders.example", NOW)
    assert findings[-1].verdict is verdict
    assert reading.read_way(answered(), "http://orders.example", NOW)[-1].verdict is StepVerdict.OK


HTTPS_REQUIRED = b'{"success": false, "code": "HTTPS_REQUIRED"}'


@pytest.mark.parametrize(
    ("given", "step", "word"),
    [
        (answer(403), None, ""),
        (answer(404, b"<pre>Cannot POST</pre>"), "webhook.path", "webhook.path"),
        (answer(405), "webhook.path", "webhook.path"),
        (answer(301, location="https://orders.example/x"), "webhook.https", "webhook.headers.X-Forwarded-Proto"),
        (answer(302, location="http://elsewhere.example/"), "webhook.https", "target.url"),
        (answer(403, HTTPS_REQUIRED), "webhook.https", "webhook.headers.X-Forwarded-Proto"),
        (answer(429, retry_after="30"), "webhook.rate_limit", "target.rate_limit"),
        (answer(403, ratelimit_policy="100;w=60"), "webhook.rate_limit", "100/60s"),
        (answer(403, ratelimit_policy="200;w=60"), None, ""),
        (answer(403, ratelimit_policy="nonsense"), None, ""),
        (answer(403, ratelimit_policy="200;w=0"), None, ""),
        (answer(200, b"OK"), "webhook.forged", "signature check"),
        (answer(400), "webhook.forged", "webhook.path_check.refused"),
        (answer(500), "webhook.forged", "log"),
    ],
)
def test_a_badly_signed_message(given: Answer, step: str | None, word: str) -> None:
    findings = reading.read_forged(CONTRACT.webhook, given, LIMIT)
    assert [finding.name for finding in findings] == list(reading.DOOR)
    bad = the_bad(findings)
    assert (None if bad is None else bad.name) == step
    if bad is not None:
        assert word in bad.mend
        assert [f.verdict for f in findings[findings.index(bad) + 1 :]] == [StepVerdict.SKIPPED] * (
            len(findings) - findings.index(bad) - 1
        )


def test_a_forged_message_that_is_taken_is_an_alarm() -> None:
    findings = reading.read_forged(CONTRACT.webhook, answer(200), LIMIT)
    assert worst(findings) is StepVerdict.ALARM


@given(status=st.integers(200, 599), body=st.binary(max_size=200), location=st.text(max_size=50))
def test_no_answer_of_any_kind_is_a_fault_of_ours(status: int, body: bytes, location: str) -> None:
    given_answer = answer(status, body, location=location, ratelimit_policy=location, date=location)
    assert len(reading.read_forged(CONTRACT.webhook, given_answer, LIMIT)) == len(reading.DOOR)
    for route in CONTRACT.health.routes:
        assert reading.read_route(route, given_answer).sentence
    for page in CONTRACT.health.pages:
        assert reading.read_page(page, given_answer).sentence
    assert reading.read_accept(CONTRACT.race, given_answer, has_token=False).sentence
    reading.date_of(given_answer)


@pytest.mark.parametrize(
    ("public", "url", "first", "others"),
    [
        (
            "https://orders.example",
            "http://10.0.0.1:3000",
            "http://orders.example/w",
            {
                "https://orders.example/w/",
                "https://orders.example:443/w",
                "http://10.0.0.1:3000/w",
                "https://10.0.0.1:3000/w",
            },
        ),
        (
            "http://orders.example:8080/",
            "http://orders.example:8080",
            "https://orders.example:8080/w",
            {"http://orders.example:8080/w/", "http://orders.example/w"},
        ),
        ("http://[::1]:80", "http://[::1]:80", "https://[::1]:80/w", {"http://[::1]:80/w/", "http://[::1]/w"}),
    ],
)
def test_other_spellings_of_the_public_url(public: str, url: str, first: str, others: set[str]) -> None:
    found = reading.public_urls(public, url, "/w")
    assert found[0] == first
    assert set(found[1:]) == others
    assert len(found) <= 5
    assert public.rstrip("/") + "/w" not in found


SIGNED = problem(reading.SIGNED, "refused with 403", "")


@pytest.mark.parametrize(
    ("found", "mend"),
    [
        ("http://o.example/api/v1/whatsapp/webhook", "target.public_url: http://o.example"),
        (
            "https://o.example/api/v1/whatsapp/webhook/",
            "target.contract_overrides: webhook.path: /api/v1/whatsapp/webhook/",
        ),
    ],
)
def test_the_spelling_that_is_accepted_is_the_mend(found: str, mend: str) -> None:
    explained = reading.explain_signature(CONTRACT.webhook, SIGNED, "https://o.example", found, 4)
    assert explained.mend == mend
    assert "the token is right" in explained.sentence


def test_without_one_the_token_and_the_url_are_to_be_compared() -> None:
    explained = reading.explain_signature(CONTRACT.webhook, SIGNED, "https://o.example", None, 4)
    assert "target.auth_token" in explained.mend
    assert "https://o.example/api/v1/whatsapp/webhook" in explained.mend
    assert "4 other spellings" in explained.sentence


@pytest.mark.parametrize(
    ("status", "body", "verdict", "word"),
    [
        (400, b'{"code": "NOT_FOUND"}', StepVerdict.OK, ""),
        (409, b"{}", StepVerdict.OK, ""),
        (401, b"", StepVerdict.PROBLEM, "target.bearer_token"),
        (403, b"", StepVerdict.PROBLEM, "target.bearer_token"),
        (403, HTTPS_REQUIRED, StepVerdict.PROBLEM, "race.accept.headers"),
        (301, b"", StepVerdict.PROBLEM, "target.url"),
        (200, b'{"data": {"accepted": true}}', StepVerdict.PROBLEM, "race.answers"),
        (200, b"OK", StepVerdict.PROBLEM, "race.answers"),
        (429, b"", StepVerdict.PROBLEM, "wait"),
        (500, b"", StepVerdict.HINT, "log"),
    ],
)
def test_the_accept_of_a_routing_that_does_not_exist(
    status: int, body: bytes, verdict: StepVerdict, word: str
) -> None:
    finding = reading.read_accept(CONTRACT.race, answer(status, body), has_token=False)
    assert finding.verdict is verdict
    assert word in finding.mend


@pytest.mark.parametrize(
    ("theirs", "verdict"),
    [
        (NOW, StepVerdict.OK),
        (NOW + 2.0, StepVerdict.OK),
        (NOW - 10.0, StepVerdict.HINT),
        (NOW + 25.0, StepVerdict.PROBLEM),
        (NOW - 3600.0, StepVerdict.PROBLEM),
        (None, StepVerdict.HINT),
    ],
)
def test_clocks(theirs: float | None, verdict: StepVerdict) -> None:
    finding = reading.read_clock(reading.CLOCK, "the target", NOW, theirs, 0.5)
    assert finding.verdict is verdict
    if theirs is not None and verdict is not StepVerdict.OK:
        assert ("ahead of" if theirs < NOW else "behind") in finding.sentence
        assert "NTP" in finding.mend


def test_a_date_is_read() -> None:
    assert reading.date_of(answer(200, date="Tue, 14 Nov 2023 22:13:20 GMT")) == NOW
    assert reading.date_of(answer(200)) is None
    assert reading.date_of(answer(200, date="yesterday")) is None


def test_what_all_come_to() -> None:
    fine, note, wrong = ok("a", "x"), hint("b", "x", "y"), problem("c", "x", "y")
    assert worst([fine, note, *skipped(["d"], "z")]) is StepVerdict.OK
    assert worst([fine, wrong, note]) is StepVerdict.PROBLEM
    assert worst([]) is StepVerdict.OK
