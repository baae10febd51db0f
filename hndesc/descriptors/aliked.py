"""ALIKED's own descriptors (Zhao et al., IEEE Transactions on Instrumentation and Measurement 2023)."""

from pathlib import Path

import numpy as np
import torch

from hndesc.features import Features
from hndesc.keypoints.aliked import aliked_maps, load_aliked, relative


class AlikedDescriptor:
    """Describe keypoints by ALIKED-N(16), 128-D, each gathered from 16 places around it; any detector's will do.

    Args:
        weights: file of the published weights.
    """

    def __init__(self, weights: str | Path | None = None) -> None:
        self.network, origin = load_aliked(weights)
        self.settings = {"name": "aliked", **origin}

    @torch.inference_mode()
    def describe(self, image: np.ndarray, features: Features) -> np.ndarray:
        """Describe the keypoints of an RGB uint8 H x W x 3 image; N x 128 float32, L2-normalised."""
        if len(features) == 0:
            return np.empty((0, 128), np.float32)
        dense = aliked_maps(self.network, image)[0]
        points = torch.from_numpy(features.keypoints).to(dense)
        return self.network.desc_head(dense, [relative(points, image.shape[:2])])[0][0].cpu().numpy()
