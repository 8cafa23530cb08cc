"""`config check` and `config show`: what is printed, the exit codes, and what is warned of."""

from __future__ import annotations

from pathlib import Path

import pytest

from prober.config import Config, ConfigError, Problem, check, load_config, show, warnings
from prober.config.document import Mark
from tests.config.examples import BAD, ENV, GOOD, MINIMAL, SECRET, SHIPPED, SHIPPED_ENV


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "config.yaml"
    file.write_text(text)
    return file


def warned(tmp_path: Path, text: str) -> str:
    return "\n".join(warnings(load_config(written(tmp_path, text), ENV)))


def test_says_what_will_run_and_what_it_costs() -> None:
    lines, code = check(SHIPPED, SHIPPED_ENV)
    assert code == 0
    assert lines[1].endswith("watches production at https://orders.example.com")
    assert lines[2:] == [
        "probes: webhook, race, redis, database, health",
        "webhook budget at worst: delivery 61 (every 1s while down) + checks 12 (12 every 5m) + health 3 (every "
        "30s) = 76 in 1m of 100 (half of 200/1m)",
        "requests at most: 10/1s, 20 at once, 64 in flight",
    ]


def test_a_bad_config_ends_with_the_count_and_code_2() -> None:
    several = next(file for file in BAD if file.stem == "several-faults")
    lines, code = check(several, ENV)
    assert (code, lines[-1]) == (2, f"{several}: 5 problems")
    assert len(lines) == 6


def test_what_the_config_refers_to_is_checked_too() -> None:
    def contract(config: Config) -> None:
        secret = config.target.auth_token.get_secret_value()
        raise ConfigError([Problem(Mark(str(config.target.contract)), (), f"no contract {secret}")])

    lines, code = check(SHIPPED, SHIPPED_ENV, contract)
    assert (lines[0], code) == ("whatsapp-ordering-system: no contract ***", 2)


def test_show_of_a_bad_config_raises_its_problems() -> None:
    with pytest.raises(ConfigError, match="unknown key"):
        show(next(file for file in BAD if file.stem == "unknown-key"), ENV)


def test_show_leaves_secrets_to_their_files() -> None:
    shown = show(next(file for file in GOOD if file.stem == "secrets-in-files"), ENV)
    assert "auth_token_file: " in shown
    assert "auth_token: " not in shown
    assert "***" not in shown.split("\n", 1)[1]


@pytest.mark.parametrize(("mode", "told"), [(0o644, True), (0o640, False), (0o600, False)])
def test_warns_of_secrets_that_anyone_can_read(tmp_path: Path, mode: int, told: bool) -> None:
    token = tmp_path / "token"
    token.write_text(SECRET)
    token.chmod(mode)
    text = MINIMAL.replace("auth_token: ${TOKEN}", "auth_token_file: token")
    assert (f"{token} holds a secret" in warned(tmp_path, text)) == told


def test_warns_of_what_cannot_be_observed(tmp_path: Path) -> None:
    assert "db_connection_pool_usage is not observable" in warned(tmp_path, MINIMAL)
    without_database = MINIMAL.replace("    dsn: postgresql://prober@db/orders", "    enabled: false")
    text = without_database + "  race: {enabled: false}\n  webhook: {mode: full, from_number: '+9779800000000'}\n"
    assert "loss and processing delay are not observable" in warned(tmp_path, text)


def test_warns_of_what_is_dangerous(tmp_path: Path) -> None:
    text = MINIMAL.replace("staging", "production").replace(
        "  auth_token", "  tls: {insecure_skip_verify: true}\n  app_role: app\n  auth_token"
    )
    told = warned(tmp_path, text + "  webhook: {mode: full, from_number: '+9779800000000'}\n")
    assert "target.tls.insecure_skip_verify is true" in told
    assert "mode full in production: the target replies to +9779800000000" in told


def test_warns_of_more_than_the_cap_lets_through(tmp_path: Path) -> None:
    fast = MINIMAL + "  race: {interval: 500ms, timeout: 5s}\n"
    assert "ask for 40.1 requests a second, but cap.requests is 10/1s" in warned(tmp_path, fast)
    assert "ask for" not in warned(tmp_path, fast + "cap: {requests: 41/1s}\n")


def test_nothing_to_warn_of_in_the_shipped_config() -> None:
    assert list(warnings(load_config(SHIPPED, SHIPPED_ENV))) == []
