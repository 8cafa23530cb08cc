"""The target's signature check against Twilio's own library and against the prober's signing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from prober.demo.target.signature import expected_signature, is_signed
from prober.signature import forge_form, sign_form

URL = "https://orders.example.test/api/v1/whatsapp/webhook"
text = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)
forms = st.dictionaries(text.filter(bool), text, max_size=8)


@given(token=text.filter(bool), form=forms)
def test_it_agrees_with_twilio_and_with_the_prober(token: str, form: dict[str, str]) -> None:
    twilio = RequestValidator(token).compute_signature(URL, form)
    assert expected_signature(token, URL, form.items()).decode() == twilio
    assert is_signed(token, URL, form.items(), sign_form(token, URL, form))


@given(token=text.filter(bool), form=forms)
def test_forged_ones_are_refused(token: str, form: dict[str, str]) -> None:
    assert not is_signed(token, URL, form.items(), forge_form(token, URL, form))
    assert not is_signed(token, URL + "/", form.items(), sign_form(token, URL, form))


def test_a_name_given_twice_counts_each_value_once() -> None:
    fields = [("A", "2"), ("A", "1"), ("A", "2")]
    assert expected_signature("token", URL, fields) == expected_signature("token", URL, [("A", "1"), ("A", "2")])


def test_what_is_no_ascii_is_refused() -> None:
    assert not is_signed("token", URL, [], "é")
