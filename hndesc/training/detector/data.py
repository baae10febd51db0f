"""Batches of pairs of crops with their homographies. A batch depends on the seed and its number only."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from hndesc.errors import HndescError, ImageError
from hndesc.io.images import to_gray
from hndesc.training.batches import TRAINING, NumberedBatches
from hndesc.training.detector.settings import DetectorSettings
from hndesc.training.pairs import crop_homography, cut, random_quadrilaterals
from hndesc.training.photometric import augment_photometrically
from hndesc.training.settings import ViewSettings
from hndesc.training.sources import ImageCache

# Photos tried for one pair.
_ATTEMPTS = 100


class ViewBatch(NamedTuple):
    """B pairs of crops.

    Attributes:
        images: 2B x S x S x 3 uint8, first crops, then second crops.
        homographies: B x 3 x 3 float64, from pixels of the first crops to those of the second.
        skipped: (photo, reason) of photos that could not be read.
    """

    images: Tensor
    homographies: Tensor
    skipped: tuple[tuple[str, str], ...]


class ViewBatches(NumberedBatches[ViewBatch]):
    """Batches of pairs by number.

    Args:
        folder: folder of photos.
        names: photos to draw from, relative to it.
        settings: training settings.
        stream: `TRAINING` or `VALIDATION`.
    """

    def __init__(self, folder: Path, names: Sequence[str], settings: DetectorSettings, stream: int = TRAINING) -> None:
        self.folder, self.names, self.settings, self.stream = Path(folder), list(names), settings, stream
        self._cache = ImageCache(settings.cache_megabytes * 2**20)

    def batch(self, number: int) -> ViewBatch:
        """Return batch `number`."""
        skipped: dict[str, str] = {}
        size = self.settings.batch_size
        drawn = [self._draw(number * size + place, skipped) for place in range(size)]
        images = [crops[part] for part in range(2) for crops, _ in drawn]
        matrices = np.stack([matrix for _, matrix in drawn])
        return ViewBatch(torch.from_numpy(np.stack(images)), torch.from_numpy(matrices), tuple(skipped.items()))

    def _draw(self, index: int, skipped: dict[str, str]) -> tuple[list[np.ndarray], np.ndarray]:
        """Draw pair `index` from a random photo, or from another if that one is broken."""
        for attempt in range(_ATTEMPTS):
            generator = np.random.default_rng((self.settings.seed, self.stream, index, attempt))
            name = self.names[generator.integers(len(self.names))]
            try:
                photo = self._cache.read(self.folder / name)
            except ImageError as error:
                skipped[name] = last = str(error)
                continue
            crops, matrix = draw_views(generator, photo, self.settings.crop_size, self.settings.pair)
            return [augment_photometrically(generator, crop, self.settings.color) for crop in crops], matrix
        raise HndescError(f"{self.folder}: {_ATTEMPTS} photos could not be read (last: {last})")


def draw_views(
    generator: np.random.Generator, photo: np.ndarray, crop_size: int, settings: ViewSettings
) -> tuple[list[np.ndarray], np.ndarray]:
    """Draw two crops of a photo; redraw while the first has little contrast, as often as the settings allow.

    Args:
        generator: random number generator.
        photo: H x W x 3 uint8.
        crop_size: side of the crops in pixels.
        settings: which regions the crops show.

    Returns:
        The crops, S x S x 3 uint8 each, and the homography from pixels of the first to those of the second.
    """
    size = (photo.shape[1], photo.shape[0])
    for _ in range(settings.tries):
        matrices = [
            crop_homography(one, crop_size) for one in random_quadrilaterals(generator, size, crop_size, settings)
        ]
        crops = [cut(photo, matrix, crop_size, size) for matrix in matrices]
        if to_gray(crops[0]).std() >= settings.contrast:
            break
    return crops, matrices[1] @ np.linalg.inv(matrices[0])
