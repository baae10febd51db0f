"""Features of all images of a benchmark, and errors that name an image pair."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from hndesc.errors import HndescError
from hndesc.io.features import FeatureReader, Features


class DescribedImages(FeatureReader):
    """The features of a benchmark's images: each image has descriptors or is listed as failed.

    Args:
        path: feature file.
        names: images that the benchmark needs.

    Attributes:
        lost: those of `names` that failed at extraction, with the reason.

    Raises:
        HndescError: names that the file does not know.
    """

    def __init__(self, path: str | os.PathLike, names: Sequence[str]) -> None:
        super().__init__(path)
        # Only what is needed is looked up: large files hold many images more.
        absent = {name: self.reason(name) for name in names if name not in self}
        missing = [name for name, reason in absent.items() if reason is None]
        if missing:
            raise HndescError(
                f"{self.path}: no features of {len(missing)} of {len(names)} images, '{missing[0]}' first; "
                "extract the features of this dataset"
            )
        self.lost = absent
        self._first: tuple[str, int] | None = None  # an image, and the length of its descriptors

    def read(self, name: str) -> Features:
        """Read the features of one image; an entry without descriptors is a HndescError."""
        features = super().read(name)
        if features.descriptors is None:
            raise HndescError(f"{self.path}: '{name}' has keypoints without descriptors; describe the keypoints first")
        dim = features.descriptors.shape[1]
        self._first = self._first or (name, dim)
        if dim != self._first[1]:
            raise HndescError(
                f"{self.path}: '{name}' has descriptors of {dim} dimensions, '{self._first[0]}' of {self._first[1]}; "
                "describe all images with one model"
            )
        return features


@contextmanager
def named_pair(first: str, second: str) -> Iterator[None]:
    """Add the names of a pair to the message of an unexpected error."""
    try:
        yield
    except Exception as error:
        error.add_note(f"with the pair {first}, {second}")
        raise
