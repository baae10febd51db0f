from itertools import combinations, product
from pathlib import Path

import cv2
import numpy as np
import pytest

from hndesc.datasets.listing import list_images
from hndesc.datasets.localization.posed import CAMERAS, COLUMNS, read_cameras, read_posed
from hndesc.datasets.localization.readers import read_scene
from hndesc.errors import HndescError
from hndesc.extraction.description import extract
from hndesc.io.images import read_image, write_image
from tests.fixtures.synthetic import FOCAL, HEIGHT, WIDTH, Synthetic, map_scene


def write_cameras(root: Path, scene: Synthetic) -> Path:
    """Write the scene's images as a posed folder, eight of the database and then the queries."""
    root.mkdir(parents=True)
    rows = ["\t".join(COLUMNS)]
    for name, pose in scene.poses.items():
        # The center of the top-left pixel is at (0, 0) in this file.
        values = [WIDTH, HEIGHT, FOCAL, FOCAL, WIDTH / 2 - 0.5, HEIGHT / 2 - 0.5]
        values += [*pose.rotation.ravel(), *pose.translation]
        rows.append("\t".join([name, *(repr(float(value)) for value in values)]))
    (root / CAMERAS).write_text("\n".join(rows) + "\n")
    return root


def write_all_pairs(root: Path) -> None:
    """Pair all database images with each other and with each query, as the dataset's own list."""
    scene = read_posed(root)
    pairs = [*combinations(scene.database, 2), *product(scene.queries, scene.database)]
    (root / "pairs.txt").write_text("".join(f"{first} {second}\n" for first, second in pairs))


def test_every_third_photo_is_held_out(exact: Synthetic, tmp_path: Path) -> None:
    root = write_cameras(tmp_path / "posed", exact)
    scene = read_posed(root)
    names = list(exact.poses)
    assert list(scene.queries) == names[2::3] == list(scene.truth) and len(scene.queries) == 5
    assert list(scene.database) == [name for name in names if name not in scene.queries]
    assert set(scene.conditions.values()) == {"held-out"}
    assert scene.pairs == []
    with pytest.raises(HndescError, match="posed: no list of image pairs"):
        read_scene(root)
    camera = scene.database["db/0.jpg"]
    assert (camera.model, camera.params) == ("PINHOLE", (FOCAL, FOCAL, WIDTH / 2, HEIGHT / 2))
    assert list(read_posed(root, every=5).queries) == names[4::5]


def test_a_list_of_pairs_is_taken(exact: Synthetic, tmp_path: Path) -> None:
    root = write_cameras(tmp_path / "posed", exact)
    (tmp_path / "pairs.txt").write_text("db/0.jpg db/1.jpg\ndb/0.jpg other.jpg\n")
    (root / "pairs.txt").write_text("db/0.jpg db/3.jpg\n")
    assert read_scene(root).pairs == [("db/0.jpg", "db/3.jpg")]
    scene = read_scene(root, tmp_path / "pairs.txt")
    assert scene.pairs == [("db/0.jpg", "db/1.jpg")]
    assert scene.problems == {"pairs left out": 1, "images in pairs that no other file names": 1}


def test_exact_keypoints_give_exact_poses(exact: Synthetic, tmp_path: Path) -> None:
    root = write_cameras(tmp_path / "posed", exact)
    write_all_pairs(root)
    scene = Synthetic(root, exact.features, exact.poses, exact.points, exact.seen)
    record = map_scene(scene, tmp_path).localize(tmp_path)
    assert record["figures"]["localized"] == {"held-out": {"queries": 5, "localized": 5}}
    assert all(query["position_error"] < 2e-6 for query in record["per_query"].values())
    assert record["figures"]["held-out"]["median_position_share"] < 1e-6


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("width", "breadth", ":1: expected the columns name width"),
        ("db/1.jpg\t640.0", "db/1.jpg", ":3: expected 'name width .*', found 18 fields"),
        ("db/1.jpg\t640.0", "db/1.jpg\tmany", ":3: 'many' is not a number"),
        ("db/1.jpg", "db/0.jpg", ":3: 'db/0.jpg' is listed twice"),
        ("db/1.jpg\t640.0", "db/1.jpg\t0", ":3: impossible camera: 0x480"),
    ],
)
def test_a_malformed_line_is_named(exact: Synthetic, tmp_path: Path, old: str, new: str, message: str) -> None:
    path = write_cameras(tmp_path / "posed", exact) / CAMERAS
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(HndescError, match=f"cameras.tsv{message}"):
        read_cameras(path)


