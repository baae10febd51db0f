"""Layouts of image sequences: HPatches, Oxford-Affine, or any images with a table of pairs.

Balntas et al., HPatches: A benchmark and evaluation of handcrafted and learned local descriptors, CVPR 2017.
Mikolajczyk et al., A comparison of affine region detectors, IJCV 2005.
"""

import csv
import io
import os
import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from hndesc.datasets.homography.types import Pair, Sequence, read_homography
from hndesc.errors import HndescError
from hndesc.io.files import write_text
from hndesc.io.lists import check_below, text_lines

SUFFIXES = (".ppm", ".pgm", ".png", ".jpg")
IMAGES = 6
TABLE = "pairs.csv"
COLUMNS = ("image1", "image2", "homography")
OPTIONAL = ("sequence", "class")
# Classes of the sequences of Oxford-Affine: v (viewpoint), i (only illumination, focus or compression).
OXFORD = {"bark": "v", "boat": "v", "graf": "v", "wall": "v", "bikes": "i", "leuven": "i", "trees": "i", "ubc": "i"}

Found = list[tuple[str, Callable[[], Sequence]]]


def find_layout(root: Path, layout: str | None = None) -> Found:
    """Return name and reader of each sequence of a folder, sorted by name.

    Args:
        root: folder of the sequences.
        layout: a name in LAYOUTS; None for the first layout with any sequence.

    Raises:
        HndescError: the layout is unknown, or no sequence is found; the message lists the supported layouts.
    """
    if layout is not None and layout not in LAYOUTS:
        raise HndescError(f"unknown layout of sequences '{layout}'; choose one of: {', '.join(LAYOUTS)}")
    candidates = LAYOUTS if layout is None else {layout: LAYOUTS[layout]}
    for find, _ in candidates.values():
        if found := find(root):
            return sorted(found, key=lambda one: one[0])
    looked_for = "; ".join(f"{name}: {text}" for name, (_, text) in candidates.items())
    raise HndescError(f"{root}: no sequences; expected {looked_for}")


def _find_table(root: Path) -> Found:
    path = root / TABLE
    if not path.is_file():
        return []
    groups: dict[str, list[dict[str, str]]] = {}
    for row in _read_table(path):
        groups.setdefault(row["sequence"] or _folder_name(root, row["image1"]), []).append(row)
    return [(name, partial(_read_pairs, path, name, rows)) for name, rows in groups.items()]


def _folder_name(root: Path, image: str) -> str:
    folder = PurePosixPath(image).parent.as_posix()
    return root.resolve().name if folder == "." else folder


def _read_table(path: Path) -> list[dict[str, str]]:
    # Quoted cells may contain commas, but no line breaks.
    reader = csv.DictReader((line for _, line in text_lines(path)), skipinitialspace=True, restval="")
    try:
        if missing := [name for name in COLUMNS if name not in (reader.fieldnames or ())]:
            raise HndescError(
                f"{path}: no column '{missing[0]}'; the header must have {', '.join(COLUMNS)} and, optionally, "
                f"{', '.join(OPTIONAL)}"
            )
        if twice := [name for name in (*COLUMNS, *OPTIONAL) if list(reader.fieldnames or ()).count(name) > 1]:
            raise HndescError(f"{path}: two columns '{twice[0]}'; remove one")
        rows = [_cells(row, path) for row in reader]
    except csv.Error as error:
        raise HndescError(f"{path}: not a table of pairs ({error})") from None
    seen: dict[tuple[str, ...], int] = {}
    for number, row in enumerate(rows, start=1):
        _check_row(row, f"{path}: pair {number}")
        pair = tuple(PurePosixPath(row[key]).as_posix() for key in ("image1", "image2", "sequence"))
        if pair[0] == pair[1]:
            raise HndescError(f"{path}: pair {number} is of '{pair[0]}' with itself; remove it")
        if seen.setdefault(pair, number) != number:
            raise HndescError(f"{path}: pair {number} is the same as pair {seen[pair]}; remove one")
    if not rows:
        raise HndescError(f"{path}: it contains no pair")
    return rows


def _cells(row: Mapping[str | None, Any], path: Path) -> dict[str, str]:
    if any(cell.strip() for cell in row.get(None) or ()):
        raise HndescError(f"{path}: a row has more cells than columns ({row!s:.300}); put quotes around commas")
    return {name: (row.get(name) or "").strip() for name in (*COLUMNS, *OPTIONAL)}


