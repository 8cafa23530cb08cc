"""The proxy's command line: loopback on both sides or not at all, and a sentence for everything else."""

from __future__ import annotations

import argparse
import re

import pytest

from prober.faults.proxy import main, parse_loopback


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:6379", ("127.0.0.1", 6379)),
        ("127.1.2.3:1", ("127.1.2.3", 1)),
        ("[::1]:65535", ("::1", 65535)),
    ],
)
def test_addresses_of_loopback(text: str, address: tuple[str, int]) -> None:
    assert parse_loopback(text) == address


@pytest.mark.parametrize("text", ["0.0.0.0:80", "10.0.0.1:80", "[::]:80", "192.168.1.1:6379", "[2001:db8::1]:1"])
def test_nothing_beyond_this_machine(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=re.escape(f"{text} is not of loopback")):
        parse_loopback(text)


@pytest.mark.parametrize(
    "text",
    ["", ":", "6379", "localhost:6379", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "::1:x"],
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=r"expected one such as 127\.0\.0\.1:6379"):
        parse_loopback(text)


def test_bad_usage_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--listen", "0.0.0.0:80", "--upstream", "127.0.0.1:81", "--control", "."]
    with pytest.raises(SystemExit) as ended:
        main(given)
    assert ended.value.code == 2
    assert "0.0.0.0:80 is not of loopback; this proxy never leaves its machine" in capsys.readouterr().err
