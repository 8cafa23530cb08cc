"""The shipped contracts load, read answers as TARGET.md tells, and can be overridden key by key."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prober.config import ConfigError, load_config, load_strict
from prober.contract import SHIPPED, Contract, Match, Route, fill, parsed, shipped_names
from prober.daemon.assembly import load_contract
from prober.outcome import Claim, Mode
from tests.config.examples import ENV, MINIMAL

DEPLOYED, GUIDE = "whatsapp-ordering-system", "guide"


def shipped(name: str) -> Contract:
    return load_strict(SHIPPED / f"{name}.yaml", Contract)


def answer(**data: object) -> bytes:
    """The deployed form of a good answer, which says the same whether the vendor won or not."""
    return json.dumps({"success": True, "message": "Order accepted successfully", "data": data}).encode()


def coded(code: str) -> bytes:
    return json.dumps({"success": False, "code": code}).encode()


DEEP = b"[" * 100_000
NOT_JSON = [
    b"",
    b"OK",
    b"<html>busy</html>",
    b"\xff\xfe\x00",
    b'{"data": {"accepted": true}',
    DEEP,
    b'{"a":' * 50_000,
]

# What each contract makes of an answer; 429 and 5xx need no rule, whatever is in them.
READ: list[tuple[str, int, bytes, Claim]] = [
    (DEPLOYED, 200, answer(accepted=True, reason="LOCKED", lockedVendor="v1"), Claim.WON),
    (DEPLOYED, 200, answer(accepted=True, reason="ALREADY_ACCEPTED"), Claim.ALREADY_WON),
    (DEPLOYED, 200, answer(accepted=False, reason="LOST_RACE"), Claim.LOST),
    (DEPLOYED, 200, answer(accepted=False, reason="ALREADY_LOCKED"), Claim.LOST),
    (DEPLOYED, 409, coded("CONFLICT"), Claim.LOST),
    (DEPLOYED, 400, coded("NOT_FOUND"), Claim.REFUSED),
    (DEPLOYED, 404, b"<pre>Cannot POST</pre>", Claim.REFUSED),
    (DEPLOYED, 401, b"", Claim.REFUSED),
    (DEPLOYED, 403, coded("HTTPS_REQUIRED"), Claim.REFUSED),
    (DEPLOYED, 429, answer(accepted=True), Claim.RATE_LIMITED),
    (DEPLOYED, 500, answer(accepted=True), Claim.FAILED),
    (DEPLOYED, 503, b"", Claim.FAILED),
    (DEPLOYED, 201, answer(accepted=True), Claim.UNREADABLE),
    (DEPLOYED, 301, b"", Claim.UNREADABLE),
    # one level too high, as the operators' script read it
    (DEPLOYED, 200, b'{"accepted": true}', Claim.UNREADABLE),
    (DEPLOYED, 200, answer(accepted="true"), Claim.UNREADABLE),
    (DEPLOYED, 200, answer(accepted=1), Claim.UNREADABLE),
    (DEPLOYED, 200, answer(accepted=0), Claim.UNREADABLE),
    (DEPLOYED, 200, answer(accepted=None), Claim.UNREADABLE),
    (DEPLOYED, 200, b'{"data": [{"accepted": true}]}', Claim.UNREADABLE),
    (DEPLOYED, 200, b'{"data": "accepted"}', Claim.UNREADABLE),
    (DEPLOYED, 200, b"[true]", Claim.UNREADABLE),
    *((DEPLOYED, 200, body, Claim.UNREADABLE) for body in NOT_JSON),
    (GUIDE, 200, b'{"success": true}', Claim.WON),
    (GUIDE, 200, b"{}", Claim.WON),
    (GUIDE, 409, coded("RACE_CONDITION_LOST"), Claim.LOST),
    (GUIDE, 409, coded("CONFLICT"), Claim.REFUSED),
    (GUIDE, 409, b"", Claim.REFUSED),
    (GUIDE, 404, coded("NOT_FOUND"), Claim.REFUSED),
    (GUIDE, 404, b"", Claim.REFUSED),
    (GUIDE, 429, b"{}", Claim.RATE_LIMITED),
    (GUIDE, 500, b"{}", Claim.FAILED),
    (GUIDE, 204, b"", Claim.UNREADABLE),
    (GUIDE, 200, b"[]", Claim.UNREADABLE),
    (GUIDE, 200, b'"OK"', Claim.UNREADABLE),
    *((GUIDE, 200, body, Claim.UNREADABLE) for body in NOT_JSON),
]


def test_the_contracts_that_ship() -> None:
    assert shipped_names() == [GUIDE, DEPLOYED]


@pytest.mark.parametrize("name", [DEPLOYED, GUIDE])
def test_a_shipped_contract_loads_and_is_called_as_its_file(tmp_path: Path, name: str) -> None:
    contract = shipped(name)
    assert contract.name == name
    assert loaded(tmp_path, f"  contract: {name}\n") == contract


def test_the_deployed_system_is_the_default(tmp_path: Path) -> None:
    assert loaded(tmp_path, "") == shipped(DEPLOYED)


@pytest.mark.parametrize(
    ("name", "code", "body", "claim"), READ, ids=[f"{n}-{c}-{b[:32]!r}" for n, c, b, _ in READ]
)
def test_reads_what_a_vendor_was_told(name: str, code: int, body: bytes, claim: Claim) -> None:
    assert shipped(name).race.read(code, body) is claim


RACES = {name: shipped(name).race for name in (DEPLOYED, GUIDE)}


@pytest.mark.parametrize("name", [DEPLOYED, GUIDE])
@given(code=st.integers(100, 599), body=st.binary(max_size=200))
def test_no_bytes_make_a_winner(name: str, code: int, body: bytes) -> None:
    claim = RACES[name].read(code, body)
    document = parsed(body)
    assert claim not in (Claim.WON, Claim.ALREADY_WON) or (code == 200 and isinstance(document, dict))
    assert claim is not Claim.NO_ANSWER


@pytest.mark.parametrize(
    ("wanted", "document", "fits"),
    [
        ({}, None, True),
        ({"a": "x"}, {"a": "x", "b": 1}, True),
        ({"a": "x"}, {"a": "X"}, False),
        ({"a.b.c": True}, {"a": {"b": {"c": True}}}, True),
        ({"a.b.c": True}, {"a.b.c": True}, False),
        ({"a": True}, {"a": 1}, False),
        ({"a": 1}, {"a": True}, False),
        ({"a": 1}, {"a": 1.0}, False),
        ({"a": 0}, {"a": False}, False),
        ({"a": "1"}, {"a": 1}, False),
        ({"a": True, "b": 2}, {"a": True}, False),
        ({"a": True}, None, False),
        ({"a": True}, [True], False),
    ],
)
def test_a_match_wants_the_same_value_of_the_same_type(
    wanted: dict[str, str | bool | int], document: object, fits: bool
) -> None:
    match = Match.model_validate({"status": (200, 201), "json": wanted})
    assert match.fits(200, document) is fits
    assert match.fits(201, document) is fits
    assert match.fits(202, document) is False


@pytest.mark.parametrize(
    ("document", "fits"), [({}, True), ({"a": 1}, True), ([], False), (None, False), ("x", False)]
)
def test_a_match_can_ask_for_an_object_whatever_is_in_it(document: object, fits: bool) -> None:
    assert Match.model_validate({"status": (200,), "json_object": True}).fits(200, document) is fits


def test_a_live_route_is_not_missing_because_it_knows_no_such_routing() -> None:
    guide, deployed = (next(r for r in shipped(n).health.routes if r.name == "accept") for n in (GUIDE, DEPLOYED))
    page, own = b"<pre>Cannot POST /api/routing</pre>", coded("NOT_FOUND")
    assert guide.is_missing(404, page)
    assert not guide.is_missing(404, own)
    assert not guide.is_missing(400, page)
    assert deployed.is_missing(404, own)
    assert not deployed.is_missing(400, own)


def test_an_unless_can_name_what_the_route_itself_says() -> None:
    route = Route.model_validate(
        {
            "name": "accept",
            "method": "POST",
            "path": "/accept",
            "missing": (404, 501),
            "unless": {"status": (404,), "json": {"code": "ROUTING_NOT_FOUND"}},
        }
    )
    assert not route.is_missing(404, coded("ROUTING_NOT_FOUND"))
    assert route.is_missing(404, coded("NO_SUCH_ROUTE"))
    assert route.is_missing(501, coded("ROUTING_NOT_FOUND"))


def test_what_a_message_leaves_depends_on_the_mode() -> None:
    webhook = shipped(DEPLOYED).webhook
    assert webhook.traces(Mode.NO_SIDE_EFFECTS) is webhook.claimed
    assert webhook.traces(Mode.FULL) is webhook.full
    assert shipped(GUIDE).webhook.traces(Mode.NO_SIDE_EFFECTS).effect is None


def test_fills_placeholders_and_leaves_other_braces() -> None:
    assert (
        fill("/r/{routing_id}/{}/{ x }/{{vendor_id}}", {"routing_id": "1", "vendor_id": "v"})
        == "/r/1/{}/{ x }/{v}"
    )
    assert fill("{a}", {"a": "{b}", "b": "no"}) == "{b}"


@pytest.mark.parametrize("name", [DEPLOYED, GUIDE])
def test_the_guide_and_the_deployed_system_differ_where_the_target_does(name: str) -> None:
    race = shipped(name).race
    base = {DEPLOYED: "/api/v1/vendor-routing", GUIDE: "/api"}[name]
    assert fill(race.accept.path, {"routing_id": "r1"}) == f"{base}/routing/r1/accept"
    assert dict(race.accept.body) == {"vendorId": "{vendor_id}"}


# Overrides of single keys, and where their errors point.


def loaded(folder: Path, target: str) -> Contract:
    """The contract of a config whose `target` has these lines more; they begin in line 2 of `config.yaml`."""
    file = folder / "config.yaml"
    file.write_text(MINIMAL.replace("target:\n", f"target:\n{target}", 1))
    return load_contract(load_config(file, ENV), folder)


def test_single_keys_are_overridden_and_all_else_stays(tmp_path: Path) -> None:
    contract = loaded(
        tmp_path,
        """\
  contract: guide
  contract_overrides:
    webhook.path: /hooks/whatsapp
    webhook.headers: {X-Tenant: "7"}
    race:
      accept: {idempotency_header: Idempotency-Key}
      answers:
        - {claim: won, status: [201], json: {ok: true}}
    queues.names: [one]
