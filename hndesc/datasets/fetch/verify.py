"""Checks that a dataset is complete, by kind; each returns a one-line summary."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hndesc.datasets.homography.sequences import read_sequences
from hndesc.datasets.kinds import KINDS
from hndesc.datasets.localization.images import posed_images
from hndesc.datasets.photo_sets import photo_images
from hndesc.datasets.revisited import dataset_images, read_ground_truth
from hndesc.datasets.tokyo247 import read_views, view_images
from hndesc.errors import HndescError, counted
from hndesc.io.images import find_images, image_size
from hndesc.runtime.plugins import load_place


def verify_layout(root: str | os.PathLike, layout: Mapping[str, Any]) -> str:
    """Check the folder of a dataset.

    Args:
        root: folder of the dataset.
        layout: "kind" and the expected numbers, as in the registry.

    Returns:
        A summary of the content.

    Raises:
        HndescError: something is missing or malformed; the message names the first problem.
    """
    settings = dict(layout)
    kind = settings.pop("kind", None)
    if kind not in (known := [*KINDS, *_OTHERS]):
        raise HndescError(f"{root}: unknown layout '{kind}'; choose one of: {', '.join(known)}")
    check = load_place(KINDS[kind].verify) if kind in KINDS else _OTHERS[kind]
    try:
        return check(Path(root), **settings)
    except TypeError as error:
        raise HndescError(f"{root}: layout '{kind}' of the registry has wrong settings ({error})") from None


def verify_sequences(root: Path, sequences: int | None = None) -> str:
    """Check for six images and five homographies per sequence."""
    found = read_sequences(root)
    _check_count(root, "sequences", len(found), sequences)
    for sequence in found:
        for name in sequence.images:
            image_size(root / name)
    return f"{counted(len(found), 'sequence')} of 6 images and 5 homographies"


def verify_retrieval(root: Path, database: int | None = None, queries: int | None = None) -> str:
    """Check for every image in the ground truth."""
    truth = read_ground_truth(root)
    _check_count(root, "database images", len(truth.database), database)
    _check_count(root, "queries", len(truth.queries), queries)
    for entry in dataset_images(root):
        image_size(entry.path)
    return f"{counted(len(truth.database), 'database image')}, {counted(len(truth.queries), 'query')}"


def verify_scene(root: Path, database: int | None = None, queries: int | None = None) -> str:
    """Check for every image with a camera."""
    from hndesc.datasets.localization.readers import find_layout  # needs pycolmap

    scene = find_layout(root).read(root, None)
    _check_count(root, "database images", len(scene.database), database)
    _check_count(root, "queries", len(scene.queries), queries)
    paths = {entry.name: entry.path for entry in posed_images(root)}
    for name in [*scene.database, *scene.queries]:
        if name not in paths:
            raise HndescError(f"{root}: image '{name}' has a camera but no file")
        image_size(paths[name])
    parts = (scene.database, "database image"), (scene.queries, "query"), (scene.pairs, "pair")
    return ", ".join(counted(len(part), noun) for part, noun in parts)


def verify_tokyo247(root: Path, database: int | None = None, queries: int | None = None) -> str:
    """Check for every image in the lists, and their positions."""
    views = read_views(root)
    _check_count(root, "database views", len(views.database), database)
    _check_count(root, "queries", len(views.queries), queries)
    for entry in view_images(root):
        image_size(entry.path)
    return f"{counted(len(views.database), 'database view')}, {counted(len(views.queries), 'query')}"


def verify_photo_set(root: Path, images: int | None = None) -> str:
    """Check for every photo of a set to be reconstructed."""
    photos = photo_images(root)
    _check_count(root, "photos", len(photos), images)
    for entry in photos:
        image_size(entry.path)
    return counted(len(photos), "photo")


def _photos(root: Path, least: int = 1) -> str:
    """Check for at least `least` photos in the folder and its sub-folders."""
    found = len(find_images(root))
    if found < least:
        raise HndescError(f"{root}: {counted(found, 'photo')} instead of at least {least}")
    return counted(found, "photo")


def _files(root: Path, least: int = 1) -> str:
    """Check for at least `least` files in the folder and its sub-folders."""
    found = sum(path.is_file() for path in root.rglob("*"))
    if found < least:
        raise HndescError(f"{root}: {counted(found, 'file')} instead of at least {least}")
    return counted(found, "file")


def _check_count(root: Path, what: str, found: int, expected: int | None) -> None:
    if expected not in (None, found):
        raise HndescError(f"{root}: {found} {what} instead of {expected}")


_OTHERS: dict[str, Callable[..., str]] = {"photos": _photos, "files": _files}
