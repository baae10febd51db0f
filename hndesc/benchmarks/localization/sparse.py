"""Reader of a COLMAP model, binary or text, with its photos in `images` beside it.

The model lies in the folder itself or in `sparse/0`, `sparse` or `model` below it. Queries are those of the lists in
`queries`, as Aachen has them; without such lists every third photo of the model is held out as one. Their truth is then
the model's own pose, which the photo helped to find.
"""

import logging
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from hndesc.benchmarks.localization.aachen import listed_pairs, read_queries, read_truth
from hndesc.benchmarks.localization.colmap import pycolmap, to_pose
from hndesc.benchmarks.localization.posed import hold_out
from hndesc.benchmarks.localization.scene import Intrinsics, Pose, Scene, UnknownModelError
from hndesc.errors import HndescError

logger = logging.getLogger(__name__)

_PLACES = ("", "sparse/0", "sparse", "model")


def find_model(root: Path) -> Path | None:
    """Return the folder of the COLMAP model of a dataset, None where there is none."""
    for place in (Path(root) / name for name in _PLACES):
        for suffix in (".bin", ".txt"):
            if all((place / (name + suffix)).is_file() for name in ("cameras", "images", "points3D")):
                return place
    return None


def read_model(root: Path, pairs: Path | None = None) -> Scene:
    """Read a dataset made of a COLMAP model.

    Args:
        root: folder of the dataset.
        pairs: list of image pairs, by default the folder's own if it has one.

    Raises:
        HndescError: a broken model, or too few posed photos.
    """
    root = Path(root)
    problems: Counter[str] = Counter()
    cameras, poses = _posed_images(_load(root), problems)
    if not any((root / "queries").glob("*_time_queries_with_intrinsics.txt")):
        return hold_out(root, cameras, poses, pairs, problems=problems)
    queries, conditions = read_queries(root, problems)
    database = {name: camera for name, camera in cameras.items() if name not in queries}
    if not database:
        raise HndescError(f"{root}: the model has no posed image besides the queries")
    return Scene(
        root=root,
        database=database,
        poses={name: poses[name] for name in database},
        queries=queries,
        conditions=conditions,
        pairs=listed_pairs(root, pairs, database.keys() | queries.keys(), problems),
        truth=read_truth(root),
        problems=dict(+problems),
    )


def read_model_tracks(root: Path) -> Iterator[list[str]]:
    """Yield, for each point of the model, the names of the images that see it."""
    model = _load(Path(root))
    names = {image_id: image.name for image_id, image in model.images.items()}
    for point in model.points3D.values():
        yield [names[element.image_id] for element in point.track.elements]


def _load(root: Path) -> "pycolmap.Reconstruction":
    folder = find_model(root)
    try:
        return pycolmap.Reconstruction(folder)
    except (RuntimeError, ValueError, IndexError) as error:
        raise HndescError(f"{folder}: not a complete COLMAP model ({error})") from None


def _posed_images(
    model: "pycolmap.Reconstruction", problems: Counter[str]
) -> tuple[dict[str, Intrinsics], dict[str, Pose]]:
    """Return camera and pose of the images that have both, by name; the others are counted."""
    cameras: dict[str, Intrinsics] = {}
    poses: dict[str, Pose] = {}
    for image in sorted(model.images.values(), key=lambda image: image.name):
        camera = model.cameras[image.camera_id]
        if not image.has_pose:
            problems["database images without pose"] += 1
            continue
        try:
            cameras[image.name] = Intrinsics(camera.model_name, camera.width, camera.height, tuple(camera.params))
        except UnknownModelError as error:
            problems["database images of unknown camera model"] += 1
            logger.warning("'%s' is left out: %s", image.name, error)
            continue
        poses[image.name] = to_pose(image.cam_from_world())
    return cameras, poses
