"""Metrics of estimated query poses: recall within position and rotation thresholds, and median errors."""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.spatial.distance import pdist

from hndesc.datasets.localization.scene import Pose
from hndesc.geometry.pose import camera_center, pose_error

# Meters and degrees, as visuallocalization.net scores Aachen.
THRESHOLDS = ((0.25, 2.0), (0.5, 5.0), (5.0, 10.0))


def pose_errors(estimates: Mapping[str, Pose], truth: Mapping[str, Pose]) -> dict[str, tuple[float, float]]:
    """Return the errors (distance of camera centers, degrees of rotation) of the queries with ground truth."""
    return {
        name: pose_error((pose.rotation, pose.translation), (truth[name].rotation, truth[name].translation))
        for name, pose in estimates.items()
        if name in truth
    }


def recall(
    errors: Sequence[tuple[float, float]], thresholds: Sequence[tuple[float, float]] = THRESHOLDS
) -> list[float]:
    """Return the share (0 to 1) of poses within both the position and the rotation threshold, limits included.

    Args:
        errors: (position, degrees) of each query, at least one.
        thresholds: (position, degrees).
    """
    values = np.asarray(errors, np.float64).reshape(-1, 1, 2)
    within = (values <= np.asarray(thresholds, np.float64)[None]).all(axis=2)
    return within.mean(axis=0).tolist()


def mean_camera_distance(poses: Mapping[str, Pose]) -> float:
    """Return the mean distance between camera centers over all pairs of cameras; 0 for a single camera."""
    centers = [camera_center(pose.rotation, pose.translation) for pose in poses.values()]
    return float(pdist(centers).mean()) if len(centers) > 1 else 0.0


def score(
    errors: Mapping[str, tuple[float, float]],
    conditions: Mapping[str, str],
    camera_distance: float,
    thresholds: Sequence[tuple[float, float]] = THRESHOLDS,
) -> dict[str, dict]:
    """Evaluate each condition (day, night, …) and all queries together ("all").

        Args:
            errors: (position, degrees) of each query with ground truth.
            conditions: the condition of each query.
            camera_distance: mean distance between database cameras, which makes position errors independent of the
                unit.
            thresholds: (position, degrees).

        Returns:
    Condition -> `queries` (with ground truth), `recall` (share from 0 to 1, keyed "0.25/2"),
            `median_position_error`, `median_position_share` (of `camera_distance`; None if that is 0),
            `median_rotation_error` (degrees).
            Conditions without ground truth are omitted.
    """
    groups: dict[str, list[tuple[float, float]]] = {}
    for name, error in errors.items():
        groups.setdefault(conditions[name], []).append(error)
    if len(groups) > 1:
        groups["all"] = list(errors.values())
    return {condition: _figures(values, camera_distance, thresholds) for condition, values in groups.items()}


def _figures(
    errors: Sequence[tuple[float, float]], camera_distance: float, thresholds: Sequence[tuple[float, float]]
) -> dict:
    names = [f"{position:g}/{rotation:g}" for position, rotation in thresholds]
    position, rotation = np.median(np.asarray(errors), axis=0)
    return {
        "queries": len(errors),
        "recall": dict(zip(names, recall(errors, thresholds), strict=True)),
        "median_position_error": float(position),
        "median_position_share": float(position) / camera_distance if camera_distance > 0 else None,
        "median_rotation_error": float(rotation),
    }
