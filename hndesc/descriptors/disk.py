"""DISK's own descriptors (Tyszkiewicz, Fua & Trulls, NeurIPS 2020)."""

from pathlib import Path

import numpy as np
import torch

from hndesc.features import Features
from hndesc.keypoints.disk import disk_maps, load_disk
from hndesc.models.sampling import sample_descriptors


class DiskDescriptor:
    """Describe keypoints by DISK's published network, 128-D; keypoints of any detector will do.

    Args:
        weights: file of the published weights.
    """

    def __init__(self, weights: str | Path | None = None) -> None:
        self.network, origin = load_disk(weights)
        self.settings = {"name": "disk", **origin}

    @torch.inference_mode()
    def describe(self, image: np.ndarray, features: Features) -> np.ndarray:
        """Describe the keypoints of an RGB uint8 H x W x 3 image; N x 128 float32, L2-normalised."""
        if len(features) == 0:
            return np.empty((0, 128), np.float32)
        dense = disk_maps(self.network, image)[1]
        points = torch.from_numpy(features.keypoints).to(dense)
        return sample_descriptors(dense, points[None], image.shape[:2])[0].cpu().numpy()
