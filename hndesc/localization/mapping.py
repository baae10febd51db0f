"""The map: a COLMAP database of features and verified matches, and the points triangulated with the known poses."""

import logging
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np

from hndesc.datasets.localization.pycolmap_border import (
    check_database_space,
    count_verified,
    opened,
    pycolmap,
    silenced,
    to_camera,
    to_rigid,
    write_model,
)
from hndesc.datasets.localization.readers import read_scene
from hndesc.datasets.localization.scene import Scene
from hndesc.errors import HndescError
from hndesc.io.features import FeatureReader
from hndesc.io.files import read_json, write_json
from hndesc.io.owned_folders import check_output_folder, replace_folder
from hndesc.localization.database import assign_ids, write_database
from hndesc.localization.matches import MatchReader, check_made_from
from hndesc.runtime.provenance import file_hash

logger = logging.getLogger(__name__)

Settings = TypeVar("Settings")
STEP = "build_map"
DATABASE, MODEL, SUMMARY = "database.db", "model", "map.json"
# Of the verified matches three quarters and more agree with right poses, a twelfth and less with those of other images.
_AGREEMENT = 0.3


@dataclass(frozen=True)
class MapperSettings:
    """Settings of COLMAP's mapper; the defaults are those of the published run. Errors are in pixels."""

    min_num_matches: int = 4
    init_min_num_inliers: int = 4
    abs_pose_min_num_inliers: int = 4
    abs_pose_min_inlier_ratio: float = 0.05
    abs_pose_max_error: float = 20.0
    filter_max_reproj_error: float = 12.0
    ba_local_max_num_iterations: int = 50

    def options(self, seed: int) -> "pycolmap.IncrementalPipelineOptions":
        """Return COLMAP's options: these settings, intrinsics fixed, randomness seeded.

        One thread: the sums of several differ in their last bits from run to run. Triangulation and bundle adjustment
        with fixed poses take about a hundredth of the time of verification, which has threads.
        """
        options = pycolmap.IncrementalPipelineOptions()
        options.min_num_matches = self.min_num_matches
        options.ba_local_max_num_iterations = self.ba_local_max_num_iterations
        for name in asdict(self).keys() - {"min_num_matches", "ba_local_max_num_iterations"}:
            setattr(options.mapper, name, getattr(self, name))
        for name in ("focal_length", "principal_point", "extra_params", "sensor_from_rig"):
            setattr(options, f"ba_refine_{name}", False)
        options.extract_colors = False
        options.fix_existing_frames = True
        options.num_threads, options.random_seed = 1, seed
        return options


def make_settings(kind: type[Settings], changes: Mapping[str, float]) -> Settings:
    """Return settings with `changes`; an unknown name is a HndescError."""
    known = [field.name for field in fields(cast(Any, kind))]
    for name in changes:
        if name not in known:
            raise HndescError(f"unknown setting '{name}' of localization; choose from: {', '.join(known)}")
        value = changes[name]
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
            raise HndescError(f"setting '{name}' of localization is {value!r}; expected a number above 0")
    return kind(**changes)


def build_map(
    root: Path,
    features: Path,
    matches: Path,
    output: Path,
    *,
    pairs: Path | None = None,
    seed: int = 0,
    threads: int = 1,
    **mapper: float,
) -> None:
    """Build the map that queries are localized against.

    Args:
        root: folder of the dataset.
        features: feature file.
        matches: match file of the listed pairs.
        output: folder that gets `database.db`, `model` (COLMAP, binary) and `map.json` (counts and settings).
        pairs: another list of pairs than the dataset's own.
        seed: of all that is random in COLMAP.
        threads: of verification; the map does not depend on it.
        **mapper: changes of `MapperSettings`.
    """
    inputs = [root, features, matches, pairs]
    check_output_folder(output, STEP, inputs)
    settings = make_settings(MapperSettings, mapper)
    scene = read_scene(root, pairs)
    with replace_folder(output, STEP, inputs) as part:
        _fill_map(part, scene, features, matches, settings, seed, threads)


def _fill_map(
    part: Path, scene: Scene, features: Path, matches: Path, settings: MapperSettings, seed: int, threads: int
) -> None:
    ids = assign_ids(scene)
    (part / MODEL).mkdir()
    with FeatureReader(features) as feature_reader, MatchReader(matches) as match_reader:
        check_made_from(match_reader, feature_reader)
        counts = write_database(part / DATABASE, scene, ids, feature_reader, match_reader)
        made_from = {"features": feature_reader.settings, "matches": match_reader.settings}
    counts["verified_pairs"] = verify(part / DATABASE, seed, threads)
    figures = triangulate(scene, ids, part, settings.options(seed))
    write_json(
        part / SUMMARY,
        {
            "files": _hashes(part / MODEL),
            "figures": figures,
            "counts": counts,
            "problems": dict(scene.problems),
            "settings": asdict(settings) | {"seed": seed},
            **made_from,
        },
    )


