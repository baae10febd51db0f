"""Poses of single photos in a COLMAP model: described where the model has keypoints, matched, and solved by PnP.

The keypoints of a model that observe a point are described again in its images, so models of any program will do. For
descriptors that need sizes and angles of keypoints (SIFT), keypoints are detected there, and those on points taken.
"""

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial import cKDTree
from tqdm import tqdm

from hndesc.datasets.image_set import ImageEntry
from hndesc.datasets.localization.cameras import Intrinsics, exif_intrinsics
from hndesc.datasets.localization.colmap import find_model
from hndesc.datasets.localization.colmap_files import read_cameras, read_images, read_tracks
from hndesc.datasets.localization.pycolmap_border import camera_keypoints, pycolmap, to_camera, write_model
from hndesc.datasets.localization.scene import Pose
from hndesc.datasets.photo_sets import SUMMARY
from hndesc.errors import HndescError, ImageError, counted, printable
from hndesc.extraction.extractor import Extractor
from hndesc.io.exif import read_exif_camera
from hndesc.io.features import Features
from hndesc.io.files import read_json
from hndesc.io.images import upright_points
from hndesc.localization.mapping import observed
from hndesc.localization.pnp import PnpSettings, solve
from hndesc.localization.uncertainty import Uncertainty, pose_uncertainty
from hndesc.matching.matcher import match_scored
from hndesc.retrieval.global_features import describe_in_memory
from hndesc.retrieval.ranking import rank

logger = logging.getLogger(__name__)

_SAME = 2.0  # pixels within which a detected keypoint shows the point of a model's keypoint
_CACHED = 50  # images of the model whose descriptors are kept in memory


@dataclass(frozen=True)
class Localized:
    """The outcome for one photo.

    Attributes:
        name: of the photo.
        camera: its intrinsics, in COLMAP's convention.
        source: where the focal length is from: "given", "EXIF" or "estimated".
        matches: number of 2D-3D matches.
        inliers: number of those that agree with the pose.
        pose: world to camera, of the photo as its file stores it; None if it could not be localized.
        uncertainty: of the pose.
        reason: why there is no pose.
    """

    name: str
    camera: Intrinsics
    source: str
    matches: int = 0
    inliers: int = 0
    pose: Pose | None = None
    uncertainty: Uncertainty | None = None
    reason: str | None = None


class MapImages:
    """The images of a COLMAP model with the keypoints that observe points, described when they are needed.

    Args:
        root: folder of the model, or one that has it in `sparse/0`, `sparse` or `model`.
        images: folder of the images, to which their names are relative.
        extractor: what describes them.

    Raises:
        HndescError: no model, a broken one, or one without points or whose images are missing.
    """

    def __init__(self, root: Path, images: Path, extractor: Extractor) -> None:
        self.model = read_reconstruction(root)
        self._extractor = extractor
        self.entries: dict[str, ImageEntry] = {}
        absent = []
        for image in sorted(self.model.images.values(), key=lambda image: image.name):
            if image.has_pose and image.num_points3D:
                path = images / image.name
                if path.is_file():
                    self.entries[image.name] = ImageEntry(image.name, path)
                else:
                    absent.append(image.name)
        if not self.entries:
            raise HndescError(f"{images}: none of the {len(absent)} images of {root} is there; give their folder")
        if absent:
            logger.warning("%s: lacks %s of the model, '%s' first", images, counted(len(absent), "image"), absent[0])
        self.read = lru_cache(_CACHED)(self._read)

    def _read(self, name: str) -> tuple[Features, np.ndarray] | None:
        """Return the described keypoints of an image and the ids of their points; None for an unreadable one."""
        entry, image = self.entries[name], self.model.find_image_with_name(name)
        try:
            pixels, orientation = entry.read(), entry.orientation
        except ImageError as error:
            logger.warning("%s; it is left out", error)
            return None
        ids = observed(image)
        seen = np.flatnonzero(ids >= 0)
        camera, (height, width) = self.model.cameras[image.camera_id], pixels.shape[:2]
        stored = (height, width) if orientation >= 5 else (width, height)
        factors = np.array(stored) / [camera.width, camera.height]
        in_camera = np.array([image.points2D[row].xy for row in seen]).reshape(-1, 2)
        keypoints, _ = upright_points(in_camera * factors - 0.5, stored, orientation)
        inside = ((keypoints >= -0.5) & (keypoints <= np.array([width, height]) - 0.5)).all(axis=1)
        points, ids = keypoints[inside].astype(np.float32), ids[seen][inside]
        if self._extractor.oriented:
            features = self._extractor(pixels)
            rows, nearest = _nearest(features.keypoints, points)
            return features.take(rows), ids[nearest]
        features = Features(points, (width, height), np.ones(len(points), np.float32))
        return self._extractor.describe(pixels, features), ids


