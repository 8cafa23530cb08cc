"""A skip is for who lacks a tool at a desk; in CI (environment CI=true) it is a failure. Used by conftest.py."""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import TypeVar

import pytest

# What a test may want that no package brings: to be another user, or another kind of machine.
ALLOWED = ("only root ", "this machine has no IPv6")

R = TypeVar("R", pytest.TestReport, pytest.CollectReport)


def in_ci() -> bool:
    """Whether this is a run of CI, as every CI says it."""
    return os.environ.get("CI", "").lower() not in ("", "0", "false")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Judge the report of a test, or of its fixtures."""
    return _judged((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Judge the report of a file that is skipped as a whole."""
    return _judged((yield))


def _judged(report: R) -> R:
    if report.outcome == "skipped" and in_ci() and not hasattr(report, "wasxfail"):
        reason = _reason(report.longrepr)
        if not reason.startswith(ALLOWED):
            report.outcome = "failed"
            report.longrepr = f"skipped, which CI does not allow: {reason}; run scripts/install-test-tools"
    return report


def _reason(longrepr: object) -> str:
    text = str(longrepr[2]) if isinstance(longrepr, tuple) else str(longrepr)
    return text.removeprefix("Skipped: ")
