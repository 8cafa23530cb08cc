"""docs/contract.md names every key, every parameter and every returned column of a contract, and no others."""

from __future__ import annotations

import re
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from prober.config import load_strict
from prober.config.document import Document
from prober.contract import RACE_FIELDS, SHIPPED, WEBHOOK_FIELDS, AnswerRule, Contract, shipped_names
from prober.doctor.statements import Statement, statements
from prober.outcome import Claim

PAGE = (Path(__file__).parents[1] / "docs" / "contract.md").read_text()
TABLE_CELL = re.compile(r"^\| `([^`|]+)`(?:, `([^`|]+)`)? \|", re.MULTILINE)


def models_in(annotation: object) -> Iterator[tuple[type[BaseModel], bool]]:
    """The models of a field, and whether they stand in a list."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation, False
    for part in typing.get_args(annotation):
        is_list = typing.get_origin(annotation) is tuple
        for model, inner in models_in(part):
            yield model, is_list or inner


def keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Every key of a contract as the page writes it, by the names that a file has."""
    for name, field in model.model_fields.items():
        key = prefix + (field.alias or name)
        found = list(models_in(field.annotation))
        yield key
        for inner, is_list in found:
            yield from keys(inner, f"{key}[]." if is_list else f"{key}.")


def described() -> set[str]:
    """The keys that the section of keys describes in its tables."""
    section = PAGE.split("\n## Every key", 1)[1].split("\n## ", 1)[0]
    return {key for row in TABLE_CELL.findall(section) for key in row if key}


def test_every_key_is_described() -> None:
    every = set(keys(Contract))
    assert len(every) > 50
    # A mapping whose keys are all described needs no line of its own.
    implied = {key for key in every if any(other.startswith(f"{key}.") for other in described())}
    assert every - described() - implied == set()


def test_no_key_is_described_that_does_not_exist() -> None:
    assert described() - set(keys(Contract)) == set()


@pytest.mark.parametrize("name", shipped_names())
def test_every_statement_has_its_parameters_and_columns(name: str) -> None:
    section = PAGE.split("\n## Statements", 1)[1].split("\n## ", 1)[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    for statement in statements(load_strict(SHIPPED / f"{name}.yaml", Contract)):
        row = row_of(statement, rows)
        for parameter in statement.sql.parameters:
            assert f":{parameter}" in row, (statement.key, parameter)
        for column in statement.sql.columns:
            assert f"`{column}`" in row, (statement.key, column)


def row_of(statement: Statement, rows: list[str]) -> str:
    key = re.sub(r"\[\d+\]", "", statement.key)
    (row,) = [row for row in rows if f"`{key}`" in row.split("|")[1]]
    return row


def test_every_placeholder_and_claim_is_told() -> None:
    section = PAGE.split("\n## Placeholders", 1)[1].split("\n## ", 1)[0]
    for name in WEBHOOK_FIELDS | RACE_FIELDS:
        assert f"`{{{name}}}`" in section
    for claim in typing.get_args(typing.get_type_hints(AnswerRule)["claim"]):
        assert isinstance(claim, Claim)
        assert f"`{claim}`" in PAGE


def test_each_mode_says_of_each_thing_whether_it_can_be_seen() -> None:
    section = PAGE.split("\n## What each mode can see", 1)[1].split("\n## ", 1)[0]
    header, _, *rows = [line for line in section.splitlines() if line.startswith("|")]
    assert [cell.strip() for cell in header.split("|")[2:-1]] == ["delivery", "duplicate", "loss", "split"]
    assert len(rows) == 4
    for row in rows:
        cells = [cell.strip() for cell in row.split("|")[2:-1]]
        assert len(cells) == 4
        assert all(re.match(r"\*\*(yes|no|half|only)", cell) for cell in cells), row


def test_the_examples_of_overrides_load() -> None:
    text = re.search(r"## Overriding single keys.*?```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert text is not None
    overrides = yaml.safe_load(text[1])["target"]["contract_overrides"]
    loaded = load_strict(
        SHIPPED / "whatsapp-ordering-system.yaml", Contract, overlay=Document("docs/contract.md", overrides)
    )
    assert loaded.webhook.path == "/hooks/whatsapp"
    assert loaded.webhook.claimed is not None
    assert loaded.webhook.claimed.effect is None
