"""The COLMAP database of a scene: cameras and images under the dataset's own ids, keypoints and matches."""

import logging
import os
from collections.abc import Container, Mapping, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from hndesc.datasets.localization.pycolmap_border import (
    camera_keypoints,
    check_database_space,
    opened,
    pycolmap,
    to_camera,
)
from hndesc.datasets.localization.scene import Intrinsics, Scene
from hndesc.errors import HndescError, counted
from hndesc.io.features import FeatureReader
from hndesc.localization.matches import MatchReader

logger = logging.getLogger(__name__)


def assign_ids(scene: Scene) -> dict[str, tuple[int, int]]:
    """Choose (image id, camera id) for each image with a camera: those of the dataset's own database where it has them.

    Images with one camera id there share a camera if their intrinsics agree; the others get new ids above.
    """
    next_image = max((image for image, _ in scene.ids.values()), default=0) + 1
    next_camera = max((camera for _, camera in scene.ids.values()), default=0) + 1
    taken: dict[int, Intrinsics] = {}
    ids: dict[str, tuple[int, int]] = {}
    for name, intrinsics in scene.cameras().items():
        image, camera = scene.ids.get(name, (next_image, next_camera))
        if taken.setdefault(camera, intrinsics) != intrinsics:
            camera = next_camera
            taken[camera] = intrinsics
        next_image, next_camera = max(next_image, image + 1), max(next_camera, camera + 1)
        ids[name] = image, camera
    return ids


def write_database(
    path: Path, scene: Scene, ids: Mapping[str, tuple[int, int]], features: FeatureReader, matches: MatchReader
) -> dict[str, int]:
    """Write a COLMAP database of all images of a scene with a camera; the rest is that of `write_matched_images`."""
    return write_matched_images(path, scene.cameras(), ids, scene.pairs, features, matches, place=scene.root)


def write_matched_images(
    path: Path,
    cameras: Mapping[str, Intrinsics],
    ids: Mapping[str, tuple[int, int]],
    pairs: Sequence[tuple[str, str]],
    features: FeatureReader,
    matches: MatchReader,
    *,
    place: str | os.PathLike,
    guessed: Container[str] = (),
) -> dict[str, int]:
    """Write a COLMAP database of images, their keypoints and matches, in one transaction.

    Args:
        path: database to write.
        cameras: of the images by name.
        ids: (image id, camera id) of the images by name.
        pairs: pairs of names whose matches are written.
        features, matches: files of the images.
        place: where the images are from, for messages.
        guessed: names of images whose focal length is a guess.

    Returns:
        Counts: `images`, `keypoints`, `images_without_features`, `images_of_other_size`, `listed_pairs`,
        `matched_pairs`.

    Raises:
        HndescError: the files have features of no image or matches of no pair.
    """
    with opened(path) as database, pycolmap.DatabaseTransaction(database):
        _write_images(database, cameras, ids, guessed)
        counts = _write_keypoints(database, path, cameras, ids, features, place)
        counts["listed_pairs"] = len(pairs)
        counts["matched_pairs"] = _write_matches(database, path, pairs, ids, matches)
    return counts


def _write_images(
    database: pycolmap.Database,
    cameras: Mapping[str, Intrinsics],
    ids: Mapping[str, tuple[int, int]],
    guessed: Container[str],
) -> None:
    written: set[int] = set()
    for name, intrinsics in cameras.items():
        image_id, camera_id = ids[name]
        camera = to_camera(intrinsics, camera_id, known=name not in guessed)
        if camera_id not in written:
            database.write_camera(camera, use_camera_id=True)
            rig = pycolmap.Rig(rig_id=camera_id)
            rig.add_ref_sensor(camera.sensor_id)
            database.write_rig(rig, use_rig_id=True)
            written.add(camera_id)
        image = pycolmap.Image(name=name, camera_id=camera_id, image_id=image_id)
        database.write_image(image, use_image_id=True)
        frame = pycolmap.Frame(frame_id=image_id, rig_id=camera_id)
        frame.add_data_id(image.data_id)
        database.write_frame(frame, use_frame_id=True)


def _write_keypoints(
    database: pycolmap.Database,
    path: Path,
    cameras: Mapping[str, Intrinsics],
    ids: Mapping[str, tuple[int, int]],
    features: FeatureReader,
    place: str | os.PathLike,
) -> dict[str, int]:
    counts = {"images": len(ids), "keypoints": 0, "images_without_features": 0, "images_of_other_size": 0}
    for name, (image_id, _) in tqdm(ids.items(), desc="keypoints", unit="image", disable=None):
        if name not in features:
            counts["images_without_features"] += 1
            continue
        entry = features.read(name)
        size = entry.image_size if entry.orientation < 5 else entry.image_size[::-1]
        counts["images_of_other_size"] += size not in ((cameras[name].width, cameras[name].height), (0, 0))
        keypoints = camera_keypoints(entry, cameras[name], name).astype(np.float32)
        check_database_space(path, keypoints.nbytes)
        database.write_keypoints(image_id, keypoints)
        counts["keypoints"] += len(entry)
    if counts["images_of_other_size"]:
        logger.info(
            "keypoints of %s are scaled to their cameras", counted(counts["images_of_other_size"], "resized image")
        )
    if counts["images_without_features"] == len(ids):
        raise HndescError(f"{features.path}: has features of no image of {place}; was it made from another one?")
    return counts


def _write_matches(
    database: pycolmap.Database,
    path: Path,
    pairs: Sequence[tuple[str, str]],
    ids: Mapping[str, tuple[int, int]],
    matches: MatchReader,
) -> int:
    found = written = 0
    for first, second in tqdm(pairs, desc="matches", unit="pair", disable=None):
        rows = matches.read(first, second) if first in ids and second in ids else None
        found += rows is not None
        if rows is not None and len(rows):
            check_database_space(path, rows.nbytes)
            database.write_matches(ids[first][0], ids[second][0], rows.astype(np.uint32))
            written += 1
    if pairs and not found:
        raise HndescError(f"{matches.path}: has none of the {len(pairs)} listed pairs; match those")
    return written
