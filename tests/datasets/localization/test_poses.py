from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from hndesc.datasets.localization.poses import format_poses, read_poses
from hndesc.datasets.localization.scene import Pose
from hndesc.errors import HndescError


def test_poses_come_back_with_all_digits_under_their_file_names(tmp_path: Path) -> None:
    rotations = Rotation.random(20, rng=0).as_matrix()
    poses = {f"query/day/{i}.jpg": Pose(rotation, rotation @ [1e-9, i, 1e5]) for i, rotation in enumerate(rotations)}
    (tmp_path / "poses.txt").write_text(format_poses(poses))
    read = read_poses(tmp_path / "poses.txt")
    assert list(read) == [f"{i}.jpg" for i in range(20)]
    for name, pose in poses.items():
        again = read[name.rpartition("/")[2]]
        assert np.allclose(again.rotation, pose.rotation, atol=1e-15)
        assert (again.translation == pose.translation).all()


def test_form_of_a_line() -> None:
    assert format_poses({"query/a.jpg": Pose(np.eye(3), np.array([0.0, -1.5, 2.0]))}) == (
        "a.jpg 1.0 0.0 0.0 0.0 0.0 -1.5 2.0\n"
    )


@pytest.mark.parametrize(
    "line", ["a.jpg 1 0 0 0 1 2", "a.jpg 1 0 0 0 1 2 z", "a.jpg 0 0 0 0 1 2 3", "a.jpg 1 0 0 0 1 2 inf"]
)
def test_a_malformed_line_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "poses.txt").write_text(f"# poses\nb.jpg 1 0 0 0 1 2 3\n{line}\n")
    with pytest.raises(HndescError, match=r"poses.txt:3: "):
        read_poses(tmp_path / "poses.txt")


def test_file_names_that_fall_together_are_reported(caplog: pytest.LogCaptureFixture) -> None:
    pose = Pose(np.eye(3), np.zeros(3))
    assert format_poses({"day/a.jpg": pose, "night/a.jpg": pose, "b.jpg": pose}).count("a.jpg") == 2
    assert "2 queries have the file name 'a.jpg'" in caplog.text and "b.jpg" not in caplog.text
