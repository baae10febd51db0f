"""Batches of training pairs. A batch is the same for any number of worker processes and after any resume."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from hndesc.errors import HndescError, ImageError
from hndesc.training.batches import TRAINING, NumberedBatches
from hndesc.training.distributed import ProcessGroup
from hndesc.training.negatives import NONE
from hndesc.training.pairs import Pair, draw_crop, draw_pair, scaled_difficulty
from hndesc.training.photometric import augment_photometrically
from hndesc.training.settings import PairSettings, TrainingSettings
from hndesc.training.sources import TrainingPhotos

# Photos tried for one position in a batch.
_ATTEMPTS = 100
_Crop = tuple[np.ndarray, np.ndarray]


class Batch(NamedTuple):
    """B pairs of crops, or the share of one process; with B crops of similar photos if the negatives use them.

    Attributes:
        images: 2B (or 3B) x S x S x 3 uint8: first crops, second crops, crops of similar photos.
        points: 2B (or 3B) x N x 2 float32, pixels of the crops, padded with zeros.
        counts: 2B (or 3B), number of keypoints of each crop; equal for the two crops of a pair.
        photos: B, index of each pair's photo.
        similar: B, index of each similar photo, or of length 0.
        names: the pairs' photos.
        skipped: (photo, reason) of photos that could not be read.
        first: index of the first pair within the whole batch.
        unmatched: 2B x L x 2 float32, keypoints visible in only one crop of a pair, padded with zeros; or None.
        unmatched_counts: 2B, number of unmatched keypoints of each crop.
    """

    images: Tensor
    points: Tensor
    counts: Tensor
    photos: Tensor
    similar: Tensor
    names: tuple[str, ...]
    skipped: tuple[tuple[str, str], ...]
    first: int = 0
    unmatched: Tensor | None = None
    unmatched_counts: Tensor | None = None


class PairBatches(NumberedBatches[Batch]):
    """Batches by number: a batch depends on the seed and its number only.

    Args:
        photos: training data.
        names: photos to draw from.
        settings: training settings.
        stream: `TRAINING` or `VALIDATION`. Validation uses its own random numbers and constant difficulty.

    Attributes:
        group: processes that share each batch.
    """

    def __init__(
        self, photos: TrainingPhotos, names: Sequence[str], settings: TrainingSettings, stream: int = TRAINING
    ) -> None:
        self.photos, self.names, self.settings, self.stream = photos, list(names), settings, stream
        self.group = ProcessGroup()
        self._with_similar = settings.loss.negatives == "in_batch_global"
        self._index = {name: index for index, name in enumerate(photos.names)}

    def batch(self, number: int) -> Batch:
        """Return batch `number`, or the share of this process."""
        size = self.settings.batch_size
        part = size // self.group.size
        places = range(self.group.rank * part, (self.group.rank + 1) * part)
        names = self.order(number)
        skipped: dict[str, str] = {}
        difficulty = self.difficulty(number)
        drawn = [self._draw(number * size + place, names[place], difficulty, skipped) for place in places]
        return self._collate(drawn, skipped)._replace(first=places.start)

    def close(self) -> None:
        """Close the files of keypoints, which worker processes would inherit."""
        self.photos.close()

    def difficulty(self, number: int) -> PairSettings:
        """Return the pair settings of batch `number`; difficulty rises during the curriculum, large turns come late."""
        pair, batches = self.settings.pair, self.settings.steps * self.settings.accumulation
        if self.stream != TRAINING:
            return pair
        if pair.turns and number < pair.turns_from * batches:
            pair = pair.model_copy(update={"turns": 0.0})
        curriculum = pair.curriculum * batches
        return pair if number >= curriculum else scaled_difficulty(pair, number / curriculum)

    def order(self, number: int) -> list[str]:
        """Return the photos of batch `number`, from one shuffled order per epoch."""
        size, total = self.settings.batch_size, len(self.names)
        if size <= total:
            epoch, place = divmod(number, total // size)
            return [self.names[row] for row in self._permutation(epoch)[place * size : (place + 1) * size]]
        places = np.arange(number * size, (number + 1) * size)
        orders = {epoch: self._permutation(epoch) for epoch in {int(place) // total for place in places}}
        return [self.names[orders[int(place) // total][place % total]] for place in places]

    def _permutation(self, epoch: int) -> np.ndarray:
        return self._generator(0, epoch).permutation(len(self.names))

    def _generator(self, purpose: int, *key: int) -> np.random.Generator:
        return np.random.default_rng((self.settings.seed, self.stream, purpose, *key))

    def _draw(self, index: int, name: str, difficulty: PairSettings, skipped: dict[str, str]) -> "_Drawn":
        """Draw pair `index` from photo `name`, or from another photo if that one is broken or yields no pair."""
        for attempt in range(_ATTEMPTS):
            generator = self._generator(1, index, attempt)
            try:
                pair = self._pair(generator, name, difficulty)
                if pair is not None:
                    crops = [(pair.anchor, pair.anchor_points), (pair.positive, pair.positive_points)]
                    return self._finish(
                        generator, name, crops, skipped, (pair.anchor_unmatched, pair.positive_unmatched)
                    )
            except ImageError as error:
                skipped[name] = str(error)
            name = self.names[generator.integers(len(self.names))]
        raise HndescError(
            f"no pair with common keypoints could be drawn from {_ATTEMPTS} photos of {self.photos.folder} (last: "
            f"'{name}'); use larger photos, a smaller crop_size or more keypoints"
        )

    def _pair(self, generator: np.random.Generator, name: str, difficulty: PairSettings) -> Pair | None:
        settings = self.settings
        photo = other = self.photos.photo(name)
        if self.photos.copies and generator.random() < settings.stylized_probability:
            copies = len(self.photos.copies[name])
            other = self.photos.stylized_copy(name, int(generator.integers(copies)) if copies > 1 else 0)
        files = len(self.photos.keypoint_files)
        keypoints = self.photos.keypoints(name, int(generator.integers(files)) if files > 1 else 0)
        return draw_pair(generator, (photo, other), keypoints, settings.crop_size, settings.max_keypoints, difficulty)

    def _finish(
        self,
        generator: np.random.Generator,
        name: str,
        crops: list[_Crop],
        skipped: dict[str, str],
        unmatched: tuple[np.ndarray, np.ndarray],
    ) -> "_Drawn":
        """Add the crop of a similar photo, if any, and augment all crops photometrically."""
        similar = self._similar(generator, name, skipped)
        if similar is not None:
            crops = [*crops, similar[1]]
        colored = [(augment_photometrically(generator, crop, self.settings.color), points) for crop, points in crops]
        return _Drawn(name, colored, None if similar is None else similar[0], unmatched)

    def _similar(self, generator: np.random.Generator, name: str, skipped: dict[str, str]) -> tuple[str, _Crop] | None:
        """Cut a crop from the most similar photo that is large enough; None if the negatives use no similar photos."""
        settings = self.settings
        if not self._with_similar:
            return None
        for other in self.photos.neighbors.get(name, ()):
            if min(self.photos.size(other)) < settings.crop_size:
                continue
            try:
                photo = self.photos.photo(other)
            except ImageError as error:
                skipped[other] = str(error)
                continue
            keypoints = self.photos.keypoints(other)
            return other, draw_crop(generator, photo, keypoints, settings.crop_size, settings.max_keypoints)
        return None

    def _collate(self, drawn: Sequence["_Drawn"], skipped: dict[str, str]) -> Batch:
        settings, count = self.settings, len(drawn)
        rows = count * (3 if self._with_similar else 2)
        images = np.zeros((rows, settings.crop_size, settings.crop_size, 3), np.uint8)
        points: list[np.ndarray] = [np.empty((0, 2))] * rows
        for place, one in enumerate(drawn):
            for part, (crop, keypoints) in enumerate(one.crops):
                images[part * count + place], points[part * count + place] = crop, keypoints
        unmatched = unmatched_counts = None
        if settings.pair.unmatched > 0:
            sets = [one.unmatched[part] for part in range(2) for one in drawn]
            unmatched, unmatched_counts = _padded(sets, settings.max_keypoints // 2)
        return Batch(
            torch.from_numpy(images),
            *_padded(points, settings.max_keypoints),
            torch.tensor([self._index[one.name] for one in drawn]),
            torch.tensor(
                [self._index.get(one.similar or "", NONE) for one in drawn if self._with_similar], dtype=torch.int64
            ),
            tuple(one.name for one in drawn),
            tuple(skipped.items()),
            unmatched=unmatched,
            unmatched_counts=unmatched_counts,
        )


def _padded(points: Sequence[np.ndarray], most: int) -> tuple[Tensor, Tensor]:
    """Return C sets of at most `most` points as C x most x 2 float32, padded with zeros, and their sizes."""
    padded = np.zeros((len(points), most, 2), np.float32)
    for row, one in enumerate(points):
        padded[row, : len(one)] = one
    return torch.from_numpy(padded), torch.tensor([len(one) for one in points])


class _Drawn(NamedTuple):
    name: str
    crops: list[_Crop]
    similar: str | None
    unmatched: tuple[np.ndarray, np.ndarray]
