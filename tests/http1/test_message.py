"""The bytes of a request, and what must never get into them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prober.http1 import Answer, Endpoint, build_request

ENDPOINT = Endpoint.parse("https://api.example.com:8443/api/v1")


def test_a_post_has_host_length_and_its_body_as_it_is() -> None:
    request = build_request("POST", ENDPOINT, "/webhook?x=1", {"X-A": "b", "Accept": "*/*"}, b"a=1\r\n\r\n")
    assert request == (
        b"POST /api/v1/webhook?x=1 HTTP/1.1\r\nHost: api.example.com:8443\r\nX-A: b\r\nAccept: */*\r\n"
        b"Content-Length: 7\r\n\r\na=1\r\n\r\n"
    )


def test_a_get_has_no_length_and_an_empty_post_says_zero() -> None:
    assert b"Content-Length" not in build_request("GET", ENDPOINT, "/")
    assert build_request("POST", ENDPOINT, "/").endswith(b"Content-Length: 0\r\n\r\n")


@pytest.mark.parametrize(
    ("method", "path", "headers", "said"),
    [
        ("PO ST", "/", {}, "method"),
        ("GET\r\nX: y", "/", {}, "method"),
        ("", "/", {}, "method"),
        ("GET", "x", {}, "path"),
        ("GET", "", {}, "path"),
        ("GET", "/a b", {}, "path"),
        ("GET", "/a\r\nX: y", {}, "path"),
        ("GET", "/ü", {}, "path"),
        ("GET", "/", {"X-A": "b\r\nX-C: d"}, "X-A"),
        ("GET", "/", {"X-A": "b\nc"}, "X-A"),
        ("GET", "/", {"X-A": "b\0"}, "X-A"),
        ("GET", "/", {"X-A": "नेपाल"}, "X-A"),
        ("GET", "/", {"X-A\r\nX-B": "c"}, "header name"),
        ("GET", "/", {"X A": "c"}, "header name"),
        ("GET", "/", {"": "c"}, "header name"),
        ("GET", "/", {"host": "other"}, "written by this function"),
        ("GET", "/", {"Content-Length": "3"}, "written by this function"),
        ("GET", "/", {"Transfer-Encoding": "chunked"}, "written by this function"),
        ("GET", "/", {"X-A": "b", "x-a": "c"}, "given twice"),
    ],
)
def test_refuses_what_would_change_the_meaning(method: str, path: str, headers: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        build_request(method, ENDPOINT, path, headers)


def test_a_refused_value_is_not_repeated() -> None:
    with pytest.raises(ValueError, match="Authorization") as error:
        build_request("GET", ENDPOINT, "/", {"Authorization": "Bearer hunter2\n"})
    assert "hunter2" not in str(error.value)


@given(st.text(), st.text(), st.dictionaries(st.text(), st.text(), max_size=3))
def test_whatever_goes_in_there_is_one_request_or_an_error(
    method: str, path: str, headers: dict[str, str]
) -> None:
    try:
        request = build_request(method, ENDPOINT, path, headers)
    except ValueError:
        return
    head, end, rest = request.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert (end, rest) == (b"\r\n\r\n", b"")
    assert len(lines) == 2 + len(headers) + (method in ("POST", "PUT", "PATCH"))
    assert len(lines[0].split(b" ")) == 3
    assert not any(bare in line for line in lines for bare in (b"\r", b"\n", b"\0"))


def test_headers_are_found_whatever_their_case() -> None:
    answer = Answer(200, "OK", (("retry-after", "3"), ("set-cookie", "a"), ("set-cookie", "b")), b"")
    assert answer.header("Retry-After") == "3"
    assert answer.header("Set-Cookie") == "a"
    assert answer.header("X-Missing") is None


@given(st.text(), st.text())
def test_whatever_a_server_says_of_waiting_is_bounded_or_nothing(value: str, date: str) -> None:
    wait = Answer(429, "No", (("retry-after", value), ("date", date)), b"").retry_after
    assert wait is None or 0 <= wait <= 3600
