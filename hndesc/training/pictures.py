"""What a network sees of a validation pair: its matches as a picture, and how similar right and wrong ones are."""

import cv2
import numpy as np
import torch
from torch import Tensor

from hndesc.training.data import Batch
from hndesc.training.losses import Anchors
from hndesc.training.negatives import Candidates, allowed, hardest

_RIGHT, _WRONG = (0, 200, 0), (220, 0, 0)
_LINES = 60


def match_picture(batch: Batch, anchors: Anchors, place: int = 0) -> np.ndarray:
    """Draw the crops of a pair side by side and join each keypoint to its nearest descriptor: green right, red wrong.

    Args:
        batch: a batch of pairs.
        anchors: its descriptors.
        place: of the pair in the batch.

    Returns:
        S x 2S x 3 uint8, RGB.
    """
    pairs, size = len(batch.photos), batch.images.shape[1]
    own = anchors.pair == batch.first + place
    nearest = (anchors.anchor[own] @ anchors.positive[own].T).argmax(dim=1).tolist() if own.any() else []
    first, second = (batch.points[row].double().numpy() for row in (place, pairs + place))
    picture = np.concatenate([batch.images[row].numpy() for row in (place, pairs + place)], axis=1)
    for start in range(0, len(nearest), -(-len(nearest) // _LINES)) if nearest else ():
        end = nearest[start]
        ends = (tuple(round(value) for value in point) for point in (first[start], second[end] + (size, 0)))
        cv2.line(picture, *ends, _RIGHT if end == start else _WRONG, 1, cv2.LINE_AA)
    return picture


def similarities(anchors: Anchors) -> tuple[Tensor, Tensor]:
    """Return the similarity of each anchor to its positive, and to the hardest other one of its pair's second crop."""
    rows = torch.arange(len(anchors.pair), device=anchors.pair.device)
    candidates = Candidates(anchors.positive, anchors.pair, anchors.photo, rows)
    mask = allowed("in_pair", candidates, anchors.pair, anchors.photo, rows)
    compared = mask.any(dim=1)
    similarity = anchors.anchor @ anchors.positive.T
    return similarity.diagonal(), hardest(similarity[compared], mask[compared], 1)[:, 0]
