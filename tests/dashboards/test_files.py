"""What is checked in is what the code makes, and the SDK's models read it without loss."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models import dashboard as model

from prober.dashboards.__main__ import files
from prober.dashboards.annotations import PLUGIN_KEYS
from prober.dashboards.panel import Place
from tests.dashboards.reading import FOLDER, load


def test_the_files_are_current() -> None:
    made = {FOLDER.parent / path: text for path, text in files().items()}
    there = {path for path in FOLDER.rglob("*") if path.is_file()}
    assert there == set(made)
    stale = [path.name for path, text in made.items() if path.read_text(encoding="utf-8") != text]
    assert stale == [], "run: python -m prober.dashboards"


@pytest.mark.parametrize("place", Place)
def test_the_sdk_reads_it_back_without_loss(place: Place) -> None:
    register_default_plugins()
    document = load(place)
    again = json.loads(json.dumps(model.Dashboard.from_json(load(place)), cls=JSONEncoder))
    # The SDK's model of annotations knows no keys of a data source's plugin; everything else has to be there.
    for annotation in document["annotations"]["list"]:
        assert set(annotation) >= PLUGIN_KEYS
        for key in PLUGIN_KEYS:
            del annotation[key]
    assert again == document


def test_provisioning_names_what_the_dashboards_ask_for() -> None:
    def read(name: str) -> dict[str, Any]:
        document: dict[str, Any] = yaml.safe_load((FOLDER / "provisioning" / name).read_text(encoding="utf-8"))
        return document

    (source,) = read("datasources/prometheus.yaml")["datasources"]
    assert (source["type"], source["uid"], source["jsonData"]["timeInterval"]) == (
        "prometheus",
        "prometheus",
        "10s",
    )
    (provider,) = read("dashboards/prober.yaml")["providers"]
    assert (provider["type"], provider["folderUid"], provider["allowUiUpdates"]) == ("file", "prober", False)
