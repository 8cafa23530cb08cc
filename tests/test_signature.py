"""Our signatures equal those of Twilio's own library, whatever is in the message."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from prober.signature import forge_form, sign_form

names = st.text(min_size=1, max_size=30)
forms = st.dictionaries(names, st.text(max_size=200), max_size=12)
urls = st.builds(
    lambda host, path: f"https://{host}.example/{path}",
    st.from_regex(r"[a-z]{1,20}", fullmatch=True),
    st.from_regex(r"[a-zA-Z0-9/_.-]{0,60}", fullmatch=True),
)
tokens = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=64)


@settings(max_examples=3000)
@given(tokens, urls, forms)
def test_a_signature_is_twilios(token: str, url: str, form: dict[str, str]) -> None:
    assert sign_form(token, url, form) == RequestValidator(token).compute_signature(url, form)
    assert RequestValidator(token).validate(url, form, sign_form(token, url, form))


@given(tokens, urls, forms)
def test_a_forged_signature_never_passes(token: str, url: str, form: dict[str, str]) -> None:
    assert not RequestValidator(token).validate(url, form, forge_form(token, url, form))
