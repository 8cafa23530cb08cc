"""What a URL means, and what is wrong with it."""

from __future__ import annotations

import re

import pytest

from prober.http1 import Endpoint


@pytest.mark.parametrize(
    ("url", "expected", "authority"),
    [
        ("http://api.example.com", Endpoint("http", "api.example.com", 80), "api.example.com"),
        ("https://api.example.com/", Endpoint("https", "api.example.com", 443), "api.example.com"),
        (
            "HTTP://API.Example.com:8080/v1/",
            Endpoint("http", "api.example.com", 8080, "/v1"),
            "api.example.com:8080",
        ),
        ("https://10.0.0.1:443/a/b", Endpoint("https", "10.0.0.1", 443, "/a/b"), "10.0.0.1"),
        ("http://[::1]:3000", Endpoint("http", "::1", 3000), "[::1]:3000"),
        ("https://[2001:DB8:0::1]", Endpoint("https", "2001:db8::1", 443), "[2001:db8::1]"),
        ("http://my_service:80", Endpoint("http", "my_service", 80), "my_service"),
        ("http://bücher.example", Endpoint("http", "xn--bcher-kva.example", 80), "xn--bcher-kva.example"),
        ("http://example.com./x", Endpoint("http", "example.com.", 80, "/x"), "example.com."),
    ],
)
def test_reads_scheme_host_port_and_prefix(url: str, expected: Endpoint, authority: str) -> None:
    endpoint = Endpoint.parse(url)
    assert endpoint == expected
    assert endpoint.authority == authority
    assert Endpoint.parse(str(endpoint)) == endpoint
    assert endpoint.tls is (endpoint.scheme == "https")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "expected http:// or https://, found 'no scheme'"),
        ("api.example.com", "expected http:// or https://"),
        ("ftp://example.com", "found 'ftp'"),
        ("http://", "expected a host"),
        ("http:///path", "expected a host"),
        ("http://:80", "expected a host"),
        ("http://host:0", "port 0"),
        ("http://host:65536", "out of range"),
        ("http://host:http", "Port"),
        ("http://[::1", "IPv6"),
        ("http://[fe80::1%25eth0]", "zone"),
        ("http://ho st/", "blanks"),
        ("http://host/\r\nX: y", "blanks or control"),
        ("http://host/?a=b", "query"),
        ("http://host/#", "query or a fragment"),
        ("http://host/ü", "percent-encoded"),
        ("http://-host-", "neither a host name nor an IP address"),
        ("http://a..b", "neither a host name nor an IP address"),
        ("http://.host", "neither a host name nor an IP address"),
        ("http://" + "a" * 64, "neither a host name nor an IP address"),
        ("http://ho$t", "neither a host name nor an IP address"),
        ("http://bü..cher", "no host name"),
    ],
)
def test_says_what_is_wrong(url: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        Endpoint.parse(url)


def test_a_password_in_a_url_is_refused_and_not_repeated() -> None:
    with pytest.raises(ValueError, match="user or password") as error:
        Endpoint.parse("http://admin:hunter2@host/")
    assert "hunter2" not in str(error.value)
