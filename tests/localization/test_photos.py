"""Photos localized in a model that was reconstructed from other photos of a rendered corner with known cameras."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hndesc.cli.main import main
from hndesc.datasets.localization.posed import read_cameras
from hndesc.datasets.localization.pycolmap_border import pycolmap, to_pose
from hndesc.datasets.localization.scene import Pose
from hndesc.errors import HndescError
from hndesc.evaluation.reconstruction.metrics import position_figures
from hndesc.io.image_reading import _turn
from hndesc.io.images import stored_points, upright_points
from hndesc.localization.photos import find_images_folder, read_reconstruction
from hndesc.reconstruction.photos import reconstruct_photos
from tests.fixtures.corner import FOCAL, photograph_corner
from tests.fixtures.sharing import make_once

QUERIES = ("3.jpg", "5.jpg")
OPTIONS = ["--model", "sift", "--max-keypoints", "800", "--min-inliers", "20"]


def reconstruct_without_queries(folder: Path) -> None:
    photograph_corner(folder / "scene")
    (folder / "queries").mkdir()
    for name in QUERIES:
        (folder / "scene" / "images" / name).rename(folder / "queries" / name)
    settings = {"extraction": {"descriptor": "sift", "max_keypoints": 800}}
    reconstruct_photos(folder / "scene" / "images", folder / "model", **settings)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of six photos, and two other photos."""
    return make_once(tmp_path_factory, "corner_model", reconstruct_without_queries)


def errors_of(scene: Path, found: dict[str, Pose]) -> dict:
    """Return the errors of poses in the model against the truth."""
    model = pycolmap.Reconstruction(scene / "model" / "sparse" / "0")
    poses = {image.name: to_pose(image.cam_from_world()) for image in model.images.values()}
    return position_figures(poses | found, read_cameras(scene / "scene" / "cameras.tsv")[1])


def run(scene: Path, output: Path, *arguments: str, photos: Path | None = None) -> list[dict]:
    given = [str(scene / "model"), str(photos or scene / "queries"), "--json", str(output), *OPTIONS, *arguments]
    main(["localize", *given])
    return json.loads(output.read_text())["photos"]


def pose(record: dict) -> Pose:
    return Pose.from_quaternion(record["pose"]["qvec"], record["pose"]["tvec"])


def test_poses_are_right_and_their_deviations_say_how_exact(
    scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    records = run(scene, tmp_path / "poses.json", "--colmap", str(tmp_path / "poses"))
    assert [record["name"] for record in records] == list(QUERIES)
    errors = errors_of(scene, {record["name"]: pose(record) for record in records})
    for record in records:
        position, rotation = errors["errors"][record["name"]]
        assert position < 0.03 and rotation < 0.5
        assert 20 <= record["inliers"] <= record["matches"]
        assert 0 < record["position_deviation"] < 0.1 and 0 < record["rotation_deviation"] < 0.5
        assert record["camera"]["focal_length_from"] == "EXIF"
        assert record["camera"]["params"][0] == pytest.approx(FOCAL)
        assert np.allclose(record["pose"]["center"], pose(record).center())
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("3.jpg: position (") and "matches agree; focal length 416 px (EXIF)" in lines[0]
    assert lines[2:] == [str(tmp_path / "poses.json"), str(tmp_path / "poses")]
    written = pycolmap.Reconstruction(tmp_path / "poses")
    assert sorted(image.name for image in written.images.values()) == list(QUERIES)
    text = (tmp_path / "poses" / "images.txt").read_text()
    assert "3.jpg" in text and "SIMPLE_PINHOLE 480 360" in (tmp_path / "poses" / "cameras.txt").read_text()


def test_a_given_camera_and_an_unknown_one(scene: Path, tmp_path: Path) -> None:
    Image.open(scene / "queries" / "3.jpg").save(tmp_path / "3.jpg", quality=95)  # without EXIF data
    given = f"PINHOLE 480 360 {FOCAL} {FOCAL} 240 180"
    (known,) = run(scene, tmp_path / "known.json", "--camera", given, photos=tmp_path / "3.jpg")
    (unknown,) = run(scene, tmp_path / "unknown.json", photos=tmp_path / "3.jpg")
    assert known["camera"]["focal_length_from"] == "given" and known["camera"]["model"] == "PINHOLE"
    assert unknown["camera"]["focal_length_from"] == "estimated"
    assert unknown["camera"]["params"][0] == pytest.approx(FOCAL, rel=0.03)
    for record, largest in ((known, 0.03), (unknown, 0.15)):
        assert errors_of(scene, {"3.jpg": pose(record)})["errors"]["3.jpg"][0] < largest


def test_a_photo_that_lies_on_its_side_is_localized_as_it_is_stored(scene: Path, tmp_path: Path) -> None:
    photograph_corner(tmp_path / "turned", orientation=6)
    shutil.copy(tmp_path / "turned" / "images" / "3.jpg", tmp_path / "3.jpg")
    (record,) = run(scene, tmp_path / "poses.json", photos=tmp_path / "3.jpg")
    assert errors_of(scene, {"3.jpg": pose(record)})["errors"]["3.jpg"][0] < 0.03


def test_a_photo_of_another_place_is_not_localized(scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    photograph_corner(tmp_path / "other", seed=9, count=1)
    (record,) = run(scene, tmp_path / "poses.json", photos=tmp_path / "other" / "images")
    assert record["pose"] is None and "fewer than 20" in record["reason"]
    assert "0.jpg: not localized: " in capsys.readouterr().out


def test_only_similar_images_are_matched(scene: Path, tmp_path: Path) -> None:
    records = run(scene, tmp_path / "poses.json", "--retrieved", "3", "--global-descriptor", "color_gradient")
    everything = run(scene, tmp_path / "all.json")
    for few, many in zip(records, everything, strict=True):
        assert few["pose"] is not None and few["matches"] < many["matches"]


def test_mistakes_name_the_cure(scene: Path, tmp_path: Path) -> None:
    with pytest.raises(HndescError, match="no such folder of a model"):
        find_images_folder("nowhere")
    with pytest.raises(HndescError, match="no COLMAP model"):
        read_reconstruction(tmp_path)
    broken = tmp_path / "broken"
    shutil.copytree(scene / "model" / "sparse" / "0", broken)
    points = broken / "points3D.bin"
    points.write_bytes(points.read_bytes()[:-20])
    with pytest.raises(HndescError, match=r"points3D\.bin.*truncated"):
        read_reconstruction(broken)
    with pytest.raises(SystemExit):
        main(["localize", str(broken), str(scene / "queries"), "--model", "sift"])  # the images are missing
    with pytest.raises(SystemExit):
        main(["localize", str(scene / "model"), "a.jpg", "--camera", "PINHOLE 480 360"])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_points_turn_as_photos_do(orientation: int) -> None:
    size = (7, 5)
    points = np.array([[0.0, 0.0], [6, 4], [2.5, 1.25]])
    upright, turned = upright_points(points, size, orientation)
    assert turned == (size if orientation < 5 else size[::-1])
    back, stored = stored_points(upright, turned, orientation)
    assert np.array_equal(back, points) and stored == size
    marked = np.zeros((5, 7, 3), np.uint8)
    marked[4, 1] = 255
    (x, y), *_ = upright_points(np.array([[1.0, 4.0]]), size, orientation)[0]
    assert _turn(marked, orientation)[int(y), int(x)].tolist() == [255] * 3
