"""A detector and a descriptor as one network, from image to keypoints and descriptors."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hndesc.detectors.hndesc import HndescDetector
from hndesc.errors import HndescError
from hndesc.models.backbone import Backbone
from hndesc.models.bundled import DETECTOR
from hndesc.models.checkpoint import load_checkpoint
from hndesc.models.inference import fold_batch_norm
from hndesc.models.keypoint_map import keypoint_pixels, refine
from hndesc.models.keypoint_network import KeypointNetwork, load_weights
from hndesc.models.lite import to_luminance
from hndesc.models.sampling import IMAGENET_MEAN, IMAGENET_STD, sample_map


class PairNetwork(nn.Module):
    """The network of a detector, selection of keypoints, and a backbone sampled at them.

    Args:
        detector: network of the detector.
        backbone: network of the descriptor.
        nms_radius: half the side of the window of non-maximum suppression in pixels.
        border: minimum distance of keypoints from the edges of the image in pixels.
        relative: whether keypoints are relative to the image instead of in pixels: its outermost pixel centers are at
            -1 and 1.
    """

    def __init__(
        self, detector: KeypointNetwork, backbone: Backbone, nms_radius: int, border: int, relative: bool = False
    ) -> None:
        super().__init__()
        self.detector, self.backbone = detector, backbone
        self.nms_radius, self.border, self.relative = nms_radius, border, relative
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1))

    def forward(
        self, image: Tensor, max_keypoints: Tensor, min_score: Tensor, weights: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Find and describe the keypoints of an image.

        Args:
            image: 1 x 3 x H x W, RGB in [0, 1].
            max_keypoints: int64 scalar; the strongest keypoints are kept.
            min_score: scalar; keypoints have higher scores.
            weights: factors of the scores, 1 x 1 x H x W, or None.

        Returns:
            Keypoints, 1 x K x 2, (x, y); descriptors, 1 x K x dim, each of length 1; scores, 1 x K, descending. K may
            be 0.
        """
        luminance = to_luminance(image)
        logits = self.detector(luminance)
        rows, columns = keypoint_pixels(logits[0], luminance[0, 0], self.nms_radius, self.border)
        scores = logits[0, rows, columns].sigmoid()
        if weights is not None:
            scores = scores * weights[0, 0, rows, columns]
        ranked, order = scores.topk(scores.shape[0])
        # A mask instead of a slice, since the number is a tensor.
        kept = (torch.arange(scores.shape[0], device=scores.device) < max_keypoints) & (ranked > min_score)
        order, ranked = order[kept], ranked[kept]
        points = refine(logits, torch.stack([columns, rows], dim=1)[order][None])
        dense = self.backbone((image - self.mean) / self.std)
        descriptors = sample_map(dense, points, self.backbone.stride)
        return self._relative(points, image) if self.relative else points, descriptors, ranked[None]

    @staticmethod
    def _relative(points: Tensor, image: Tensor) -> Tensor:
        # No tensor of the sizes, which would be constants in an exported graph.
        x, y = (2 * points).unbind(dim=2)
        return torch.stack([x / (image.shape[3] - 1), y / (image.shape[2] - 1)], dim=2) - 1


def load_pair(
    checkpoint: str | Path,
    detector: str = HndescDetector.name,
    detector_weights: str | os.PathLike | None = None,
    relative: bool = False,
) -> tuple[PairNetwork, Mapping[str, Any]]:
    """Load a detector and a model of descriptors as one network for inference, on the CPU.

    Args:
        checkpoint: .safetensors file of the model.
        detector: name of the detector; only `hndesc` has such a network.
        detector_weights: file of its weights, None for the bundled ones.
        relative: see `PairNetwork`.

    Returns:
        The network, and the card of the model with that of the detector as `detector`.

    Raises:
        HndescError: a file is unusable, or the detector is another one.
    """
    if detector != HndescDetector.name:
        raise HndescError(f"the detector '{detector}' cannot be exported; only '{HndescDetector.name}' can")
    keypoints, detector_card = load_weights(DETECTOR if detector_weights is None else Path(detector_weights))
    backbone, card = load_checkpoint(checkpoint)
    for part in (keypoints, backbone):
        fold_batch_norm(part)
    network = PairNetwork(keypoints, backbone, HndescDetector.nms_radius, HndescDetector.border, relative)
    return network.eval(), {**card, "detector": detector_card}
