"""The descriptors of ALIKED (Zhao et al., IEEE Transactions on Instrumentation and Measurement 2023)."""

import numpy as np
from torch import Tensor

from hndesc.descriptors.pretrained import PretrainedDescriptor
from hndesc.detectors.aliked import aliked_maps, load_aliked, relative


class AlikedDescriptor(PretrainedDescriptor):
    """Describe keypoints by ALIKED-N(16), each from 16 positions around it."""

    name = "aliked"
    dim = 128
    smallest = 8
    load = staticmethod(load_aliked)

    def sample(self, image: np.ndarray, points: Tensor) -> Tensor:
        """Return the descriptors of N x 2 pixels of an RGB uint8 H x W x 3 image, N x 128."""
        dense = aliked_maps(self.network, image)[0]
        return self.network.desc_head(dense, [relative(points, dense.shape[-2:])])[0][0]
