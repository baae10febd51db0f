"""The history of a training run: rows for a CSV file, and scalars and figures for TensorBoard."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from hndesc.io.files import atomic_path

COLUMNS = ("step", "loss", "ap", "validation_loss", "accuracy", "learning_rate", "seconds")


@dataclass
class History:
    """Rows of `COLUMNS` (None for a missing value), and the losses since the last row.

    Attributes:
        rows: one every few steps; each loss is the mean over the steps since the previous row.
        losses: losses of the steps since the last row.
        average_precision: whether the loss is 1 - average precision, so that the column `ap` is filled.
    """

    rows: list[dict[str, float | None]] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    average_precision: bool = True

    def add(self, loss: float) -> None:
        """Add the loss of one step."""
        self.losses.append(loss)

    def close_row(
        self, step: int, learning_rate: float, seconds: float, validation: dict[str, float] | None = None
    ) -> dict[str, float | None]:
        """Append the row of `step` (number of updates so far) and return it."""
        loss = sum(self.losses) / len(self.losses) if self.losses else None
        values = {
            "step": step,
            "loss": loss,
            "ap": 1 - loss if self.average_precision and loss is not None else None,
            "learning_rate": learning_rate,
            "seconds": round(seconds, 2),
            **(validation or {}),
        }
        self.rows.append({name: values.get(name) for name in COLUMNS})
        self.losses = []
        return self.rows[-1]

    def state(self) -> dict[str, Any]:
        """Return the arguments from which `History(**state)` restores this history."""
        return {"rows": self.rows, "losses": self.losses, "average_precision": self.average_precision}

    def write(self, path: Path) -> None:
        """Write the rows as CSV, atomically."""
        write_rows(path, COLUMNS, self.rows)


def write_rows(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, float | None]]) -> None:
    """Write rows of a history as CSV, atomically."""
    with atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


class TensorBoardLog:
    """TensorBoard scalars and figures of a run; TensorBoard hides entries of an interrupted run from `step` on."""

    def __init__(self, folder: Path, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer: Any = SummaryWriter(str(folder), purge_step=step)

    def write(self, row: dict[str, float | None]) -> None:
        """Write all values of a history row."""
        names = {"loss": "training/loss", "ap": "training/ap", "learning_rate": "training/learning_rate"}
        names |= {"validation_loss": "validation/loss", "accuracy": "validation/accuracy"}
        for column, tag in names.items():
            if row[column] is not None:
                self._writer.add_scalar(tag, row[column], int(row["step"] or 0))

    def show(self, step: int, figure: np.ndarray, positive: Tensor, negative: Tensor) -> None:
        """Write a match figure (H x W x 3 uint8) and histograms of the similarities of correct and false matches."""
        self._writer.add_image("validation/matches", figure, step, dataformats="HWC")
        self._writer.add_histogram("similarity/positive", positive, step)
        self._writer.add_histogram("similarity/hardest_negative", negative, step)

    def close(self) -> None:
        """Flush pending entries and close the writer."""
        self._writer.close()
