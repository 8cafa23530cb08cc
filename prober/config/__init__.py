"""The config file: its units, its keys, and how text becomes values or errors that say where."""

from prober.config.check import check, show, warnings
from prober.config.document import Document
from prober.config.load import load_config, load_strict, parse_strict
from prober.config.model import Config, Environment
from prober.config.problem import ConfigError, Problem
from prober.config.secrets import Redactor, secrets_of

__all__ = [
    "Config",
    "ConfigError",
    "Document",
    "Environment",
    "Problem",
    "Redactor",
    "check",
    "load_config",
    "load_strict",
    "parse_strict",
    "secrets_of",
    "show",
    "warnings",
]
