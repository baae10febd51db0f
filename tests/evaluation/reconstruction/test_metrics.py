"""Errors of reconstructed cameras after alignment: a moved, turned and scaled copy has none."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from hndesc.datasets.localization.scene import Pose
from hndesc.evaluation.reconstruction.metrics import align, position_figures


def cameras(count: int = 8) -> dict[str, Pose]:
    rng = np.random.default_rng(0)
    poses = {}
    for number in range(count):
        rotation = Rotation.random(random_state=number).as_matrix()
        poses[f"{number}.jpg"] = Pose(rotation, -rotation @ rng.uniform(-5, 5, 3))
    return poses


def moved(poses: dict[str, Pose], scale: float = 0.3) -> dict[str, Pose]:
    """Return poses in a world that is turned, scaled and moved."""
    turn, shift = Rotation.from_euler("xyz", [20, 100, -50], degrees=True).as_matrix(), np.array([3.0, -1, 7])
    found = {}
    for name, pose in poses.items():
        rotation = pose.rotation @ turn.T
        found[name] = Pose(rotation, -rotation @ (scale * turn @ pose.center() + shift))
    return found


def test_a_similar_copy_has_no_errors() -> None:
    truth = cameras()
    figures = position_figures(moved(truth), truth)
    assert figures["largest_position_share"] < 1e-9 and figures["median_rotation_error"] < 1e-4


def test_an_error_is_a_share_of_the_camera_distance() -> None:
    truth = cameras(40)
    wrong = moved(truth)
    # One camera is moved by 0.3 units of the model, one of the truth, and turned by ten degrees about its center.
    rotation = Rotation.from_euler("y", 10, degrees=True).as_matrix() @ wrong["0.jpg"].rotation
    wrong["0.jpg"] = Pose(rotation, -rotation @ (wrong["0.jpg"].center() + np.array([0.3, 0, 0])))
    errors = position_figures(wrong, truth)["errors"]
    assert errors["0.jpg"][0] == pytest.approx(1.0, rel=0.1) and errors["0.jpg"][1] == pytest.approx(10, abs=1)
    assert max(error for name, (error, _) in errors.items() if name != "0.jpg") < 0.15


def test_what_cannot_be_aligned_has_no_figures() -> None:
    truth = cameras()
    two = {name: truth[name] for name in ("0.jpg", "1.jpg")}
    assert align(two, truth) is None and position_figures(two, truth) == {}
    line = {f"{i}.jpg": Pose(np.eye(3), np.array([float(i), 0, 0])) for i in range(5)}
    assert align(line, line) is None
    assert position_figures({"other.jpg": truth["0.jpg"]}, truth) == {}
