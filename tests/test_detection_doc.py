"""docs/detection.md is what the proof would write, and no part of it is missing or tells of a false report."""

from __future__ import annotations

import re

import pytest

from proofs.detection import PAGE, PARTS, page, parts_of
from proofs.faults import CASES

TEXT = PAGE.read_text(encoding="utf-8")
MEASURED = parts_of(TEXT)


def test_the_page_is_current() -> None:
    assert page(MEASURED) == TEXT, "run `make detection PARTS=…` for the part that has changed"


@pytest.mark.parametrize("name", PARTS)
def test_every_part_was_measured(name: str) -> None:
    assert re.match(r"Written by `make detection` on [\d-]+ at commit [0-9a-f]{7,}", MEASURED[name])


@pytest.mark.parametrize("name", ["faults", "faults-guide"])
def test_every_fault_was_told(name: str) -> None:
    assert [case.fault for case in CASES if f"| `{case.fault}` |" not in MEASURED[name]] == []


@pytest.mark.parametrize("name", ["plain", "rough", "crashes", "clean-guide"])
def test_a_clean_run_has_full_size_and_no_false_report(name: str) -> None:
    header, _, row = (line for line in MEASURED[name].splitlines() if line.startswith("|"))
    names, values = ([cell.strip() for cell in line.strip("|").split("|")] for line in (header, row))
    found = dict(zip(names, values, strict=True))
    assert int(found["races"]) >= 2000
    assert int(found["webhooks"]) >= 5000
    assert found["false reports"] == "**0**"
    assert found["leftovers"] == "0"


def test_a_part_can_be_put_in_alone() -> None:
    changed = page({**MEASURED, "rare": "| a | b |"})
    assert parts_of(changed) == {**MEASURED, "rare": "| a | b |"}
