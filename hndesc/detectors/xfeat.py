"""XFeat (Potje et al., CVPR 2024), its network by kornia: the network, and keypoints by it."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from kornia.feature.xfeat import XFeatModel
from torch import Tensor
from torch.nn import functional

from hndesc.detectors.pretrained import PublishedDetector
from hndesc.detectors.selection import keypoints_of_map
from hndesc.io.features import Features
from hndesc.io.images import scale_points
from hndesc.pretrained.weights import image_tensor, load_published

_CELL = 8
_MULTIPLE = 32


def load_xfeat(weights: str | Path | None) -> tuple[XFeatModel, dict]:
    """Load the published network, ready for inference; with where the weights came from."""
    network = XFeatModel()
    return network, load_published(network, weights, "xfeat", lambda image: xfeat_maps(network, image))


def fit(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shrink an image to sides that the network halves five times; return it (float32) and its (x, y) factors."""
    height, width = (max(_MULTIPLE, side // _MULTIPLE * _MULTIPLE) for side in image.shape[:2])
    factors = np.array([width, height]) / image.shape[1::-1]
    return cv2.resize(image.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR), factors


@torch.inference_mode()
def xfeat_maps(network: XFeatModel, image: np.ndarray) -> tuple[Tensor, Tensor]:
    """Return descriptors and scores of an RGB H x W x 3 image (0 to 255) whose sides are multiples of 32.

    Returns:
        1 x 64 x H/8 x W/8, and 2 x H x W in [0, 1]: how much each pixel is a keypoint, and how reliable its place is.
    """
    dense, logits, reliability = network(image_tensor(image, network))
    keypoints = functional.pixel_shuffle(logits.softmax(dim=1)[:, :-1], _CELL)  # the last: no keypoint in the cell
    reliability = functional.interpolate(reliability, scale_factor=_CELL, mode="bilinear", align_corners=False)
    return dense, torch.stack([keypoints[0, 0], reliability[0, 0]])


@dataclass(eq=False)
class XFeatDetector(PublishedDetector):
    """Detect XFeat's keypoints; the threshold is for scores before they are multiplied by the reliability."""

    name = "xfeat"

    threshold: float = 0.05

    def load(self) -> tuple[XFeatModel, dict]:
        """Load the network."""
        return load_xfeat(self.weights)

    def find(self, image: np.ndarray) -> Features:
        """Find the keypoints of an RGB uint8 H x W x 3 image."""
        fitted, factors = fit(image)
        maps = xfeat_maps(self.network, fitted)[1].cpu().numpy()
        found = keypoints_of_map(maps[0], self.threshold, self.nms_radius, rounds=1)
        columns, rows = found.keypoints.astype(int).T
        keypoints = scale_points(found.keypoints, 1 / factors).astype(np.float32)
        return Features(keypoints, (image.shape[1], image.shape[0]), found.scores * maps[1, rows, columns])
