"""SuperPoint (DeTone, Malisiewicz & Rabinovich, CVPR Workshops 2018): the network and its detector."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from hndesc.detectors.pretrained import PretrainedDetector
from hndesc.detectors.selection import keypoints_of_map
from hndesc.io.features import Features
from hndesc.io.images import to_gray
from hndesc.pretrained.weights import load_pretrained
from hndesc.runtime.tiling import TILE, in_tiles

CELL = 8
# Receptive field: 2 + 4 + 8 + 24 pixels beyond a cell of 8 and its neighbor, rounded up to whole cells.
_BORDER = 48


class SuperPoint(nn.Module):
    """The SuperPoint network: a VGG-like encoder to stride 8, with a head for keypoints and one for descriptors.

    The names in its state dict are those of the published weights.
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
        """Return the keypoint score of each pixel, B x 8h x 8w in [0, 1], from B x 128 x h x w features."""
        cells = self._block(features, "convPa", "convPb").softmax(dim=1)[
            :, :-1
        ]  # without the last channel, "no keypoint"
        return functional.pixel_shuffle(cells, CELL).squeeze(1)

    def descriptors(self, features: Tensor) -> Tensor:
        """Return one descriptor per cell, B x 256 x h x w, L2-normalized, from B x 128 x h x w features."""
        return functional.normalize(self._block(features, "convDa", "convDb"), dim=1)

    def _block(self, x: Tensor, first: str, second: str) -> Tensor:
        return self.get_submodule(second)(self.get_submodule(first)(x).relu())


def load_superpoint(weights: str | Path | None) -> tuple[SuperPoint, dict]:
    """Return the pretrained network in evaluation mode and the origin of its weights."""
    network = SuperPoint()

    def work(image: np.ndarray) -> list[Tensor]:
        heads = {network.scores: 1, network.descriptors: CELL}
        return [map_in_cells(network, image, head, stride) for head, stride in heads.items()]

    return network, load_pretrained(network, weights, "superpoint", work)


def map_in_cells(
    network: SuperPoint, image: np.ndarray, head: Callable[[Tensor], Tensor], stride: int
) -> Tensor | None:
    """Return the map ... x h x w of a head for an RGB uint8 H x W x 3 image; None if it is smaller than a cell.

    Args:
        network: network.
        image: image of any size; large ones are processed in tiles.
        head: `network.scores` or `network.descriptors`.
        stride: pixels per cell of the output of the head.
    """
    if min(image.shape[:2]) < CELL:
        return None
    device = network.conv1a.weight.device

    def work(gray: np.ndarray) -> Tensor:
        return head(network.encode(torch.from_numpy(gray.copy()).to(device)[None, None].float() / 255))

    return in_tiles(work, to_gray(image), TILE, _BORDER, stride)


@dataclass(eq=False)
class SuperPointDetector(PretrainedDetector):
    """Detect keypoints by the network of SuperPoint."""

    name = "superpoint"

    border: int = 4
    threshold: float = 0.005
    nms_radius: int = 3

    def load(self) -> tuple[SuperPoint, dict]:
        """Load the network."""
        return load_superpoint(self.weights)

    def find(self, image: np.ndarray) -> Features:
        """Find the keypoints of an RGB uint8 H x W x 3 image; the border is measured from the last whole cell."""
        found = map_in_cells(self.network, image, self.network.scores, stride=1)
        scores = np.zeros((0, 0), np.float32) if found is None else found[0].cpu().numpy()
        features = keypoints_of_map(scores, self.threshold, self.nms_radius, self.border)
        return replace(features, image_size=(image.shape[1], image.shape[0]))
