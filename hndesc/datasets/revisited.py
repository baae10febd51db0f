"""The revisited Oxford and Paris layout: `gnd_<set>.pkl` and a folder `jpg` of images.

Radenovic et al., Revisiting Oxford and Paris: Large-Scale Image Retrieval Benchmarking, CVPR 2018.
"""

import os
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hndesc.datasets.image_set import ImageEntry
from hndesc.errors import HndescError
from hndesc.io.lists import check_below
from hndesc.io.pickles import load_pickle

LABELS = ("easy", "hard", "junk")


@dataclass(frozen=True)
class Query:
    """The ground truth of a query: its box (x1, y1, x2, y2) in pixels, and indices into the database by label."""

    name: str
    box: tuple[float, float, float, float]
    easy: np.ndarray
    hard: np.ndarray
    junk: np.ndarray


@dataclass(frozen=True)
class GroundTruth:
    """A retrieval set: names of the database images (without folder and suffix), and the queries."""

    database: list[str]
    queries: list[Query]


def read_ground_truth(place: str | os.PathLike) -> GroundTruth:
    """Read the ground truth of a retrieval set.

    Args:
        place: `gnd_*.pkl` file, or folder with exactly one.

    Raises:
        HndescError: there is no such file or more than one, or it contains more than plain data or another structure.
    """
    path = _find(Path(place))
    data = load_pickle(path)
    if not isinstance(data, dict) or not {"imlist", "qimlist", "gnd"} <= data.keys():
        raise HndescError(f"{path}: not ground truth of the revisited layout (keys imlist, qimlist, gnd)")
    database = _names(data["imlist"], f"{path}: imlist")
    names = _names(data["qimlist"], f"{path}: qimlist")
    entries = data["gnd"]
    if not isinstance(entries, list | tuple) or len(entries) != len(names):
        raise HndescError(f"{path}: 'gnd' must list one entry for each of the {len(names)} queries")
    queries = [
        _query(name, entry, len(database), f"{path}: gnd[{index}]")
        for index, (name, entry) in enumerate(zip(names, entries, strict=True))
    ]
    return GroundTruth(database, queries)


def dataset_images(root: str | os.PathLike) -> list[ImageEntry]:
    """List the images of a retrieval set: "db/<name>" for the database, then "query/<name>" with the crop box."""
    root = Path(root)
    truth = read_ground_truth(root)
    folder = root / "jpg"
    if not folder.is_dir():
        raise HndescError(f"{folder}: no such folder; the images of a retrieval set belong there as <name>.jpg")
    database = [ImageEntry(f"db/{name}", folder / f"{name}.jpg") for name in truth.database]
    return database + [
        ImageEntry(f"query/{query.name}", folder / f"{query.name}.jpg", query.box) for query in truth.queries
    ]


def as_array(values: Any) -> np.ndarray:
    """Convert an array or (nested) lists of numbers to an array; for anything else, return a 0-dimensional one."""
    if isinstance(values, np.ndarray):
        return np.asarray(values)
    rows = values if isinstance(values, list | tuple) else [None]
    # Checked first, since numpy would copy shared texts or arrays many times.
    if all(
        isinstance(value, int | float) or (isinstance(value, list | tuple) and as_array(value).ndim) for value in rows
    ):
        with suppress(ValueError):  # rows of unequal lengths
            return np.asarray(values)
    return np.empty((), object)


def _find(place: Path) -> Path:
    if not place.is_dir():
        return place
    found = sorted(place.glob("gnd_*.pkl"))
    if len(found) != 1:
        listed = f" but {len(found)}: {', '.join(path.name for path in found)}" if found else ""
        raise HndescError(f"{place}: must contain one file gnd_<set>.pkl{listed}")
    return found[0]


def _names(values: Any, place: str) -> list[str]:
    if not isinstance(values, list | tuple) or not values:
        raise HndescError(f"{place} is not a list of image names")
    for name in values:
        if not isinstance(name, str):
            raise HndescError(f"{place} has {name!r:.80}, which is not an image name")
        check_below(name, place)
    if len(set(values)) != len(values):
        twice = Counter(values).most_common(1)[0][0]
        raise HndescError(f"{place} contains '{twice:.80}' twice")
    return list(values)


def _query(name: str, entry: Any, size: int, place: str) -> Query:
    if not isinstance(entry, Mapping) or not {"bbx", *LABELS} <= entry.keys():
        raise HndescError(f"{place} ('{name}') needs the keys bbx, easy, hard, junk")
    box = as_array(entry["bbx"])
    if box.shape != (4,) or box.dtype.kind not in "iuf" or not np.isfinite(box).all():
        raise HndescError(f"{place} ('{name}'): bbx must be four numbers x1, y1, x2, y2")
    labels = {label: _indices(entry[label], size, f"{place} ('{name}'): {label}") for label in LABELS}
    together = np.concatenate(list(labels.values()))
    if len(np.unique(together)) != len(together):
        raise HndescError(f"{place} ('{name}'): a database image is listed twice under {', '.join(LABELS)}")
    return Query(name, tuple(box.astype(float).tolist()), **labels)


def _indices(values: Any, size: int, place: str) -> np.ndarray:
    indices = as_array(values)
    if indices.size == 0:
        return np.zeros(0, np.int64)
    if indices.ndim != 1 or indices.dtype.kind not in "iu":
        raise HndescError(f"{place} must be a list of indices into imlist")
    if indices.min() < 0 or indices.max() >= size:
        raise HndescError(
            f"{place} has the index {indices.min() if indices.min() < 0 else indices.max()}, "
            f"but imlist has {size} images"
        )
    return indices.astype(np.int64)
