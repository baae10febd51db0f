"""Image sequences resized to one common size, for protocols with a fixed number of keypoints."""

import os
from functools import partial
from pathlib import Path, PurePosixPath

import cv2
import numpy as np
from tqdm import tqdm

from hndesc.datasets.homography.layouts import TABLE, write_table
from hndesc.datasets.homography.sequences import read_sequences
from hndesc.datasets.homography.types import Pair, Sequence
from hndesc.errors import HndescError
from hndesc.io.images import read_image, write_image
from hndesc.io.owned_folders import check_output_folder, replace_folder
from hndesc.runtime.processes import workers

STEP = "resize_sequences"
SIZE = (640, 480)
MARK = "resized.txt"


def resize_sequences(
    root: str | os.PathLike,
    output: str | os.PathLike,
    *,
    size: tuple[int, int] = SIZE,
    layout: str | None = None,
    threads: int = 1,
) -> None:
    """Copy sequences with all images resized to one size, and adapted homographies.

    Args:
        root: folder of the sequences.
        output: folder to write: PNG images under their names and a table of pairs, for any layout of `root`.
        size: (width, height) of every image in pixels. The aspect ratio is not kept, as in the published evaluation.
        layout: see `hndesc.datasets.homography.sequences.read_sequences`.
        threads: number of images resized at the same time.

    Raises:
        HndescError: sequences are incomplete, an image is unreadable, or `output` overlaps with `root` or was not made
            by this step.
    """
    root, output = Path(root), Path(output)
    check_output_folder(output, STEP, [root])
    sequences = read_sequences(root, layout=layout)
    names = sorted({name for sequence in sequences for name in sequence.images})
    _check_names(names)
    with replace_folder(output, STEP, [root]) as part:
        with workers(partial(_resize, root, part, size), threads) as resize:
            made = tqdm(resize(names), total=len(names), desc="images resized", disable=None)
            factors = dict(zip(names, made, strict=True))
        write_table(part, [_resized(sequence, factors) for sequence in sequences])
        (part / MARK).write_text(f"{TABLE} and its images, {size[0]} x {size[1]} pixels each\n", encoding="utf-8")


def resizing(factors: np.ndarray) -> np.ndarray:
    """Return the homography (3 x 3) of resizing by `factors` (sx, sy): x' = (x + 0.5) * s - 0.5."""
    x, y = factors
    return np.array([[x, 0.0, 0.5 * x - 0.5], [0.0, y, 0.5 * y - 0.5], [0.0, 0.0, 1.0]])


def _check_names(names: list[str]) -> None:
    taken: dict[str, str] = {}
    for name in names:
        if (first := taken.setdefault(_png(name), name)) != name:
            raise HndescError(f"images '{first}' and '{name}' would both become {_png(name)}; rename one of them")


def _png(name: str) -> str:
    return PurePosixPath(name).with_suffix(".png").as_posix()


def _resize(root: Path, output: Path, size: tuple[int, int], name: str) -> np.ndarray:
    """Write a resized copy; return the factors (sx, sy)."""
    image = read_image(root / name)
    factors = np.array(size) / image.shape[1::-1]
    interpolation = cv2.INTER_AREA if (factors < 1).all() else cv2.INTER_LINEAR
    write_image(output / _png(name), cv2.resize(image, size, interpolation=interpolation))
    return factors


def _resized(sequence: Sequence, factors: dict[str, np.ndarray]) -> Sequence:
    pairs = []
    for pair in sequence.pairs:
        undo, redo = np.linalg.inv(resizing(factors[pair.first])), resizing(factors[pair.second])
        pairs.append(Pair(_png(pair.first), _png(pair.second), redo @ pair.homography @ undo))
    return Sequence(sequence.name, sequence.kind, tuple(pairs))
