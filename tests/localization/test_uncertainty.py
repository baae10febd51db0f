"""Deviations of a pose against repeated estimates."""

import numpy as np
import pytest

from hndesc.datasets.localization.cameras import Intrinsics
from hndesc.datasets.localization.pycolmap_border import to_camera
from hndesc.datasets.localization.scene import Pose
from hndesc.geometry.pose import pose_error
from hndesc.localization.pnp import PnpSettings, solve
from hndesc.localization.uncertainty import pose_uncertainty

CAMERA = to_camera(Intrinsics("SIMPLE_RADIAL", 640, 480, (600.0, 320.0, 240.0, 0.02)))
POSE = Pose.from_quaternion([0.97, 0.1, -0.15, 0.12], [0.2, -0.1, 0.3])


def observe(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return points in front of the camera and their exact pixels."""
    rng = np.random.default_rng(seed)
    local = rng.uniform([-2, -1.5, 4], [2, 1.5, 8], (count, 3))
    return (local - POSE.translation) @ POSE.rotation, CAMERA.img_from_cam(local)


@pytest.mark.parametrize("count", [25, 200])
def test_deviations_are_those_of_repeated_estimates(count: int) -> None:
    points, pixels = observe(count, seed=0)
    rng = np.random.default_rng(1)
    errors, claimed = [], []
    for _ in range(80):
        noisy = pixels + rng.normal(scale=0.5, size=pixels.shape)
        found = solve(noisy, points, CAMERA, PnpSettings())
        assert found.mask.all()
        errors.append(pose_error((found.pose.rotation, found.pose.translation), (POSE.rotation, POSE.translation)))
        claimed.append(pose_uncertainty(found.pose, CAMERA, noisy, points))
    actual = np.sqrt(np.mean(np.square(errors), axis=0))
    assert np.median([one.position for one in claimed]) == pytest.approx(actual[0], rel=0.3)
    assert np.median([one.rotation for one in claimed]) == pytest.approx(actual[1], rel=0.3)
    assert np.median([one.error for one in claimed]) == pytest.approx(0.5 * np.sqrt(2), rel=0.2)


def test_points_that_determine_no_pose_have_no_deviation() -> None:
    points, pixels = observe(10, seed=0)
    assert pose_uncertainty(POSE, CAMERA, pixels[:3], points[:3]) is None
    assert pose_uncertainty(POSE, CAMERA, np.repeat(pixels[:1], 8, axis=0), np.repeat(points[:1], 8, axis=0)) is None
