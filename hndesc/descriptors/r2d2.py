"""The descriptors of R2D2 (Revaud et al., NeurIPS 2019)."""

import numpy as np
import torch

from hndesc.descriptors.pretrained import PretrainedDescriptor
from hndesc.detectors.r2d2 import BORDER, batch_of, load_r2d2, resize
from hndesc.io.features import Features
from hndesc.io.images import scale_points
from hndesc.models.sampling import sample_descriptors
from hndesc.runtime.tiling import TILE, cut_at_points


class R2d2Descriptor(PretrainedDescriptor):
    """Describe keypoints by the network of R2D2.

    Keypoints of the R2D2 detector are described at the scale of their detection (`scales`), others at scale 1.
    """

    name = "r2d2"
    dim = 128
    load = staticmethod(load_r2d2)

    def describe(self, image: np.ndarray, features: Features) -> np.ndarray:
        """Describe the keypoints of an RGB uint8 H x W x 3 image; N x 128 float32, L2-normalized."""
        descriptors = np.empty((len(features), 128), np.float32)
        scales = features.extra.get("scales", np.ones(len(features), np.float32))
        for scale in np.unique(scales):
            rows = scales == scale
            resized, factors = resize(image, float(scale))
            descriptors[rows] = self._describe(resized, scale_points(features.keypoints[rows], factors))
        return descriptors

    @torch.inference_mode()
    def _describe(self, image: np.ndarray, points: np.ndarray) -> np.ndarray:
        descriptors = np.empty((len(points), 128), np.float32)
        for (left, top, right, bottom), rows in cut_at_points(image.shape[:2], points, TILE, BORDER):
            part = image[top:bottom, left:right]
            dense = self.network(batch_of(part, self.network))
            inner = torch.from_numpy(points[rows] - (left, top)).to(dense)
            descriptors[rows] = sample_descriptors(dense, inner[None], part.shape[:2])[0].cpu().numpy()
        return descriptors
