import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from hndesc.datasets.localization.scene import Pose
from hndesc.evaluation.localization.metrics import THRESHOLDS, mean_camera_distance, pose_errors, recall, score


def test_both_errors_must_be_within_and_limits_count() -> None:
    errors = [(0.25, 2.0), (0.2, 2.1), (0.6, 1.0), (5.0, 10.0), (0.0, 10.5), (5.1, 0.0)]
    assert THRESHOLDS == ((0.25, 2.0), (0.5, 5.0), (5.0, 10.0))
    assert recall(errors) == pytest.approx([1 / 6, 2 / 6, 4 / 6])


def test_errors_are_those_of_the_centers_and_rotations() -> None:
    turn = Rotation.from_euler("y", 90, degrees=True).as_matrix()
    truth = Pose(np.eye(3), -np.array([10.0, 0.0, 0.0]))
    # Turned by a quarter about its own center, which moves by (0, 3, 4).
    estimate = Pose(turn, -turn @ [10.0, 3.0, 4.0])
    errors = pose_errors({"a": estimate, "b": estimate}, {"a": truth, "c": truth})
    assert errors.keys() == {"a"}
    assert errors["a"] == pytest.approx((5.0, 90.0))


def test_conditions_apart_and_together() -> None:
    errors = {"a": (0.1, 1.0), "b": (0.3, 1.0), "c": (9.0, 90.0)}
    figures = score(errors, {"a": "day", "b": "day", "c": "night", "d": "night"}, camera_distance=4.0)
    assert list(figures) == ["day", "night", "all"]
    assert figures["day"] == {
        "queries": 2,
        "recall": {"0.25/2": 0.5, "0.5/5": 1.0, "5/10": 1.0},
        "median_position_error": pytest.approx(0.2),
        "median_position_share": pytest.approx(0.05),
        "median_rotation_error": 1.0,
    }
    assert figures["night"]["recall"] == {"0.25/2": 0.0, "0.5/5": 0.0, "5/10": 0.0}
    assert figures["all"]["queries"] == 3 and figures["all"]["median_position_error"] == pytest.approx(0.3)


def test_without_truth_there_are_no_figures() -> None:
    assert score({}, {"a": "day"}, 1.0) == {}


def test_mean_distance_is_over_all_pairs_of_cameras() -> None:
    turns = Rotation.random(3, rng=0).as_matrix()
    centers = ([0.0, 0.0, 0.0], [3.0, 4.0, 0.0], [0.0, 0.0, 12.0])
    poses = {str(i): Pose(turn, -turn @ center) for i, (turn, center) in enumerate(zip(turns, centers, strict=True))}
    assert mean_camera_distance(poses) == pytest.approx((5 + 12 + 13) / 3)
