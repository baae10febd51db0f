"""Image sequences related by known homographies, in the layout of HPatches.

Balntas et al., HPatches: A benchmark and evaluation of handcrafted and learned local descriptors, CVPR 2017.
"""

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hndesc.errors import HndescError

SUFFIXES = (".ppm", ".png", ".jpg")
IMAGES = 6


@dataclass(frozen=True)
class Sequence:
    """Six images of one planar scene.

    Attributes:
        name: folder name.
        kind: "v" (viewpoint changes) or "i" (illumination changes).
        images: their names in feature files, "<folder>/<file>"; the first is the reference.
        homographies: of the others, 3 x 3 each, from the reference's pixels to theirs.
    """

    name: str
    kind: str
    images: tuple[str, ...]
    homographies: tuple[np.ndarray, ...]


def read_sequences(root: str | os.PathLike, leave_out: Collection[str] = ()) -> list[Sequence]:
    """Read all sequences `v_*` and `i_*` below a folder, sorted by name.

    Args:
        root: folder of the sequences, each with 1.ppm (.png, .jpg) to 6.ppm and H_1_2 to H_1_6.
        leave_out: names of sequences that are not read.

    Raises:
        HndescError: no sequence, a missing image, a missing or malformed homography.
    """
    root = Path(root)
    if not root.is_dir():
        raise HndescError(f"{root}: no such folder of sequences")
    folders = sorted(path for path in root.iterdir() if path.is_dir() and path.name[:2] in ("v_", "i_"))
    sequences = [_read_sequence(folder) for folder in folders if folder.name not in leave_out]
    if not sequences:
        raise HndescError(f"{root}: no sequence to score; HPatches keeps them in folders named v_<name> and i_<name>")
    return sequences


def _read_sequence(folder: Path) -> Sequence:
    images = tuple(f"{folder.name}/{_find_image(folder, number)}" for number in range(1, IMAGES + 1))
    homographies = tuple(_read_homography(folder / f"H_1_{number}") for number in range(2, IMAGES + 1))
    return Sequence(folder.name, folder.name[0], images, homographies)


def _find_image(folder: Path, number: int) -> str:
    for suffix in SUFFIXES:
        if (folder / f"{number}{suffix}").is_file():
            return f"{number}{suffix}"
    raise HndescError(f"{folder}: image {number} is missing ({', '.join(f'{number}{suffix}' for suffix in SUFFIXES)})")


def _read_homography(path: Path) -> np.ndarray:
    try:
        homography = np.loadtxt(path, dtype=np.float64, ndmin=2)
    except FileNotFoundError:
        raise HndescError(f"{path}: no such file; images 2 to 6 of a sequence need their homography") from None
    except (OSError, ValueError) as error:
        raise HndescError(f"{path}: not a 3 x 3 matrix of numbers ({error})") from None
    if homography.shape != (3, 3) or not np.isfinite(homography).all() or np.linalg.det(homography) == 0:
        raise HndescError(f"{path}: not an invertible 3 x 3 matrix of numbers")
    return homography
