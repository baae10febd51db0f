"""The detector of hndesc: a small network that is trained on single photos (`hndesc.training.detector`)."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from hndesc.detectors.pretrained import PretrainedDetector
from hndesc.io.features import Features
from hndesc.models.bundled import DETECTOR
from hndesc.models.inference import fold_batch_norm
from hndesc.models.keypoint_map import REFINED, keypoint_pixels, refine
from hndesc.models.keypoint_network import MULTIPLE, KeypointNetwork, load_weights
from hndesc.runtime.devices import choose_device
from hndesc.runtime.provenance import file_hash
from hndesc.runtime.tiling import TILE, in_tiles

_BORDER = -(-KeypointNetwork.reach // MULTIPLE) * MULTIPLE


@dataclass(eq=False)
class HndescDetector(PretrainedDetector):
    """Detect keypoints by the network of hndesc, with subpixel accuracy.

    Scores, and so the threshold, are the probability that a keypoint is found again within 1.5 pixels in another image
    of the pairs that the network was trained on.
    """

    name = "hndesc"

    border: int = 4
    threshold: float = 0.0
    nms_radius: int = 3

    def load(self) -> tuple[KeypointNetwork, dict]:
        """Load the network, by default with the bundled weights."""
        path = DETECTOR if self.weights is None else Path(self.weights)
        network, card = load_weights(path)
        network = fold_batch_norm(network).to(choose_device(), memory_format=torch.channels_last)
        origin = {"weights": file_hash(path), "weights_file": path.name}
        return network, origin | ({"license": card["license"]} if "license" in card else {})

    def find(self, image: np.ndarray) -> Features:
        """Find the keypoints of an RGB uint8 H x W x 3 image."""
        device = next(self.network.parameters()).device
        luminance = _luminance(image)

        def work(part: np.ndarray) -> Tensor:
            return self.network(torch.from_numpy(part).to(device)[None, None])[0]

        logits = in_tiles(work, luminance, TILE, _BORDER)
        gray, border = torch.from_numpy(luminance).to(device), max(self.border, REFINED)
        rows, columns = keypoint_pixels(logits, gray, self.nms_radius, border)
        scores = logits[rows, columns].sigmoid()
        kept = scores > self.threshold
        points = refine(logits[None], torch.stack([columns, rows], dim=1)[kept][None])[0]
        return Features(points.cpu().numpy(), (image.shape[1], image.shape[0]), scores[kept].cpu().numpy())


def _luminance(image: np.ndarray) -> np.ndarray:
    """Return what `to_luminance` does of an RGB uint8 H x W x 3 image, H x W, in less time."""
    first, *others = cv2.split(image)
    luminance = first / np.float32(255)
    for channel in others:
        luminance += channel / np.float32(255)
    luminance /= 3
    return luminance
