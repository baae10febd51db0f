"""Image sequences and image pairs related by known homographies, whatever the layout of their folder."""

import os
from collections.abc import Callable, Collection
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from hndesc.errors import HndescError
from hndesc.lists import numbers, read_lines, split
from hndesc.photos import Photo

# Left out since D2-Net's evaluation (CVPR 2019): images too large for some of the methods compared there.
LARGE_SCENES = (
    "i_contruction",
    "i_crownnight",
    "i_dc",
    "i_pencils",
    "i_whitebuilding",
    "v_artisans",
    "v_astronautis",
    "v_talent",
)


@dataclass(frozen=True)
class Pair:
    """Two images of one planar scene, or from one place.

    Attributes:
        first, second: their names in feature files, paths relative to the folder of the set.
        homography: 3 x 3, from the first one's pixels to the second one's.
    """

    first: str
    second: str
    homography: np.ndarray


@dataclass(frozen=True)
class Sequence:
    """Image pairs of one scene.

    Attributes:
        name: of the scene.
        kind: "v" (viewpoint changes), "i" (illumination changes) or "" where the set does not tell.
        pairs: in HPatches, the first image with each of the others.
    """

    name: str
    kind: str
    pairs: tuple[Pair, ...]

    @property
    def images(self) -> tuple[str, ...]:
        """Names of all images, each once, as the pairs come to them: in HPatches, the reference first."""
        return tuple(dict.fromkeys(name for pair in self.pairs for name in (pair.first, pair.second)))

    @property
    def homographies(self) -> tuple[np.ndarray, ...]:
        """The homographies of the pairs, 3 x 3 each."""
        return tuple(pair.homography for pair in self.pairs)


def read_sequences(
    root: str | os.PathLike, leave_out: Collection[str] = (), layout: str | None = None
) -> list[Sequence]:
    """Read the sequences of a folder, sorted by name.

    Args:
        root: the folder.
        leave_out: names of sequences that are not read.
        layout: a name in `hndesc.benchmarks.sequence_layouts.LAYOUTS`; None to tell it from what is there.

    Raises:
        HndescError: no sequence, another layout, missing images, missing or malformed homographies.
    """
    sequences, errors = [], []
    for name, read in _find(root, layout):
        if name not in leave_out:
            try:
                sequences.append(read())
            except HndescError as error:
                errors.append(str(error))
    if errors:
        more = f"; {len(errors) - 1} more sequences are incomplete" if len(errors) > 1 else ""
        raise HndescError(f"{errors[0]}{more}")
    if not sequences:
        raise HndescError(f"{root}: no sequence to score but those left out")
    return sequences


def sequence_photos(root: str | os.PathLike, leave_out: Collection[str] = (), layout: str | None = None) -> list[Photo]:
    """Return the images of all sequences, each once; see `read_sequences`."""
    names = {name for sequence in read_sequences(root, leave_out, layout) for name in sequence.images}
    return [Photo(name, Path(root) / name) for name in sorted(names)]


def sequence_names(root: str | os.PathLike, layout: str | None = None) -> list[str]:
    """Return the names of all sequences of a folder, without a look at their files."""
    return [name for name, _ in _find(root, layout)]


def _find(root: str | os.PathLike, layout: str | None) -> list[tuple[str, Callable[[], Sequence]]]:
    from hndesc.benchmarks.sequence_layouts import find_layout  # which builds on the classes above

    if not Path(root).is_dir():
        raise HndescError(f"{root}: no such folder of sequences")
    return find_layout(Path(root), layout)


def read_homography(path: str | os.PathLike) -> np.ndarray:
    """Read an invertible 3 x 3 matrix from a text file; anything else is a HndescError that names the file."""
    if not os.path.lexists(path):
        raise HndescError(f"{path}: no such file; each image pair needs its homography")
    rows = [numbers(split(line), place) for place, line in islice(read_lines(path), 4)]
    if [len(row) for row in rows] != [3, 3, 3]:
        raise HndescError(f"{path}: not a 3 x 3 matrix of numbers")
    homography = np.array(rows)
    # Whatever its scale: a determinant of tiny or huge numbers is 0 or infinite.
    if not homography.any() or np.linalg.matrix_rank(homography / np.abs(homography).max()) < 3:
        raise HndescError(f"{path}: not an invertible 3 x 3 matrix of numbers")
    return homography
