"""Messages of a load: unique, signed as Twilio's own library signs, and known again from run and ordinal."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from prober.contract import shipped_names
from prober.probes.synthetic import Mark
from prober.suites.load.messages import MOST, Composer, Ids
from tests.suites.load.composing import RUN, composer, sender

IDS = Ids(Mark("test"), RUN)
ORDINALS = st.integers(min_value=1, max_value=MOST)


def taken_apart(request: bytes) -> tuple[dict[str, str], dict[str, str]]:
    head, _, body = request.decode().partition("\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:])
    assert int(headers["Content-Length"]) == len(body)
    return headers, dict(parse_qsl(body, strict_parsing=True))


@given(token=st.text(min_size=1, max_size=80), ordinal=ORDINALS, name=st.sampled_from(shipped_names()))
@settings(max_examples=50, deadline=None)
def test_twilios_own_library_takes_every_message(token: str, ordinal: int, name: str) -> None:
    made = Composer(sender(token=token, name=name), IDS).request(ordinal)
    headers, form = taken_apart(made)
    signature = headers[sender(name=name).contract.signature.header]
    assert RequestValidator(token).validate(sender(name=name).signed_url, form, signature)


@given(ordinal=ORDINALS)
@settings(max_examples=30, deadline=None)
def test_a_message_made_of_parts_is_the_one_that_is_built_as_a_whole(ordinal: int) -> None:
    made = composer()
    assert made.request(ordinal) == sender().request(IDS, ordinal)
    assert made.signed(ordinal, made.signature(ordinal)) == made.request(ordinal)


def test_ids_are_well_formed_and_marked_as_ours() -> None:
    headers, form = taken_apart(composer().request(7))
    assert re.fullmatch(r"SM[0-9a-f]{32}", form["MessageSid"])
    assert Mark("test").is_body(form["Body"], RUN)
    assert headers["X-Synthetic-Probe"] == f"test/{RUN}"
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", headers["traceparent"])
    assert headers["traceparent"][3:35] == form["MessageSid"][2:]


def test_no_two_messages_share_an_id_also_not_of_two_runs() -> None:
    other = Ids(Mark("test"), "0193abcd123deadbef0")
    ordinals = range(1, 2000)
    sids = [*IDS.sids(ordinals), *other.sids(ordinals)]
    bodies = [*IDS.bodies(ordinals), *other.bodies(ordinals)]
    assert len(set(sids)) == len(set(bodies)) == 2 * len(ordinals)
    assert IDS.sids(ordinals)[6] == IDS.sid(7)
    assert IDS.bodies([7]) == [IDS.body(7)]


@pytest.mark.parametrize("number", ["000000000001", "999999999999", "+123456789012"])
def test_digits_elsewhere_in_a_message_are_left_alone(number: str) -> None:
    made = Composer(sender(number=number), IDS)
    assert made.request(5) == sender(number=number).request(IDS, 5)