""",
    )
    guide = shipped(GUIDE)
    assert contract.webhook.path == "/hooks/whatsapp"
    assert dict(contract.webhook.headers) == {"X-Forwarded-Proto": "https", "X-Tenant": "7"}
    assert contract.race.accept.idempotency_header == "Idempotency-Key"
    assert contract.race.accept.path == guide.race.accept.path
    # a list is replaced as a whole
    assert [rule.claim for rule in contract.race.answers] == [Claim.WON]
    assert contract.queues.names == ("one",)
    assert contract.race.rows == guide.race.rows
    assert contract.health == guide.health


def test_a_claim_can_be_taken_away(tmp_path: Path) -> None:
    assert loaded(tmp_path, "  contract_overrides: {webhook.claimed: null}\n").webhook.claimed is None


@pytest.mark.parametrize(
    ("overrides", "problem"),
    [
        (
            "    webhook.paths: /x\n",
            '3:5: webhook.paths: unknown key; did you mean "path"? allowed: path, headers, signature, form, '
            "accepted, path_check, replay, claimed, full",
        ),
        (
            "    webhook.path: hooks\n",
            '3:19: webhook.path: found "hooks", expected a path that begins with a slash and holds no blank, such '
            "as /health",
        ),
        (
            "    race:\n      cleanup:\n        - DELETE FROM orders\n",
            '5:11: race.cleanup[0]: found "DELETE FROM orders", expected a statement about our own rows alone, by '
            ":order_id or :routing_id",
        ),
        (
            "    webhook.accepted: [200, '201']\n",
            '3:29: webhook.accepted[1]: found "201", expected a whole number, without quotes',
        ),
        (
            "    race.rows: SELECT 1 WHERE :routing = 1\n",
            '3:16: race.rows: found "SELECT 1 WHERE :routing = 1", expected only the parameters :order_id, '
            ":retailer_id, :routing_id, :vendor_ids; :routing is none",
        ),
    ],
)
def test_a_bad_override_is_told_at_its_line_in_the_config(tmp_path: Path, overrides: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, f"  contract_overrides:\n{overrides}")
    assert [str(p) for p in caught.value.problems] == [f"{tmp_path}/config.yaml:{problem}"]


def test_a_contract_of_ones_own_is_found_from_the_folder_of_the_config(tmp_path: Path) -> None:
    text = (SHIPPED / f"{GUIDE}.yaml").read_text().replace("name: guide", "name: ours", 1)
    (tmp_path / "contracts").mkdir()
    (tmp_path / "contracts/ours.yaml").write_text(text)
    assert loaded(tmp_path, "  contract: contracts/ours.yaml\n").name == "ours"
