"""Splits of photos into training, validation and test, in which the side of a photo never changes.

The side of a photo depends on a hash of its name, so adding or removing photos does not move others. Photos with the
same content (the same name in several sizes, or similar images) are on the same side.
"""

import hashlib
import logging
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

import cv2
import numpy as np
from tqdm import tqdm

from hndesc.datasets.image_list import link_photo
from hndesc.errors import HndescError, ImageError, counted
from hndesc.io.files import check_text_file
from hndesc.io.images import find_images, read_image, to_gray
from hndesc.io.lists import check_cell, write_table
from hndesc.io.owned_folders import check_output_folder, replace_folder

logger = logging.getLogger(__name__)

SIDES = ("training", "validation", "test")
STEP = "split_photos"
FOLDERS = {"training": "training", "validation": "held_out/validation", "test": "held_out/test"}
_COLUMNS = ("path", "side", "shown")
# Sizes and variants in the names of wallpapers.
_SIZES = re.compile(
    r"\d{3,5}\s*[x*]\s*\d{3,5}|\b\d{1,2}[x:-]\d{1,2}\b|\b(wide|widescreen|standard|normal|portrait|large|dark|light)\b"
)
_BITS = (12, 12)  # rows and columns of the hash of an image
_ROWS = 1024  # rows of the table of differences in memory at a time
_ALIKE = 24  # maximum number of different bits (of 144) between two files of the same image


def split_photos(
    photos: Sequence[str | os.PathLike],
    output: str | os.PathLike,
    *,
    share: float = 0.2,
    seed: int = 0,
    train_on: Sequence[str] = ("*",),
) -> None:
    """Create folders of links to photos, `training`, `held_out/validation` and `held_out/test`, and `split.tsv`.

    The links have the relative paths of the photos. Unreadable photos are skipped, as are all but one file of each
    held-out image.

    Args:
        photos: folders of photos, including their sub-folders.
        output: folder to write; other files in it are kept. The three folders must not overlap with `photos`.
        share: share of held-out photos, half for validation (model selection) and half for the test.
        seed: seed of the split.
        train_on: shell patterns of the relative paths of photos used for training; other photos on that side are not
            used. The side of a photo does not depend on it.

    Raises:
        HndescError: there are no photos, two have the same relative path, a side is empty, or an existing folder or
            table was not made by this step.
    """
    output = Path(output)
    if not 0 < share < 1:
        raise HndescError(f"share must be between 0 and 1, not {share}")
    for side in SIDES:
        check_output_folder(output / FOLDERS[side], STEP, photos)
    check_text_file(output / "split.tsv", "\t".join(_COLUMNS) + "\n")
    sources = _list(photos)
    for name in sources:
        check_cell(name, output / "split.tsv")
    hashes = _image_hashes(sources)
    names = sorted(hashes)
    groups = _groups(names, np.stack([hashes[name] for name in names]))
    sides = {name: _side(group, share, seed) for name, group in zip(names, groups, strict=True)}
    unused = _unused(names, groups, sides, train_on)
    chosen = {side: [name for name in names if sides[name] == side and name not in unused] for side in SIDES}
    for side in SIDES:
        if not chosen[side]:
            raise HndescError(
                f"the side '{side}' of the split has none of the {len(names)} photos; "
                "use more photos, or another share, seed or train_on"
            )
    for side in SIDES:
        with replace_folder(output / FOLDERS[side], STEP, photos) as part:
            for name in chosen[side]:
                link_photo(sources[name], part / name, output / FOLDERS[side] / name)
        logger.info("%s: %s", output / FOLDERS[side], counted(len(chosen[side]), "photo"))
    named = ["unused" if name in unused else sides[name] for name in names]
    write_table(output / "split.tsv", _COLUMNS, zip(names, named, groups, strict=True))


def _list(folders: Sequence[str | os.PathLike]) -> dict[str, Path]:
    sources: dict[str, Path] = {}
    for folder in map(Path, folders):
        for name in find_images(folder):
            if name in sources:
                raise HndescError(f"{folder / name}: {sources[name]} has the same relative path; rename one")
            sources[name] = folder / name
    return sources


def _image_hashes(sources: dict[str, Path]) -> dict[str, np.ndarray]:
    """Return the difference hash (144 bits) of each readable photo: signs of horizontal gradients on a grid."""
    hashes = {}
    for name, path in tqdm(sources.items(), desc="photos compared", unit="photo", disable=None):
        try:
            gray = to_gray(read_image(path))
        except ImageError as error:
            logger.warning("skipped: %s", error)
            continue
        coarse = cv2.resize(gray, (_BITS[1] + 1, _BITS[0]), interpolation=cv2.INTER_AREA).astype(int)
        hashes[name] = (coarse[:, 1:] > coarse[:, :-1]).ravel()
    if not hashes:
        raise HndescError(f"none of {len(sources)} photos is readable; replace them")
    return hashes


def subject(name: str) -> str:
    """Return the subject in the name of a photo, without folders, suffix, size and aspect ratio."""
    path = PurePosixPath(name.lower())
    for part in (path.stem, *reversed(path.parent.parts)):
        words = re.sub(r"[\W_]+", " ", _SIZES.sub(" ", part.replace("_", " "))).split()
        if words:
            return " ".join(words)
    return path.stem


def _groups(names: Sequence[str], hashes: np.ndarray) -> list[str]:
    """Return the group of each photo, the first subject among all photos connected by name or similarity."""
    subjects = [subject(name) for name in names]
    group = {name: name for name in set(subjects)}

    def root(name: str) -> str:
        while group[name] != name:
            name = group[name]
        return name

    for first, second in _alike(hashes):
        low, high = sorted((root(subjects[first]), root(subjects[second])))
        group[high] = low
    return [root(name) for name in subjects]


def _alike(hashes: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield pairs that connect all similar images; memory grows linearly with their number."""
    distinct, firsts, same = np.unique(hashes, axis=0, return_index=True, return_inverse=True)
    yield from zip(firsts[same].tolist(), range(len(hashes)), strict=True)
    signs = 2 * distinct.astype(np.float32) - 1
    for start in range(0, len(signs), _ROWS):
        # For each row, only the pairs with later images.
        differing = (hashes.shape[1] - signs[start : start + _ROWS] @ signs[start:].T) / 2
        rows, columns = np.nonzero(np.triu(differing <= _ALIKE, 1))
        yield from zip(firsts[start + rows].tolist(), firsts[start + columns].tolist(), strict=True)


def _side(group: str, share: float, seed: int) -> str:
    digest = hashlib.sha256(f"{seed}/{group}".encode()).digest()
    position = int.from_bytes(digest[:8], "big") / 2**64
    return "validation" if position < share / 2 else "test" if position < share else "training"


def _unused(names: Sequence[str], groups: Sequence[str], sides: Mapping[str, str], train_on: Sequence[str]) -> set[str]:
    """Return the training photos without a matching pattern, and all but the first file of each held-out image."""
    unused, seen = set(), set()
    for name, group in zip(names, groups, strict=True):
        if sides[name] == "training":
            left_out = not any(fnmatch(name, pattern) for pattern in train_on)
        else:
            left_out = group in seen
        seen.add(group)
        if left_out:
            unused.add(name)
    return unused
