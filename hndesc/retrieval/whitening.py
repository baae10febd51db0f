"""PCA whitening of global descriptors, which reduces the influence of directions with large variance.

Jégou and Chum, Negative Evidences and Co-occurrences in Image Retrieval, ECCV 2012.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from hndesc.errors import HndescError
from hndesc.io.hdf5 import named, open_hdf5, read_array, read_json, write_array, write_text, written_hdf5

MOST = 512


@dataclass(frozen=True)
class Whitening:
    """A learned whitening.

    Attributes:
        mean: D.
        projection: D x K, columns scaled to variance 1 on the training images.
        settings: settings with which it was learned.
    """

    mean: np.ndarray
    projection: np.ndarray
    settings: Mapping = field(default_factory=dict)

    def apply(self, vectors: np.ndarray) -> np.ndarray:
        """Whiten N x D descriptors; return N x K float32, L2-normalized (zero vectors remain zero)."""
        whitened = (vectors - self.mean) @ self.projection
        return (whitened / np.maximum(np.linalg.norm(whitened, axis=1, keepdims=True), 1e-12)).astype(np.float32)


def learn(vectors: np.ndarray, dimensions: int | None = None, settings: Mapping | None = None) -> Whitening:
    """Learn a whitening.

    Args:
        vectors: N x D, one row per image.
        dimensions: number of leading components to keep; None for at most 512 and half the number of images, since
            whitening would amplify the noise in the others.
        settings: settings to store.

    Raises:
        HndescError: there are too few images for the number of dimensions.
    """
    count, size = vectors.shape
    keep = dimensions or max(1, min(MOST, size, count // 2))
    mean = vectors.mean(axis=0, dtype=np.float64)
    _, deviations, directions = np.linalg.svd(vectors - mean, full_matrices=False)
    rank = int((deviations > 1e-6 * max(deviations[0], 1e-12)).sum())
    if keep > rank:
        raise HndescError(
            f"{count} images allow a whitening of at most {rank} dimensions, not {keep}; use fewer or more images"
        )
    projection = directions[:keep].T * (np.sqrt(count) / deviations[:keep])
    return Whitening(mean.astype(np.float32), projection.astype(np.float32), {**(settings or {}), "dimensions": keep})


def write_whitening(path: str | os.PathLike, whitening: Whitening) -> None:
    """Write a whitening as HDF5, atomically."""
    with written_hdf5(path) as file:
        write_array(file, "mean", whitening.mean)
        write_array(file, "projection", whitening.projection)
        write_text(file, "settings", json.dumps(whitening.settings, sort_keys=True))


def read_whitening(path: str | os.PathLike) -> Whitening:
    """Read a whitening; a missing or broken file raises a HndescError."""
    what = "whitening; the step that learns it has not run"
    with open_hdf5(path, what) as file, named(f"{path}: not a complete whitening"):
        mean, projection = read_array(file, "mean"), read_array(file, "projection")
        if mean.ndim != 1 or not mean.size or projection.ndim != 2 or len(projection) != len(mean):
            raise ValueError(f"'mean' and 'projection' of shapes {mean.shape} and {projection.shape}")
        if not (np.isfinite(mean).all() and np.isfinite(projection).all() and projection.any()):
            raise ValueError("its values are not finite or all zero")
        return Whitening(mean, projection, read_json(file, "settings"))
