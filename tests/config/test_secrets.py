"""No form of a known secret survives a Redactor, and no URL is printed with its password."""

from __future__ import annotations

import json
import logging
import pickle
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from prober.config import Config, Redactor, parse_strict, secrets_of
from prober.config.secrets import SecretUrl, mask_url
from tests.config.examples import ENV, MINIMAL

secrets = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_characters="*"), min_size=4)


@given(secrets, st.sampled_from(["", " ", "=", "/", '"']))
@settings(deadline=None)
def test_no_encoded_form_of_a_secret_survives(secret: str, around: str) -> None:
    redact = Redactor([secret])
    forms = {secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1], repr(secret)[1:-1]}
    for form in forms:
        assert form not in redact(f"before{around or ' '}{form}{around or ' '}after")


@given(st.text(max_size=200))
@settings(deadline=None)
def test_a_text_without_secrets_is_left_alone(text: str) -> None:
    assert Redactor(["\ue000private-use-only\ue000"])(text) == text or "://" in text or "password=" in text.lower()


def test_a_long_secret_is_masked_inside_words_too() -> None:
    assert Redactor(["0123456789abcdef"])("xx0123456789abcdefxx") == "xx***xx"


def test_a_secret_that_is_a_word_is_masked_where_it_stands_alone() -> None:
    redact = Redactor(["postgres"])
    assert redact("postgresql says: password postgres, user=postgres") == "postgresql says: password ***, user=***"


def test_a_secret_that_contains_another_goes_first() -> None:
    assert Redactor(["token-1234", "token-1234-5678"])("is token-1234-5678.") == "is ***."


def test_without_secrets_url_passwords_are_masked_all_the_same() -> None:
    text = '{"dsn":"postgresql://u:pw@h/d","who":"a@b","page":"http://127.0.0.1:9877/x","x":"a@b"}'
    assert Redactor(())(text) == text.replace(":pw@", ":***@")


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("postgresql://prober:s3cret@host/db", "postgresql://prober:***@host/db"),
        ("postgresql://prober@host/db?password=s3cret&x=1", "postgresql://prober@host/db?password=***&x=1"),
        ("redis://:s3cret@host:6379/0", "redis://:***@host:6379/0"),
        ("postgresql://u:s3/cr@et@host/db", "postgresql://u:***@host/db"),
        ("https://host:8443/path", "https://host:8443/path"),
        ("unix:///run/redis.sock", "unix:///run/redis.sock"),
    ],
)
def test_masks_the_passwords_of_urls(url: str, masked: str) -> None:
    assert mask_url(url) == masked


def test_a_secret_url_prints_itself_masked_everywhere() -> None:
    url = SecretUrl("redis://:s3cret@host")
    printed = [
        str(url),
        repr(url),
        f"{url}",
        logging.LogRecord("", 0, "", 0, "%s", (url,), None).getMessage(),
    ]
    assert all("s3cret" not in text and "***" in text for text in printed)
    assert url.get_secret_value() == "redis://:s3cret@host"
    assert pickle.loads(pickle.dumps(url)) == url


def test_every_secret_of_a_config_is_collected() -> None:
    text = (
        MINIMAL.replace("redis://cache", "redis://:in%2Furl@cache")
        .replace("prober@db/orders", "prober@db/orders?password=in-query")
        .replace("  auth_token", "  bearer_token: bearer\n  auth_token")
    )
    config = parse_strict(text, Config, source="x", env=ENV)
    assert {ENV["TOKEN"], "bearer", "in/url", "in%2Furl", "in-query"} == set(secrets_of(config))
    assert isinstance(config.target.auth_token, SecretStr)
    assert not any(
        secret in repr(config) or secret in str(config) for secret in secrets_of(config) if secret != "bearer"
    )


def test_what_is_learned_later_is_masked_beside_what_was_known() -> None:
    redact = Redactor(["first-secret-word-1"])
    redact.learn(["second-secret-word-2", ""])
    redact.learn([])
    assert redact("first-secret-word-1 second-secret-word-2 third") == "*** *** third"
