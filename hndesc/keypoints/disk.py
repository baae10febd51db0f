"""DISK (Tyszkiewicz, Fua & Trulls, NeurIPS 2020), its network by kornia: the network, and keypoints by it."""

from pathlib import Path

import numpy as np
import torch
from kornia.feature import DISK
from torch import Tensor
from torch.nn import functional

from hndesc.features import Features
from hndesc.keypoints.selection import keypoints_of_map, strongest
from hndesc.published import below, image_tensor, load_published
from hndesc.tiling import announce

# The U-Net halves the image four times; it is normalised as a whole, and so cannot be tiled.
_MULTIPLE = 16
_BYTES_PER_PIXEL = 1900


def load_disk(weights: str | Path | None) -> tuple[DISK, dict]:
    """Load the published network, ready for inference; with where the weights came from."""
    network = DISK()
    return network, load_published(network, weights, "disk", find=below("extractor"))


@torch.inference_mode()
def disk_maps(network: DISK, image: np.ndarray) -> tuple[Tensor, Tensor]:
    """Return scores (1 x 1 x H x W logits) and descriptors (1 x 128 x H x W) of an RGB uint8 H x W x 3 image."""
    height, width = image.shape[:2]
    announce("disk", (height, width), _BYTES_PER_PIXEL)
    padded = functional.pad(image_tensor(image, network), (0, -width % _MULTIPLE, 0, -height % _MULTIPLE))
    scores, descriptors = network.heatmap_and_dense_descriptors(padded)
    return scores[..., :height, :width], descriptors[..., :height, :width]


class DiskDetector:
    """Detect DISK's keypoints.

    Args:
        weights: file of the published weights.
        max_keypoints: keep so many of the highest score, None for all.
        border: keep no keypoint nearer to the image's edge than this, pixels.
        threshold: lowest score of a keypoint, a logit.
        nms_radius: half the side of the window that has one keypoint, pixels.
    """

    def __init__(
        self,
        weights: str | Path | None = None,
        max_keypoints: int | None = None,
        border: int = 0,
        threshold: float = 0.0,
        nms_radius: int = 2,
    ) -> None:
        self.network, origin = load_disk(weights)
        self.max_keypoints = max_keypoints
        self.choice = {"threshold": threshold, "nms_radius": nms_radius, "border": border}
        self.settings = {"name": "disk", "max_keypoints": max_keypoints, **self.choice, **origin}

    def detect(self, image: np.ndarray) -> Features:
        """Detect the keypoints of an RGB uint8 H x W x 3 image, strongest first."""
        scores = disk_maps(self.network, image)[0][0, 0].cpu().numpy()
        features = keypoints_of_map(scores, **self.choice, rounds=1)
        return features.take(strongest(features.scores, self.max_keypoints))
