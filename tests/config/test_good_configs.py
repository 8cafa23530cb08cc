"""The shipped config and those in `tests/configs/good` load, and what `config show` prints of them loads again."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from prober.config import Config, check, load_config, parse_strict, secrets_of, show
from prober.config.schema import keys
from prober.config.strict_yaml import parse
from prober.outcome import Mode
from tests.config.examples import ENV, GOOD, MINIMAL, SECRET, SHIPPED, SHIPPED_ENV, environment

FILES = [SHIPPED, *GOOD]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_check_passes(file: Path) -> None:
    lines, code = check(file, environment(file))
    assert (lines[0], code) == (f"{file}: fine", 0)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_show_prints_no_secret(file: Path) -> None:
    config = load_config(file, environment(file))
    shown = show(file, environment(file))
    assert SECRET not in shown
    for secret in secrets_of(config):
        assert not re.search(rf"(?<!\w){re.escape(secret)}(?!\w)", shown)
    assert SECRET not in repr(config)


def unmask(shown: dict[str, Any], config: Config) -> dict[str, Any]:
    """Put the secrets back into what was shown."""
    for path in keys(Config):
        holder: dict[str, Any] = shown
        value: Any = config
        for part in path[:-1]:
            holder, value = holder.get(str(part), {}), getattr(value, str(part), None)
        key = str(path[-1])
        if isinstance(holder, list):
            continue  # of windows, which have no secrets
        if "***" in str(holder.get(key)):
            holder[key] = getattr(value, key).get_secret_value().replace("$", "$$")
    return shown


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_what_is_shown_loads_as_the_same_config(file: Path, tmp_path: Path) -> None:
    config = load_config(file, environment(file))
    shown = unmask(yaml.safe_load(show(file, environment(file))), config)
    again = tmp_path / "again.yaml"
    again.write_text(yaml.safe_dump(shown))
    assert load_config(again, {}) == config


def test_shipped_config_explains_every_key() -> None:
    """Uncommented, it holds each key of the model and no other."""
    text = re.sub(r"(?m)^( *)# ( *)(?=(?:- )?[a-z_.]+:( |$))", r"\1\2", SHIPPED.read_text())
    parsed = parse(text, "config.yaml", SHIPPED_ENV)
    written = {tuple(part for part in path if isinstance(part, str)) for path in parsed.document.places}
    written = {path for path in written if path[:2] != ("target", "contract_overrides")}
    leaves = {path for path in written if not any(other[:-1] == path for other in written)}
    assert leaves | {("target", "contract_overrides")} == set(keys(Config))


def test_shipped_config_shows_the_defaults() -> None:
    """What it writes out besides what must be changed is what holds without it."""
    shipped = load_config(SHIPPED, SHIPPED_ENV)
    text = MINIMAL.replace("staging", "production")
    plain = parse_strict(text, Config, source="minimal", env=ENV, base=SHIPPED.parent)
    assert shipped.probes.webhook == plain.probes.webhook
    assert shipped.probes.race == plain.probes.race
    assert shipped.probes.health == plain.probes.health
    assert shipped.probes.redis.model_copy(update={"url": None}) == plain.probes.redis.model_copy(
        update={"url": None}
    )
    assert shipped.probes.database.model_copy(update={"dsn": None}) == plain.probes.database.model_copy(
        update={"dsn": None}
    )
    changed = {"target", "probes"}
    assert shipped.model_dump(exclude=changed) == plain.model_dump(exclude=changed)
    to_change = {"url", "public_url", "auth_token", "app_role"}
    assert shipped.target.model_dump(exclude=to_change) == plain.target.model_dump(exclude=to_change)


def test_the_defaults_are_those_of_the_specification() -> None:
    config = parse_strict(MINIMAL, Config, source="minimal", env=ENV)
    webhook, race, redis, database = (
        config.probes.webhook,
        config.probes.race,
        config.probes.redis,
        config.probes.database,
    )
    assert (webhook.interval, webhook.timeout, webhook.jitter, webhook.down_interval) == (10, 10, 1, 1)
    assert webhook.processing_deadline == 60
    assert (race.interval, race.vendors, race.timeout, race.win_rate_window) == (60, 5, 10, 100)
    assert (redis.interval, redis.timeout, redis.down_interval) == (1, 1, 0.02)
    assert (database.interval, database.timeout, database.down_interval) == (1, 2, 0.02)
    assert (config.outages.recovery_successes, config.outages.recovery_hold) == (3, 600)
    assert (config.shutdown_timeout, str(config.listen)) == (10, "127.0.0.1:9877")
    assert str(config.target.rate_limit) == "200/1m"
    assert (str(config.cap.requests), config.cap.burst, config.cap.in_flight) == ("10/1s", 20, 64)


@pytest.mark.parametrize(
    ("where", "mode"),
    [("production", Mode.NO_SIDE_EFFECTS), ("staging", Mode.NO_SIDE_EFFECTS), ("demo", Mode.FULL)],
)
def test_mode_follows_the_environment_where_it_is_not_written(where: str, mode: Mode) -> None:
    text = MINIMAL.replace("staging", where)
    assert parse_strict(text, Config, source="x", env=ENV).probes.webhook.mode is mode
    written = text + "  webhook: {mode: no_side_effects}\n"
    assert parse_strict(written, Config, source="x", env=ENV).probes.webhook.mode is Mode.NO_SIDE_EFFECTS
