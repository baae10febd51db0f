"""Errors of reconstructed cameras against measured ones, after the similarity that aligns them best."""

from collections.abc import Mapping

import numpy as np

from hndesc.datasets.localization.pycolmap_border import pycolmap
from hndesc.datasets.localization.scene import Pose
from hndesc.evaluation.localization.metrics import mean_camera_distance
from hndesc.geometry.pose import pose_error

# Fewer positions determine no similarity.
_FEWEST = 3


def align(poses: Mapping[str, Pose], truth: Mapping[str, Pose]) -> dict[str, Pose] | None:
    """Move poses into the frame of the true ones by the similarity with the least squares of camera positions.

    Args:
        poses: reconstructed poses by name.
        truth: true poses by name.

    Returns:
        The moved poses; None for fewer than three common images or positions on a line.
    """
    common = [name for name in poses if name in truth]
    if len(common) < _FEWEST:
        return None
    source, target = (np.array([side[name].center() for name in common]) for side in (poses, truth))
    if min(np.linalg.matrix_rank(side - side.mean(axis=0), tol=1e-9 * np.ptp(side)) for side in (source, target)) < 2:
        return None
    found = pycolmap.estimate_sim3d(source, target)
    if found is None:
        return None
    turn, scale = found.rotation.matrix(), found.scale
    moved = {}
    for name, pose in poses.items():
        rotation = pose.rotation @ turn.T
        moved[name] = Pose(rotation, -rotation @ (scale * turn @ pose.center() + found.translation))
    return moved


def position_figures(poses: Mapping[str, Pose], truth: Mapping[str, Pose]) -> dict:
    """Return the errors of a model against measured cameras.

    Returns:
        `errors` (name -> position in the unit of the truth, degrees), `median_position_error`, `median_rotation_error`
        (degrees), `median_position_share` and `largest_position_share` (of the mean distance between true cameras).
        Empty if the model cannot be aligned.
    """
    moved = align(poses, truth)
    if moved is None:
        return {}
    errors = {
        name: pose_error((pose.rotation, pose.translation), (truth[name].rotation, truth[name].translation))
        for name, pose in moved.items()
        if name in truth
    }
    values, distance = np.array(list(errors.values())), mean_camera_distance(truth)
    position, rotation = np.median(values, axis=0).tolist()
    return {
        "errors": errors,
        "median_position_error": position,
        "median_rotation_error": rotation,
        "median_position_share": position / distance if distance else None,
        "largest_position_share": float(values[:, 0].max()) / distance if distance else None,
    }
