"""The descriptors of DISK (Tyszkiewicz, Fua & Trulls, NeurIPS 2020)."""

import numpy as np
from torch import Tensor

from hndesc.descriptors.pretrained import PretrainedDescriptor
from hndesc.detectors.disk import disk_maps, load_disk
from hndesc.models.sampling import sample_descriptors


class DiskDescriptor(PretrainedDescriptor):
    """Describe keypoints by the network of DISK."""

    name = "disk"
    dim = 128
    load = staticmethod(load_disk)

    def sample(self, image: np.ndarray, points: Tensor) -> Tensor:
        """Return the descriptors of N x 2 pixels of an RGB uint8 H x W x 3 image, N x 128."""
        dense = disk_maps(self.network, image)[1]
        return sample_descriptors(dense, points[None], image.shape[:2])[0]
