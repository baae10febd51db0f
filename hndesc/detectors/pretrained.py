"""The base class of detectors of pretrained networks."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import nn

from hndesc.detectors.selection import inside, strongest
from hndesc.io.features import Features


@dataclass(eq=False)
class PretrainedDetector:
    """Detect keypoints by a pretrained network.

    Subclasses define `name`, `load`, `find` and their defaults.

    Args:
        weights: file of pretrained weights.
        max_keypoints: maximum number of keypoints, those with the highest scores; None for all.
        border: minimum distance of keypoints from the edges of the image in pixels.
        threshold: lowest score of a keypoint.
        nms_radius: half the side of the window of non-maximum suppression in pixels.
    """

    name: ClassVar[str]

    weights: str | Path | None = None
    max_keypoints: int | None = None
    border: int = 0
    threshold: float = 0.0
    nms_radius: int = 2

    def __post_init__(self) -> None:
        self.network, origin = self.load()
        own = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "weights"}
        self.settings = {"name": self.name, **own, **origin}

    def load(self) -> tuple[nn.Module, dict]:
        """Return the pretrained network in evaluation mode and the origin of its weights."""
        raise NotImplementedError

    def find(self, image: np.ndarray) -> Features:
        """Find all keypoints of an RGB uint8 H x W x 3 image, in any order."""
        raise NotImplementedError

    @torch.inference_mode()
    def detect(self, image: np.ndarray) -> Features:
        """Detect the keypoints of an RGB uint8 H x W x 3 image, strongest first."""
        found = self.find(image)
        found = found.take(inside(found.keypoints, found.image_size, self.border))
        return found.take(strongest(found.scores, self.max_keypoints))
