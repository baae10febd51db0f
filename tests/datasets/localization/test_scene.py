import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from hndesc.datasets.localization.cameras import Intrinsics, UnknownModelError
from hndesc.datasets.localization.scene import Pose, Scene
from hndesc.errors import HndescError


@given(st.integers(0, 10_000))
def test_quaternion_of_a_pose_is_the_one_it_was_made_from(seed: int) -> None:
    rng = np.random.default_rng(seed)
    quaternion = rng.normal(size=4)
    quaternion *= np.sign(quaternion[0]) / np.linalg.norm(quaternion)
    pose = Pose.from_quaternion(3.0 * quaternion, rng.normal(size=3))
    assert np.allclose(pose.quaternion(), quaternion, atol=1e-12)
    assert np.allclose(pose.rotation @ pose.rotation.T, np.eye(3), atol=1e-12)


def test_quaternion_is_w_first_and_world_to_camera() -> None:
    half = np.sqrt(0.5)
    pose = Pose.from_quaternion([half, 0, 0, half], [1.0, 2.0, 3.0])
    # A quarter turn about z takes the world's x axis to the camera's y axis.
    assert np.allclose(pose.rotation @ [1, 0, 0] + pose.translation, [1, 3, 3])


def test_center_is_where_the_camera_stands() -> None:
    center = np.array([4.0, -5.0, 6.0])
    quaternion = Rotation.from_euler("xyz", [20, 30, 40], degrees=True).as_quat(scalar_first=True)
    pose = Pose.from_center(quaternion, center)
    assert np.allclose(pose.rotation @ center + pose.translation, 0, atol=1e-12)


def test_intrinsics_refuse_what_colmap_would() -> None:
    with pytest.raises(UnknownModelError, match="'PINHOLE2'; known ones: SIMPLE_PINHOLE"):
        Intrinsics("PINHOLE2", 640, 480, (1.0, 2.0, 3.0, 4.0))
    with pytest.raises(HndescError, match="SIMPLE_RADIAL has 4 parameters, not 3"):
        Intrinsics("SIMPLE_RADIAL", 640, 480, (500.0, 320.0, 240.0))
    with pytest.raises(HndescError, match="impossible camera: 0x480"):
        Intrinsics("PINHOLE", 0, 480, (500.0, 500.0, 320.0, 240.0))


def test_retrieved_keeps_the_order_of_the_list_and_takes_either_side() -> None:
    camera, pose = Intrinsics("SIMPLE_PINHOLE", 4, 4, (1.0, 2.0, 2.0)), Pose(np.eye(3), np.zeros(3))
    scene = Scene(
        root=None,
        database={"a": camera, "b": camera},
        poses={"a": pose, "b": pose},
        queries={"q": camera, "r": None, "s": camera},
        conditions={},
        pairs=[("q", "b"), ("a", "b"), ("a", "q"), ("q", "s"), ("r", "a")],
    )
    assert scene.retrieved() == {"q": ["b", "a"], "r": ["a"], "s": []}
    assert list(scene.cameras()) == ["a", "b", "q", "s"]
