import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hndesc.datasets.localization.aachen import read_aachen
from hndesc.datasets.localization.cameras import CAMERA_MODELS, Intrinsics
from hndesc.datasets.localization.pycolmap_border import (
    pinhole_matrix,
    pycolmap,
    silenced,
    to_camera,
    to_colmap,
    to_pose,
    to_rigid,
)
from hndesc.io.features import FeatureReader
from hndesc.io.images import upright_points
from tests.fixtures.synthetic import Synthetic


def test_first_pixel_has_its_center_at_one_half() -> None:
    assert (to_colmap(np.array([[0, 0], [639, 479]], np.float32)) == [[0.5, 0.5], [639.5, 479.5]]).all()


@pytest.mark.parametrize("model", CAMERA_MODELS)
def test_every_camera_model_is_colmaps(model: str) -> None:
    camera = to_camera(Intrinsics(model, 640, 480, tuple(np.arange(1.0, 1 + CAMERA_MODELS[model].count))), 7)
    assert camera.verify_params() and camera.model_name == model and camera.camera_id == 7
    assert camera.has_prior_focal_length


def test_pose_survives_the_border(exact: Synthetic) -> None:
    pose = exact.poses["db/0.jpg"]
    again = to_pose(to_rigid(pose))
    assert np.allclose(again.rotation, pose.rotation, atol=1e-15)
    assert (again.translation == pose.translation).all()
    point = np.array([1.0, 2.0, 3.0])
    assert np.allclose(to_rigid(pose) * point, pose.rotation @ point + pose.translation)


def test_colmap_cameras_project_to_the_keypoints(exact: Synthetic) -> None:
    scene = read_aachen(exact.root)
    camera = to_camera(scene.database["db/0.jpg"])
    with FeatureReader(exact.features) as reader:
        keypoints = to_colmap(reader.read("db/0.jpg").keypoints)
    seen = exact.points[exact.seen["db/0.jpg"]]
    pose = scene.poses["db/0.jpg"]
    projected = camera.img_from_cam(seen @ pose.rotation.T + pose.translation)
    assert np.abs(projected - keypoints).max() < 1e-4


def test_silence_ends_with_the_block() -> None:
    level = pycolmap.logging.minloglevel
    with silenced():
        assert pycolmap.logging.minloglevel > level
    assert pycolmap.logging.minloglevel == level == pycolmap.logging.Level.WARNING.value


def test_opencv_still_writes_png_after_the_import(tmp_path: Path) -> None:
    code = (
        "import hndesc.datasets.localization.pycolmap_border, cv2, numpy;"
        f"assert cv2.imwrite({str(tmp_path / 'a.png')!r}, numpy.zeros((64, 64, 3), numpy.uint8))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0
    assert (tmp_path / "a.png").stat().st_size > 0


def test_termination_prints_no_stack_trace() -> None:
    code = "import hndesc.datasets.localization.cameras, os, signal; os.kill(os.getpid(), signal.SIGTERM)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True)
    assert done.returncode == -signal.SIGTERM and not done.stderr


def test_nothing_else_imports_pycolmap() -> None:
    package = Path(sys.modules["hndesc"].__file__).parent
    importers = [path.name for path in package.rglob("*.py") if "\nimport pycolmap" in path.read_text()]
    assert importers == ["cameras.py"]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_matrix_of_a_rotated_image_keeps_the_angles_between_rays(orientation: int) -> None:
    camera = Intrinsics("PINHOLE", 640, 480, (500.0, 450.0, 300.0, 250.0))
    stored = (320, 240)  # half its size
    points = np.random.default_rng(0).uniform(0, 240, (20, 2))
    upright, size = upright_points(points, stored, orientation)
    in_camera = to_camera(camera).cam_from_img(2 * to_colmap(points))
    rays = [np.column_stack([in_camera, np.ones(20)])]
    matrix = pinhole_matrix(camera, size, orientation, "a.jpg")
    rays.append(np.column_stack([upright, np.ones(20)]) @ np.linalg.inv(matrix).T)
    first, second = (ray @ ray.T for ray in rays)
    np.testing.assert_allclose(second, first, rtol=1e-9)
