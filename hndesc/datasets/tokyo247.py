"""The layout of Tokyo 24/7: two lists of file names, their positions, and the images.

`tokyo247_imageNames_index.txt` and `tokyo247_imageNames_query.txt` list the street views of the database and the
queries. `tokyo247.npz` contains their positions (UTM, meters) as `utmDb` and `utmQ`, and the distance threshold of a
correct view as `posDistThr`. Torii et al., 24/7 Place Recognition by View Synthesis, CVPR 2015.
"""

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from hndesc.datasets.image_set import ImageEntry
from hndesc.errors import HndescError
from hndesc.io.array_files import read_arrays
from hndesc.io.lists import check_below, text_lines

LISTS = {"database": "tokyo247_imageNames_index.txt", "queries": "tokyo247_imageNames_query.txt"}
POSITIONS = "tokyo247.npz"
# The top folder of the paths in the lists.
TOP = "247_Tokyo_GSV_Perspective"
# Folders of images in the dataset: as listed, or as in the published evaluation.
PLACES = {"database": (TOP, "247_db", "."), "queries": (f"{TOP}/247query_v3", "247query_v3", "247query", "queries")}
SUFFIXES = (".jpg", ".png")


@dataclass(frozen=True)
class Views:
    """The ground truth of Tokyo 24/7.

    Attributes:
        database: names of the views, "<easting block>/<position>/<panorama>_<angles>" without suffix.
        queries: names of the queries without suffix.
        database_positions: N x 2, UTM in meters.
        query_positions: Q x 2.
        distance: distance in meters within which a view counts as correct.
    """

    database: list[str]
    queries: list[str]
    database_positions: np.ndarray
    query_positions: np.ndarray
    distance: float


def read_views(root: str | os.PathLike) -> Views:
    """Read names and positions; a missing or inconsistent file raises a HndescError that names it."""
    root = Path(root)
    names = {key: _read_list(root / file, key) for key, file in LISTS.items()}
    path = root / POSITIONS
    arrays = read_arrays(path, ("utmDb", "utmQ", "posDistThr"), "a file of utmDb, utmQ and posDistThr", "get it again")
    positions = {"database": arrays["utmDb"], "queries": arrays["utmQ"]}
    for key, values in positions.items():
        if values.shape != (len(names[key]), 2) or not np.isfinite(values).all():
            raise HndescError(f"{path}: the {key} must have {len(names[key])} x 2 positions, not {values.shape}")
    distance = arrays["posDistThr"]
    if distance.size != 1 or not 0 < distance.item() < np.inf:
        raise HndescError(f"{path}: posDistThr must be a distance in meters; get the file again")
    return Views(names["database"], names["queries"], **_float64(positions), distance=float(distance.item()))


def _float64(positions: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {
        f"{one}_positions": positions[key].astype(np.float64)
        for key, one in (("database", "database"), ("queries", "query"))
    }


def view_images(root: str | os.PathLike) -> list[ImageEntry]:
    """List the images: "db/<name>" for the database, then "query/<name>"."""
    root = Path(root)
    images = []
    for key, prefix in (("database", "db"), ("queries", "query")):
        names = _read_list(root / LISTS[key], key)
        folder, suffix = _find(root, names[0], key)
        images += [ImageEntry(f"{prefix}/{name}", folder / f"{name}{suffix}") for name in names]
    return images


def view_name(path: str, key: str) -> str:
    """Return the name of a view (key "database") or a query ("queries") from its path in any of the lists."""
    parts = PurePosixPath(path).with_suffix("").parts
    return parts[-1] if key == "queries" else "/".join(parts[-3:])


def _read_list(path: Path, key: str) -> list[str]:
    lines = [line.strip() for _, line in text_lines(path) if line.strip()]
    for line in lines:
        check_below(line, f"{path}:")
    names = [view_name(line, key) for line in lines]
    if not names or len(set(names)) != len(names):
        raise HndescError(f"{path}: lists no image, or an image twice")
    return names


def _find(root: Path, name: str, key: str) -> tuple[Path, str]:
    for place in PLACES[key]:
        for suffix in SUFFIXES:
            if (root / place / f"{name}{suffix}").is_file():
                return root / place, suffix
    raise HndescError(
        f"{root}: no image '{name}' ({' or '.join(SUFFIXES)}) in {', '.join(PLACES[key])}; "
        "put the images of Tokyo 24/7 there (available on request from its authors)"
    )
