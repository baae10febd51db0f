"""SuperPoint (DeTone, Malisiewicz & Rabinovich, CVPR Workshops 2018): the network, and keypoints by it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from hndesc.detectors.pretrained import PublishedDetector
from hndesc.detectors.selection import keypoints_of_map
from hndesc.io.features import Features
from hndesc.io.images import to_gray
from hndesc.pretrained.weights import load_published
from hndesc.runtime.tiling import TILE, in_tiles

CELL = 8
# The network sees 2 + 4 + 8 + 24 pixels beyond a cell of 8 and its neighbor; in whole cells.
_BORDER = 48


class SuperPoint(nn.Module):
    """The published network: a VGG-like encoder to stride 8, with a head for keypoints and one for descriptors.

    Its state dict has the names of the published weights.
    """

    def __init__(self) -> None:
        super().__init__()
        widths = {"1": (1, 64), "2": (64, 64), "3": (64, 128), "4": (128, 128)}
        for block, (before, after) in widths.items():
            self.add_module(f"conv{block}a", nn.Conv2d(before, after, 3, padding=1))
            self.add_module(f"conv{block}b", nn.Conv2d(after, after, 3, padding=1))
        for head, outputs in {"P": CELL**2 + 1, "D": 256}.items():
            self.add_module(f"conv{head}a", nn.Conv2d(128, 256, 3, padding=1))
            self.add_module(f"conv{head}b", nn.Conv2d(256, outputs, 1))

    def encode(self, gray: Tensor) -> Tensor:
        """Map gray images (B x 1 x H x W in [0, 1]; H, W >= 8) to features, B x 128 x H//8 x W//8."""
        x = gray
        for block in "1234":
            x = self._block(x, f"conv{block}a", f"conv{block}b").relu()
            if block != "4":
                x = functional.max_pool2d(x, 2)
        return x

    def scores(self, features: Tensor) -> Tensor:
        """Return how much each pixel is a keypoint, B x 8h x 8w in [0, 1], from B x 128 x h x w features."""
        cells = self._block(features, "convPa", "convPb").softmax(dim=1)[:, :-1]  # the last: no keypoint in the cell
        return functional.pixel_shuffle(cells, CELL).squeeze(1)

    def descriptors(self, features: Tensor) -> Tensor:
        """Return one descriptor a cell, B x 256 x h x w, L2-normalized, from B x 128 x h x w features."""
        return functional.normalize(self._block(features, "convDa", "convDb"), dim=1)

    def _block(self, x: Tensor, first: str, second: str) -> Tensor:
        return self.get_submodule(second)(self.get_submodule(first)(x).relu())


def load_superpoint(weights: str | Path | None) -> tuple[SuperPoint, dict]:
    """Load the published network, ready for inference; with where the weights came from."""
    network = SuperPoint()

    def work(image: np.ndarray) -> list[Tensor]:
        heads = {network.scores: 1, network.descriptors: CELL}
        return [map_in_cells(network, image, head, stride) for head, stride in heads.items()]

    return network, load_published(network, weights, "superpoint", work)


def map_in_cells(
    network: SuperPoint, image: np.ndarray, head: Callable[[Tensor], Tensor], stride: int
) -> Tensor | None:
    """Return the map ... x h x w of a head for an RGB uint8 H x W x 3 image; None when there is not a single cell.

    Args:
        network: the network.
        image: of any size; a large one goes through in tiles.
        head: `network.scores` or `network.descriptors`.
        stride: pixels a cell of what the head returns.
    """
    if min(image.shape[:2]) < CELL:
        return None
    device = network.conv1a.weight.device

    def work(gray: np.ndarray) -> Tensor:
        return head(network.encode(torch.from_numpy(gray.copy()).to(device)[None, None].float() / 255))

    return in_tiles(work, to_gray(image), TILE, _BORDER, stride)


@dataclass(eq=False)
class SuperPointDetector(PublishedDetector):
    """Detect keypoints by SuperPoint's published network."""

    name = "superpoint"

    border: int = 4
    threshold: float = 0.005
    nms_radius: int = 3

    def load(self) -> tuple[SuperPoint, dict]:
        """Load the network."""
        return load_superpoint(self.weights)

    def find(self, image: np.ndarray) -> Features:
        """Find the keypoints of an RGB uint8 H x W x 3 image; the border is that of its whole cells."""
        found = map_in_cells(self.network, image, self.network.scores, stride=1)
        scores = np.zeros((0, 0), np.float32) if found is None else found[0].cpu().numpy()
        features = keypoints_of_map(scores, self.threshold, self.nms_radius, self.border)
        return replace(features, image_size=(image.shape[1], image.shape[0]))
