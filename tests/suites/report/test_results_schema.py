"""The schema is current, describes every field, and takes what suites write and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from prober.suites.report import fields
from prober.suites.report.schema import PAGE, SCHEMA, page, schema, schema_text
from prober.suites.results import Results, read, write

from . import samples

DOCS = Path(__file__).parents[3] / "docs"


def test_the_files_are_current() -> None:
    expected = "run `make generated`"
    assert (DOCS / SCHEMA).read_text(encoding="utf-8") == schema_text(), expected
    assert (DOCS / PAGE).read_text(encoding="utf-8") == page(), expected


def test_every_field_of_every_model_is_described_and_no_other() -> None:
    made = Results.model_json_schema(mode="serialization")
    known = {"Results": set(made["properties"])}
    known |= {name: set(one["properties"]) for name, one in made["$defs"].items() if "properties" in one}
    assert {name: set(described) for name, described in fields.MEANINGS.items()} == known


@pytest.mark.parametrize("kind", samples.every_kind())
def test_what_a_suite_writes_is_valid_and_reads_back(kind: str, tmp_path: Path) -> None:
    results = samples.every_kind()[kind]
    write(results, tmp_path / "results.json")
    document = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema())
    jsonschema.validate(document, schema())
    assert read(tmp_path / "results.json") == results


def test_what_no_suite_writes_is_not_valid() -> None:
    document = json.loads(samples.load().model_dump_json())
    for wrong in (
        document | {"version": 2},
        document | {"suite": "something else"},
        document | {"extra": 1},
        {key: value for key, value in document.items() if key != "detail"},
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema())
