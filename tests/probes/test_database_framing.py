"""The framing of PostgreSQL's protocol: any cut is the same, and nothing a server announces is believed."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prober.probes.postgres_framing import MAX_ANSWER, Framing, GarbageError, OverrunError


def message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


def login(step: int, body: bytes = b"") -> bytes:
    return message(b"R", struct.pack("!i", step) + body)


def check_byte_by_byte(stream: bytes) -> None:
    framing = Framing()
    for byte in stream:
        framing.check(bytes([byte]))


good = st.builds(
    message, st.sampled_from([b"S", b"K", b"Z", b"T", b"D", b"C", b"E", b"N"]), st.binary(max_size=60)
)


@given(st.lists(good, max_size=8), st.data())
def test_what_a_server_says_passes_however_it_is_cut(messages: list[bytes], data: st.DataObject) -> None:
    stream = login(10, b"SCRAM-SHA-256\0\0") + login(11, b"r=") + login(12) + login(0) + b"".join(messages)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)), max_size=20)))
    framing = Framing()
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        framing.check(stream[start:end])


@pytest.mark.parametrize(
    ("stream", "error"),
    [
        (b"HTTP/1.1 400", GarbageError),
        (b"\x00\xff\x00\xff\x00", GarbageError),
        (b"S" + struct.pack("!i", 3), GarbageError),
        (b"S" + struct.pack("!i", -1), GarbageError),
        (b"R" + struct.pack("!ii", 4, 0), GarbageError),  # an Authentication message without its step
        (b"S" + struct.pack("!i", MAX_ANSWER + 1), OverrunError),
        (login(11), GarbageError),  # the second step of a login without the first
        (login(10) + login(12), GarbageError),
    ],
)
def test_what_no_server_says_is_stopped(stream: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        Framing().check(stream)
    with pytest.raises(error):
        check_byte_by_byte(stream)
