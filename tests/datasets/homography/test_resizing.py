"""Sequences at one size: pictures and homographies must still agree."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from hndesc.datasets.homography.resizing import resize_sequences, resizing
from hndesc.datasets.homography.sequences import read_sequences
from hndesc.errors import HndescError, ImageError
from hndesc.geometry.homography import warp_points
from hndesc.io.images import image_size, read_image, scale_points, write_image

SIZES = {1: (300, 200), 2: (160, 240), 3: (300, 200), 4: (300, 200), 5: (300, 200), 6: (1000, 700)}
TURN = np.array([[0.8, 0.3, -20], [-0.2, 0.9, 40], [1e-4, -2e-4, 1]])


def dots(homography: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Paint three blobs at places of the first image, seen through a homography."""
    x, y = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    image = np.zeros((size[1], size[0], 3), np.float64)
    for channel, point in enumerate(warp_points(homography, POINTS)):
        image[..., channel] = 255 * np.exp(-((x - point[0]) ** 2 + (y - point[1]) ** 2) / (2 * 6.0**2))
    return image.round().astype(np.uint8)


POINTS = np.array([[90.0, 60], [200, 80], [150, 140]])


def centers(image: np.ndarray) -> np.ndarray:
    """Centers of mass of the channels, pixels."""
    moments = [cv2.moments(image[..., channel].astype(np.float64)) for channel in range(3)]
    return np.array([[m["m10"] / m["m00"], m["m01"] / m["m00"]] for m in moments])


@pytest.fixture
def sequences(tmp_path: Path) -> Path:
    folder = tmp_path / "set" / "v_dots"
    for number, size in SIZES.items():
        homography = np.diag([size[0] / 300, size[1] / 200, 1]) @ (np.eye(3) if number == 1 else TURN)
        write_image(folder / f"{number}.ppm", dots(homography, size))
        if number > 1:
            np.savetxt(folder / f"H_1_{number}", homography)
    return tmp_path / "set"


def test_homographies_still_map_what_the_images_show(sequences: Path, tmp_path: Path) -> None:
    resize_sequences(sequences, tmp_path / "out")
    (sequence,) = read_sequences(tmp_path / "out")
    assert (sequence.name, sequence.kind) == ("v_dots", "v")
    assert sequence.images == tuple(f"v_dots/{number}.png" for number in range(1, 7))
    seen = {name: centers(read_image(tmp_path / "out" / name)) for name in sequence.images}
    for pair in sequence.pairs:
        assert image_size(tmp_path / "out" / pair.second) == (640, 480)
        expected = warp_points(pair.homography, seen[pair.first])
        # Centers of mass of blobs seen in perspective are a little off; half a pixel of the convention would show.
        assert np.abs(expected - seen[pair.second]).max() < 0.35, pair.second


def test_resizing_is_the_convention_of_the_package() -> None:
    factors = np.array([0.3, 2.5])
    assert warp_points(resizing(factors), POINTS) == pytest.approx(scale_points(POINTS, factors))


def test_homography_by_hand(sequences: Path, tmp_path: Path) -> None:
    resize_sequences(sequences, tmp_path / "out", size=(150, 50))
    pair = read_sequences(tmp_path / "out")[0].pairs[4]
    # From (299, 199) in the first image, (149.25, 49.375) in its copy.
    in_sixth = warp_points(np.loadtxt(sequences / "v_dots" / "H_1_6"), [[299, 199]])
    expected = (in_sixth + 0.5) * [150 / 1000, 50 / 700] - 0.5
    assert warp_points(pair.homography, [[149.25, 49.375]]) == pytest.approx(expected)


def test_made_again_in_place_but_nothing_else_is_overwritten(sequences: Path, tmp_path: Path) -> None:
    resize_sequences(sequences, tmp_path / "out", size=(64, 48))
    resize_sequences(sequences, tmp_path / "out", size=(32, 24), threads=2)
    assert image_size(tmp_path / "out" / "v_dots" / "3.png") == (32, 24)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "set"]
    with pytest.raises(HndescError, match="set: exists and was not made by resize_sequences"):
        resize_sequences(tmp_path / "out", sequences)
    assert (sequences / "v_dots" / "1.ppm").is_file()


def test_threads_do_not_change_the_images(sequences: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    resize_sequences(sequences, tmp_path / "one", size=(64, 48))
    request.getfixturevalue("helpers_only")
    resize_sequences(sequences, tmp_path / "two", size=(64, 48), threads=2)
    one, two = (
        {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}
        for root in (tmp_path / "one", tmp_path / "two")
    )
    assert one == two and len(one) > 6


def test_broken_image_is_named_and_nothing_is_left(sequences: Path, tmp_path: Path) -> None:
    (sequences / "v_dots" / "4.ppm").write_bytes(b"P6\n10 10\n255\n")
    with pytest.raises(ImageError, match=r"v_dots/4\.ppm"):
        resize_sequences(sequences, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_images_that_would_get_the_same_name_are_named(tmp_path: Path) -> None:
    for name in ("a.png", "a.jpg"):
        write_image(tmp_path / "set" / name, np.zeros((20, 30, 3), np.uint8))
    np.savetxt(tmp_path / "set" / "h.txt", np.eye(3))
    (tmp_path / "set" / "pairs.csv").write_text("image1,image2,homography\na.png,a.jpg,h.txt\n")
    with pytest.raises(HndescError, match=r"'a\.jpg' and 'a\.png' would both become a\.png"):
        resize_sequences(tmp_path / "set", tmp_path / "out")
