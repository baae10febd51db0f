"""The geometry of two cameras whose truth is known."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from hndesc.errors import HndescError
from hndesc.geometry.epipolar import estimate_essential, estimate_fundamental, sampson_distances
from hndesc.geometry.robust import ESTIMATORS
from hndesc.geometry.two_view import estimate_two_view

FIRST = np.array([[800.0, 0, 320], [0, 800, 240], [0, 0, 1]])
SECOND = np.array([[1000.0, 0, 400], [0, 1000, 300], [0, 0, 1]])
ROTATION = Rotation.from_euler("xyz", [3, 8, 2], degrees=True).as_matrix()
TRANSLATION = np.array([0.8, 0.1, 0.05])


def project(points: np.ndarray, camera: np.ndarray) -> np.ndarray:
    pixels = points @ camera.T
    return pixels[:, :2] / pixels[:, 2:]


def views(flat: bool = False, outliers: int = 100, noise: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Return 300 matches of two cameras, of which the first `outliers` are wrong."""
    rng = np.random.default_rng(0)
    points = rng.uniform([-2, -2, 4], [2, 2, 9], (300, 3))
    if flat:
        points[:, 2] = 6 + 0.3 * points[:, 0]
    first, second = project(points, FIRST), project(points @ ROTATION.T + TRANSLATION, SECOND)
    second += rng.normal(scale=noise, size=second.shape)
    second[:outliers] = rng.uniform(0, 600, (outliers, 2))
    return first, second


def true_essential() -> np.ndarray:
    x, y, z = TRANSLATION
    essential = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]]) @ ROTATION
    return essential / np.linalg.norm(essential)


def assert_equal_up_to_sign(matrix: np.ndarray, truth: np.ndarray, tolerance: float) -> None:
    assert min(np.abs(matrix - truth).max(), np.abs(matrix + truth).max()) < tolerance


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_the_true_matrices_are_found_among_outliers(estimator: str) -> None:
    first, second = views()
    fundamental, inliers = estimate_fundamental(first, second, estimator=estimator)
    assert inliers[100:].all() and inliers[:100].sum() < 10
    truth = np.linalg.inv(SECOND).T @ true_essential() @ np.linalg.inv(FIRST)
    assert_equal_up_to_sign(fundamental, truth / np.linalg.norm(truth), 1e-3)
    essential, inliers = estimate_essential(first, second, (FIRST, SECOND), estimator=estimator)
    assert inliers[100:].all() and inliers[:100].sum() < 10
    assert_equal_up_to_sign(essential, true_essential(), 2e-3)


def test_the_distance_is_that_of_a_point_moved_off_its_line() -> None:
    # Two cameras side by side: lines are rows, and the distance of one pixel is shared by both points.
    matrix = np.array([[0.0, 0, 0], [0, 0, -1], [0, 1, 0]])
    distances = sampson_distances(matrix, np.array([[3.0, 5.0], [3.0, 5.0]]), np.array([[9.0, 5.0], [1.0, 7.0]]))
    assert distances == pytest.approx([0, 2 / np.sqrt(2)])


def test_a_scene_with_depth_has_a_fundamental_matrix_and_a_flat_one_a_homography() -> None:
    deep, flat = estimate_two_view(*views(noise=0.3)), estimate_two_view(*views(flat=True, noise=0.3))
    assert deep.geometry == "fundamental" and deep.counts["homography"] < 0.5 * deep.counts["fundamental"]
    assert flat.geometry == "homography" and flat.inliers[100:].mean() > 0.98
    assert flat.inliers.sum() == flat.counts["homography"]
    forced = estimate_two_view(*views(flat=True, noise=0.3), "fundamental")
    assert forced.geometry == "fundamental" and list(forced.counts) == ["fundamental"]


def test_none_keeps_all_matches() -> None:
    found = estimate_two_view(*views(), "none")
    assert found.matrix is None and found.inliers.all() and not found.counts


@pytest.mark.parametrize("count", [0, 3, 7])
def test_too_few_matches_give_no_fundamental_matrix(count: int) -> None:
    found = estimate_two_view(*(points[:count] for points in views(outliers=0)), "fundamental")
    assert found.matrix is None and found.inliers.tolist() == [False] * count


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_equal_points_give_no_estimate(estimator: str) -> None:
    points = np.ones((20, 2))
    assert estimate_two_view(points, points, "homography", estimator=estimator).matrix is None
    found = estimate_two_view(points, points, "essential", estimator=estimator, intrinsics=(FIRST, FIRST))
    assert found.matrix is None or found.inliers.all()


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_same_input_same_estimate(estimator: str) -> None:
    one, other = (estimate_two_view(*views(noise=1.0), "fundamental", estimator=estimator) for _ in range(2))
    assert np.array_equal(one.matrix, other.matrix)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"geometry": "affine"}, "unknown geometry 'affine'; choose one of: homography"),
        ({"geometry": "essential"}, "needs the intrinsics of both images"),
        ({"geometry": "fundamental", "estimator": "lmeds"}, "unknown estimator 'lmeds'"),
        ({"geometry": "fundamental", "threshold": 0.0}, "'threshold'"),
    ],
)
def test_wrong_settings(settings: dict, message: str) -> None:
    with pytest.raises(HndescError, match=message):
        estimate_two_view(*views(), **settings)
