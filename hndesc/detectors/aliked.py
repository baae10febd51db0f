"""ALIKED-N(16) (Zhao et al., IEEE Transactions on Instrumentation and Measurement 2023), implemented by kornia."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from kornia.feature import ALIKED
from torch import Tensor

from hndesc.detectors.pretrained import PretrainedDetector
from hndesc.io.features import Features
from hndesc.pretrained.weights import image_tensor, load_pretrained
from hndesc.runtime.tiling import announce

# No tiling, since deformable convolutions have an unbounded receptive field. The memory was measured.
_BYTES_PER_PIXEL = 1700
_ALL = 2**31 - 1
_SMALLEST = 32  # pixels; the sampling positions of a descriptor exceed smaller images


def load_aliked(
    weights: str | Path | None, threshold: float = 0.2, nms_radius: int = 2, max_keypoints: int | None = None
) -> tuple[ALIKED, dict]:
    """Return the pretrained network in evaluation mode and the origin of its weights."""
    network = ALIKED("aliked-n16", max_keypoints or _ALL, threshold, nms_radius)
    return network, load_pretrained(
        network, weights, "aliked", lambda image: aliked_maps(network, image), without=("dkd.hw_grid",)
    )


@torch.inference_mode()
def aliked_maps(network: ALIKED, image: np.ndarray) -> tuple[Tensor, Tensor]:
    """Return features (1 x 128 x H x W) and scores (1 x 1 x H x W in [0, 1]) of an RGB uint8 H x W x 3 image.

    Images below 32 pixels are padded to 32 by repeating the last row and column.
    """
    announce("aliked", image.shape[:2], _BYTES_PER_PIXEL)
    bottom, right = (max(0, _SMALLEST - side) for side in image.shape[:2])
    if bottom or right:
        image = cv2.copyMakeBorder(image, 0, bottom, 0, right, cv2.BORDER_REPLICATE)
    return network.extract_dense_map(image_tensor(image, network))


def relative(points: Tensor, size: tuple[int, int]) -> Tensor:
    """Scale N x 2 pixels of an image of (height, width) such that its outermost pixel centers are at -1 and 1."""
    return 2 * points / (points.new_tensor(size[::-1]) - 1) - 1


@dataclass(eq=False)
class AlikedDetector(PretrainedDetector):
    """Detect the keypoints of ALIKED, with subpixel accuracy.

    If no score is above the threshold, the mean score of the image is the threshold.
    """

    name = "aliked"

    threshold: float = 0.2

    def load(self) -> tuple[ALIKED, dict]:
        """Load the network, including its differentiable keypoint detection."""
        return load_aliked(self.weights, self.threshold, self.nms_radius, self.max_keypoints)

    def find(self, image: np.ndarray) -> Features:
        """Find the keypoints of an RGB uint8 H x W x 3 image."""
        height, width = image.shape[:2]
        points, scores, _ = self.network.dkd(aliked_maps(self.network, image)[1][..., :height, :width])
        keypoints = ((points[0] + 1) / 2 * points[0].new_tensor([width - 1, height - 1])).cpu().numpy()
        return Features(keypoints.astype(np.float32), (width, height), scores[0].cpu().numpy())
