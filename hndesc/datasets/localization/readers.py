"""Selection of the reader of a localization dataset by the files in its folder."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hndesc.datasets.localization.aachen import read_aachen, read_tracks
from hndesc.datasets.localization.colmap import find_model, read_model, read_model_tracks
from hndesc.datasets.localization.kapture import is_kapture, read_kapture
from hndesc.datasets.localization.posed import CAMERAS, read_posed
from hndesc.datasets.localization.scene import Scene
from hndesc.errors import HndescError


def _no_tracks(_: Path) -> Iterator[list[str]]:
    return iter(())


@dataclass(frozen=True)
class Layout:
    """A layout of datasets: how to detect it, how to read a scene, and how to read the point tracks of its model."""

    what: str
    found: Callable[[Path], bool]
    read: Callable[[Path, Path | None], Scene]
    tracks: Callable[[Path], Iterator[list[str]]] = _no_tracks


LAYOUTS = (
    Layout("a folder 3D-models (Aachen v1.1)", lambda root: (root / "3D-models").is_dir(), read_aachen, read_tracks),
    Layout(f"a file {CAMERAS}", lambda root: (root / CAMERAS).is_file(), read_posed),
    Layout("a COLMAP model", lambda root: find_model(root) is not None, read_model, read_model_tracks),
    Layout("kapture's sensors/records_camera.txt", is_kapture, read_kapture),
)


def find_layout(root: Path) -> Layout:
    """Return the layout of a dataset; raise a HndescError that lists the supported ones if there is none."""
    if not os.path.isdir(root):
        raise HndescError(f"{root}: no such folder of a localization dataset")
    for layout in LAYOUTS:
        if layout.found(Path(root)):
            return layout
    known = ", ".join(layout.what for layout in LAYOUTS)
    raise HndescError(f"{root}: not a localization dataset; it must contain one of: {known}")


def read_scene(root: Path, pairs: Path | None = None) -> Scene:
    """Read a localization dataset with its pairs.

    Args:
        root: folder of the dataset.
        pairs: list of image pairs that replaces that of the dataset.

    Raises:
        HndescError: the folder is not a dataset, a file is malformed, or there is no list of pairs.
    """
    scene = find_layout(root).read(Path(root), pairs)
    if not scene.pairs:
        raise HndescError(f"{root}: no list of image pairs; make one with hndesc.localization.pairs")
    return scene
