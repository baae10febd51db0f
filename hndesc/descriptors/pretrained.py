"""What the descriptors of published networks have in common."""

from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from hndesc.io.features import Features
from hndesc.runtime.tiling import padded


class PublishedDescriptor:
    """Describe keypoints by a published network; keypoints of any detector will do.

    Subclasses say `name`, `dim`, `load` and `sample`, and `smallest`, the pixels to which a smaller image is padded.

    Args:
        weights: file of the published weights.
    """

    name: ClassVar[str]
    dim: ClassVar[int]
    smallest: ClassVar[int] = 1

    def __init__(self, weights: str | Path | None = None) -> None:
        self.network, origin = self.load(weights)
        self.settings = {"name": self.name, **origin}

    @staticmethod
    def load(weights: str | Path | None) -> tuple[nn.Module, dict]:
        """Load the network, ready for inference; with where the weights came from."""
        raise NotImplementedError

    def sample(self, image: np.ndarray, points: Tensor) -> Tensor:
        """Return the descriptors of N x 2 pixels (one at least) of an RGB uint8 H x W x 3 image, N x D."""
        raise NotImplementedError

    @torch.inference_mode()
    def describe(self, image: np.ndarray, features: Features) -> np.ndarray:
        """Describe the keypoints of an RGB uint8 H x W x 3 image; N x D float32, L2-normalized."""
        if len(features) == 0:
            return np.empty((0, self.dim), np.float32)
        points = torch.from_numpy(features.keypoints).to(next(self.network.parameters()).device)
        return self.sample(padded(image, self.smallest), points).cpu().numpy()