@pytest.mark.parametrize("matrix", [np.diag([1.0, 1.0, 1.1]), np.diag([1.0, 1.0, -1.0]), np.zeros((3, 3))])
def test_a_matrix_that_does_not_rotate_is_refused(tmp_path: Path, matrix: np.ndarray) -> None:
    values = " ".join(str(value) for value in [4, 4, 1, 1, 2, 2, *matrix.ravel(), 0, 0, 0])
    (tmp_path / CAMERAS).write_text(f"{' '.join(COLUMNS)}\na.jpg {values}\n")
    with pytest.raises(HndescError, match=r"cameras.tsv:2: r00 … r22 are not a rotation matrix"):
        read_cameras(tmp_path / CAMERAS)


def test_too_few_photos_are_an_error(exact: Synthetic, tmp_path: Path) -> None:
    path = write_cameras(tmp_path / "posed", exact) / CAMERAS
    path.write_text("\n".join(path.read_text().splitlines()[:3]) + "\n")
    with pytest.raises(HndescError, match="2 posed images are too few"):
        read_posed(tmp_path / "posed")


def test_real_photos_are_localized(shared: Path, tmp_path: Path) -> None:
    """Fountain-P11 at a third of its size, with SIFT: well below half a per cent of the cameras' distance."""
    root = tmp_path / "fountain"
    lines = (shared / "data" / "strecha" / "fountain-P11" / CAMERAS).read_text().splitlines()
    small = [lines[0]]
    for line in lines[1:]:
        name, *fields = line.split("\t")
        image = read_image(shared / "data" / "strecha" / "fountain-P11" / "images" / name)
        width, height = image.shape[1] // 3, image.shape[0] // 3
        write_image(root / "images" / name, cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA))
        sx, sy = width / float(fields[0]), height / float(fields[1])
        fx, fy, cx, cy = map(float, fields[2:6])
        camera = [width, height, fx * sx, fy * sy, (cx + 0.5) * sx - 0.5, (cy + 0.5) * sy - 0.5]
        small.append("\t".join([name, *map(str, camera), *fields[6:]]))
    (root / CAMERAS).write_text("\n".join(small) + "\n")
    photos = list_images(root, "localization")
    assert [photo.name for photo in photos] == [f"{i:04}.jpg" for i in range(11)]
    names = [photo.name for photo in photos]
    near = [f"{first} {second}\n" for i, first in enumerate(names) for second in names[i + 1 : i + 4]]
    (tmp_path / "pairs.txt").write_text("".join(near))
    extract(photos, tmp_path / "features.h5", "sift", "sift", max_keypoints=1000)
    scene = Synthetic(root, tmp_path / "features.h5", {}, np.empty(0), {})
    record = map_scene(scene, tmp_path, pairs=tmp_path / "pairs.txt").localize(tmp_path, pairs=tmp_path / "pairs.txt")
    figures = record["figures"]["held-out"]
    assert record["figures"]["localized"]["held-out"] == {"queries": 3, "localized": 3}
    assert figures["median_position_share"] < 0.005 and figures["median_rotation_error"] < 0.1
    assert record["figures"]["map"]["points"] > 300 and record["figures"]["map"]["mean_reprojection_error"] < 1


def test_files_in_the_folder_of_queries_that_nothing_reads_are_named(
    exact: Synthetic, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = write_cameras(tmp_path / "posed", exact)
    read_posed(root)
    assert not caplog.text
    (root / "queries").mkdir()
    for name in ("mine.jpg", "day_time_queries_with_intrinsics.txt", ".hidden"):
        (root / "queries" / name).touch()
    read_posed(root)
    assert (
        "not read: day_time_queries_with_intrinsics.txt, mine.jpg; the queries are one in 3 of the posed" in caplog.text
    )
    assert "hndesc localize" in caplog.text
