"""Matches of validation pairs and the similarities of correct and false ones, recorded for figures."""

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from hndesc.io.files import atomic_path
from hndesc.training.data import Batch
from hndesc.training.losses import Anchors
from hndesc.training.negatives import Candidates, allowed, hardest

_RIGHT, _WRONG = (0, 200, 0), (220, 0, 0)
_LINES = 60
_KEPT = 4  # pairs whose crops are recorded


def draw_matches(batch: Batch, anchors: Anchors, place: int = 0) -> np.ndarray:
    """Draw the crops of a pair side by side with its nearest-neighbor matches: correct in green, false in red.

    Args:
        batch: a batch of pairs.
        anchors: descriptors of the batch.
        place: index of the pair in the batch.

    Returns:
        S x 2S x 3 uint8, RGB.
    """
    pairs, size = len(batch.photos), batch.images.shape[1]
    nearest = nearest_keypoints(anchors, batch.first + place)
    first, second = (batch.points[row].double().numpy() for row in (place, pairs + place))
    canvas = np.concatenate([batch.images[row].numpy() for row in (place, pairs + place)], axis=1)
    for start in range(0, len(nearest), -(-len(nearest) // _LINES)) if nearest else ():
        end = nearest[start]
        one, other = (tuple(round(value) for value in point) for point in (first[start], second[end] + (size, 0)))
        cv2.line(canvas, one, other, _RIGHT if end == start else _WRONG, 1, cv2.LINE_AA)
    return canvas


def nearest_keypoints(anchors: Anchors, pair: int) -> list[int]:
    """Return, for each keypoint of the first crop of a pair, the nearest neighbor in the second crop."""
    own = anchors.pair == pair
    return (anchors.anchor[own] @ anchors.positive[own].T).argmax(dim=1).tolist() if own.any() else []


def similarities(anchors: Anchors) -> tuple[Tensor, Tensor]:
    """Return the similarity of each anchor to its positive and to its hardest negative within the pair."""
    rows = torch.arange(len(anchors.pair), device=anchors.pair.device)
    candidates = Candidates(anchors.positive, anchors.pair, anchors.photo, rows)
    mask = allowed("in_pair", candidates, anchors.pair, anchors.photo, rows)
    compared = mask.any(dim=1)
    similarity = anchors.anchor @ anchors.positive.T
    return similarity.diagonal(), hardest(similarity[compared], mask[compared], 1)[:, 0]


def write_record(path: Path, batch: Batch, networks: Mapping[str, Anchors]) -> None:
    """Record the matches of several networks on the same validation batch, for figures.

    The file (.npz) contains the crops `first` and `second` (P x S x S x 3 uint8) of up to four pairs, their keypoints
    `first_points` and `second_points` (P x N x 2, pixels) and `counts` (P). For each network, `<name>/nearest` (P x N)
    are indices into `second_points`, -1 beyond the count. `<name>/positive` and `<name>/negative` are the similarities
    of all keypoints of the batch to the correct match and to the most similar false one.

    Args:
        path: file to write.
        batch: batch of pairs.
        networks: name -> descriptors of the batch.

    """
    pairs = len(batch.photos)
    kept = min(_KEPT, pairs)
    arrays = {"counts": batch.counts[:kept].numpy()}
    for name, start in (("first", 0), ("second", pairs)):
        arrays[name] = batch.images[start : start + kept].numpy()
        arrays[f"{name}_points"] = batch.points[start : start + kept].numpy()
    for name, anchors in networks.items():
        nearest = np.full((kept, batch.points.shape[1]), -1, np.int32)
        for pair in range(kept):
            found = nearest_keypoints(anchors, batch.first + pair)
            nearest[pair, : len(found)] = found
        arrays[f"{name}/nearest"] = nearest
        positive, negative = (values.float().cpu().numpy() for values in similarities(anchors))
        arrays |= {f"{name}/positive": positive, f"{name}/negative": negative}
    with atomic_path(path) as temporary:
        np.savez_compressed(temporary, **arrays)
