"""Which series there are, and which labels a result can have."""

from __future__ import annotations

from functools import cache

from prober.alerts.declarations import RECORDINGS
from prober.alerts.prober_itself import STARTED, UP
from prober.web.catalogue import METRICS
from prober.web.metric import Kind

from .promql import SETS, Aggregation, Binary, Call, Node, Number, Selector, parse

# What Prometheus itself puts on everything it scrapes; `region` where it is a label of the target.
OF_A_TARGET = frozenset({"job", "instance", "region"})
_SUFFIXES = {Kind.HISTOGRAM: ("_bucket", "_count", "_sum")}


@cache
def exported() -> dict[str, dict[str, frozenset[str]]]:
    """By name of a series its labels with their closed sets; an empty set: the config decides."""
    found: dict[str, dict[str, frozenset[str]]] = {UP: {}, STARTED: {}}
    for metric in METRICS:
        labels = {label.name: frozenset(label.values) for label in metric.labels}
        for suffix in _SUFFIXES.get(metric.kind, ("",)):
            edges = frozenset(str(float(edge)) for edge in metric.buckets) | {"+Inf"}
            found[metric.name + suffix] = {**labels, "le": edges} if suffix == "_bucket" else labels
    return found


@cache
def recorded() -> dict[str, dict[str, frozenset[str]]]:
    """The same of what the recording rules make: the labels that their expression keeps and those they add."""
    found: dict[str, dict[str, frozenset[str]]] = {}
    for each in RECORDINGS:
        labels = found.setdefault(each.record, {})
        for name in kept(parse(each.expr)) - OF_A_TARGET:
            labels.setdefault(name, frozenset())
        for name, value in each.labels.items():
            labels[name] = labels.get(name, frozenset()) | {value}
    return found


def kept(node: Node) -> frozenset[str]:
    """The labels that a result of this expression may have."""
    match node:
        case Number():
            return frozenset()
        case Selector(name=name):
            if name in exported():
                return OF_A_TARGET | exported()[name].keys()
            return (OF_A_TARGET - {"instance"}) | recorded_labels(name)
        case Aggregation(by=by, arguments=arguments):
            return frozenset(by) & kept(arguments[-1])
        case Call(function="absent" | "vector" | "time"):
            return frozenset()
        case Call(function="histogram_quantile", arguments=(_, below)):
            return kept(below) - {"le"}
        case Call(arguments=arguments):
            return kept(arguments[0])
        case Binary():
            return _of_two(node)


def _of_two(node: Binary) -> frozenset[str]:
    left, right = kept(node.left), kept(node.right)
    if node.operator == "or":
        return left | right
    if node.operator in SETS or not right or node.group_left:
        return left
    if not left:
        return right
    return frozenset(node.on) if node.on is not None else left - set(node.ignoring)


@cache
def recorded_labels(name: str) -> frozenset[str]:
    """The labels of a recorded series."""
    found: frozenset[str] = frozenset()
    for each in RECORDINGS:
        if each.record == name:
            found |= kept(parse(each.expr)) | each.labels.keys()
    assert found, f"{name} is neither exported nor recorded"
    return found - OF_A_TARGET
