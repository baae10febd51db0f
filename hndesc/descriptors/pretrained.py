"""The base class of descriptors of pretrained networks."""

from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from hndesc.io.features import Features
from hndesc.runtime.tiling import padded


class PretrainedDescriptor:
    """Describe keypoints of any detector by a pretrained network.

    Subclasses define `name`, `dim`, `load`, `sample`, and `smallest`, the size in pixels to which smaller images are
    padded.

    Args:
        weights: file of pretrained weights.
    """

    name: ClassVar[str]
    dim: ClassVar[int]
    smallest: ClassVar[int] = 1

    def __init__(self, weights: str | Path | None = None) -> None:
        self.network, origin = self.load(weights)
        self.settings = {"name": self.name, **origin}

    @staticmethod
    def load(weights: str | Path | None) -> tuple[nn.Module, dict]:
        """Return the network in evaluation mode and the origin of its weights."""
        raise NotImplementedError

    def sample(self, image: np.ndarray, points: Tensor) -> Tensor:
        """Return the descriptors (N x D) at N x 2 pixels, N at least 1, of an RGB uint8 H x W x 3 image."""
        raise NotImplementedError

    @torch.inference_mode()
    def describe(self, image: np.ndarray, features: Features) -> np.ndarray:
        """Describe the keypoints of an RGB uint8 H x W x 3 image; return N x D float32, L2-normalized."""
        if len(features) == 0:
            return np.empty((0, self.dim), np.float32)
        points = torch.from_numpy(features.keypoints).to(next(self.network.parameters()).device)
        return self.sample(padded(image, self.smallest), points).cpu().numpy()
