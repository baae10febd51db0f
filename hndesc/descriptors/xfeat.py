"""XFeat's own descriptors (Potje et al., CVPR 2024)."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from hndesc.descriptors.pretrained import PublishedDescriptor
from hndesc.detectors.xfeat import fit, load_xfeat, xfeat_maps
from hndesc.io.images import scale_points
from hndesc.models.sampling import sample_descriptors


class XFeatDescriptor(PublishedDescriptor):
    """Describe keypoints by XFeat's network.

    Its map of cells is read bilinearly where the keypoint is. The published code reads it bicubically and up to half a
    cell away; on pairs with known homographies that changes a third digit, for the worse.
    """

    name = "xfeat"
    dim = 64
    load = staticmethod(load_xfeat)

    def sample(self, image: np.ndarray, points: Tensor) -> Tensor:
        """Return the descriptors of N x 2 pixels of an RGB uint8 H x W x 3 image, N x 64."""
        fitted, factors = fit(image)
        dense = functional.normalize(xfeat_maps(self.network, fitted)[0], dim=1)
        scaled = torch.from_numpy(scale_points(points.cpu().numpy(), factors)).to(dense)
        return sample_descriptors(dense, scaled[None], fitted.shape[:2])[0]