def _hashes(model: Path) -> dict[str, str]:
    return {path.name: file_hash(path) for path in sorted(model.iterdir())}


def read_map(folder: Path) -> tuple[dict, "pycolmap.Reconstruction"]:
    """Return the summary and the model of a map.

    Raises:
        HndescError: no map, or another model than was written: COLMAP's reader ends the process where a count is wrong.
    """
    folder = Path(folder)
    summary = read_json(folder / SUMMARY)
    if not (folder / MODEL).is_dir() or summary.get("files") != _hashes(folder / MODEL):
        raise HndescError(f"{folder / MODEL}: not the model that {SUMMARY} describes; build the map again")
    return summary, pycolmap.Reconstruction(folder / MODEL)


def verify(database: Path, seed: int, threads: int) -> int:
    """Verify all matches in the database by two-view geometry; return the number of verified pairs."""
    verifier = pycolmap.GeometricVerifierOptions(num_threads=threads)
    geometry = pycolmap.TwoViewGeometryOptions()
    geometry.ransac.random_seed = seed
    check_database_space(database, database.stat().st_size)
    pycolmap.geometric_verification(database, verifier, two_view_geometry_options=geometry)
    with opened(database) as connection:
        return count_verified(connection)


def triangulate(
    scene: Scene, ids: dict[str, tuple[int, int]], folder: Path, options: "pycolmap.IncrementalPipelineOptions"
) -> dict[str, float | None]:
    """Triangulate the verified matches with the poses of the database images fixed; write the model.

    Returns:
        `images`, `points`, `mean_track_length` and `mean_reprojection_error` (pixels); None where there is no point.
    """
    model = posed_model(scene, ids)
    # COLMAP would read every image for the points' colors. It is shown a folder without images, and complains.
    with silenced():
        model = pycolmap.triangulate_points(
            model, folder / DATABASE, folder, folder / MODEL, clear_points=True, options=options
        )
    write_model(model, folder / MODEL)
    points = model.num_points3D()
    mapped = [pair for pair in scene.pairs if scene.poses.keys() >= set(pair)]
    if not points:
        logger.warning("%s: no point could be triangulated; matches and poses do not agree", scene.root)
    share = agreement(folder / DATABASE, model, [(ids[first][0], ids[second][0]) for first, second in mapped])
    if points and share < _AGREEMENT:
        logger.warning(
            "%s: only %.0f %% of the verified matches agree with the poses: were images rotated or cropped, "
            "or are images, cameras and poses of different datasets?",
            scene.root,
            100 * share,
        )
    return {
        "images": model.num_reg_images(),
        "points": points,
        "mean_track_length": model.compute_mean_track_length() if points else None,
        "mean_reprojection_error": model.compute_mean_reprojection_error() if points else None,
    }


def agreement(database: Path, model: "pycolmap.Reconstruction", pairs: Iterable[tuple[int, int]]) -> float:
    """Return the share of the verified matches of pairs of images (ids) whose two keypoints observe the same point."""
    points = {number: observed(image) for number, image in model.images.items() if image.points2D}
    agreeing = count = 0
    with opened(database) as connection:
        for first, second in pairs:
            if {first, second} <= points.keys() and connection.exists_two_view_geometry(first, second):
                matches = connection.read_two_view_geometry(first, second).inlier_matches
                ids = points[first][matches[:, 0]]
                agreeing += int(((ids == points[second][matches[:, 1]]) & (ids >= 0)).sum())
                count += len(matches)
    return agreeing / max(count, 1)


def observed(image: "pycolmap.Image") -> np.ndarray:
    """Return the id of the point that each keypoint of an image observes, -1 for none."""
    return np.array([point.point3D_id if point.has_point3D() else -1 for point in image.points2D], np.int64)


def posed_model(scene: Scene, ids: dict[str, tuple[int, int]]) -> "pycolmap.Reconstruction":
    """Return a reconstruction of the database images with their poses, without points."""
    model = pycolmap.Reconstruction()
    for name, intrinsics in scene.database.items():
        image_id, camera_id = ids[name]
        if not model.exists_camera(camera_id):
            model.add_camera_with_trivial_rig(to_camera(intrinsics, camera_id))
        image = pycolmap.Image(name=name, camera_id=camera_id, image_id=image_id)
        model.add_image_with_trivial_frame(image, to_rigid(scene.poses[name]))
    return model
