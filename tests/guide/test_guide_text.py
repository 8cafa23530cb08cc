"""The data say what the guide says: its tables, targets, budgets and tree, word for word, in `guide.md`."""

from __future__ import annotations

import re
from pathlib import Path

from prober.guide.breaking_points import GAPS, GUIDE
from prober.guide.budgets import BUDGETS
from prober.guide.decisions import TREE, Question
from prober.guide.targets import TARGETS
from prober.outcome import Suite

TEXT = (Path(__file__).parent / "guide.md").read_text(encoding="utf-8")
SUITES = {
    "Webhook Endpoint": Suite.WEBHOOK_LOAD,
    "Vendor Race Condition": Suite.VENDOR_RACE,
    "Vendor Race": Suite.VENDOR_RACE,
    "Redis Failure": Suite.REDIS_FAILURE,
    "Redis Failure Resilience": Suite.REDIS_FAILURE,
    "Database Restart": Suite.DB_RESTART,
}


def rows() -> list[tuple[Suite, str, str, str, str]]:
    found = []
    for table in re.split(r"^### ", TEXT, flags=re.MULTILINE)[1:]:
        title = table.splitlines()[0]
        for name, row, status, action in re.findall(
            r"^\| \*\*(.+?)\*\* \| (.+?) \| \S+ (.+?) \| (.+?) \|$", table, re.MULTILINE
        ):
            found.append((SUITES[title.removesuffix(" Breaking Points")], name, row, status.lower(), action))
    return found


def test_the_breaking_points_are_the_guide_s_in_its_order() -> None:
    assert len(rows()) == 43
    assert [(each.suite, each.name, each.row, each.verdict, each.action) for each in GUIDE] == rows()
    assert all(re.search(rf"^### {re.escape(each.source.split(', ')[1])}$", TEXT, re.MULTILINE) for each in GUIDE)
    assert not any(each.gap for each in GUIDE)
    assert len(GAPS) == 2
    assert all(each.gap for each in GAPS)


def test_the_targets_are_the_guide_s_in_its_order() -> None:
    block = TEXT.split("### Production Targets")[1].split("```")[1]
    found = []
    for part in block.strip().split("\n\n"):
        title, *lines = part.splitlines()
        found += [(title.rstrip(":"), line.removeprefix("  - ")) for line in lines]
    assert len(found) == 13
    assert [(each.group, each.text) for each in TARGETS] == found
    assert all(SUITES[each.group] is each.suite for each in TARGETS)


def test_the_budgets_are_the_guide_s_in_its_order() -> None:
    block = TEXT.split("**Performance budgets per feature:**")[1].split("##")[0]
    assert [f"- {each.text}" for each in BUDGETS] == block.strip().splitlines()


def words(question: Question) -> list[str]:
    found = [question.text]
    for branch in question.branches:
        found.append(branch.label)
        found += [step.replace(": ", " → ", 1) for step in branch.steps]
        found += words(branch.question) if branch.question else []
    return found


def test_the_tree_is_the_guide_s() -> None:
    tree = TEXT.split("## 🎯 Tuning Decision Tree")[1]
    missing = [each for question in TREE.values() for each in words(question) if each not in tree]
    assert missing == []
    assert list(TREE) == list(Suite)
    # And nothing of the guide's is left out: each line of its tree is one branch, one question or one step.
    lines = [line for line in tree.strip("`\n ").splitlines() if line.strip("│ ")]
    branches = sum(1 for question in TREE.values() for _ in steps(question))
    assert branches == len(lines)


def steps(question: Question) -> list[str]:
    found = [question.text] if question.text.endswith("?") else []
    for branch in question.branches:
        found += steps(branch.question) if branch.question else []
        found += branch.steps or [branch.label]
    return found
