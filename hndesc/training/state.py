"""The rolling state of a training run, from which an interrupted run resumes."""

import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from hndesc.errors import HndescError, reason
from hndesc.io.files import atomic_path
from hndesc.io.tensor_files import read_torch, regular_file

logger = logging.getLogger(__name__)


class StateFolder:
    """A folder with the latest state and the TensorBoard logs.

    Args:
        folder: created when the first state is saved.
        fingerprint: hash of settings and data; a state with a different fingerprint is not used.
    """

    def __init__(self, folder: Path, fingerprint: str) -> None:
        self.folder = Path(folder)
        self.fingerprint = fingerprint
        self.file = self.folder / "state.pt"
        self.previous = self.folder / "state-before.pt"
        self.logs = self.folder / "tensorboard"

    def load(self) -> dict[str, Any] | None:
        """Return the latest state, or None if there is none of this run; then an old state and its logs are removed.

        If the latest state is damaged, the previous one is returned.

        Raises:
            HndescError: no saved state is intact.
        """
        state, file = self._latest()
        if state is not None and state["fingerprint"] == self.fingerprint:
            logger.info("training resumes from step %d, found in %s", state["step"], file)
            return state
        if state is not None:
            logger.info("%s was saved with other settings or data: training starts from the beginning", file)
        self.remove()
        return None

    def _latest(self) -> tuple[dict[str, Any] | None, Path]:
        files = [file for file in (self.file, self.previous) if file.exists()]
        errors: list[str] = []
        for file in files:
            try:
                state = _read(file)
            except HndescError as error:
                errors.append(str(error))
                continue
            if errors:
                logger.warning("%s: training resumes from the previous state, %s", errors[0], file)
            return state, file
        if errors:
            raise HndescError(
                f"{'; '.join(errors)}: training cannot resume; restore the file from a copy, or delete {self.folder} "
                "to start from the beginning"
            )
        return None, self.file

    def save(self, state: Mapping[str, Any]) -> None:
        """Write the state and keep the previous one."""
        with atomic_path(self.file) as temporary:
            torch.save({"fingerprint": self.fingerprint, **state}, temporary)
            if self.file.exists():
                os.replace(self.file, self.previous)

    def remove(self, keep_logs: bool = False) -> None:
        """Remove the state, and the logs unless `keep_logs`; other files in the folder are kept."""
        self.file.unlink(missing_ok=True)
        self.previous.unlink(missing_ok=True)
        if keep_logs:
            return
        for path in self.logs.glob("events.out.tfevents.*"):
            path.unlink()
        for folder in (self.logs, self.folder):
            with suppress(OSError):  # absent, or not empty
                folder.rmdir()


def _read(file: Path) -> dict[str, Any]:
    regular_file(file, "training state", "delete it to start from the beginning")
    try:
        # The checksums of the archive are verified, so that a changed byte is an error.
        state = read_torch(file)
    except Exception as error:  # torch's unpickler raises arbitrary exceptions on bytes that are not a pickle
        raise HndescError(f"{file} is damaged ({reason(error)})") from None
    if not isinstance(state, dict) or not {"fingerprint", "step"} <= state.keys():
        raise HndescError(f"{file} contains no training state")
    return state
