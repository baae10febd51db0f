"""XFeat's own descriptors (Potje et al., CVPR 2024)."""

from pathlib import Path

import numpy as np
import torch

from hndesc.features import Features
from hndesc.images import scale_points
from hndesc.keypoints.xfeat import fit, load_xfeat, xfeat_maps
from hndesc.models.sampling import sample_descriptors


class XFeatDescriptor:
    """Describe keypoints by XFeat's published network, 64-D; keypoints of any detector will do.

    Its map of cells is read bilinearly where the keypoint is. The published code reads it bicubically and up to half a
    cell away; on pairs with known homographies that changes a third digit, for the worse.

    Args:
        weights: file of the published weights.
    """

    def __init__(self, weights: str | Path | None = None) -> None:
        self.network, origin = load_xfeat(weights)
        self.settings = {"name": "xfeat", **origin}

    @torch.inference_mode()
    def describe(self, image: np.ndarray, features: Features) -> np.ndarray:
        """Describe the keypoints of an RGB uint8 H x W x 3 image; N x 64 float32, L2-normalised."""
        if len(features) == 0:
            return np.empty((0, 64), np.float32)
        fitted, factors = fit(image)
        dense = torch.nn.functional.normalize(xfeat_maps(self.network, fitted)[0], dim=1)
        points = torch.from_numpy(scale_points(features.keypoints, factors)).to(dense)
        return sample_descriptors(dense, points[None], fitted.shape[:2])[0].cpu().numpy()
