"""R2D2 (Revaud et al., NeurIPS 2019): the network, based on the backbone of this package, and its detector."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from hndesc.detectors.pretrained import PretrainedDetector
from hndesc.detectors.selection import keypoints_of_map
from hndesc.io.features import Features
from hndesc.io.images import scale_points
from hndesc.models.r2d2 import R2d2
from hndesc.models.sampling import normalize_images
from hndesc.pretrained.weights import below, load_pretrained
from hndesc.runtime.tiling import TILE, in_tiles

BORDER = R2d2.reach + 1
_STEP = 2**0.25


class R2d2Network(nn.Module):
    """The dilated L2-Net without its last ReLU, and two layers that score each pixel from the squared descriptors."""

    def __init__(self) -> None:
        super().__init__()
        self.ops = R2d2().ops[:-1]
        self.clf = nn.Conv2d(R2d2.dim, 2, 1)
        self.sal = nn.Conv2d(R2d2.dim, 1, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Return the dense descriptors, B x 128 x H x W, of normalized images, B x 3 x H x W."""
        return self.ops(images)

    def scores(self, images: Tensor) -> Tensor:
        """Return repeatability and reliability of each pixel of normalized images, B x 2 x H x W in [0, 1]."""
        squares = self(images) ** 2
        repeatability = functional.softplus(self.sal(squares))
        reliability = self.clf(squares).softmax(dim=1)[:, 1:]
        return torch.cat([repeatability / (1 + repeatability), reliability], dim=1)


def load_r2d2(weights: str | Path | None) -> tuple[R2d2Network, dict]:
    """Return the pretrained network in evaluation mode and the origin of its weights."""
    network = R2d2Network()

    def find(state: Mapping[str, Any]) -> Mapping[str, Any]:
        return {name.removeprefix("module."): values for name, values in below("state_dict")(state).items()}

    def work(image: np.ndarray) -> tuple[Tensor, Tensor]:
        batch = batch_of(image, network)
        return network(batch), network.scores(batch)

    return network, load_pretrained(network, weights, "r2d2", work, find=find)


def resize(image: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Resize an image by about `scale`, without smoothing like the reference code; return it and the exact factors."""
    height, width = image.shape[:2]
    size = max(1, round(width * scale)), max(1, round(height * scale))
    resized = image if size == (width, height) else cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
    return resized, np.array(size) / (width, height)


def batch_of(image: np.ndarray, network: nn.Module) -> Tensor:
    """Return an RGB uint8 H x W x 3 image as input of the network."""
    return normalize_images(torch.from_numpy(image)[None].to(next(network.parameters()).device))


@dataclass(eq=False)
class R2d2Detector(PretrainedDetector):
    """Detect the keypoints of R2D2 at several scales, which are stored as `scales` of the features.

    The threshold applies to both repeatability and reliability. Non-maximum suppression is per scale.

    Args:
        min_size: longest side of the smallest scale in pixels.
        max_size: longest side of the largest scale in pixels; None for the size of the image.
    """

    name = "r2d2"

    threshold: float = 0.7
    nms_radius: int = 1
    min_size: int = 256
    max_size: int | None = 1024

    def load(self) -> tuple[R2d2Network, dict]:
        """Load the network."""
        return load_r2d2(self.weights)

    def find(self, image: np.ndarray) -> Features:
        """Find the keypoints of an RGB uint8 H x W x 3 image."""
        size = image.shape[1], image.shape[0]
        found = [self._find(image, scale) for scale in self._scales(max(size))]
        points, scores, scales = (np.concatenate(values) for values in zip(*found, strict=True))
        return Features(points, size, scores, extra={"scales": scales})

    def _scales(self, longest: int) -> Iterator[float]:
        """Yield at least one scale, in descending order."""
        smallest = min(1.0, self.min_size / longest)
        largest = min(1.0, (self.max_size or longest) / longest)
        scale = 1.0
        while scale > largest + 1e-3 and scale / _STEP >= smallest - 1e-3:
            scale /= _STEP
        while True:
            yield scale
            scale /= _STEP
            if scale < smallest - 1e-3:
                return

    def _find(self, image: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        resized, factors = resize(image, scale)

        def work(part: np.ndarray) -> Tensor:
            return self.network.scores(batch_of(part, self.network))[0]

        repeatability, reliability = in_tiles(work, resized, TILE, BORDER).cpu().numpy()
        found = keypoints_of_map(repeatability, self.threshold, self.nms_radius, rounds=1)
        columns, rows = found.keypoints.astype(int).T
        reliable = reliability[rows, columns]
        kept = reliable >= self.threshold
        points = scale_points(found.keypoints[kept], 1 / factors).astype(np.float32)
        return points, (found.scores * reliable)[kept], np.full(kept.sum(), scale, np.float32)
