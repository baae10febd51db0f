"""Dimensionality reduction of a model by the principal components of its descriptors."""

from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from hndesc.errors import HndescError
from hndesc.io.described_images import DescribedImages
from hndesc.matching.views import descriptors_in_view
from hndesc.models.backbone import STEERER
from hndesc.models.checkpoint import check_checkpoint, load_checkpoint, save_checkpoint
from hndesc.models.projected import Projected
from hndesc.models.release import inherited_card
from hndesc.runtime.provenance import file_hash


def reduce_dimensions(checkpoint: str | Path, features: str | Path, output: str | Path, dimensions: int) -> float:
    """Write a checkpoint whose descriptors are those of another model, projected to fewer dimensions.

    The projection is onto the leading eigenvectors of the second moment of the descriptors. The mean is not subtracted,
    so that inner products of descriptors change as little as possible.

    Args:
        checkpoint: checkpoint of the model.
        features: descriptors of this model on typical images, which must not be those of an evaluation.
        output: checkpoint to write, without the model's steerer; its card describes the projection.
        dimensions: length of the new descriptors.

    Returns:
        The mean share of the squared length of descriptors that the projection keeps.

    Raises:
        HndescError: the dimensions are not fewer than those of the model, the model is already projected, or the
            features belong to another model or contain fewer descriptors than dimensions.
    """
    check_checkpoint(output, [checkpoint, Path(checkpoint).with_suffix(".json"), features])
    model, card = load_checkpoint(checkpoint)
    if isinstance(model, Projected):
        raise HndescError(
            f"{checkpoint}: its descriptors are already projected; give the checkpoint written by training"
        )
    if not 1 <= dimensions < model.dim:
        raise HndescError(
            f"{dimensions} dimensions: {checkpoint} has {model.dim}, give a number from 1 to {model.dim - 1}"
        )
    moment, number, photos = _second_moment(Path(features), file_hash(checkpoint), model.dim)
    if number < model.dim:
        raise HndescError(f"{features}: {number} descriptors are too few for {model.dim} dimensions; use more photos")
    values, vectors = np.linalg.eigh(moment)  # ascending
    smaller = Projected(model, dimensions).eval()
    smaller.projection.copy_(torch.from_numpy(vectors[:, ::-1][:, :dimensions].T.copy()))
    kept = float(values[::-1][:dimensions].sum() / values.sum())
    model.steerer = None  # of the longer descriptors
    card = inherited_card(card)
    card.pop(STEERER, None)
    card["projection"] = {"from": model.dim, "photos": photos, "descriptors": number, "kept": round(kept, 4)}
    save_checkpoint(output, smaller, card, card.get("settings", {}).get("half_weights", False))
    return kept


def _second_moment(path: Path, sha256: str, dim: int) -> tuple[np.ndarray, int, int]:
    """Return the sum of the outer products of all descriptors in a file, and the numbers of descriptors and images."""
    moment, number = np.zeros((dim, dim)), 0
    with DescribedImages(path, ()) as reader:
        made_by = reader.settings.get("descriptor")
        if not isinstance(made_by, dict) or made_by.get("sha256") != sha256:
            raise HndescError(f"{path}: contains no descriptors of this model; compute them first (hndesc extract)")
        names = reader.names()
        for name in tqdm(names, desc="descriptors", unit="photo"):
            descriptors = descriptors_in_view(reader.read(name), 0).astype(np.float64)
            if descriptors.shape[1] != dim:
                raise HndescError(f"{path}: '{name}' has descriptors of {descriptors.shape[1]} dimensions, not {dim}")
            moment += descriptors.T @ descriptors
            number += len(descriptors)
    return moment, number, len(names)
