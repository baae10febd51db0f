"""A training that is killed resumes, and ends with the weights of one that never was."""

import json
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.fixtures.commands import environment

from .conftest import TINY, Checkout

pytestmark = [pytest.mark.workflow, pytest.mark.slow]

MODEL = "results/training/model.safetensors"


def test_killed_training_resumes_to_the_same_weights(finished: Checkout, tmp_path: Path) -> None:
    checkout = finished.copy(tmp_path / "hndesc")
    whole = checkout.path(MODEL).read_bytes()
    for path in checkout.path("results/training").rglob("*"):
        if path.is_file():
            path.unlink()
    _kill_early(checkout)
    assert not checkout.path(MODEL).exists() and has_state(checkout)

    checkout.run("--unlock")
    checkout.run(MODEL)
    log = checkout.path("results/logs/train/training.log").read_text()
    assert re.search(r"training resumes from step (2|4|6|8|10),", log), log
    assert checkout.path(MODEL).read_bytes() == whole


def test_of_two_stages_the_second_is_killed_and_resumed(finished: Checkout, tmp_path: Path) -> None:
    stages = tmp_path / "stages.yaml"
    tiny = yaml.safe_load(TINY.read_text())
    tiny["training"] |= {"weights": "start", "steps": 12}
    tiny["training_runs"] = {"start": {"training": {"weights": "random", "steps": 8}}}
    stages.write_text(yaml.safe_dump(tiny))
    checkout = finished.copy(tmp_path / "hndesc")
    checkout.run(MODEL, configfile=stages)
    first = checkout.path("results/training_runs/start/model.safetensors")
    card = json.loads(checkout.path("results/training/model.json").read_text())
    assert card["settings"]["weights"] == str(first.relative_to(checkout.folder))
    whole, begun = checkout.path(MODEL).read_bytes(), first.stat()
    for path in checkout.path("results/training").rglob("*"):
        if path.is_file():
            path.unlink()
    _kill_early(checkout, stages)
    assert not checkout.path(MODEL).exists() and has_state(checkout)

    checkout.run("--unlock", configfile=stages)
    assert checkout.jobs(MODEL, configfile=stages)["train"] == 1
    checkout.run(MODEL, configfile=stages)
    assert checkout.path(MODEL).read_bytes() == whole and first.stat() == begun


def has_state(checkout: Checkout) -> bool:
    """Whether there is a state to resume from; killed while it is replaced, the one before is left."""
    return any(checkout.path(f"results/training/state/{name}").exists() for name in ("state.pt", "state-before.pt"))


def _kill_early(checkout: Checkout, configfile: Path = TINY) -> None:
    """Run the training and kill -9 everything when the log reports the first validation after a saved state."""
    command = checkout.command(MODEL, "--configfile", str(configfile))
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
