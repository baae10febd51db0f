"""Fixtures shared by all tests."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of optional extra test data: HNDESC_SHARED, or `shared` beside the checkout."""
    folder = Path(os.environ.get("HNDESC_SHARED", ROOT.parent / "shared"))
    if not folder.is_dir():
        pytest.skip("optional extra test data is absent (set HNDESC_SHARED to its folder)")
    return folder
