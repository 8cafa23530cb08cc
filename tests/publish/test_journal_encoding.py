"""Values as JSON: complete, parseable whatever a target sent, and free of secrets."""

from __future__ import annotations

import json
import math
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prober.outcome import Outcome, Phase
from prober.publish.journal.encoding import LONGEST_TEXT, plain, storable, to_json
from prober.publish.journal.entries import State
from prober.publish.journal.statements import Encoder
from tests.publish.journal_samples import at, race, redis_result

documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=20,
)


@given(documents)
def test_whatever_goes_in_is_json_that_says_the_same(document: object) -> None:
    def said(value: object) -> object:
        if isinstance(value, float) and not math.isfinite(value):
            return str(value)
        if isinstance(value, list | tuple):
            return [said(item) for item in value]
        if isinstance(value, dict):
            return {key: said(item) for key, item in value.items()}
        return value

    assert json.loads(to_json(document)) == said(document)


def test_a_race_keeps_its_whole_evidence() -> None:
    document = json.loads(to_json(race(7)))
    assert document["race_outcome"] == "one_winner"
    assert document["released"] == {"mono": 7.1, "wall": at(7.1).wall}
    assert [answer["claim"] for answer in document["history"]["answers"]] == [
        "won",
        "lost",
        "lost",
        "lost",
        "lost",
    ]
    assert document["history"]["rows"] == {
        "locked_vendor": "vendor-0",
        "accepted_vendors": ["vendor-0"],
        "routing_exists": True,
    }


def test_enums_are_their_strings_also_as_keys_of_any_mapping() -> None:
    value = MappingProxyType({Phase.DNS: 0.1, Phase.TLS: Outcome.OK})
    assert to_json(value) == '{"dns":0.1,"tls":"ok"}'


def test_what_is_no_value_of_ours_is_an_error_that_names_it() -> None:
    with pytest.raises(TypeError, match="got object"):
        plain(object())


def test_a_result_row_holds_only_what_is_special_to_its_kind() -> None:
    ((_, values),) = Encoder("boot", str).statements(redis_result(3))
    assert values[:5] == ("redis", "run-3", at(3).wall, 0.0005, "ok")
    assert set(json.loads(str(values[6]))) == {"operations", "info", "backlog", "leftovers"}


@given(st.text(st.characters(), max_size=50))
def test_every_text_can_be_stored(text: str) -> None:
    storable(str)(text).encode()


def test_lone_surrogates_become_storable() -> None:
    assert storable(str)("a\udc80b") == "a?b"


def test_a_secret_across_the_cut_is_redacted_before_cutting() -> None:
    clean = storable(lambda text: text.replace("SECRET", "***"))
    kept = clean("x" * (LONGEST_TEXT - 3) + "SECRET" + "y" * 100)
    assert "SEC" not in kept
    assert len(kept) < LONGEST_TEXT + 50


def test_a_secret_that_json_would_escape_is_redacted_too() -> None:
    secret = 'pass"word\\é'
    ((_, values),) = Encoder("boot", lambda text: text.replace(secret, "***")).statements(
        State(key="last_error", value={"said": f"login with {secret} failed", secret: [secret]})
    )
    assert json.loads(str(values[1])) == {"said": "login with *** failed", "***": ["***"]}
