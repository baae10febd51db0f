"""A global descriptor from local ones: the dense map of a checkpoint, GeM-pooled."""

from pathlib import Path

import cv2
import numpy as np
import torch

from hndesc.models.checkpoint import load_checkpoint
from hndesc.models.sampling import normalize_images
from hndesc.retrieval.global_descriptors import l2_normalize
from hndesc.retrieval.global_descriptors.pooling import generalized_mean
from hndesc.runtime.provenance import file_hash

SMALLEST = 32


class Dense:
    """Describe images by the generalized means of the positive and negative parts of a dense map, 2 x dim.

    Args:
        weights: checkpoint.
        power: exponent of the mean.
    """

    def __init__(self, weights: str | Path, power: float = 3.0) -> None:
        self._network, card = load_checkpoint(weights)
        self._network = self._network.to(memory_format=torch.channels_last)
        self.power = power
        self.settings = {
            "name": "dense",
            "power": power,
            "architecture": card["architecture"],
            "sha256": file_hash(weights),
        }

    @torch.inference_mode()
    def describe(self, image: np.ndarray) -> np.ndarray:
        """Describe an RGB uint8 image, H x W x 3; float32, L2-normalized."""
        height, width = (max(SMALLEST, side) for side in image.shape[:2])
        if image.shape[:2] != (height, width):
            image = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
        dense = torch.nn.functional.normalize(self._network(normalize_images(image[None])), dim=1)
        pooled = torch.cat([generalized_mean(side * dense, self.power) for side in (1, -1)], 1)
        return l2_normalize(pooled[0].numpy())
