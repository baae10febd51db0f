"""A model and a detector with random weights, and images of noise for them."""

from pathlib import Path

import numpy as np
import pytest
import torch

from hndesc.models.checkpoint import save_checkpoint
from hndesc.models.initial_weights import build_model
from hndesc.models.keypoint_network import KeypointNetwork, save_weights


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A model and a detector with random weights."""
    folder = tmp_path_factory.mktemp("models")
    save_checkpoint(folder / "lite.safetensors", build_model("lite", "random", seed=5), {"seed": 5})
    torch.manual_seed(1)
    save_weights(folder / "detector.safetensors", KeypointNetwork(), {"license": "MIT"})
    return folder / "lite.safetensors", folder / "detector.safetensors"


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height).integers(0, 256, (height, width, 3), dtype=np.uint8)


def tensor(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(image).permute(2, 0, 1)[None] / 255
