"""Answers as they should be and as they should not be, cut in every way that a network can cut them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prober.http1 import Answer, Limits
from prober.http1.parsing import AnswerParser
from prober.outcome import Outcome

SMALL = Limits(head_bytes=300, headers=5, body_bytes=50, interim=2)


@dataclass(frozen=True)
class Verdict:
    outcome: Outcome
    answer: Answer | None
    keep_alive: bool


def parse(*parts: bytes, eof: bool = False, head_only: bool = False, limits: Limits = SMALL) -> Verdict | None:
    """The verdict on what came, None if more is awaited."""
    parser = AnswerParser(limits)
    parser.expect(head_only=head_only)
    for part in parts:
        if not parser.finished:
            parser.feed(part, 1.0)
    if eof:
        parser.eof()
    if not parser.finished:
        return None
    outcome = parser.failure.outcome if parser.failure else Outcome.OK
    assert parser.failure is None or parser.failure.detail
    return Verdict(outcome, parser.answer(), parser.keep_alive)


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
WHOLE = {
    "length": b"HTTP/1.1 201 Created\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhello",
    "no body": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "no reason": b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok",
    "chunked": CHUNKED + b"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n",
    "trailers": CHUNKED + b"2\r\nok\r\n0\r\nX-T: u\r\nX-V: w\r\n\r\n",
    "204": b"HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n",
    "304 that tells a length": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 999999\r\n\r\n",
    "interim": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n"
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "close": b"HTTP/1.1 503 No\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbye",
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "leading line breaks": b"\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "upgrade offered": b"HTTP/1.1 200 OK\r\nUpgrade: h2c\r\nConnection: Upgrade\r\nContent-Length: 2\r\n\r\nok",
    "latin-1": b"HTTP/1.1 200 Gr\xfc\xdf\r\nX-A: \xe4\r\nContent-Length: 1\r\n\r\n\x00",
}
BAD = {
    "garbage": b"\x00\x01\x02\x03",
    "ssh": b"SSH-2.0-OpenSSH_9.2p1\r\n",
    "http/2 settings": b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x80",
    "http/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "http/2 status line": b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "rtsp": b"RTSP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "a request": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "no status": b"HTTP/1.1 OK\r\n\r\n",
    "status 99": b"HTTP/1.1 099 Low\r\nContent-Length: 0\r\n\r\n",
    "status 600": b"HTTP/1.1 600 High\r\nContent-Length: 0\r\n\r\n",
    "status 2000": b"HTTP/1.1 2000 OK\r\n\r\n",
    "switches protocols": b"HTTP/1.1 101 Sw\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
    "101 without upgrade": b"HTTP/1.1 101 Sw\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n",
    "length and chunks": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
    "chunks and length": CHUNKED[:-2] + b"Content-Length: 2\r\n\r\n",
    "negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n",
    "length overflow": b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n",
    "length no number": b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\n",
    "chunk size": CHUNKED + b"zz\r\nok",
    "chunk size overflow": CHUNKED + b"fffffffffffffffffff\r\n",
    "chunk longer than its size": CHUNKED + b"2\r\nhello\r\n",
    "negative chunk": CHUNKED + b"-2\r\nok\r\n",
    "header without colon": b"HTTP/1.1 200 OK\r\nnonsense\r\n\r\n",
    "blank before colon": b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
    "NUL in header": b"HTTP/1.1 200 OK\r\nA: b\0c\r\n\r\n",
    "bare LF": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
}
TOO_LARGE = {
    "status line": b"HTTP/1.1 200 " + b"O" * 300,
    "header": b"HTTP/1.1 200 OK\r\nX-A: " + b"b" * 300,
    "header name": b"HTTP/1.1 200 OK\r\n" + b"X" * 300,
    "many headers": b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 6 + b"\r\n",
    "leading line breaks": b"\r\n" * 200,
    "length": b"HTTP/1.1 200 OK\r\nContent-Length: 51\r\n\r\n",
    "chunked body": CHUNKED + b"33\r\n" + b"x" * 51,
    "many chunks": CHUNKED + b"1\r\nx\r\n" * 51,
    "body until close": b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 51,
    "interim answers": b"HTTP/1.1 100 Continue\r\n\r\n" * 3,
    "headers of interim answers": (b"HTTP/1.1 100 Continue\r\nX-A: " + b"b" * 140 + b"\r\n\r\n") * 2,
    "trailers": CHUNKED + b"0\r\n" + b"X-A: b\r\n" * 6,
    "long trailer": CHUNKED + b"0\r\nX-A: " + b"b" * 700,
    "chunk extension": CHUNKED + b"1;" + b"x" * 700,
}


@pytest.mark.parametrize("raw", WHOLE.values(), ids=WHOLE.keys())
def test_a_whole_answer_is_the_same_cut_anywhere(raw: bytes) -> None:
    expected = parse(raw)
    assert expected is not None
    assert expected.outcome is Outcome.OK
    assert expected.answer is not None
    for cut in range(1, len(raw)):
        assert parse(raw[:cut], raw[cut:]) == expected, f"cut at {cut}"
        assert parse(raw[:cut]) is None, f"whole too early, at {cut}"
    assert parse(*(raw[i : i + 1] for i in range(len(raw)))) == expected


def test_the_answers_are_what_was_sent() -> None:
    def answer(name: str) -> Answer | None:
        verdict = parse(WHOLE[name])
        assert verdict is not None
        return verdict.answer

    assert answer("length") == Answer(201, "Created", (("content-length", "5"), ("x-a", "b")), b"hello")
    assert answer("no reason") == Answer(200, "", (("content-length", "2"),), b"ok")
    assert answer("chunked") == Answer(200, "OK", (("transfer-encoding", "chunked"),), b"hello world")
    assert answer("trailers") == Answer(
        200, "OK", (("transfer-encoding", "chunked"), ("x-t", "u"), ("x-v", "w")), b"ok"
    )
    assert answer("interim") == Answer(200, "OK", (("content-length", "2"),), b"ok")
    assert answer("304 that tells a length") == Answer(304, "Not Modified", (("content-length", "999999"),), b"")
    assert answer("latin-1") == Answer(200, "Grüß", (("x-a", "ä"), ("content-length", "1")), b"\0")


@pytest.mark.parametrize("raw", BAD.values(), ids=BAD.keys())
def test_a_bad_answer_is_garbage_cut_anywhere(raw: bytes) -> None:
    for cut in range(len(raw)):
        verdict = parse(raw[:cut], raw[cut:])
        assert verdict is not None
        assert (verdict.outcome, verdict.answer) == (Outcome.GARBAGE, None), f"cut at {cut}"


@pytest.mark.parametrize("raw", TOO_LARGE.values(), ids=TOO_LARGE.keys())
def test_an_answer_over_a_limit_is_too_large_cut_anywhere(raw: bytes) -> None:
    for cut in range(len(raw)):
        verdict = parse(raw[:cut], raw[cut:])
        assert verdict is not None
        assert (verdict.outcome, verdict.answer) == (Outcome.TOO_LARGE, None), f"cut at {cut}"


def test_an_answer_exactly_at_the_limits_is_whole() -> None:
    fields = b"A: b\r\n" * 3 + b"Content-Length: 50\r\n"
    padding = SMALL.head_bytes - len(b"HTTP/1.1 200 \r\n" + fields + b"X: \r\n\r\n")
    head = b"HTTP/1.1 200 \r\n" + fields + b"X: " + b"y" * padding + b"\r\n\r\n"
    assert len(head) == SMALL.head_bytes
    verdict = parse(head + b"z" * 50)
    assert verdict is not None
    assert verdict.outcome is Outcome.OK
    longer = parse(head.replace(b"X: ", b"X: y") + b"z" * 50)
    assert longer is not None
    assert longer.outcome is Outcome.TOO_LARGE


@pytest.mark.parametrize("raw", WHOLE.values(), ids=WHOLE.keys())
def test_closed_before_the_end_is_closed_wherever(raw: bytes) -> None:
    for cut in range(len(raw)):
        verdict = parse(raw[:cut], eof=True)
        assert verdict is not None
        assert (verdict.outcome, verdict.answer) == (Outcome.CLOSED, None), f"closed at {cut}"


@pytest.mark.parametrize("coding", [b"", b"Transfer-Encoding: gzip\r\n", b"Connection: close\r\n"])
def test_a_body_without_length_ends_with_the_connection(coding: bytes) -> None:
    raw = b"HTTP/1.1 200 OK\r\n" + coding + b"\r\nall of it"
    assert parse(raw) is None
    verdict = parse(raw, eof=True)
    assert verdict is not None
    assert verdict.outcome is Outcome.OK
    assert verdict.answer is not None
    assert verdict.answer.body == b"all of it"
    assert not verdict.keep_alive


@pytest.mark.parametrize(
    ("raw", "keep_alive"),
    [
        (WHOLE["length"], True),
        (WHOLE["chunked"], True),
        (WHOLE["204"], True),
        (WHOLE["close"], False),
        (WHOLE["HTTP/1.0"], False),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", True),
    ],
)
def test_says_whether_the_connection_stays(raw: bytes, keep_alive: bool) -> None:
    verdict = parse(raw)
    assert verdict is not None
    assert verdict.keep_alive is keep_alive


@pytest.mark.parametrize("name", ["length", "204", "close", "chunked"])
def test_more_than_its_length_said_is_garbage_beside_the_answer(name: str) -> None:
    verdict = parse(WHOLE[name] + b"more")
    assert verdict is not None
    assert verdict.outcome is Outcome.GARBAGE
    whole = parse(WHOLE[name])
    assert whole is not None
    assert verdict.answer == whole.answer


def test_a_second_answer_is_garbage_beside_the_first() -> None:
    verdict = parse(WHOLE["length"] * 2)
    assert verdict is not None
    assert verdict.outcome is Outcome.GARBAGE
    assert verdict.answer is not None
    assert verdict.answer.body == b"hello"


@pytest.mark.parametrize("head", [WHOLE["no body"], b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", CHUNKED])
def test_the_answer_to_a_head_has_no_body_whatever_it_says(head: bytes) -> None:
    verdict = parse(head, head_only=True)
    assert verdict is not None
    assert verdict.outcome is Outcome.OK
    with_body = parse(head + b"5\r\nhello", head_only=True)
    assert with_body is not None
    assert with_body.outcome is Outcome.GARBAGE


def test_the_next_answer_starts_afresh() -> None:
    parser = AnswerParser(SMALL)
    for head_only in (False, True, False, True):
        parser.expect(head_only=head_only)
        raw = WHOLE["length"].partition(b"hello")[0] if head_only else WHOLE["length"]
        parser.feed(raw, 1.0)
        answer = parser.answer()
        assert answer is not None
        assert answer.body == (b"" if head_only else b"hello")
    parser.expect(head_only=False)
    parser.feed(b"nonsense", 1.0)
    assert parser.failure is not None
    parser.expect(head_only=False)
    parser.feed(WHOLE["chunked"], 1.0)
    assert parser.complete


def test_the_first_byte_is_that_of_the_final_answer() -> None:
    parser = AnswerParser(SMALL)
    parser.expect(head_only=False)
    interim, _, final = WHOLE["interim"].rpartition(b"HTTP/1.1 200")
    parser.feed(interim, 1.0)
    assert parser.first_byte is None
    parser.feed(b"HTTP/1.1 200", 2.0)
    parser.feed(final, 3.0)
    assert parser.complete
    assert parser.first_byte == 2.0


names = st.text("abcXYZ-09", min_size=1, max_size=8).map(str.encode)
values = st.text(" ~azAZ09;=\"'äÿ", max_size=12).map(lambda text: text.strip().encode("latin-1"))
fields = st.lists(st.tuples(names, values), max_size=6)


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    """A well-formed answer of any shape."""
    head = b"HTTP/1.1 %d %s\r\n" % (
        draw(st.integers(200, 599).filter(lambda s: s not in (204, 304))),
        draw(values),
    )
    head += b"".join(b"X-%s: %s\r\n" % field for field in draw(fields))
    body = draw(st.binary(max_size=60))
    if draw(st.booleans()):
        return head + b"Content-Length: %d\r\n\r\n" % len(body) + body
    sizes = draw(st.lists(st.integers(1, 20), max_size=10))
    chunks = []
    for size in sizes:
        if body[:size]:
            chunks.append(b"%x\r\n%s\r\n" % (len(body[:size]), body[:size]))
            body = body[size:]
    trailers = b"".join(b"T-%s: %s\r\n" % field for field in draw(fields))
    return head + b"Transfer-Encoding: chunked\r\n\r\n" + b"".join(chunks) + b"0\r\n" + trailers + b"\r\n"


def split_at(raw: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(min(cut, len(raw)) for cut in cuts), len(raw)]
    return [raw[a:b] for a, b in pairwise(edges) if b > a]


@given(answers(), st.lists(st.integers(0, 500), max_size=30))
def test_any_answer_is_the_same_in_any_parts(raw: bytes, cuts: list[int]) -> None:
    whole = parse(raw, limits=Limits())
    assert whole is not None
    assert whole.outcome is Outcome.OK
    assert parse(*split_at(raw, cuts), limits=Limits()) == whole


@settings(max_examples=300)
@given(
    st.one_of(
        st.binary(max_size=200),
        st.binary(max_size=60).map(lambda tail: CHUNKED + tail),
        st.tuples(answers(), st.integers(0, 400), st.binary(max_size=5)).map(
            lambda t: t[0][: t[1]] + t[2] + t[0][t[1] + len(t[2]) :]
        ),
    ),
    st.lists(st.integers(0, 500), max_size=10),
)
def test_whatever_comes_there_is_a_verdict_and_no_exception(raw: bytes, cuts: list[int]) -> None:
    verdict = parse(*split_at(raw, cuts), eof=True)
    assert verdict is not None
    assert verdict.outcome in (Outcome.OK, Outcome.GARBAGE, Outcome.TOO_LARGE, Outcome.CLOSED)
    assert verdict.answer is None or len(verdict.answer.body) <= SMALL.body_bytes
