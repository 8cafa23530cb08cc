"""`python -m prober.dashboards [DIRECTORY]` writes grafana/: dashboards and provisioning."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from prober.dashboards import provisioning
from prober.dashboards.declarations import DASHBOARDS
from prober.dashboards.grafana import text

FOLDER = Path("grafana")


def files() -> Mapping[Path, str]:
    """Every file by its path in the repository."""
    return {
        **{FOLDER / "dashboards" / f"{each.place}.json": text(each) for each in DASHBOARDS},
        FOLDER / "provisioning/dashboards/prober.yaml": provisioning.DASHBOARDS,
        FOLDER / "provisioning/datasources/prometheus.yaml": provisioning.DATASOURCES,
    }


def main() -> None:
    """Write them."""
    parser = argparse.ArgumentParser(prog="python -m prober.dashboards", description=__doc__)
    parser.add_argument("directory", nargs="?", type=Path, default=Path(), help="where to write (the repository)")
    root: Path = parser.parse_args().directory
    for path, written in files().items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(written, encoding="utf-8")


if __name__ == "__main__":
    main()
