"""The history of a training run: rows for a CSV file, and the same scalars for TensorBoard."""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hndesc.files import atomic_path

COLUMNS = ("step", "loss", "ap", "validation_loss", "accuracy", "learning_rate", "seconds")


@dataclass
class History:
    """Rows of `COLUMNS`, None where a column has no value, and what came in since the last row.

    Attributes:
        rows: one every few steps; losses are means over the steps since the row before.
        losses, aps: of the steps since the last row.
    """

    rows: list[dict[str, float | None]] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    aps: list[float] = field(default_factory=list)

    def add(self, loss: float, ap: float) -> None:
        """Note the loss and the average precision of one step."""
        self.losses.append(loss)
        self.aps.append(ap)

    def close_row(
        self, step: int, learning_rate: float, seconds: float, validation: dict[str, float] | None = None
    ) -> dict[str, float | None]:
        """End a row at `step` (updates made so far) and return it."""
        values = {
            "step": step,
            "loss": _mean(self.losses),
            "ap": _mean(self.aps),
            "learning_rate": learning_rate,
            "seconds": round(seconds, 2),
            **(validation or {}),
        }
        self.rows.append({name: values.get(name) for name in COLUMNS})
        self.losses, self.aps = [], []
        return self.rows[-1]

    def state(self) -> dict[str, list]:
        """Return what `History(**state)` restores."""
        return {"rows": self.rows, "losses": self.losses, "aps": self.aps}

    def write(self, path: Path) -> None:
        """Write the rows as CSV, atomically."""
        with atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.rows)


def _mean(values: Sequence[float]) -> float | None:
    if not values:
        return None
    mean = sum(values) / len(values)
    return mean if math.isfinite(mean) else None


class Scalars:
    """TensorBoard's scalars of a run; rows from `step` on of an earlier try are hidden."""

    def __init__(self, folder: Path, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer: Any = SummaryWriter(str(folder), purge_step=step)

    def write(self, row: dict[str, float | None]) -> None:
        """Write all values of a row of the history."""
        names = {"loss": "training/loss", "ap": "training/ap", "learning_rate": "training/learning_rate"}
        names |= {"validation_loss": "validation/loss", "accuracy": "validation/accuracy"}
        for column, tag in names.items():
            if row[column] is not None:
                self._writer.add_scalar(tag, row[column], int(row["step"]))

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()
