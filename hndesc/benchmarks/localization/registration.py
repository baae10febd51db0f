"""Poses of the queries against the map, by two routes, and the score where the truth is known.

`pnp`: the query's matches with its retrieved database images give 2D-3D matches; LO-RANSAC finds the pose, which is
refined on the inliers (as hloc does). `registration`: the query is registered as the next image of COLMAP's
incremental mapper, from verified matches, as the published run did with COLMAP's image_registrator.
"""

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from hndesc.benchmarks.localization.colmap import pycolmap, to_camera, to_colmap, to_pose
from hndesc.benchmarks.localization.datasets import read_scene
from hndesc.benchmarks.localization.matches import MatchReader
from hndesc.benchmarks.localization.model import DATABASE, MODEL, SUMMARY, MapperSettings
from hndesc.benchmarks.localization.poses import write_poses
from hndesc.benchmarks.localization.scene import Pose, Scene
from hndesc.benchmarks.localization.score import pose_errors, score
from hndesc.errors import HndescError
from hndesc.features import FeatureReader
from hndesc.files import read_json, write_json
from hndesc.provenance import versions

log = logging.getLogger(__name__)

METHODS = ("pnp", "registration")


@dataclass(frozen=True)
class Estimate:
    """The outcome for one query: its pose and how many 2D-3D inliers stand for it, or why there is none."""

    pose: Pose | None = None
    inliers: int = 0
    matches: int = 0
    reason: str | None = None


@dataclass(frozen=True)
class PnpSettings:
    """Settings of the pnp route: largest reprojection error of an inlier (pixels), fewest inliers of a pose."""

    max_error: float = 12.0
    min_inliers: int = 12


def localize_queries(
    root: Path,
    features: Path,
    matches: Path,
    map_folder: Path,
    output: Path,
    json_output: Path,
    pairs: Path | None = None,
    method: str = "pnp",
    seed: int = 0,
    threads: int = 1,
    **settings: float,
) -> None:
    """Localise every query of a dataset and write its poses in the form that visuallocalization.net takes.

    A query that cannot be localised takes the pose of its best retrieved database image, the first that it is paired
    with; the JSON names it.

    Args:
        root: folder of the dataset.
        features: feature file.
        matches: match file of the listed pairs.
        map_folder: output of `hndesc.benchmarks.localization.model.build_map`.
        output: poses, a line a query.
        json_output: figures (recall and median errors where the truth is known), each query, settings.
        pairs: another list of pairs than the dataset's own.
        method: "pnp" or "registration".
        seed: of RANSAC.
        threads: of the mapper.
        **settings: changes of `PnpSettings` or, for "registration", of `hndesc...model.MapperSettings`.
    """
    if method not in METHODS:
        raise HndescError(f"unknown localisation method '{method}'; choose one of: {', '.join(METHODS)}")
    chosen = PnpSettings(**settings) if method == "pnp" else MapperSettings(**settings)
    scene = read_scene(root, pairs)
    summary = read_json(Path(map_folder) / SUMMARY)
    model = pycolmap.Reconstruction(Path(map_folder) / MODEL)
    with FeatureReader(features) as feature_reader, MatchReader(matches) as match_reader:
        if method == "pnp":
            estimates = estimate_by_pnp(scene, feature_reader, match_reader, model, chosen, seed)
        else:
            options = chosen.options(seed, threads)
            estimates = estimate_by_registration(scene, feature_reader, Path(map_folder) / DATABASE, model, options)
        feature_settings = feature_reader.settings
    poses, per_query = _complete(scene, estimates)
    errors = pose_errors(poses, scene.truth)
    for name, (position, rotation) in errors.items():
        per_query[name] |= {"position_error": position, "rotation_error": rotation}
    figures = score(errors, scene.conditions)
    _report(figures, per_query)
    write_poses(output, poses)
    result = {
        "kind": "localization",
        "protocol": "poses of queries against a map triangulated with known poses; recall within position/degrees",
        "figures": figures | {"map": summary["figures"], "localized": _localized(per_query, scene)},
        "per_query": per_query,
        "settings": {"method": method, "seed": seed} | asdict(chosen) | {"map": summary["settings"]},
        "features": feature_settings,
        "matches": summary["matches"],
        "counts": summary["counts"],
        "problems": dict(scene.problems),
        "failures": [{"query": name, "reason": q["reason"]} for name, q in per_query.items() if q["reason"]],
        "versions": versions(),
    }
    write_json(json_output, result)


def estimate_by_pnp(
    scene: Scene,
    features: FeatureReader,
    matches: MatchReader,
    model: "pycolmap.Reconstruction",
    settings: PnpSettings,
    seed: int,
) -> dict[str, Estimate]:
    """Estimate the pose of each query from its 2D-3D matches with the model."""
    points = {image.name: _point_ids(image) for image in model.images.values()}
    estimates = {}
    for name, retrieved in tqdm(scene.retrieved().items(), desc="localisation", unit="query", disable=None):
        reason = _hopeless(scene, features, name, retrieved)
        if reason:
            estimates[name] = Estimate(reason=reason)
            continue
        rows, ids = _match_points(name, retrieved, matches, points)
        keypoints = to_colmap(features.read(name).keypoints[rows])
        xyz = np.array([model.points3D[point].xyz for point in ids]).reshape(-1, 3)
        estimates[name] = _solve(keypoints, xyz, to_camera(scene.queries[name]), settings, seed)
    return estimates


