"""What an answer means by the contract: which statuses and which JSON, and for whom it is a win."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from prober.contract.fields import Int, Part, Some, Statuses, http_status
from prober.outcome import Claim


class Match(Part):
    """What an answer has to be: one of these statuses, and these values at these places of its JSON body.

    `json_object` asks for a body that is a JSON object, whatever is in it.
    """

    status: Statuses
    # "json" is what the file says; pydantic's own method of that name must not be hidden
    body: Mapping[str, str | bool | int] = Field(default_factory=dict, alias="json")
    json_object: bool = False

    def fits(self, code: int, document: object) -> bool:
        """Whether an answer with this status and this parsed body (None when it is no JSON) fits."""
        if code not in self.status or (self.json_object and not isinstance(document, dict)):
            return False
        found = {path: at(document, path) for path in self.body}
        # 1 is no true, and true no 1
        return all(found[path] == value and type(found[path]) is type(value) for path, value in self.body.items())


class AnswerRule(Match):
    """An answer that means `claim` for the vendor that got it."""

    status: Annotated[
        tuple[Annotated[Int, http_status(200, 499, 429)], ...], Some
    ]  # 429 and 5xx are known without a rule
    claim: Literal[Claim.WON, Claim.LOST, Claim.ALREADY_WON, Claim.REFUSED]

    def leaves_nothing_to(self, other: AnswerRule) -> bool:
        """Whether every answer that fits `other` fits this rule, seen by what both ask for."""
        asks_less = self.body.items() <= other.body.items() and (other.json_object or not self.json_object)
        return asks_less and set(other.status) <= set(self.status)


def parsed(body: bytes) -> object:
    """Parse a JSON body; None when it is none, however deep or long the nonsense in it."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def at(document: object, path: str) -> object:
    """The value at a dotted path of a JSON document; None where there is none."""
    for key in path.split("."):
        if not isinstance(document, dict):
            return None
        document = document.get(key)
    return document
