"""XFeat (Potje et al., CVPR 2024): the network, implemented by kornia, and its detector."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from kornia.feature.xfeat import XFeatModel
from torch import Tensor
from torch.nn import functional

from hndesc.detectors.pretrained import PretrainedDetector
from hndesc.detectors.selection import keypoints_of_map
from hndesc.io.features import Features
from hndesc.io.images import scale_points
from hndesc.pretrained.weights import image_tensor, load_pretrained

_CELL = 8
_MULTIPLE = 32


def load_xfeat(weights: str | Path | None) -> tuple[XFeatModel, dict]:
    """Return the pretrained network in evaluation mode and the origin of its weights."""
    network = XFeatModel()
    return network, load_pretrained(network, weights, "xfeat", lambda image: xfeat_maps(network, image))


def fit(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Resize an image to multiples of 32 pixels; return it (float32) and its (x, y) factors."""
    height, width = (max(_MULTIPLE, side // _MULTIPLE * _MULTIPLE) for side in image.shape[:2])
    factors = np.array([width, height]) / image.shape[1::-1]
    return cv2.resize(image.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR), factors


@torch.inference_mode()
def xfeat_maps(network: XFeatModel, image: np.ndarray) -> tuple[Tensor, Tensor]:
    """Return descriptors and scores of an RGB H x W x 3 image (0 to 255) whose sides are multiples of 32.

    Returns:
        Descriptors, 1 x 64 x H/8 x W/8, and keypoint score and reliability, 2 x H x W in [0, 1].
    """
    dense, logits, reliability = network(image_tensor(image, network))
    keypoints = functional.pixel_shuffle(
        logits.softmax(dim=1)[:, :-1], _CELL
    )  # without the last channel, "no keypoint"
    reliability = functional.interpolate(reliability, scale_factor=_CELL, mode="bilinear", align_corners=False)
    return dense, torch.stack([keypoints[0, 0], reliability[0, 0]])


@dataclass(eq=False)
class XFeatDetector(PretrainedDetector):
    """Detect the keypoints of XFeat; the threshold applies to scores before multiplication by the reliability."""

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
