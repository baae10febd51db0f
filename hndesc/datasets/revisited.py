"""The revisited Oxford and Paris layout: `gnd_<set>.pkl` beside a folder `jpg` of photos.

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
    """What is known of one query: its box (x1, y1, x2, y2) in pixels, and indices into the database by label."""

    name: str
    box: tuple[float, float, float, float]
    easy: np.ndarray
    hard: np.ndarray
    junk: np.ndarray


@dataclass(frozen=True)
class GroundTruth:
    """A retrieval set: names of the database photos (without folder and suffix), and the queries."""

    database: list[str]
    queries: list[Query]


def read_ground_truth(place: str | os.PathLike) -> GroundTruth:
    """Read the ground truth of a retrieval set.

    Args:
        place: the `gnd_*.pkl` file, or the folder that holds exactly one.

    Raises:
        HndescError: no such file, more than one, a pickle of anything but plain data, or another structure.
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


def dataset_photos(root: str | os.PathLike) -> list[ImageEntry]:
    """List the photos of a retrieval set: "db/<name>" for the database, then "query/<name>" with the box to cut out."""
    root = Path(root)
    truth = read_ground_truth(root)
    folder = root / "jpg"
    if not folder.is_dir():
        raise HndescError(f"{folder}: no such folder; the photos of a retrieval set belong there as <name>.jpg")
    database = [ImageEntry(f"db/{name}", folder / f"{name}.jpg") for name in truth.database]
    return database + [
        ImageEntry(f"query/{query.name}", folder / f"{query.name}.jpg", query.box) for query in truth.queries
    ]


def as_array(values: Any) -> np.ndarray:
    """Return numbers of a pickle, in an array or in (nested) lists, as an array; of anything else, one without axes."""
    if isinstance(values, np.ndarray):
        return np.asarray(values)
    rows = values if isinstance(values, list | tuple) else [None]
    # Of texts or arrays numpy would make as many copies as they are long or shared.
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
        raise HndescError(f"{place}: must hold one file gnd_<set>.pkl{listed}")
    return found[0]


def _names(values: Any, place: str) -> list[str]:
    if not isinstance(values, list | tuple) or not values:
        raise HndescError(f"{place} is not a list of photo names")
    for name in values:
        if not isinstance(name, str):
            raise HndescError(f"{place} has {name!r:.80}, which is no photo name")
        check_below(name, place)
    if len(set(values)) != len(values):
        twice = Counter(values).most_common(1)[0][0]
        raise HndescError(f"{place} names '{twice:.80}' twice")
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
        raise HndescError(f"{place} ('{name}'): a database photo is listed twice under {', '.join(LABELS)}")
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
            f"but imlist has {size} photos"
        )
    return indices.astype(np.int64)