def _check_row(row: Mapping[str, str], place: str) -> None:
    """Raise an error for a row with a missing cell or a path outside the folder of the table."""
    if not all(row[name] for name in COLUMNS) or row["class"] not in ("", "v", "i"):
        raise HndescError(f"{place} needs image1, image2 and homography, and a class v, i or none, not {row!s:.300}")
    for name in (*COLUMNS, *(["sequence"] if row["sequence"] else [])):
        check_below(row[name], f"{place}: {name}")


def _read_pairs(path: Path, name: str, rows: list[dict[str, str]]) -> Sequence:
    kinds = {row["class"] for row in rows}
    if len(kinds) > 1:
        raise HndescError(f"{path}: pairs of sequence '{name}' have different classes; use different sequences")
    pairs = []
    for row in rows:
        for image in (row["image1"], row["image2"]):
            if not os.path.isfile(path.parent / image):
                raise HndescError(f"{path}: no image '{image}' below its folder")
        first, second = (PurePosixPath(row[key]).as_posix() for key in ("image1", "image2"))
        pairs.append(Pair(first, second, read_homography(path.parent / row["homography"])))
    return Sequence(name, kinds.pop(), tuple(pairs))


def _find_hpatches(root: Path) -> Found:
    folders = [path for path in root.iterdir() if path.is_dir() and path.name[:2] in ("v_", "i_")]
    return [(folder.name, partial(_read_numbered, folder, folder.name[0], "", "H_1_{}", IMAGES)) for folder in folders]


def _find_oxford(root: Path) -> Found:
    """Find folders with any of the files; missing files are reported when a folder is read."""
    found: Found = []
    for folder in (root, *(path for path in root.iterdir() if path.is_dir())):
        if numbers := _numbers(folder):
            name = folder.resolve().name
            count = IMAGES if name in OXFORD else max(2, *numbers)
            prefix = "" if folder == root else f"{folder.name}/"
            read = partial(_read_numbered, folder, OXFORD.get(name, ""), "img", "H1to{}p", count, prefix)
            found.append((name, read))
    return found


def _numbers(folder: Path) -> list[int]:
    """Return the numbers of the images and homographies of an Oxford-Affine folder."""
    suffixes = "|".join(map(re.escape, SUFFIXES))
    found = (re.fullmatch(rf"img(\d+)(?:{suffixes})|H1to(\d+)p", path.name) for path in folder.iterdir())
    return [int(match[1] or match[2]) for match in found if match]


def _read_numbered(
    folder: Path, kind: str, image: str, homography: str, count: int, prefix: str | None = None
) -> Sequence:
    """Read a folder of numbered images; `image` is the prefix, `homography` the pattern of file names."""
    prefix = f"{folder.name}/" if prefix is None else prefix
    first, *others = (prefix + _find_image(folder, f"{image}{number}", count) for number in range(1, count + 1))
    truths = (read_homography(folder / homography.format(number)) for number in range(2, count + 1))
    pairs = tuple(Pair(first, other, truth) for other, truth in zip(others, truths, strict=True))
    return Sequence(folder.resolve().name, kind, pairs)


def _find_image(folder: Path, stem: str, count: int) -> str:
    for suffix in SUFFIXES:
        if (folder / f"{stem}{suffix}").is_file():
            return f"{stem}{suffix}"
    choices = ", ".join(f"{stem}{suffix}" for suffix in SUFFIXES)
    raise HndescError(f"{folder}: image {stem} is missing ({choices}); the sequence has {count} images")


LAYOUTS: Mapping[str, tuple[Callable[[Path], Found], str]] = {
    "pairs": (_find_table, f"{TABLE} with columns {', '.join(COLUMNS)}"),
    "hpatches": (_find_hpatches, "folders v_<name> and i_<name> with 1.ppm to 6.ppm and H_1_2 to H_1_6"),
    "oxford_affine": (_find_oxford, "folders with img1.ppm, img2.ppm, … and H1to2p, …"),
}


def write_table(root: Path, sequences: Iterable[Sequence]) -> None:
    """Write pairs and homographies to a folder with images, in the format of `read_sequences`."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow((*COLUMNS, *OPTIONAL))
    for sequence in sequences:
        for number, pair in enumerate(sequence.pairs, start=1):
            place = f"homographies/{sequence.name}/{number}.txt"
            lines = (" ".join(map(repr, row)) for row in np.asarray(pair.homography, np.float64).tolist())
            write_text(root / place, "\n".join(lines) + "\n")
            writer.writerow((pair.first, pair.second, place, sequence.name, sequence.kind))
    write_text(root / TABLE, stream.getvalue())
