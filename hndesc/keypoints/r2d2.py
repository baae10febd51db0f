"""R2D2 (Revaud et al., NeurIPS 2019): the published network on top of our backbone, and keypoints by it."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from hndesc.features import Features
from hndesc.images import scale_points
from hndesc.keypoints.selection import inside, keypoints_of_map, strongest
from hndesc.models.r2d2 import R2d2
from hndesc.models.sampling import normalize_images
from hndesc.published import below, load_published
from hndesc.tiling import TILE, in_tiles

BORDER = R2d2.reach + 1
_STEP = 2**0.25


class R2d2Network(nn.Module):
    """The dilated L2-Net without its last ReLU, and two layers on its squares that score each pixel."""

    def __init__(self) -> None:
        super().__init__()
        self.ops = R2d2().ops[:-1]
        self.clf = nn.Conv2d(R2d2.dim, 2, 1)
        self.sal = nn.Conv2d(R2d2.dim, 1, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Return the dense descriptors, B x 128 x H x W, of normalised photos, B x 3 x H x W."""
        return self.ops(images)

    def scores(self, images: Tensor) -> Tensor:
        """Return repeatability and reliability of each pixel of normalised photos, B x 2 x H x W in [0, 1]."""
        squares = self(images) ** 2
        repeatability = functional.softplus(self.sal(squares))
        reliability = self.clf(squares).softmax(dim=1)[:, 1:]
        return torch.cat([repeatability / (1 + repeatability), reliability], dim=1)


def load_r2d2(weights: str | Path | None) -> tuple[R2d2Network, dict]:
    """Load the published network, ready for inference; with where the weights came from."""
    network = R2d2Network()

    def find(state: dict) -> dict:
        return {name.removeprefix("module."): values for name, values in below("state_dict")(state).items()}

    return network, load_published(network, weights, "r2d2", find=find)


def resize(image: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Resize an image by about `scale`, without smoothing, as published; return it and its exact (x, y) factors."""
    height, width = image.shape[:2]
    size = round(width * scale), round(height * scale)
    resized = image if size == (width, height) else cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
    return resized, np.array(size) / (width, height)


def batch_of(image: np.ndarray, network: nn.Module) -> Tensor:
    """Return an RGB uint8 H x W x 3 image as the network takes it."""
    return normalize_images(torch.from_numpy(image)[None].to(next(network.parameters()).device))


class R2d2Detector:
    """Detect R2D2's keypoints at several scales; `scales` of the features tells how much the image was shrunk.

    Args:
        weights: file of the published weights.
        max_keypoints: keep so many of the highest score, None for all.
        border: keep no keypoint nearer to the image's edge than this, pixels.
        threshold: lowest repeatability of a keypoint, and its lowest reliability.
        nms_radius: half the side of the window that has one keypoint at one scale, pixels.
        min_size: longest side of the smallest scale, pixels.
        max_size: longest side of the largest scale, pixels; None for the image's own.
    """

    def __init__(
        self,
        weights: str | Path | None = None,
        max_keypoints: int | None = None,
        border: int = 0,
        threshold: float = 0.7,
        nms_radius: int = 1,
        min_size: int = 256,
        max_size: int | None = 1024,
    ) -> None:
        self.network, origin = load_r2d2(weights)
        self.max_keypoints = max_keypoints
        self.border = border
        self.choice = {"threshold": threshold, "nms_radius": nms_radius}
        self.sizes = {"min_size": min_size, "max_size": max_size}
        self.settings = {
            "name": "r2d2",
            "max_keypoints": max_keypoints,
            "border": border,
            **self.choice,
            **self.sizes,
            **origin,
        }

    def detect(self, image: np.ndarray) -> Features:
        """Detect the keypoints of an RGB uint8 H x W x 3 image, strongest first."""
        size = image.shape[1], image.shape[0]
        found = [self._detect(image, scale) for scale in self._scales(max(size))]
        points, scores, scales = (np.concatenate(values) for values in zip(*found, strict=True))
        features = Features(points, size, scores, extra={"scales": scales})
        features = features.take(inside(features.keypoints, size, self.border))
        return features.take(strongest(features.scores, self.max_keypoints))

    def _scales(self, longest: int) -> Iterator[float]:
        """Yield scales from the largest down; at least one."""
        smallest = min(1.0, self.sizes["min_size"] / longest)
        largest = min(1.0, (self.sizes["max_size"] or longest) / longest)
        scale = 1.0
        while scale > largest + 1e-3 and scale / _STEP >= smallest - 1e-3:
            scale /= _STEP
        while True:
            yield scale
            scale /= _STEP
            if scale < smallest - 1e-3:
                return

    @torch.inference_mode()
    def _detect(self, image: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        resized, factors = resize(image, scale)

        def work(part: np.ndarray) -> Tensor:
            return self.network.scores(batch_of(part, self.network))[0]

        repeatability, reliability = in_tiles(work, resized, TILE, BORDER).cpu().numpy()
        found = keypoints_of_map(repeatability, **self.choice, border=0, rounds=1)
        columns, rows = found.keypoints.astype(int).T
        reliable = reliability[rows, columns]
        kept = reliable >= self.choice["threshold"]
        points = scale_points(found.keypoints[kept], 1 / factors).astype(np.float32)
        return points, (found.scores * reliable)[kept], np.full(kept.sum(), scale, np.float32)