def _nearest(detected: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of detected keypoints (N x 2) that lie on points (M x 2), and the rows of those points."""
    if not len(points) or not len(detected):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    distances, nearest = cKDTree(points).query(detected, distance_upper_bound=_SAME)
    rows = np.flatnonzero(np.isfinite(distances))
    return rows, nearest[rows]


def read_reconstruction(root: Path) -> "pycolmap.Reconstruction":
    """Read a COLMAP model with points; a HndescError names a missing or broken one."""
    folder = find_model(Path(root))
    if folder is None:
        raise HndescError(f"{root}: no COLMAP model (cameras, images, points3D as .bin or .txt) there or in sparse/0")
    # COLMAP's own reader ends the process on files with wrong counts: they are read by ours first.
    read_cameras(folder)
    for _ in read_tracks(folder, read_images(folder)):
        pass
    try:
        model = pycolmap.Reconstruction(folder)
    except (RuntimeError, ValueError, IndexError) as error:
        raise HndescError(f"{folder}: COLMAP cannot read this model ({str(error).splitlines()[0]})") from None
    if not model.num_points3D():
        raise HndescError(f"{folder}: a model without points; photos cannot be localized in it")
    return model


def localize_photos(
    photos: Sequence[ImageEntry],
    root: str | os.PathLike,
    images: str | os.PathLike,
    extractor: Extractor,
    *,
    camera: Intrinsics | None = None,
    retrieved: int = 20,
    descriptor: str = "efficientnet_lite0",
    ratio: float | None = None,
    settings: PnpSettings | None = None,
    seed: int = 0,
) -> list[Localized]:
    """Localize photos in a COLMAP model.

    Args:
        photos: the photos.
        root: folder of the model, or one that has it in `sparse/0`, `sparse` or `model`.
        images: folder of the images of the model.
        extractor: what detects and describes keypoints.
        camera: intrinsics of all photos; None for those of their EXIF data, and estimated focal lengths without.
        retrieved: images of the model that a photo is matched with, the most similar ones.
        descriptor: name of the global descriptor that finds them.
        ratio: see `hndesc.matching.matcher.match_features`.
        settings: largest error and fewest inliers.
        seed: of RANSAC.

    Returns:
        The outcomes in the order of the photos.
    """
    known = MapImages(Path(root), Path(images), extractor)
    similar = _similar(photos, known, retrieved, descriptor)
    progress = tqdm(photos, desc="localized", unit="photo", disable=None)
    return [
        _localize(photo, similar[photo.name], known, extractor, camera, ratio, settings or PnpSettings(), seed)
        for photo in progress
    ]


def _similar(
    photos: Sequence[ImageEntry], known: MapImages, count: int, descriptor: str
) -> Mapping[str, Sequence[str]]:
    """Return for each photo the most similar images of the model; all of them if they are few."""
    names = list(known.entries)
    if len(names) <= count:
        return {photo.name: names for photo in photos}
    database = {f"db/{name}": entry for name, entry in known.entries.items()}
    queries = {f"query/{number}": photo for number, photo in enumerate(photos)}
    vectors, failed = describe_in_memory({**database, **queries}, descriptor)
    rows = [row for row, key in enumerate(database) if key not in failed]
    asked = [row for row, key in enumerate(queries) if key not in failed]
    ranked = rank(vectors[len(database) :][asked], vectors[rows], count)
    found = {photo.name: names[:count] for photo in photos}  # of unreadable ones, which fail later
    for row, (order, _) in zip(asked, ranked, strict=True):
        found[photos[row].name] = [names[rows[place]] for place in order]
    return found


def _localize(
    photo: ImageEntry,
    similar: Sequence[str],
    known: MapImages,
    extractor: Extractor,
    camera: Intrinsics | None,
    ratio: float | None,
    settings: PnpSettings,
    seed: int,
) -> Localized:
    pixels = photo.read()
    intrinsics, source = photo_intrinsics(photo, camera)
    features = extractor(pixels)
    rows, ids = _match(features, similar, known, ratio)
    if photo.orientation != 1:
        features = Features(features.keypoints, features.image_size, features.scores, orientation=photo.orientation)
    keypoints = camera_keypoints(features, intrinsics, photo.name)[rows]
    points = np.array([known.model.points3D[number].xyz for number in ids]).reshape(-1, 3)
    colmap_camera = to_camera(intrinsics)
    estimate = solve(keypoints, points, colmap_camera, settings, seed, unknown_focal=source == "estimated")
    if source == "estimated" and estimate.pose is not None:
        params = tuple(float(value) for value in colmap_camera.params)
        intrinsics = Intrinsics(intrinsics.model, intrinsics.width, intrinsics.height, params)
    if estimate.pose is None:
        return Localized(photo.name, intrinsics, source, len(points), estimate.inliers, reason=estimate.reason)
    agree = estimate.mask
    uncertainty = pose_uncertainty(estimate.pose, colmap_camera, keypoints[agree], points[agree])
    return Localized(photo.name, intrinsics, source, len(points), estimate.inliers, estimate.pose, uncertainty)


def photo_intrinsics(photo: ImageEntry, camera: Intrinsics | None) -> tuple[Intrinsics, str]:
    """Return the camera of a photo and where its focal length is from; errors as for reading the photo."""
    if camera is not None:
        return camera, "given"
    found = read_exif_camera(photo.path)
    return exif_intrinsics(found, "SIMPLE_PINHOLE"), "estimated" if found.focal is None else "EXIF"


def _match(
    features: Features, similar: Sequence[str], known: MapImages, ratio: float | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct 2D-3D matches: rows of keypoints (K) and ids of points (K)."""
    found = [np.empty((0, 2), np.int64)]
    for name in similar:
        described = known.read(name)
        if described is not None and len(described[0]) and len(features):
            rows, _ = match_scored(features, described[0], ratio)
            found.append(np.stack([rows[:, 0], described[1][rows[:, 1]]], axis=1))
    distinct = np.unique(np.concatenate(found), axis=0)
    return distinct[:, 0], distinct[:, 1]


def find_images_folder(root: str | os.PathLike) -> Path:
    """Return the folder of the images of a model: `images` beside it, or the photos that `hndesc reconstruct` had.

    Raises:
        HndescError: there is neither.
    """
    root = Path(root)
    if not root.is_dir():
        raise HndescError(f"{printable(root)}: no such folder of a model")
    # The model may be given by the folder that holds it, or by its own, `sparse/0` of that.
    for place in (root, root.parent, root.parent.parent):
        if (place / "images").is_dir():
            return place / "images"
        if (place / SUMMARY).is_file():
            photos = Path(str(read_json(place / SUMMARY).get("photos", "")))
            if photos.is_dir():
                return photos
    raise HndescError(f"{root}: there is no folder 'images' with the images of the model; give it by --images")


def describe(outcome: Localized) -> str:
    """Return one line about an outcome for the user."""
    focal = f"focal length {to_camera(outcome.camera).mean_focal_length():.0f} px ({outcome.source})"
    name = printable(outcome.name)
    if outcome.pose is None:
        return f"{name}: not localized: {outcome.reason}; {focal}"
    center = ", ".join(f"{value:.4g}" for value in outcome.pose.center())
    line = f"{name}: position ({center})"
    if outcome.uncertainty is not None:
        line += (
            f" \N{PLUS-MINUS SIGN} {outcome.uncertainty.position:.2g}, rotation \N{PLUS-MINUS SIGN} "
            f"{outcome.uncertainty.rotation:.2g}\N{DEGREE SIGN}"
        )
    return f"{line}; {outcome.inliers} of {outcome.matches} matches agree; {focal}"


def to_record(outcome: Localized) -> dict[str, Any]:
    """Return an outcome as a JSON object; `qvec` is (w, x, y, z), world to camera, and `center` the camera's place."""
    record: dict[str, Any] = {
        "name": outcome.name,
        "camera": {
            "model": outcome.camera.model,
            "width": outcome.camera.width,
            "height": outcome.camera.height,
            "params": list(outcome.camera.params),
            "focal_length_from": outcome.source,
        },
        "matches": outcome.matches,
        "inliers": outcome.inliers,
    }
    if outcome.pose is None:
        return record | {"pose": None, "reason": outcome.reason}
    pose = outcome.pose
    record["pose"] = {
        "qvec": pose.quaternion().tolist(),
        "tvec": pose.translation.tolist(),
        "center": pose.center().tolist(),
    }
    if outcome.uncertainty is not None:
        record["position_deviation"] = outcome.uncertainty.position
        record["rotation_deviation"] = outcome.uncertainty.rotation
        record["reprojection_error"] = outcome.uncertainty.error
    return record


def write_colmap_text(outcomes: Sequence[Localized], folder: Path) -> None:
    """Write the localized photos as a COLMAP model in text form, `cameras.txt`, `images.txt` and `points3D.txt`."""
    model = pycolmap.Reconstruction()
    for number, outcome in enumerate(outcomes, 1):
        if outcome.pose is not None:
            model.add_camera_with_trivial_rig(to_camera(outcome.camera, number))
            image = pycolmap.Image(name=outcome.name, camera_id=number, image_id=number)
            rigid = pycolmap.Rigid3d(pycolmap.Rotation3d(outcome.pose.rotation), outcome.pose.translation)
            model.add_image_with_trivial_frame(image, rigid)
    write_model(model, folder, "txt")
