"""A training that is killed goes on where it was, and ends with the weights of one that never was."""

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from .conftest import TINY, Checkout, environment

pytestmark = pytest.mark.workflow

MODEL = "results/training/model.safetensors"


def test_killed_training_resumes_to_the_same_weights(finished: Checkout, tmp_path: Path) -> None:
    checkout = finished.copy(tmp_path / "hndesc")
    whole = checkout.path(MODEL).read_bytes()
    for path in checkout.path("results/training").rglob("*"):
        if path.is_file():
            path.unlink()
    _kill_early(checkout)
    assert not checkout.path(MODEL).exists() and checkout.path("results/training/state/state.pt").exists()

    checkout.run("--unlock")
    checkout.run(MODEL)
    log = checkout.path("results/logs/train/training.log").read_text()
    assert re.search(r"training resumes from step (2|4|6|8|10),", log), log
    assert checkout.path(MODEL).read_bytes() == whole


def _kill_early(checkout: Checkout) -> None:
    """Run the training and kill -9 everything when the log tells of the first validation after a saved state."""
    command = checkout.command(MODEL, "--configfile", str(TINY))
    process = subprocess.Popen(
        command,
        cwd=checkout.folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "step 4: validation" in line:
            break
    os.killpg(process.pid, signal.SIGKILL)
    process.stdout.close()
    process.wait()
