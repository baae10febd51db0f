"""Image pairs related by a known homography, and sequences of them."""

import os
from dataclasses import dataclass
from itertools import islice

import numpy as np

from hndesc.errors import HndescError
from hndesc.io.lists import numbers, read_lines, split


@dataclass(frozen=True)
class Pair:
    """Two images of a planar scene, or from the same viewpoint.

    Attributes:
        first, second: names in feature files, which are paths relative to the folder of the set.
        homography: 3 x 3, from pixels of the first image to those of the second.
    """

    first: str
    second: str
    homography: np.ndarray


@dataclass(frozen=True)
class Sequence:
    """Image pairs of one scene.

    Attributes:
        name: name of the scene.
        kind: "v" (viewpoint changes), "i" (illumination changes) or "" (unknown).
        pairs: image pairs; in HPatches, the first image with each of the others.
    """

    name: str
    kind: str
    pairs: tuple[Pair, ...]

    @property
    def images(self) -> tuple[str, ...]:
        """Names of all images in order of first occurrence; in HPatches, the reference is first."""
        return tuple(dict.fromkeys(name for pair in self.pairs for name in (pair.first, pair.second)))

    @property
    def homographies(self) -> tuple[np.ndarray, ...]:
        """The homographies of the pairs, 3 x 3 each."""
        return tuple(pair.homography for pair in self.pairs)


def read_homography(path: str | os.PathLike) -> np.ndarray:
    """Read an invertible 3 x 3 matrix from a text file; anything else raises a HndescError that names the file."""
    if not os.path.lexists(path):
        raise HndescError(f"{path}: no such file; each image pair needs its homography")
    rows = [numbers(split(line), place) for place, line in islice(read_lines(path), 4)]
    if [len(row) for row in rows] != [3, 3, 3]:
        raise HndescError(f"{path}: not a 3 x 3 matrix of numbers")
    homography = np.array(rows)
    # Normalized, since determinants of tiny or huge numbers are 0 or infinite.
    if not homography.any() or np.linalg.matrix_rank(homography / np.abs(homography).max()) < 3:
        raise HndescError(f"{path}: not an invertible 3 x 3 matrix of numbers")
    return homography
