"""RESP2 as it is read: any cut gives the same answers, and nothing a server announces is believed."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prober.probes.resp import (
    MAX_ANSWER,
    MAX_ITEMS,
    MAX_LINE,
    Answer,
    AnswerReader,
    GarbageError,
    Refusal,
    TooLargeError,
    pack,
)

lines = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=40)
leaves = st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1), st.binary(max_size=300), lines.map(Refusal))
answers = st.one_of(leaves, st.lists(leaves, max_size=4), st.lists(st.lists(leaves, max_size=3), max_size=3))


def wire(answer: Answer) -> bytes:
    match answer:
        case None:
            return b"$-1\r\n"
        case int():
            return b":%d\r\n" % answer
        case Refusal():
            return b"-" + answer.text.encode() + b"\r\n"
        case bytes():
            return b"$%d\r\n%b\r\n" % (len(answer), answer)
        case list():
            return b"*%d\r\n" % len(answer) + b"".join(wire(item) for item in answer)


@given(st.lists(answers, max_size=6), st.data())
def test_the_answers_do_not_depend_on_how_the_bytes_are_cut(wanted: list[Answer], data: st.DataObject) -> None:
    stream = b"".join(wire(answer) for answer in wanted)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)), max_size=20)))
    reader = AnswerReader()
    got: list[Answer] = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        got += reader.feed(stream[start:end])
    assert got == wanted


@given(st.binary(max_size=200))
def test_garbage_is_named_or_waited_for_and_raises_nothing_else(junk: bytes) -> None:
    with contextlib.suppress(GarbageError, TooLargeError):
        assert len(list(AnswerReader().feed(junk))) <= len(junk) // 3  # the shortest answer is `+` and a line end


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n", GarbageError),
        (b":twelve\r\n", GarbageError),
        (b"$-2\r\n", GarbageError),
        (b"$3\r\nabcd\r\n", GarbageError),
        (b"*-7\r\n", GarbageError),
        (b"*1\r\n" * 5, GarbageError),  # deeper than any answer of ours
        (b"+" + b"x" * (MAX_LINE + 1), GarbageError),  # a line that never ends
        (b"$%d\r\n" % (MAX_ANSWER + 1), TooLargeError),
        (b"*%d\r\n" % (MAX_ITEMS + 1), TooLargeError),
    ],
)
def test_what_is_announced_is_not_waited_for(sent: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        list(AnswerReader().feed(sent))


def test_a_command_is_an_array_of_bulk_strings() -> None:
    assert (
        pack("SET", "naïve", b"\r\n", 60) == b"*4\r\n$3\r\nSET\r\n$6\r\nna\xc3\xafve\r\n$2\r\n\r\n\r\n$2\r\n60\r\n"
    )


def test_the_code_of_a_refusal_is_its_first_word() -> None:
    assert Refusal("OOM command not allowed").code == "OOM"
    assert Refusal("").code == ""
