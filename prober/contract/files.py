"""Where contracts are: those that ship with prober, and files of the user's own."""

from __future__ import annotations

from pathlib import Path

SHIPPED = Path(__file__).parents[1] / "contracts"


def contract_path(name: str, base: Path) -> Path:
    """Find the file of a contract: a shipped name, or a path (relative to `base`, the config's folder)."""
    shipped = SHIPPED / f"{name}.yaml"
    if shipped.is_file() and "/" not in name:
        return shipped
    return base / name


def shipped_names() -> list[str]:
    """The contracts that come with prober."""
    return sorted(file.stem for file in SHIPPED.glob("*.yaml"))
