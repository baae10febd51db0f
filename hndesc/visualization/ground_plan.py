"""Cameras and points from above: the parts that figures of models have in common."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from hndesc.datasets.localization.scene import Pose


def level_axes(poses: Sequence[Pose]) -> np.ndarray:
    """Return the axes right, forward and up in world coordinates, 3 x 3, rows of length 1.

    Up is the mean of the up directions of the cameras, forward the level part of the mean of their viewing directions.
    """
    up = -np.mean([pose.rotation[1] for pose in poses], axis=0)
    forward = np.mean([pose.rotation[2] for pose in poses], axis=0)
    up = up / np.linalg.norm(up) if np.linalg.norm(up) > 1e-6 else np.array([0.0, 0.0, 1.0])
    forward = forward - up * (up @ forward)
    if np.linalg.norm(forward) < 1e-6:  # viewing directions cancel out: choose any direction
        forward = np.cross(up, np.eye(3)[np.abs(up).argmin()])
    forward /= np.linalg.norm(forward)
    return np.stack([np.cross(forward, up), forward, up])


def draw_cameras(axes: Axes, poses: Sequence[Pose], ground: np.ndarray, length: float, color: str, label: str) -> None:
    """Draw cameras as wedges of 60 degrees in the viewing direction; `ground` is the first two of the level axes."""
    if not poses:
        return
    centers = np.array([pose.center() for pose in poses]) @ ground.T
    sides = [[pose.rotation.T @ [x, 0.0, 1.0] for x in (-0.58, 0.58)] for pose in poses]
    tips = centers[:, None] + length * (np.array(sides) @ ground.T)
    outline = np.stack([centers, tips[:, 0], tips[:, 1], centers], axis=1)
    axes.add_collection(LineCollection(outline, colors=color, linewidths=1.0, zorder=3))
    axes.plot(*centers.T, "o", color=color, markersize=3, label=label, zorder=3)


def limit_axes(axes: Axes, points: np.ndarray, centers: np.ndarray) -> None:
    """Set the limits to show all cameras and most points, N x 2 each."""
    low, high = inner_box(points, centers)
    margin = 0.08 * max(float((high - low).max()), 1e-9)
    axes.set_xlim(low[0] - margin, high[0] + margin)
    axes.set_ylim(low[1] - margin, high[1] + margin)


def inner_box(points: np.ndarray, centers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the corners of the box of all cameras and most points, without 5 % of them at both ends of each axis."""
    low, high = np.percentile(points, [5, 95], axis=0)
    return np.minimum(low, centers.min(axis=0)), np.maximum(high, centers.max(axis=0))
