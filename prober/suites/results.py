"""The results of one scenario: the document in `<suite>-test-results.json`, its version, and how it is read.

What all suites share is here; each suite's own part is in `results_load.py`, `results_race.py` and
`results_drill.py`. Times are seconds, those ending in `_at` count from the start of the measurement; rates are
0..1, sizes bytes. A value that was not measured is null, never 0.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from prober.guide.judgement import Judgement
from prober.outcome import Ending, Measure, Suite
from prober.suites.part import Part
from prober.suites.results_drill import DrillDetail
from prober.suites.results_load import LoadDetail
from prober.suites.results_race import RaceDetail

VERSION: Literal[1] = 1

# What a results file may weigh; the largest of ours, a stress race with all its evidence, is some megabytes.
LARGEST = 200_000_000


class Where(Part):
    """The target that was tested."""

    url: str
    environment: str
    contract: str


class By(Part):
    """The prober that tested, and the machine it ran on."""

    version: str
    instance: str
    python: str
    cores: int
    processes: int = 1


class Results(Part):
    """One run of one scenario."""

    format: Literal["prober-suite-results"] = "prober-suite-results"
    version: Literal[1] = VERSION
    suite: Suite
    scenario: str
    run_id: str
    started: str  # ISO 8601, UTC
    ended: str
    duration_seconds: float
    ending: Ending
    sentence: str  # what happened, for a person, in one sentence
    target: Where
    prober: By
    parameters: Mapping[str, str | float | int | bool | None]  # as asked for: concurrency, rate, races …
    measures: Mapping[Measure, float | None]
    judgement: Judgement
    notes: tuple[str, ...]  # what limits what the figures say: rate limited, generator-bound, not reconciled …
    detail: Annotated[LoadDetail | RaceDetail | DrillDetail, Field(discriminator="kind")]


class ResultsError(Exception):
    """A file that holds no results that can be read; the text says what was expected and what came."""


def file_name(suite: Suite) -> str:
    """The guide's name of the results file."""
    return f"{suite}-test-results.json"


def write(results: Results, path: Path) -> None:
    """Write a results file as a whole or not at all. OSError if it cannot be written."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        new.write_text(results.model_dump_json(indent=1) + "\n", encoding="utf-8")
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def read(path: Path) -> Results:
    """Read a results file; ResultsError if it is none of ours, or of a version that we do not know."""
    try:
        if path.stat().st_size > LARGEST:
            raise ResultsError(f"{path}: larger than {LARGEST} bytes, which no results file of ours is")
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ResultsError(f"{path}: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise ResultsError(f"{path}: expected the JSON that `prober load`, `race` or `drill` wrote") from None
    if not isinstance(document, dict) or document.get("format") != "prober-suite-results":
        raise ResultsError(
            f'{path}: expected "format": "prober-suite-results"; is it a file that `prober load`, `race` or '
            "`drill` wrote?"
        )
    if document.get("version") != VERSION:
        raise ResultsError(
            f"{path}: written as version {document.get('version')!r}; this prober reads version {VERSION}"
        )
    try:
        return Results.model_validate_json(json.dumps(document))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ResultsError(f"{path}: {place}: {first['msg']}") from None