def _hopeless(scene: Scene, features: FeatureReader, name: str, retrieved: list[str]) -> str | None:
    """Return why a query cannot be localised at all, or None."""
    if scene.queries[name] is None:
        return "unknown camera model"
    if not retrieved:
        return "no pair with a database image"
    if name not in features:
        return f"no features ({features.failed.get(name, 'not in the feature file')})"
    return None


def _point_ids(image: "pycolmap.Image") -> np.ndarray:
    """Return the id of the point that each keypoint of an image observes, -1 for none."""
    return np.array([point.point3D_id if point.has_point3D() else -1 for point in image.points2D], np.int64)


def _match_points(
    query: str, retrieved: list[str], matches: MatchReader, points: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct 2D-3D matches of a query: rows of its keypoints and ids of points."""
    found = [np.empty((0, 2), np.int64)]
    for other in retrieved:
        rows = matches.read(query, other)
        if rows is not None and other in points and len(points[other]):
            ids = points[other][rows[:, 1]]
            found.append(np.stack([rows[:, 0], ids], axis=1)[ids >= 0])
    distinct = np.unique(np.concatenate(found), axis=0)
    return distinct[:, 0], distinct[:, 1]


def _solve(
    keypoints: np.ndarray, xyz: np.ndarray, camera: "pycolmap.Camera", settings: PnpSettings, seed: int
) -> Estimate:
    count = len(xyz)
    if count < settings.min_inliers:
        return Estimate(matches=count, reason=f"{count} 2D-3D matches, fewer than {settings.min_inliers}")
    options = pycolmap.AbsolutePoseEstimationOptions()
    options.ransac.max_error, options.ransac.random_seed = settings.max_error, seed
    answer = pycolmap.estimate_and_refine_absolute_pose(keypoints, xyz, camera, options)
    inliers = 0 if answer is None else int(answer["num_inliers"])
    if inliers < settings.min_inliers:
        return Estimate(None, inliers, count, f"{inliers} of {count} matches agree, fewer than {settings.min_inliers}")
    return Estimate(to_pose(answer["cam_from_world"]), inliers, count)


def estimate_by_registration(
    scene: Scene,
    features: FeatureReader,
    database: Path,
    model: "pycolmap.Reconstruction",
    options: "pycolmap.IncrementalPipelineOptions",
) -> dict[str, Estimate]:
    """Register each query as the next image of the model with COLMAP's incremental mapper."""
    cache_options = pycolmap.DatabaseCacheOptions(min_num_matches=options.min_num_matches)
    opened = pycolmap.Database.open(database)
    try:
        cache = pycolmap.DatabaseCache.create(opened, cache_options)
    finally:
        opened.close()
    mapper = pycolmap.IncrementalMapper(cache)
    mapper.begin_reconstruction(model)
    mapper_options = options.get_mapper()
    ids = {image.name: image_id for image_id, image in cache.images.items()}
    estimates = {}
    for name, retrieved in tqdm(scene.retrieved().items(), desc="localisation", unit="query", disable=None):
        reason = _hopeless(scene, features, name, retrieved)
        if not reason and name not in ids:
            reason = f"no pair with {options.min_num_matches} verified matches"
        if not reason and not mapper.register_next_image(mapper_options, ids[name]):
            reason = "not enough of its matches agree on a pose"
        if reason:
            estimates[name] = Estimate(reason=reason)
        else:
            image = model.images[ids[name]]
            estimates[name] = Estimate(to_pose(image.cam_from_world()), image.num_points3D)
    mapper.end_reconstruction(False)
    return estimates


def _complete(scene: Scene, estimates: Mapping[str, Estimate]) -> tuple[dict[str, Pose], dict[str, dict]]:
    """Give the queries without a pose that of their best retrieved image; describe each query for the JSON."""
    retrieved = scene.retrieved()
    poses, per_query = {}, {}
    for name, estimate in estimates.items():
        fallback = None
        if estimate.pose is None:
            fallback = next(iter(retrieved[name]), next(iter(scene.poses)))
            log.warning("'%s' could not be localised (%s): takes the pose of '%s'", name, estimate.reason, fallback)
        poses[name] = scene.poses[fallback] if fallback else estimate.pose
        per_query[name] = {
            "condition": scene.conditions[name],
            "inliers": estimate.inliers,
            "matches": estimate.matches,
            "reason": estimate.reason,
            "pose_of": fallback,
        }
    return poses, per_query


def _localized(per_query: Mapping[str, dict], scene: Scene) -> dict[str, dict[str, int]]:
    """Return for each condition how many queries there are and how many got a pose of their own."""
    counts: dict[str, dict[str, int]] = {}
    for name, query in per_query.items():
        count = counts.setdefault(scene.conditions[name], {"queries": 0, "localized": 0})
        count["queries"] += 1
        count["localized"] += query["reason"] is None
    return counts


def _report(figures: Mapping[str, dict], per_query: Mapping[str, dict]) -> None:
    failed = sum(query["reason"] is not None for query in per_query.values())
    log.info("%d of %d queries localised", len(per_query) - failed, len(per_query))
    for condition, values in figures.items():
        shares = ", ".join(f"{share:.1f} % within {limit}" for limit, share in values["recall"].items())
        log.info("%s: %s", condition, shares)
