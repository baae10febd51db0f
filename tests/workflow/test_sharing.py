"""Two users of one checkout: not in one folder at a time, but side by side in folders of their own."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.fixtures.commands import environment

from .conftest import TINY, Checkout, make_checkout

pytestmark = [pytest.mark.workflow, pytest.mark.slow]

TARGET = "data/demo/photos"


def locked(checkout: Checkout) -> bool:
    folder = checkout.path(".snakemake/locks")
    return folder.is_dir() and any(folder.iterdir())


def test_a_folder_in_use_is_refused_and_another_is_not(tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path / "hndesc")
    first = subprocess.Popen(
        checkout.command(TARGET, "--configfile", str(TINY)),
        cwd=checkout.folder,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        while first.poll() is None and not locked(checkout):
            time.sleep(0.05)
        second = checkout.run(TARGET, check=False)
        elsewhere = checkout.run(TARGET, "--directory", str(tmp_path / "own"), "--dry-run")
        assert first.poll() is None, "the first run ended before the others began"
    finally:
        os.killpg(first.pid, signal.SIGKILL)  # Snakemake would wait for its job
        first.wait()
    assert second.returncode != 0
    assert "Directory cannot be locked" in second.stdout and str(checkout.folder) in second.stdout
    assert "--unlock" in second.stdout
    assert "demo_data" in elsewhere.stdout and not (tmp_path / "own" / "data").exists()
