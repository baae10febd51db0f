"""Outcomes of localization: of one query, and the counts over all queries of a dataset."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from hndesc.datasets.localization.scene import Pose, Scene
from hndesc.io.features import FeatureReader

# The published settings of COLMAP's mapper take a pose of 4 inliers: it is submitted, but not counted as localized.
LEAST_INLIERS = 12


@dataclass(frozen=True)
class Estimate:
    """The outcome for one query: its pose and the 2D-3D inliers that support it, or the reason why it has none.

    Attributes:
        mask: which of the 2D-3D matches are inliers, where the route knows it.
    """

    pose: Pose | None = None
    inliers: int = 0
    reason: str | None = None
    mask: np.ndarray | None = field(default=None, compare=False, repr=False)


def find_obstacle(scene: Scene, features: FeatureReader, query: str, retrieved: list[str]) -> str | None:
    """Return why a query cannot be localized with any matches, or None."""
    if scene.queries[query] is None:
        return "unknown camera model"
    if not retrieved:
        return "no pair with a database image"
    if query not in features:
        return f"no features ({features.failed.get(query, 'not in the feature file')})"
    return None


def complete(scene: Scene, estimates: Mapping[str, Estimate]) -> tuple[dict[str, Pose], dict[str, dict]]:
    """Give the queries without a pose that of their best retrieved image: the first database image in their pairs.

    Returns:
        The poses of all queries, and for each its record: condition, inliers, reason of failure, whose pose it took.
    """
    retrieved = scene.retrieved()
    poses, records = {}, {}
    for name, estimate in estimates.items():
        pose, other = estimate.pose, None
        if pose is None:
            other = next(iter(retrieved[name]), next(iter(scene.poses)))
            pose = scene.poses[other]
        poses[name] = pose
        records[name] = {
            "condition": scene.conditions[name],
            "inliers": estimate.inliers,
            "reason": estimate.reason,
            "pose_of": other,
        }
    return poses, records


def is_localized(record: Mapping) -> bool:
    """Return whether enough matches support a query's own pose; a few always agree on some pose."""
    return record["pose_of"] is None and record["inliers"] >= LEAST_INLIERS


def count_localized(records: Mapping[str, dict]) -> dict[str, dict[str, int]]:
    """Return for each condition how many queries there are and how many are localized."""
    queries = Counter(record["condition"] for record in records.values())
    localized = Counter(record["condition"] for record in records.values() if is_localized(record))
    return {condition: {"queries": count, "localized": localized[condition]} for condition, count in queries.items()}
