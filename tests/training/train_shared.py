"""Trains a small network with each kind of negatives; run alone or by torchrun. See test_distributed."""

import json
import sys
from pathlib import Path

import torch
from torch import nn

from hndesc.training.data import PairBatches
from hndesc.training.settings import training_settings
from hndesc.training.sources import TrainingPhotos
from hndesc.training.state import StateFolder
from hndesc.training.trainer import Trainer

torch.set_num_threads(1)


class Double(nn.Module):
    """Goes over to double precision, in which rounding cannot hide a wrong gradient."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.double()


def train(photos: TrainingPhotos, folder: Path, negatives: str) -> dict:
    torch.manual_seed(0)
    layers = (nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 4, stride=4))
    model = nn.Sequential(Double(), *layers).double()
    initial = {name: value.clone() for name, value in model.state_dict().items()}
    unmatched = negatives.endswith("with unmatched keypoints")
    loss = {"negatives": negatives.split()[0], "k": 5, "false_matches": 1.0 * unmatched}
    if negatives.endswith("with rings"):
        loss |= {"kind": "contrastive", "ring": {"number": 3}}
    settings = training_settings(
        {"steps": 5, "batch_size": 4, "crop_size": 48, "max_keypoints": 30, "learning_rate": 1e-3, "workers": 0}
        | {
            "log_every": 1,
            "loss": loss,
            "validation": {"every": 3},
            "device": "cpu",
            "pair": {"unmatched": 0.2 * unmatched},
        }
    )
    training = PairBatches(photos, photos.names[3:], settings)
    validation = PairBatches(photos, photos.names[:3], settings, stream=1)
    trainer = Trainer(model, training, [validation.batch(0)], settings, StateFolder(folder / negatives, "x"))
    trainer.run()
    rows = trainer.history.rows
    return {
        "losses": [row["loss"] for row in rows if row["loss"] is not None],
        "validation": [row["validation_loss"] for row in rows if row["validation_loss"] is not None],
        "weights": trainer.model.state_dict(),
        "initial": initial,
        "first": trainer.group.first,
    }


def main() -> None:
    images, keypoints, neighbors, output, kinds = sys.argv[1:]
    photos = TrainingPhotos(Path(images), Path(keypoints), None, Path(neighbors), 8)
    found = {kind: train(photos, Path(f"{output}.state"), kind) for kind in json.loads(kinds)}
    if all(run.pop("first") for run in found.values()):
        torch.save(found, output)


if __name__ == "__main__":
    main()
