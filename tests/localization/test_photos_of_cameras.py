"""Photos with EXIF tags, resized, cropped or turned after their cameras were calibrated, with known poses."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from hndesc.cli.main import main
from hndesc.datasets.listing import list_images
from hndesc.datasets.localization.posed import CAMERAS, COLUMNS
from hndesc.datasets.localization.pycolmap_border import camera_keypoints
from hndesc.datasets.localization.scene import Intrinsics
from hndesc.errors import HndescError
from hndesc.extraction.description import describe_keypoints, extract
from hndesc.extraction.detection import detect_keypoints
from hndesc.io.features import FeatureReader, Features
from hndesc.localization.mapping import build_map
from hndesc.localization.matches import match_pairs
from tests.fixtures.synthetic import Mapped, Synthetic, look_at

WIDTH, HEIGHT, FOCAL = 400, 300, 350.0
TEXELS, SIDE = 900, 6.0  # of the square wall z = 0, whose center is the origin
ORIENTATION = 0x0112


def photograph_wall(root: Path) -> None:
    """Write photos of a wall from 9 places, and `cameras.tsv`."""
    rng = np.random.default_rng(0)
    noise = sum(
        cv2.resize(rng.standard_normal((n, n)), (TEXELS, TEXELS), interpolation=cv2.INTER_CUBIC) for n in (30, 90, 300)
    )
    wall = np.clip(127 + 45 * noise, 0, 255).astype(np.uint8)
    (root / "images").mkdir(parents=True)
    lines = ["\t".join(COLUMNS)]
    for number in range(9):
        center = np.array([-2 + 0.5 * number, rng.uniform(-0.8, 0.8), -5 + rng.uniform(-0.5, 0.5)])
        pose = look_at(center, np.array([*rng.uniform(-0.3, 0.3, 2), 0.0]), rng.uniform(-10, 10))
        # Texels to the wall to the camera; both have the center of their first pixel at (0, 0).
        scale = SIDE / TEXELS
        on_wall = np.array([[scale, 0, -SIDE / 2], [0, scale, -SIDE / 2], [0, 0, 1]])
        camera = np.array([[FOCAL, 0, WIDTH / 2], [0, FOCAL, HEIGHT / 2], [0, 0, 1]])
        view = camera @ np.column_stack([pose.rotation[:, :2], pose.translation]) @ on_wall
        photo = cv2.warpPerspective(wall, view, (WIDTH, HEIGHT), flags=cv2.INTER_AREA, borderValue=127)
        Image.fromarray(photo).save(root / "images" / f"{number}.jpg", quality=95)
        values = [FOCAL, FOCAL, WIDTH / 2, HEIGHT / 2, *pose.rotation.ravel(), *pose.translation]
        lines.append("\t".join([f"{number}.jpg", str(WIDTH), str(HEIGHT), *(repr(float(v)) for v in values)]))
    (root / CAMERAS).write_text("\n".join(lines) + "\n")
    names = [f"{number}.jpg" for number in range(9)]
    pairs = [f"{one} {other}\n" for i, one in enumerate(names) for other in names[i + 1 :]]
    (root / "pairs.txt").write_text("".join(pairs))


def change_photos(root: Path, change: Callable[[Image.Image], Image.Image], orientation: int | None = None) -> None:
    """Write every photo again, changed and with an EXIF tag."""
    exif = Image.Exif()
    if orientation is not None:
        exif[ORIENTATION] = orientation
    for path in sorted((root / "images").iterdir()):
        with Image.open(path) as photo:
            changed = change(photo)
        changed.save(path, quality=95, exif=exif)


def localize(root: Path, folder: Path, features: Path) -> dict:
    match_pairs(root, features, folder / "matches.h5")
    build_map(root, features, folder / "matches.h5", folder / "map")
    return Mapped(Synthetic(root, features, {}, np.empty(0), {}), folder / "matches.h5", folder / "map").localize(
        folder
    )


@pytest.mark.parametrize(
    ("orientation", "size"),
    [(None, None), (6, None), (3, None), (None, (200, 150)), (6, (281, 211))],
)
def test_poses_are_right_whatever_the_tag_and_the_size(
    tmp_path: Path, orientation: int | None, size: tuple[int, int] | None
) -> None:
    root = tmp_path / "scene"
    photograph_wall(root)
    change_photos(root, lambda photo: photo.copy() if size is None else photo.resize(size), orientation)
    extract(list_images(root, "localization"), tmp_path / "features.h5", "sift", max_keypoints=500)
    record = localize(root, tmp_path, tmp_path / "features.h5")
    assert record["figures"]["localized"] == {"held-out": {"queries": 3, "localized": 3}}
    assert record["counts"]["images_of_other_size"] == (0 if size is None else 9)
    for query in record["per_query"].values():
        assert query["position_error"] < 0.02 and query["rotation_error"] < 0.2


@pytest.mark.parametrize(
    "change",
    [lambda photo: photo.rotate(90, expand=True), lambda photo: photo.crop((0, 0, 300, 300))],
    ids=["turned", "cropped"],
)
def test_photos_of_another_shape_are_refused_by_name(tmp_path: Path, change: Callable) -> None:
    root = tmp_path / "scene"
    photograph_wall(root)
    change_photos(root, change)
    extract(list_images(root, "localization"), tmp_path / "features.h5", "sift", max_keypoints=200)
    with pytest.raises(HndescError, match=r"'\d.jpg' has 300x\d+ pixels, but its camera 400x300.*neither rotated"):
        localize(root, tmp_path, tmp_path / "features.h5")


def test_photos_of_other_kinds_are_still_turned_upright(tmp_path: Path) -> None:
    photograph_wall(tmp_path)
    change_photos(tmp_path, lambda photo: photo.copy(), 6)
    for kind, size in (("folder", (HEIGHT, WIDTH)), ("localization", (WIDTH, HEIGHT))):
        detect_keypoints(list_images(tmp_path, kind), tmp_path / f"{kind}.h5", "sift", max_keypoints=10)
        with FeatureReader(tmp_path / f"{kind}.h5") as reader:
            assert {reader.read(name).image_size for name in reader.names()} == {size}


@pytest.mark.parametrize("orientation", [3, 6])
def test_features_of_turned_photos_are_turned_back(tmp_path: Path, orientation: int) -> None:
    root = tmp_path / "scene"
    photograph_wall(root)
    change_photos(root, lambda photo: photo.crop((0, 0, 300, 300)), orientation)
    (root / CAMERAS).write_text((root / CAMERAS).read_text().replace("\t400\t300\t", "\t300\t300\t"))
    main(["extract", str(root / "images"), str(tmp_path / "turned.h5"), "--model", "sift", "--max-keypoints", "400"])
    record = localize(root, tmp_path, tmp_path / "turned.h5")
    for query in record["per_query"].values():
        assert query["position_error"] < 0.03 and query["rotation_error"] < 0.3
    options = ["--model", "sift", "--max-keypoints", "50", "--as-stored"]
    main(["extract", str(root / "images"), str(tmp_path / "stored.h5"), *options])
    photos = list_images(root, "localization")
    extract(photos, tmp_path / "posed.h5", "sift", max_keypoints=50)
    with FeatureReader(tmp_path / "stored.h5") as stored, FeatureReader(tmp_path / "posed.h5") as posed:
        for name in posed.names():
            assert np.array_equal(stored.read(name).keypoints, posed.read(name).keypoints)
    with pytest.raises(HndescError, match=f"rotated by EXIF orientation {orientation}, but it is read with 1"):
        describe_keypoints(photos, tmp_path / "turned.h5", tmp_path / "mixed.h5", "sift")


@pytest.mark.parametrize("size", [(4000, 3000), (2000, 1500), (1333, 1000), (1024, 768), (401, 300), (399, 300)])
def test_keypoints_of_a_resized_photo_are_scaled(size: tuple[int, int]) -> None:
    camera = Intrinsics("SIMPLE_PINHOLE", 4000, 3000, (3000.0, 2000.0, 1500.0))
    corners = np.array([[-0.5, -0.5], [size[0] - 0.5, size[1] - 0.5]], np.float32)
    found = camera_keypoints(Features(corners, size, np.ones(2, np.float32)), camera, "a.jpg")
    assert np.allclose(found, [[0, 0], [4000, 3000]], atol=1e-9)


@pytest.mark.parametrize("size", [(3000, 4000), (3000, 3000), (4000, 2998), (403, 300), (300, 400), (1920, 1080)])
def test_another_aspect_ratio_is_refused(size: tuple[int, int]) -> None:
    camera = Intrinsics("SIMPLE_PINHOLE", 4000, 3000, (3000.0, 2000.0, 1500.0))
    with pytest.raises(HndescError, match=r"'a.jpg' has .* but its camera 4000x3000"):
        camera_keypoints(Features(np.zeros((1, 2), np.float32), size, np.ones(1, np.float32)), camera, "a.jpg")
