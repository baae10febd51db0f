"""DISK (Tyszkiewicz, Fua & Trulls, NeurIPS 2020): the network, implemented by kornia, and its detector."""

from pathlib import Path

import numpy as np
import torch
from kornia.feature import DISK
from torch import Tensor
from torch.nn import functional

from hndesc.detectors.pretrained import PretrainedDetector
from hndesc.detectors.selection import keypoints_of_map
from hndesc.io.features import Features
from hndesc.pretrained.weights import below, image_tensor, load_pretrained
from hndesc.runtime.tiling import announce

# The U-Net halves the image four times. Its normalization depends on the whole image, so it cannot be tiled.
_MULTIPLE = 16
_BYTES_PER_PIXEL = 1900


def load_disk(weights: str | Path | None) -> tuple[DISK, dict]:
    """Return the pretrained network in evaluation mode and the origin of its weights."""
    network = DISK()
    return network, load_pretrained(
        network, weights, "disk", lambda image: disk_maps(network, image), find=below("extractor")
    )


@torch.inference_mode()
def disk_maps(network: DISK, image: np.ndarray) -> tuple[Tensor, Tensor]:
    """Return scores (1 x 1 x H x W logits) and descriptors (1 x 128 x H x W) of an RGB uint8 H x W x 3 image."""
    height, width = image.shape[:2]
    announce("disk", (height, width), _BYTES_PER_PIXEL)
    right, bottom = -width % _MULTIPLE, -height % _MULTIPLE
    if max(height, width) <= _MULTIPLE:  # normalization of the coarsest map needs more than one cell
        right += _MULTIPLE
    padded = functional.pad(image_tensor(image, network), (0, right, 0, bottom))
    scores, descriptors = network.heatmap_and_dense_descriptors(padded)
    return scores[..., :height, :width], descriptors[..., :height, :width]


class DiskDetector(PretrainedDetector):
    """Detect the keypoints of DISK; the threshold is a logit."""

    name = "disk"

    def load(self) -> tuple[DISK, dict]:
        """Load the network."""
        return load_disk(self.weights)

    def find(self, image: np.ndarray) -> Features:
        """Find the keypoints of an RGB uint8 H x W x 3 image."""
        scores = disk_maps(self.network, image)[0][0, 0].cpu().numpy()
        return keypoints_of_map(scores, self.threshold, self.nms_radius, rounds=1)
