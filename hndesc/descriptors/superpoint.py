"""SuperPoint's own descriptors (DeTone, Malisiewicz & Rabinovich, CVPR Workshops 2018)."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from hndesc.descriptors.pretrained import PublishedDescriptor
from hndesc.detectors.superpoint import CELL, load_superpoint, map_in_cells


class SuperPointDescriptor(PublishedDescriptor):
    """Describe keypoints by SuperPoint's network."""

    name = "superpoint"
    dim = 256
    smallest = CELL
    load = staticmethod(load_superpoint)

    def sample(self, image: np.ndarray, points: Tensor) -> Tensor:
        """Return the descriptors of N x 2 pixels of an RGB uint8 H x W x 3 image, N x 256."""
        coarse = map_in_cells(self.network, image, self.network.descriptors, stride=CELL)
        return sample_as_published(coarse, points)


def sample_as_published(coarse: Tensor, points: Tensor) -> Tensor:
    """Sample a 1 x D x h x w map of cells at N x 2 pixels; N x D, L2-normalized.

    The published code takes the last cell's center for 8w - 4.5 in a scale that starts at the first cell's center, 3.5,
    where 8w - 8 would be exact: its samples lie up to half a cell nearer to the top left. Kept, since published
    figures were made so.
    """
    cells = torch.tensor([coarse.shape[3], coarse.shape[2]]).to(coarse)
    first = (CELL - 1) / 2
    positions = (points - first) / (CELL * cells - CELL / 2 - 0.5) * (cells - 1)
    grid = (positions + 0.5) / cells * 2 - 1
    sampled = functional.grid_sample(coarse, grid[None, None], mode="bilinear", align_corners=False)
    return functional.normalize(sampled[0, :, 0].T, dim=1)
