"""Sequences of any photos: the layout of HPatches, homographies that are right, the same bytes each time."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage import data

from hndesc.datasets import synthetic_sequences
from hndesc.datasets.homography.sequences import read_sequences
from hndesc.datasets.synthetic_sequences import CONDITIONS, VIEWS, make_sequences
from hndesc.errors import HndescError
from hndesc.io.images import read_image, to_gray, write_image


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for name in ("coffee", "astronaut"):
        image = getattr(data, name)()
        write_image(folder / "set" / f"{name}.png", cv2.resize(image, None, fx=1.4, fy=1.4))
    write_image(folder / "small.png", data.coffee()[:100, :100])
    return folder


@pytest.fixture(scope="module")
def root(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("sequences") / "test"
    make_sequences(photos, output, viewpoint=len(VIEWS), illumination=2)
    return output


def test_layout_and_names(root: Path) -> None:
    sequences = read_sequences(root)
    assert [s.kind for s in sequences] == ["i"] * 2 + ["v"] * len(VIEWS)
    assert {s.name.split("_")[1] for s in sequences if s.kind == "v"} == set(VIEWS)
    assert [s.name.split("_")[1] for s in sequences if s.kind == "i"] == sorted(list(CONDITIONS)[:2])
    assert all("small" not in s.name for s in sequences)
    for sequence in sequences:
        sizes = [read_image(root / image).shape for image in sequence.images]
        assert all(synthetic_sequences.MIN_REFERENCE - 1 <= max(size) <= synthetic_sequences.IMAGE for size in sizes)


def test_homographies_are_right_to_a_fraction_of_a_pixel(root: Path) -> None:
    for sequence in read_sequences(root):
        first, other = (
            cv2.GaussianBlur(to_gray(read_image(root / sequence.images[index])).astype(np.float32), (0, 0), 2)
            for index in (0, 2)
        )
        H = sequence.homographies[1]
        assert agreement(first, other, H) > 0.85
        for axis in (0, 1):
            values = [agreement(first, other, moved(axis, step) @ H) for step in (-1, 0, 1)]
            peak = (values[0] - values[2]) / (2 * (values[0] - 2 * values[1] + values[2]))
            assert abs(peak) < 0.25, (sequence.name, axis)


def agreement(first: np.ndarray, other: np.ndarray, H: np.ndarray) -> float:
    """Return the correlation of the edges of two images, one warped onto the other, in small windows."""
    warped = cv2.warpPerspective(first, H, other.shape[::-1])
    seen = cv2.warpPerspective(np.ones_like(first), H, other.shape[::-1])
    mask = cv2.erode(seen, np.ones((25, 25)), borderValue=0) > 0.999
    flat = [(image - cv2.blur(image, (25, 25)))[mask] for image in (warped, other)]
    return float(np.corrcoef(*flat)[0, 1])


def moved(axis: int, step: float) -> np.ndarray:
    matrix = np.eye(3)
    matrix[axis, 2] = step
    return matrix


def test_no_image_is_on_the_grid_of_another(root: Path) -> None:
    for sequence in read_sequences(root):
        for H in sequence.homographies:
            assert np.abs(H / H[2, 2] - np.eye(3)).max() > 1e-3


def test_views_keep_to_their_bounds_and_grow(root: Path) -> None:
    for sequence in read_sequences(root):
        if sequence.kind != "v":
            continue
        change = sequence.name.split("_")[1]
        height, width = read_image(root / sequence.images[0]).shape[:2]
        scales, rolls = zip(*(scale_and_roll(H, width, height) for H in sequence.homographies), strict=True)
        if change == "turn":
            assert rolls == tuple(sorted(rolls)) and rolls[-1] > 30
        elif change in ("near", "far"):
            assert sorted(scales, reverse=change == "far") == list(scales)
            assert 0.38 < scales[-1] < 0.75 or 1.4 < scales[-1] < 2.6


def scale_and_roll(H: np.ndarray, width: int, height: int) -> tuple[float, float]:
    x, y, w = H @ [width / 2, height / 2, 1]
    jacobian = (H[:2, :2] - np.outer([x / w, y / w], H[2, :2])) / w
    roll = np.degrees(np.arctan2(jacobian[1, 0] - jacobian[0, 1], np.trace(jacobian)))
    return float(np.sqrt(abs(np.linalg.det(jacobian)))), float(abs(roll))


def test_the_same_bytes_again_however_many_there_are(photos: Path, root: Path, tmp_path: Path) -> None:
    make_sequences(photos, tmp_path / "again", viewpoint=1, illumination=1)
    names = sorted(path.name for path in (tmp_path / "again").iterdir() if path.is_dir())
    assert len(names) == 2
    for name in names:
        for path in (tmp_path / "again" / name).iterdir():
            assert path.read_bytes() == (root / name / path.name).read_bytes()


def test_another_seed_gives_other_images(photos: Path, root: Path, tmp_path: Path) -> None:
    make_sequences(photos, tmp_path / "other", viewpoint=1, illumination=0, seed=1)
    for folder in filter(Path.is_dir, (tmp_path / "other").iterdir()):
        same = root / folder.name / "2.ppm"
        assert not same.exists() or same.read_bytes() != (folder / "2.ppm").read_bytes()


def test_too_few_photos(tmp_path: Path) -> None:
    write_image(tmp_path / "in" / "photo.png", np.zeros((600, 700, 3), np.uint8))
    write_image(tmp_path / "in" / "small.png", np.zeros((60, 70, 3), np.uint8))
    with pytest.raises(HndescError, match="1 of 2 photos are 600 pixels long"):
        make_sequences(tmp_path / "in", tmp_path / "out")


def test_no_two_sequences_share_a_folder_and_none_is_too_long() -> None:
    names = ["a b.jpg", "a-b.jpg", "a_b.png", f"{'ä' * 100}.jpg"]
    folders = [task[0] for task in synthetic_sequences._plan("v", ["turn"], names, 9)]
    assert len(set(folders)) == 9 and folders[:3] == ["v_turn_a_b", "v_turn_a_b_no2", "v_turn_a_b_no3"]
    assert max(len(folder.encode()) for folder in folders) < 255


@pytest.mark.parametrize(("viewpoint", "illumination"), [(0, 0), (-1, 3), (3, -1)])
def test_no_sequence_at_all_is_refused(photos: Path, tmp_path: Path, viewpoint: int, illumination: int) -> None:
    with pytest.raises(HndescError, match="set at least one"):
        make_sequences(photos, tmp_path / "out", viewpoint=viewpoint, illumination=illumination)
