"""The descriptors of XFeat (Potje et al., CVPR 2024)."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from hndesc.descriptors.pretrained import PretrainedDescriptor
from hndesc.detectors.xfeat import fit, load_xfeat, xfeat_maps
from hndesc.io.images import scale_points
from hndesc.models.sampling import sample_descriptors


class XFeatDescriptor(PretrainedDescriptor):
    """Describe keypoints by the network of XFeat.

    Its map is sampled bilinearly at the keypoint. The reference code samples bicubically and up to half a cell away,
    which on pairs with known homographies is slightly less accurate (in the third digit).

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
