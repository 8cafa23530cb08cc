"""Reading config and contract for a command; what is wrong with them goes to stderr, a line each."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from prober.config.load import load_config
from prober.config.model import Config
from prober.config.problem import ConfigError
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


def read_settings(path: Path) -> Settings | None:
    """Read both; None when they are not right, after having said why."""
    try:
        config = load_config(path, os.environ)
        contract = load_contract(config, path.parent)
        web = WebSettings() if config.web_config is None else read_web_config(config.web_config)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return None
    return Settings(config, contract, web, Redactor(secrets_of(config)))
