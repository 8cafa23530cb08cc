"""What the target's HTTP answers mean for the set-up: values in, findings out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from prober.config.units import Rate
from prober.contract import HealthPage, Race, Route, Webhook, parsed
from prober.doctor.finding import Finding, alarm, hint, ok, problem, skipped
from prober.http1 import Answer, Exchange
from prober.outcome import Claim, Outcome
from prober.result import WebhookResult

NAME, CONNECTION, TLS = "target.name", "target.connection", "target.tls"
PATH, HTTPS, LIMIT, FORGED = "webhook.path", "webhook.https", "webhook.rate_limit", "webhook.forged"
SIGNED, EFFECT, CLOCK = "webhook.signed", "webhook.effect", "clock.target"
ACCEPT = "race.accept"

WAY = (NAME, CONNECTION, TLS)
DOOR = (PATH, HTTPS, LIMIT, FORGED)

# What fills an accept that can change nothing: a routing and a vendor that do not exist.
NOBODY = dict.fromkeys(("routing_id", "order_id", "vendor_id"), "synthetic-prober-none")
# The replay protection refuses what is more than 30 s ahead of it (TARGET): below that is room for the way.
CLOCK_BAD, CLOCK_ODD = 20.0, 2.0  # seconds
CERTIFICATE_SOON = 14 * 86_400.0
_POLICY = re.compile(r"\s*(\d{1,9})\s*;\s*w\s*=\s*(\d{1,9}(?:\.\d+)?)")


def read_way(exchange: Exchange, url: str, wall: float) -> list[Finding]:
    """Whether anything can be said to the target: name, connection, TLS; `wall` is the time now, Unix seconds."""
    if exchange.answer is not None:
        return [ok(NAME, _host(url)), ok(CONNECTION, "it answers"), _certificate(exchange, url, wall)]
    said = exchange.detail
    match exchange.outcome:
        case Outcome.DNS:
            bad = problem(NAME, said, f"target.url: {url} names a host that this machine cannot resolve")
        case Outcome.TLS:
            mend = "target.tls.ca_file for an authority of your own, target.tls.server_name for another name"
            return [ok(NAME, _host(url)), ok(CONNECTION, "somebody listens"), problem(TLS, said, mend)]
        case Outcome.TIMEOUT:
            bad = problem(CONNECTION, said, "target.url: a firewall drops our packets, or the target hangs")
        case Outcome.GARBAGE | Outcome.CLOSED:
            other = "http" if url.startswith("https") else "https"
            bad = problem(CONNECTION, said, f"target.url: does this port speak {other}:// ?")
        case _:
            bad = problem(CONNECTION, said, "target.url: is the target running, and is this its address and port?")
    before = [] if bad.name == NAME else [ok(NAME, _host(url))]
    after = WAY[len(before) + 1 :]
    return [*before, bad, *skipped(after, f"{bad.name} failed")]


def _host(url: str) -> str:
    return f"{urlsplit(url).hostname}"


def _certificate(exchange: Exchange, url: str, wall: float) -> Finding:
    if url.startswith("http://"):
        return ok(TLS, "plain http: no certificate to check")
    ends = exchange.tls_not_after
    if ends is None:
        mend = "target.tls.insecure_skip_verify: false, with target.tls.ca_file"
        return hint(TLS, "any certificate is taken: whoever is in between can read and answer", mend)
    days = (ends - wall) / 86_400
    if ends - wall < CERTIFICATE_SOON:
        return hint(TLS, f"the certificate ends in {days:.0f} days", "renew the target's certificate")
    return ok(TLS, f"the certificate is accepted, and valid for {days:.0f} days")


def demands_https(answer: Answer) -> bool:
    """Whether an answer says nothing but that it wants HTTPS: a redirect there, or 403 HTTPS_REQUIRED (TARGET)."""
    if 300 <= answer.status < 400:
        return (answer.header("location") or "").startswith("https://")
    document = parsed(answer.body)
    return answer.status == 403 and isinstance(document, dict) and document.get("code") == "HTTPS_REQUIRED"


def read_forged(contract: Webhook, answer: Answer, limit: Rate) -> list[Finding]:
    """What came of a badly signed message: whether the path is there, lets us in, and refuses it."""
    code, expected = answer.status, _or(contract.path_check.refused)
    findings = _path(contract, answer) + _https("webhook.headers", HTTPS, answer)
    if not _fine(findings):
        return _rest(findings, DOOR)
    findings.append(_limit(answer, limit))
    if not _fine(findings):
        return _rest(findings, DOOR)
    if code in contract.path_check.refused:
        findings.append(ok(FORGED, f"a badly signed message was refused with {code}"))
    elif 200 <= code < 300:
        said = f"a badly signed message was accepted with {code}: anybody can send orders"
        findings.append(alarm(FORGED, said, "the target's signature check (and its auth token) is off"))
    else:
        said = f"expected {expected} for a badly signed message, got {code}: {excerpt(answer)}"
        findings.append(problem(FORGED, said, _by_code(code, "webhook.path_check.refused")))
    return findings


def _path(contract: Webhook, answer: Answer) -> list[Finding]:
    if answer.status in (404, 405):
        said = f"POST {contract.path} answers {answer.status}: {excerpt(answer)}"
        return [problem(PATH, said, _override("webhook.path", "the path that Twilio was given"))]
    return [ok(PATH, f"POST {contract.path} is there")]


def _https(key: str, name: str, answer: Answer) -> list[Finding]:
    """`key`: where the contract keeps the headers of this request."""
    if demands_https(answer):
        said = f"the target wants HTTPS and answers {answer.status}: {excerpt(answer)}"
        mend = _override(f"{key}.X-Forwarded-Proto", "https") + ", or target.url: https://…"
        return [problem(name, said, mend)]
    if 300 <= answer.status < 400:
        return [problem(name, f"{answer.status}: {excerpt(answer)}", "target.url: the address redirected to")]
    return [ok(name, "the target takes our requests for HTTPS")]


def _limit(answer: Answer, configured: Rate) -> Finding:
    if answer.status == 429:
        wait = answer.header("retry-after")
        said = (
            f"429: the target's limit for our address is used up{f', for {wait} s (Retry-After)' if wait else ''}"
        )
        mend = (
            f"wait, and see who else sends from this address; target.rate_limit ({configured}) must not be more "
            "than the target's own"
        )
        return problem(LIMIT, said, mend)
    told = _POLICY.match(answer.header("ratelimit-policy") or "")
    if told is None or not float(told[2]):
        return ok(LIMIT, f"not reached; the target does not tell its limit, target.rate_limit says {configured}")
    count, window = int(told[1]), float(told[2])
    if count / window < configured.count / configured.per_seconds:
        said = f"the target allows {count} in {window:g} s, and target.rate_limit says {configured}"
        return problem(LIMIT, said, f"target.rate_limit: {count}/{window:g}s")
    return ok(LIMIT, f"not reached; the target allows {count} in {window:g} s")


def read_signed(contract: Webhook, result: WebhookResult) -> Finding:
    """What came of a rightly signed message whose id was claimed first."""
    code = result.code
    if result.accepted:
        return ok(SIGNED, f"a rightly signed message was accepted with {code}")
    if code is None:
        return problem(SIGNED, result.detail, "target.url, probes.webhook.timeout")
    if code == 429:
        return problem(SIGNED, "429: the target's limit for our address is used up", "wait; target.rate_limit")
    if code in (401, *contract.path_check.refused):
        said = f"a message signed with our token was refused with {code}, as a badly signed one is"
        return problem(SIGNED, said, "target.auth_token or target.public_url is wrong")
    said = f"expected {_or(contract.accepted)} for a rightly signed message: {result.detail}"
    return problem(SIGNED, said, _by_code(code, "webhook.form, webhook.headers or webhook.accepted"))


def public_urls(public_url: str, url: str, path: str) -> tuple[str, ...]:
    """Other URLs that the target may take for its public one, the likeliest first; at most five."""
    tried = public_url.rstrip("/") + path
    parts = urlsplit(tried)
    other = "http" if parts.scheme == "https" else "https"
    host, default = parts.hostname or "", {"http": 80, "https": 443}[parts.scheme]
    host = f"[{host}]" if ":" in host else host
    with_port = parts.port is None or parts.port != default
    same_place = f"{parts.scheme}://{host}{f':{parts.port or default}' if with_port else ''}{parts.path}"
    without = f"{parts.scheme}://{host}{parts.path}"
    asked = url.rstrip("/") + path
    candidates = (
        tried.replace(f"{parts.scheme}://", f"{other}://", 1),
        tried.rstrip("/") if tried.endswith("/") else f"{tried}/",
        same_place if parts.port is None else without,
        asked,
        f"https://{urlsplit(asked).netloc}{urlsplit(asked).path}",
    )
    return tuple(each for each in dict.fromkeys(candidates) if each != tried)


def explain_signature(
    contract: Webhook, signed: Finding, public_url: str, found: str | None, tried: int
) -> Finding:
    """The finding of a refused message, once other public URLs were tried; `found`: the one that was accepted."""
    mine = public_url.rstrip("/") + contract.path
    if found is not None:
        base = found.removesuffix(contract.path)
        mend = f"target.public_url: {base}" if base != found else _override("webhook.path", urlsplit(found).path)
        said = f"{signed.sentence}; signed for {found} it is accepted, so the token is right and {mine} is wrong"
        return problem(signed.name, said, mend)
    said = f"{signed.sentence}; so are {tried} other spellings of the public URL" if tried else signed.sentence
    mend = (
        "target.auth_token: compare it with the auth token of the account in Twilio's console; target.public_url: "
        f"we sign {mine}, compare it with the webhook URL set there, letter by letter"
    )
    return problem(signed.name, said, mend)


def read_route(route: Route, answer: Answer) -> Finding:
    """Whether a route of the contract is there."""
    name = f"route.{route.name}"
    if route.is_missing(answer.status, answer.body):
        said = f"{route.method} {route.path} answers {answer.status}: {excerpt(answer)}"
        return problem(name, said, _override("health.routes, webhook.path or race.accept.path", "the right path"))
    (finding,) = _https("health.headers", name, answer)
    if finding.is_bad:
        return finding
    if answer.status == 429:
        return problem(name, "429: the target's limit is used up", "wait; target.rate_limit")
    return ok(name, f"{route.method} {route.path} answers {answer.status}")


def read_page(page: HealthPage, answer: Answer) -> Finding:
    """Whether a health page is there, and what it says."""
    name = f"page.{page.path}"
    if answer.status in (404, 405):
        said = f"GET {page.path} answers {answer.status}"
        return problem(name, said, _override("health.pages", "the pages that this version has"))
    (finding,) = _https("health.headers", name, answer)
    if finding.is_bad:
        return finding
    if page.healthy.fits(answer.status, parsed(answer.body)):
        return ok(name, f"says healthy with {answer.status}")
    mend = "see the target; or, if that is what health looks like here, health.pages[].healthy of the contract"
    return hint(name, f"does not say healthy: {answer.status} {excerpt(answer)}", mend)


def read_accept(contract: Race, answer: Answer, *, has_token: bool) -> Finding:
    """What an accept of a routing that does not exist was told: a definite no is right."""
    claim = contract.read(answer.status, answer.body)
    (finding,) = _https("race.accept.headers", ACCEPT, answer)
    if finding.is_bad:
        return finding
    said = f"the accept of a routing that does not exist answers {answer.status}: {excerpt(answer)}"
    if answer.status in (401, 403):
        which = "target.bearer_token is not taken" if has_token else "this version wants target.bearer_token"
        return problem(ACCEPT, said, which)
    match claim:
        case Claim.REFUSED | Claim.LOST:
            return ok(ACCEPT, f"the accept of a routing that does not exist is refused with {answer.status}")
        case Claim.RATE_LIMITED:
            return problem(ACCEPT, said, "wait; see who else sends from this address")
        case Claim.WON | Claim.ALREADY_WON:
            return problem(ACCEPT, said, _override("race.answers", "rules that tell a win from this"))
        case Claim.UNREADABLE:
            return problem(ACCEPT, said, _override("race.answers or race.accept", "what this version answers"))
    return hint(ACCEPT, said, "see the target's log: an unknown routing is no server error")


def read_clock(name: str, whose: str, ours: float, theirs: float | None, resolution: float) -> Finding:
    """How far a clock is from ours, both in Unix seconds; `resolution`: what their telling can be off by."""
    if theirs is None:
        return hint(name, f"{whose} does not tell its time", "none: the replay check goes by this machine's clock")
    ahead = ours - theirs
    away = max(0.0, abs(ahead) - resolution)
    word = "ahead of" if ahead > 0 else "behind"
    said = f"this machine's clock is {abs(ahead):.1f} s {word} that of {whose}"
    if away > CLOCK_BAD:
        return problem(name, f"{said}: the replay check would be refused", "synchronise both clocks (NTP)")
    if away > CLOCK_ODD:
        return hint(name, said, "synchronise both clocks (NTP)")
    return ok(name, f"this machine's clock and that of {whose} agree within {away + resolution:.1f} s")


def date_of(answer: Answer) -> float | None:
    """The answer's Date header as Unix seconds; it counts whole seconds."""
    try:
        return parsedate_to_datetime(answer.header("date") or "").timestamp()
    except ValueError:
        return None


def excerpt(answer: Answer) -> str:
    """The beginning of a body, or where a redirect leads."""
    location = answer.header("location")
    if location is not None:
        return f"redirect to {location[:200]!r}"
    return repr(answer.body[:160].decode("utf-8", "replace"))


def _override(key: str, value: str) -> str:
    return f"target.contract_overrides: {key}: {value}"


def _by_code(code: int, otherwise: str) -> str:
    if code >= 500:
        return "see the target's log: it failed on this message"
    return f"target.contract_overrides: {otherwise}"


def _or(codes: Sequence[int]) -> str:
    return " or ".join(map(str, codes))


def _fine(findings: Sequence[Finding]) -> bool:
    return not any(finding.is_bad for finding in findings)


def _rest(findings: list[Finding], names: Sequence[str]) -> list[Finding]:
    """The findings up to the first bad one, and all after it skipped."""
    kept: list[Finding] = []
    for finding in findings:
        kept.append(finding)
        if finding.is_bad:
            return [*kept, *skipped(names[len(kept) :], f"{finding.name} failed")]
    return kept
