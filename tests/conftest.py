"""Fixtures shared by all tests."""

import os
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.fixtures.scenes", "tests.fixtures.tokyo"]

ROOT = Path(__file__).resolve().parents[1]

# How long an example takes says how busy the machine is, and nothing else.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of optional extra test data: HNDESC_SHARED, or `shared` beside the checkout."""
    folder = Path(os.environ.get("HNDESC_SHARED", ROOT.parent / "shared"))
    if not folder.is_dir():
        pytest.skip("optional extra test data is absent (set HNDESC_SHARED to its folder)")
    return folder


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say once why tests were skipped, however many."""
    reasons = Counter(report.longrepr[2] for report in terminalreporter.stats.get("skipped", []))
    for reason, count in reasons.items():
        terminalreporter.write_line(f"{count} skipped: {reason.removeprefix('Skipped: ')}")
