"""The contract with the target: its models, how answers are read by it, and where its files are.

Contracts ship as `prober/contracts/*.yaml`; a path names one of the user's own.
"""

from prober.contract.answers import AnswerRule, Match, at, parsed
from prober.contract.fields import fill
from prober.contract.files import SHIPPED, contract_path, shipped_names
from prober.contract.model import (
    RACE_FIELDS,
    WEBHOOK_FIELDS,
    Claimed,
    Contract,
    Full,
    Health,
    HealthPage,
    Memory,
    Race,
    Repeats,
    Replay,
    Route,
    Webhook,
)

__all__ = [
    "RACE_FIELDS",
    "SHIPPED",
    "WEBHOOK_FIELDS",
    "AnswerRule",
    "Claimed",
    "Contract",
    "Full",
    "Health",
    "HealthPage",
    "Match",
    "Memory",
    "Race",
    "Repeats",
    "Replay",
    "Route",
    "Webhook",
    "at",
    "contract_path",
    "fill",
    "parsed",
    "shipped_names",
]
