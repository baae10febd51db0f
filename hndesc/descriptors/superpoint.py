"""The descriptors of SuperPoint (DeTone, Malisiewicz & Rabinovich, CVPR Workshops 2018)."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from hndesc.descriptors.pretrained import PretrainedDescriptor
from hndesc.detectors.superpoint import CELL, load_superpoint, map_in_cells


class SuperPointDescriptor(PretrainedDescriptor):
    """Describe keypoints by the network of SuperPoint."""

    name = "superpoint"
    dim = 256
    smallest = CELL
    load = staticmethod(load_superpoint)

    def sample(self, image: np.ndarray, points: Tensor) -> Tensor:
        """Return the descriptors of N x 2 pixels of an RGB uint8 H x W x 3 image, N x 256."""
        coarse = map_in_cells(self.network, image, self.network.descriptors, stride=CELL)
        return sample_like_reference(coarse, points)


def sample_like_reference(coarse: Tensor, points: Tensor) -> Tensor:
    """Sample a 1 x D x h x w map of cells at N x 2 pixels like the reference code; N x D, L2-normalized.

    The reference code normalizes positions relative to the first cell center (3.5) by 8w - 4.5, where 8w - 8 would be
    exact. Its samples are therefore shifted by up to half a cell to the top left. This is kept, since published results
    were obtained this way.
    """
    cells = torch.tensor([coarse.shape[3], coarse.shape[2]]).to(coarse)
    first = (CELL - 1) / 2
    positions = (points - first) / (CELL * cells - CELL / 2 - 0.5) * (cells - 1)
    grid = (positions + 0.5) / cells * 2 - 1
    sampled = functional.grid_sample(coarse, grid[None, None], mode="bilinear", align_corners=False)
    return functional.normalize(sampled[0, :, 0].T, dim=1)
