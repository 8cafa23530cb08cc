"""What the proxy does to the traffic: immutable values, read from JSON with every fault told in a sentence."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from enum import StrEnum
from typing import Any

LONGEST = 3600.0  # seconds
LARGEST = 10**12  # bytes, or bytes a second

_LINE_KEYS = ("latency", "jitter", "bandwidth")


class ConditionError(ValueError):
    """Conditions that cannot be; the text says what was expected and what came."""


class Moment(StrEnum):
    """When a connection that was drawn meets its end."""

    ACCEPT = "accept"  # at once
    BYTES = "bytes"  # after 1 to `within` bytes of both directions together
    SECONDS = "seconds"  # after 0 to `within` seconds
    ANSWER = "answer"  # when the upstream's first byte is due: it has done its work, and nobody hears of it


@dataclass(frozen=True)
class Line:
    """One direction of every connection. Seconds, bytes a second; a bandwidth of None has no limit.

    Each chunk arrives `latency` ± `jitter` (uniform) after it was sent, never before one that was sent earlier.
    """

    latency: float = 0.0
    jitter: float = 0.0
    bandwidth: float | None = None


@dataclass(frozen=True)
class Ending:
    """The share of new connections that end badly, and when; `within`: bytes or seconds, as `when` says."""

    share: float = 0.0
    when: Moment = Moment.ACCEPT
    within: float = 0.0


@dataclass(frozen=True)
class Conditions:
    """All conditions together; the default is none. `up` is towards the upstream, `down` towards the client."""

    up: Line = field(default_factory=Line)
    down: Line = field(default_factory=Line)
    reset: Ending = field(default_factory=Ending)
    stall: Ending = field(default_factory=Ending)
    refuse: bool = False
    freeze: bool = False

    def as_json(self) -> dict[str, Any]:
        """The form that `changed` reads."""
        return asdict(self)


CLEAR = Conditions()


def changed(conditions: Conditions, changes: Mapping[str, Any]) -> Conditions:
    """Conditions with what `changes` names changed and all else as it was. Raises ConditionError.

    Keys: `latency`, `jitter`, `bandwidth` (both directions), `up` and `down` (a mapping of the same three, which
    goes before them), `reset` and `stall` (a share 0..1, or a mapping `share`, `when`, `within`), `refuse`,
    `freeze` (true or false).
    """
    known = (*_LINE_KEYS, *(each.name for each in fields(Conditions)))
    _only_known(changes, known, "a condition")
    both = {key: changes[key] for key in _LINE_KEYS if key in changes}
    found = replace(
        conditions,
        up=_line(conditions.up, {**both, **_mapping(changes, "up")}, "up"),
        down=_line(conditions.down, {**both, **_mapping(changes, "down")}, "down"),
        reset=_ending(conditions.reset, changes, "reset"),
        stall=_ending(conditions.stall, changes, "stall"),
        refuse=_switch(conditions.refuse, changes, "refuse"),
        freeze=_switch(conditions.freeze, changes, "freeze"),
    )
    if found.reset.share + found.stall.share > 1:
        raise ConditionError(
            f"reset {found.reset.share:g} and stall {found.stall.share:g} are shares of the same connections; "
            "expected at most 1 together"
        )
    return found


def _line(line: Line, changes: Mapping[str, Any], name: str) -> Line:
    _only_known(changes, _LINE_KEYS, f"a condition of `{name}`")
    found = line
    for key in ("latency", "jitter"):
        if key in changes:
            value = _number(changes[key], f"{key} ({name})", 0, LONGEST, "seconds")
            found = replace(found, **{key: value})
    if "bandwidth" in changes:
        given = changes["bandwidth"]
        limit = None if given is None else _number(given, f"bandwidth ({name})", 1, LARGEST, "bytes a second")
        found = replace(found, bandwidth=limit)
    if found.jitter > found.latency:
        raise ConditionError(
            f"jitter ({name}) is {found.jitter:g} s with a latency of {found.latency:g} s; expected no more "
            "jitter than latency, since nothing arrives before it was sent"
        )
    return found


def _ending(ending: Ending, changes: Mapping[str, Any], name: str) -> Ending:
    if name not in changes:
        return ending
    given = changes[name]
    if not isinstance(given, Mapping):
        return Ending(share=_number(given, name, 0, 1, "of the new connections"))
    _only_known(given, tuple(each.name for each in fields(Ending)), f"a part of `{name}`")
    share = _number(given.get("share", 0), f"{name}.share", 0, 1, "of the new connections")
    try:
        when = Moment(given.get("when", Moment.ACCEPT))
    except ValueError:
        raise ConditionError(f"{name}.when is {given['when']!r}; expected one of {', '.join(Moment)}") from None
    within = given.get("within", 0)
    if when is Moment.BYTES:
        return Ending(share, when, math.floor(_number(within, f"{name}.within", 1, LARGEST, "bytes")))
    if when is Moment.SECONDS:
        return Ending(share, when, _number(within, f"{name}.within", 0, LONGEST, "seconds"))
    if within != 0:
        raise ConditionError(f"{name}.within is {within!r}; `when: {when}` takes none")
    return Ending(share, when)


def _switch(switch: bool, changes: Mapping[str, Any], name: str) -> bool:
    given = changes.get(name, switch)
    if not isinstance(given, bool):
        raise ConditionError(f"{name} is {given!r}; expected true or false")
    return given


def _number(given: Any, name: str, lowest: float, highest: float, unit: str) -> float:
    is_number = isinstance(given, int | float) and not isinstance(given, bool)
    if not is_number or not lowest <= given <= highest:
        raise ConditionError(f"{name} is {given!r}; expected a number from {lowest:g} to {highest:g} ({unit})")
    return float(given)


def _mapping(changes: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    given = changes.get(name, {})
    if not isinstance(given, Mapping):
        raise ConditionError(f"{name} is {given!r}; expected a mapping with {', '.join(_LINE_KEYS)}")
    return given


def _only_known(given: Mapping[str, Any], known: tuple[str, ...], what: str) -> None:
    for key in given:
        if key not in known:
            raise ConditionError(f"{key!r} is not {what}; known are {', '.join(known)}")
