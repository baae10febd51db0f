"""Poses of queries from 2D-3D matches: LO-RANSAC, then refinement on the inliers.

The route of hloc (Sarlin et al., From Coarse to Fine, CVPR 2019): a keypoint of the query that matches a keypoint of a
retrieved image is assigned the 3D point that the latter observes.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from hndesc.datasets.localization.pycolmap_border import camera_keypoints, pycolmap, to_camera, to_pose
from hndesc.datasets.localization.scene import Scene
from hndesc.io.features import FeatureReader
from hndesc.localization.mapping import observed
from hndesc.localization.matches import MatchReader
from hndesc.localization.queries import LEAST_INLIERS, Estimate, find_obstacle


@dataclass(frozen=True)
class PnpSettings:
    """Largest reprojection error of an inlier in pixels of the camera, and fewest inliers of a pose."""

    max_error: float = 12.0
    min_inliers: int = LEAST_INLIERS


def estimate_by_pnp(
    scene: Scene,
    features: FeatureReader,
    matches: MatchReader,
    model: "pycolmap.Reconstruction",
    settings: PnpSettings,
    seed: int = 0,
) -> dict[str, Estimate]:
    """Estimate the pose of each query from its matches with its retrieved database images."""
    points = {image.name: observed(image) for image in model.images.values()}
    estimates = {}
    for name, retrieved in tqdm(scene.retrieved().items(), desc="localization", unit="query", disable=None):
        camera = scene.queries[name]
        reason = find_obstacle(scene, features, name, retrieved)
        if reason or camera is None:
            estimates[name] = Estimate(reason=reason)
            continue
        rows, ids = match_points(name, retrieved, matches, points)
        keypoints = camera_keypoints(features.read(name), camera, name)[rows]
        xyz = np.array([model.points3D[point].xyz for point in ids]).reshape(-1, 3)
        estimates[name] = solve(keypoints, xyz, to_camera(camera), settings, seed)
    return estimates


def match_points(
    query: str, retrieved: list[str], matches: MatchReader, points: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct 2D-3D matches of a query: rows of its keypoints (K) and ids of points (K)."""
    found = [np.empty((0, 2), np.int64)]
    for other in retrieved:
        rows = matches.read(query, other)
        if rows is not None and len(rows) and len(points.get(other, ())):
            ids = points[other][rows[:, 1]]
            found.append(np.stack([rows[:, 0], ids], axis=1)[ids >= 0])
    distinct = np.unique(np.concatenate(found), axis=0)
    return distinct[:, 0], distinct[:, 1]


def solve(
    keypoints: np.ndarray,
    xyz: np.ndarray,
    camera: "pycolmap.Camera",
    settings: PnpSettings,
    seed: int = 0,
    unknown_focal: bool = False,
) -> Estimate:
    """Estimate the pose of a camera from 2D-3D matches.

    Args:
        keypoints: K x 2 pixels of the camera, in COLMAP's convention.
        xyz: K x 3 points of the world that they observe.
        camera: the camera; an unknown focal length in it is replaced by the estimate.
        settings: largest error and fewest inliers.
        seed: of RANSAC.
        unknown_focal: whether the focal length is estimated, too.
    """
    # COLMAP estimates a pose even from three matches, which always agree with one.
    if len(xyz) < settings.min_inliers:
        return Estimate(reason=f"{len(xyz)} 2D-3D matches, fewer than {settings.min_inliers}")
    options = pycolmap.AbsolutePoseEstimationOptions()
    options.ransac.max_error, options.ransac.random_seed = settings.max_error, seed
    options.estimate_focal_length = unknown_focal
    refinement = pycolmap.AbsolutePoseRefinementOptions(refine_focal_length=unknown_focal)
    answer = pycolmap.estimate_and_refine_absolute_pose(keypoints, xyz, camera, options, refinement)
    inliers = 0 if answer is None else int(answer["num_inliers"])
    if inliers < settings.min_inliers:
        return Estimate(
            inliers=inliers, reason=f"{inliers} of {len(xyz)} 2D-3D matches agree, fewer than {settings.min_inliers}"
        )
    mask = np.asarray(answer["inlier_mask"], bool)
    return Estimate(to_pose(answer["cam_from_world"]), inliers, mask=mask)
