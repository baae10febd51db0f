"""Fixtures shared by all tests."""

import os
import signal
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.fixtures.demo", "tests.fixtures.scenes", "tests.fixtures.tokyo"]

ROOT = Path(__file__).resolve().parents[1]

# Workers of pytest-xdist and the processes that they start share the cores: one thread each.
if "PYTEST_XDIST_WORKER" in os.environ:
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, "1")

# A shell starts background jobs with SIGINT ignored, which the commands that tests interrupt would inherit.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes says how busy the machine is, and nothing else.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


# Modules of many seconds that hold no slow test: begun late, one of them would leave the other workers idle.
LONG = {
    ROOT / "tests" / path
    for path in (
        "datasets/test_synthetic_sequences.py",
        "evaluation/localization/test_evaluate.py",
        "models/test_backbones.py",
        "test_style.py",
    )
}


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of optional extra test data: HNDESC_SHARED, or `shared` beside the checkout."""
    folder = Path(os.environ.get("HNDESC_SHARED", ROOT.parent / "shared"))
    if not (folder / "golden" / "expected.json").is_file():  # a user's folder beside the checkout may be called so
        pytest.skip("optional extra test data is absent (set HNDESC_SHARED to its folder)")
    return folder


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest modules, so that workers end at the same time.

    One begins with the whole chain; others that need it come when it is there, so that no worker waits.
    """
    workflow = {item.path for item in items if item.get_closest_marker("workflow")}
    chain = {item.path for item in items if "finished" in getattr(item, "fixturenames", ())}
    slow = LONG | {item.path for item in items if item.get_closest_marker("slow")}
    first = ROOT / "tests" / "workflow" / "test_chain.py"
    items.sort(key=lambda item: (item.path != first, item.path not in workflow - chain, item.path not in slow))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say once why tests were skipped, however many."""
    reasons = Counter(report.longrepr[2] for report in terminalreporter.stats.get("skipped", []))
    for reason, count in reasons.items():
        terminalreporter.write_line(f"{count} skipped: {reason.removeprefix('Skipped: ')}")
