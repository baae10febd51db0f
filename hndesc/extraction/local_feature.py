"""Detector and descriptor with the interface of kornia's `LocalFeature`, for its matchers. kornia is not imported."""

import os

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from hndesc.extraction.model import find_model
from hndesc.extraction.pair_network import load_pair
from hndesc.models.bundled import DEFAULT


class LocalFeature(nn.Module):
    """Keypoints of the detector `hndesc` as local affine frames, with descriptors.

    Args:
        model: name of a bundled model or .safetensors file.
        max_keypoints: maximum number of keypoints per image, the strongest ones.
        min_score: keypoints have higher scores.
        detector_weights: file of weights of the detector, None for the bundled ones.

    Raises:
        HndescError: a model or file does not exist or is unusable.
    """

    def __init__(
        self,
        model: str | os.PathLike = DEFAULT,
        max_keypoints: int = 2048,
        min_score: float = 0.0,
        detector_weights: str | os.PathLike | None = None,
    ) -> None:
        super().__init__()
        self.network, _ = load_pair(find_model(model), detector_weights=detector_weights)
        self.max_keypoints, self.min_score = max_keypoints, min_score

    def forward(self, image: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Find and describe keypoints.

        Args:
            image: B x 1 x H x W (gray) or B x 3 x H x W (RGB), in [0, 1].
            mask: B x 1 x H x W factors of the scores, for instance 0 outside of a region; or None.

        Returns:
            Local affine frames, B x N x 2 x 3, upright with a scale of 1 pixel; scores, B x N, descending;
            descriptors, B x N x D, L2-normalized. N is the largest number of keypoints of an image; those that others
            lack are 0 in all three.
        """
        image = image.expand(-1, 3, -1, -1)
        count = torch.tensor(self.max_keypoints, device=image.device)
        score = torch.tensor(self.min_score, device=image.device)
        masks = [None] * len(image) if mask is None else mask.split(1)
        found = [self.network(one, count, score, weights) for one, weights in zip(image.split(1), masks, strict=True)]
        points, descriptors, scores = (
            pad_sequence([values[0] for values in part], batch_first=True) for part in zip(*found, strict=True)
        )
        axes = torch.eye(2, device=image.device) * (scores > 0)[..., None, None]
        return torch.cat([axes, points[..., None]], dim=3), scores, descriptors
