"""The JSON Schema of a results file, and the page about its format, made from the models.

`python -m prober.suites.report.schema docs` writes schemas/suite-results-v1.json and results.md into that folder.
Field names carry their units (`_seconds`, `_at`, `_rate`); what a field is beyond its name stands in `fields.py`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from prober.outcome import Suite
from prober.suites.report.fields import MEANINGS, meaning
from prober.suites.results import VERSION, Results, file_name

SCHEMA = f"schemas/suite-results-v{VERSION}.json"
PAGE = "results.md"

_NAMES = ", ".join(f"`{file_name(suite)}`" for suite in Suite)
_HEAD = f"""\
# Results of suites

Generated from `prober/suites/results*.py`; a test fails when this file is not current. As JSON Schema (2020-12):
[{SCHEMA}]({SCHEMA}).

Each run of a suite writes one JSON document, under the guide's names: {_NAMES}.

All are of one format; `detail` holds what only one suite has. Times are seconds, those ending in `_at` count from
the start of the measurement; rates are 0..1, sizes bytes, moments ISO 8601 in UTC. **A value that was not measured
is null, never 0.** Keys that this page does not name are an error.

`version` is {VERSION}. It is raised when a key goes, or means something else; a reader has to refuse what it does
not know, as `prober report` does.
"""


def schema() -> dict[str, Any]:
    """The JSON Schema, with a description of every field."""
    made = Results.model_json_schema(mode="serialization")
    for name, definition in (("Results", made), *made["$defs"].items()):
        for field, described in definition.get("properties", {}).items():
            described["description"] = meaning(name, field)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:prober:suite-results:v{VERSION}",
        **made,
    }


def schema_text() -> str:
    """The schema as it is checked in."""
    return json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"


def page() -> str:
    """docs/results.md."""
    return "\n".join(_lines(schema()))


def _lines(made: Mapping[str, Any]) -> Iterator[str]:
    yield _HEAD
    definitions = made["$defs"]
    for name in MEANINGS:
        definition = made if name == "Results" else definitions[name]
        yield f"## {_heading(name)}"
        yield ""
        yield " ".join(definition["description"].split())
        yield ""
        yield "| field | type | meaning |"
        yield "|---|---|---|"
        for field, described in definition["properties"].items():
            yield f"| `{field}` | {_type(described, definitions)} | {described['description']} |"
        yield ""
    yield "## Closed sets"
    yield ""
    for name, definition in definitions.items():
        if "enum" in definition:
            yield f"- {_heading(name)}: {', '.join(f'`{value}`' for value in definition['enum'])}"
    yield ""


def _heading(name: str) -> str:
    return "The document" if name == "Results" else name


def _type(described: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    """A type in words, with a link to what it is made of."""
    match described:
        case {"$ref": reference}:
            name = reference.rsplit("/", 1)[1]
            anchor = "closed-sets" if "enum" in definitions[name] else name.lower()
            return f"[{name}](#{anchor})"
        case {"const": value}:
            return f"`{json.dumps(value)}`"
        case {"anyOf": kinds} | {"oneOf": kinds}:
            return " or ".join(_type(kind, definitions) for kind in kinds)
        case {"enum": values}:
            return " or ".join(f"`{json.dumps(value)}`" for value in values)
        case {"type": "array", "prefixItems": items}:
            return f"[{', '.join(_type(item, definitions) for item in items)}]"
        case {"type": "array", "items": items}:
            return f"list of {_type(items, definitions)}"
        case {"type": "object", "additionalProperties": values}:
            return f"map to {_type(values, definitions)}"
        case {"type": kind}:
            return str(kind)
    return "any"


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    (folder / SCHEMA).parent.mkdir(parents=True, exist_ok=True)
    (folder / SCHEMA).write_text(schema_text(), encoding="utf-8")
    (folder / PAGE).write_text(page(), encoding="utf-8")
