"""Reader of a COLMAP model, binary or text, with its images in the folder `images`.

The model is in the folder itself or in `sparse/0`, `sparse` or `model`. Queries are those of the lists in `queries`, as
in Aachen; without such lists, every third image of the model is held out as a query. Its ground truth is then its pose
in the model, to whose estimation it contributed.
"""

import logging
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from hndesc.datasets.localization.aachen import (
    check_models,
    make_scene,
    query_lists,
    read_queries,
    read_truth,
)
from hndesc.datasets.localization.cameras import Intrinsics
from hndesc.datasets.localization.colmap_files import FILES, read_cameras, read_images, read_tracks
from hndesc.datasets.localization.posed import hold_out
from hndesc.datasets.localization.scene import Pose, Scene
from hndesc.errors import HndescError

logger = logging.getLogger(__name__)

_PLACES = ("", "sparse/0", "sparse", "model")


def find_model(root: Path) -> Path | None:
    """Return the folder of the COLMAP model of a dataset, or None."""
    for place in (Path(root) / name for name in _PLACES):
        for suffix in (".bin", ".txt"):
            if all((place / (name + suffix)).is_file() for name in FILES):
                return place
    return None


def read_model(root: Path, pairs: Path | None = None) -> Scene:
    """Read a dataset made of a COLMAP model.

    Args:
        root: folder of the dataset.
        pairs: list of image pairs, by default that of the folder, if it has one.

    Raises:
        HndescError: the model is broken, or there are too few posed images.
    """
    root = Path(root)
    problems: Counter[str] = Counter()
    cameras, poses = _posed_images(_model_of(root), problems)
    if not query_lists(root):
        return hold_out(root, cameras, poses, pairs, problems=problems)
    queries, conditions = read_queries(root, problems)
    database = {name: camera for name, camera in cameras.items() if name not in queries}
    if not database:
        raise HndescError(f"{root}: the model has no posed image besides the queries")
    known = {name: poses[name] for name in database}
    return make_scene(root, database, known, queries, conditions, read_truth(root, queries), pairs, problems)


def read_model_tracks(root: Path) -> Iterator[list[str]]:
    """Return, for each point of the model, the names of the images that observe it."""
    folder = _model_of(root)
    return read_tracks(folder, read_images(folder))


def _model_of(root: Path) -> Path:
    """Return the folder of the COLMAP model of a dataset; a HndescError if there is none."""
    folder = find_model(root)
    if folder is None:
        raise HndescError(f"{root}: has no COLMAP model ({', '.join(FILES)}, each .bin or .txt)")
    return folder


def _posed_images(folder: Path, problems: Counter[str]) -> tuple[dict[str, Intrinsics], dict[str, Pose]]:
    """Return camera and pose, by name, of the images with known camera models; count the others."""
    known = read_cameras(folder)
    cameras: dict[str, Intrinsics] = {}
    poses: dict[str, Pose] = {}
    for number, image in sorted(read_images(folder).items(), key=lambda item: item[1].name):
        if image.camera not in known:
            raise HndescError(
                f"{folder}: image {number} '{image.name}' has camera {image.camera}, which does not exist"
            )
        camera = known[image.camera]
        if camera is None:
            problems["database images of unknown camera model"] += 1
            continue
        cameras[image.name], poses[image.name] = camera, image.pose
    check_models(known, folder)
    if problems:
        logger.warning("%s: images of unknown camera model are skipped: %s", folder, dict(problems))
    return cameras, poses
