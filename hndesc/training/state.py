"""The rolling state of a training run: what an interrupted run needs to go on where it stopped."""

import logging
import pickle
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from hndesc.files import atomic_path

logger = logging.getLogger(__name__)


class StateFolder:
    """A folder with the latest state, and the logs of TensorBoard.

    Args:
        folder: made when the first state is saved.
        fingerprint: of the settings and the data; a state of another fingerprint is not used.
    """

    def __init__(self, folder: Path, fingerprint: str) -> None:
        self.folder = Path(folder)
        self.fingerprint = fingerprint
        self.file = self.folder / "state.pt"
        self.logs = self.folder / "tensorboard"

    def load(self) -> dict[str, Any] | None:
        """Return the state saved last, or None where a run must start anew: then old logs are removed, too."""
        state = self._read()
        if state is not None and state["fingerprint"] == self.fingerprint:
            logger.info("training goes on from step %d, found in %s", state["step"], self.file)
            return state
        if state is not None:
            logger.info("%s is of other settings or other data: training starts anew", self.file)
        self.remove()
        return None

    def _read(self) -> dict[str, Any] | None:
        if not self.file.is_file():
            return None
        try:
            state = torch.load(self.file, map_location="cpu", weights_only=True)
            return state if isinstance(state, dict) and "fingerprint" in state else None
        except (OSError, EOFError, RuntimeError, ValueError, pickle.UnpicklingError, zipfile.BadZipFile) as error:
            logger.warning("%s cannot be read (%s): training starts anew", self.file, error)
            return None

    def save(self, state: Mapping[str, Any]) -> None:
        """Write the state; the one before is replaced at once or not at all."""
        with atomic_path(self.file) as temporary:
            torch.save({"fingerprint": self.fingerprint, **state}, temporary)

    def remove(self, keep_logs: bool = False) -> None:
        """Remove the state, and the logs unless they are to be kept; other files in the folder stay."""
        self.file.unlink(missing_ok=True)
        if keep_logs:
            return
        for path in self.logs.glob("events.out.tfevents.*"):
            path.unlink()
        for folder in (self.logs, self.folder):
            with suppress(OSError):  # absent, or not empty
                folder.rmdir()
