"""Config, contract and `web_config` as one checked value, with what masks its secrets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from prober.config.load import load_config
from prober.config.model import Config
from prober.config.secrets import Redactor, secrets_of
from prober.contract import Contract
from prober.daemon.assembly import load_contract
from prober.web.settings import WebSettings
from prober.web.web_config import read_web_config


@dataclass(frozen=True, slots=True)
class Settings:
    """A checked config with its contract, and what masks its secrets in every text."""

    config: Config
    contract: Contract
    web: WebSettings
    redact: Redactor


def load_settings(path: Path, env: Mapping[str, str], redact: Redactor | None = None) -> Settings:
    """Read all three; ConfigError with every problem of the first that is not right.

    `redact` learns the secrets as soon as they are known, also where the rest turns out wrong.
    """
    redact = redact or Redactor(())
    config = load_config(path, env)
    redact.learn(secrets_of(config))
    contract = load_contract(config, path.parent)
    web = read_web_config(config.web_config) if config.web_config else WebSettings()
    return Settings(config, contract, web.reloading(config.web.reload), redact)
