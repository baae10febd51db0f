"""Own photos: listed once, broken ones left out with the reason, exact copies dropped."""

import csv
import hashlib
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hndesc.datasets.image_list import LEFT_OUT, TABLE, list_own_photos
from hndesc.errors import HndescError
from hndesc.io.images import find_images, read_image


def write(path: Path, width: int, height: int, seed: int = 0, **options) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, **options)


def read_list(folder: Path) -> list[dict[str, str]]:
    with open(folder / TABLE, encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))


def left_out(folder: Path) -> dict[str, str]:
    with open(folder / LEFT_OUT, newline="") as stream:
        rows = list(csv.reader(stream, delimiter="\t"))
    assert rows[0] == ["path", "reason"]
    return dict(rows[1:])


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    write(folder / "b" / "one.png", 30, 20)
    write(folder / "two.JPG", 16, 24, seed=1)
    return folder


def test_lists_path_size_and_hash(photos: Path, tmp_path: Path) -> None:
    list_own_photos(photos, tmp_path / "out", threads=2)
    rows = read_list(tmp_path / "out")
    assert [(row["path"], row["width"], row["height"]) for row in rows] == [
        ("b/one.png", "30", "20"),
        ("two.JPG", "16", "24"),
    ]
    for row in rows:
        assert row["hash"] == hashlib.sha256((photos / row["path"]).read_bytes()).hexdigest()
    assert left_out(tmp_path / "out") == {}


def test_other_steps_read_the_folder_as_they_read_the_photos(photos: Path, tmp_path: Path) -> None:
    list_own_photos(photos, tmp_path / "out")
    assert find_images(tmp_path / "out") == find_images(photos)
    for name in find_images(photos):
        np.testing.assert_array_equal(read_image(tmp_path / "out" / name), read_image(photos / name))


def test_size_is_of_the_upright_photo(photos: Path, tmp_path: Path) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    write(photos / "turned.jpg", 40, 10, exif=turned)
    list_own_photos(photos, tmp_path / "out")
    assert [(row["width"], row["height"]) for row in read_list(tmp_path / "out") if row["path"] == "turned.jpg"] == [
        ("10", "40")
    ]


def test_broken_photos_are_skipped_with_the_reason(photos: Path, tmp_path: Path) -> None:
    (photos / "cut.png").write_bytes((photos / "b" / "one.png").read_bytes()[:200])
    (photos / "text.jpg").write_text("<html>not found</html>")
    (photos / "empty.jpg").touch()
    (photos / "nowhere.jpg").symlink_to(tmp_path / "gone.jpg")
    list_own_photos(photos, tmp_path / "out")
    reasons = left_out(tmp_path / "out")
    assert set(reasons) == {"cut.png", "text.jpg", "empty.jpg", "nowhere.jpg"}
    assert "truncated" in reasons["cut.png"] and "not an image" in reasons["text.jpg"]
    assert find_images(tmp_path / "out") == ["b/one.png", "two.JPG"]


def test_of_exact_copies_the_first_is_kept(photos: Path, tmp_path: Path) -> None:
    shutil.copy(photos / "two.JPG", photos / "a.jpg")
    shutil.copy(photos / "two.JPG", photos / "z.jpg")
    write(photos / "alike.png", 30, 20)  # the same pixels in the same bytes as b/one.png
    list_own_photos(photos, tmp_path / "out")
    assert [row["path"] for row in read_list(tmp_path / "out")] == ["a.jpg", "alike.png"]
    assert left_out(tmp_path / "out") == {
        "b/one.png": "the same file as alike.png",
        "two.JPG": "the same file as a.jpg",
        "z.jpg": "the same file as a.jpg",
    }


def test_a_new_list_replaces_the_old_one(photos: Path, tmp_path: Path) -> None:
    list_own_photos(photos, tmp_path / "out")
    (photos / "two.JPG").unlink()
    list_own_photos(photos, tmp_path / "out")
    assert find_images(tmp_path / "out") == ["b/one.png"]


def test_a_project_may_be_moved_with_its_photos(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = tmp_path / "project"
    project.mkdir()
    shutil.move(photos, project / "photos")
    monkeypatch.chdir(project)
    list_own_photos("photos", "results/list")
    monkeypatch.chdir(tmp_path)
    os.rename(project, tmp_path / "moved")
    assert read_image(tmp_path / "moved" / "results" / "list" / "b" / "one.png").shape == (20, 30, 3)


def test_links_hold_where_the_results_are_a_link_themselves(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "far" / "away").mkdir(parents=True)
    (tmp_path / "results").symlink_to(tmp_path / "far" / "away")
    monkeypatch.chdir(tmp_path)
    list_own_photos("photos", "results/list")
    assert read_image("results/list/b/one.png").shape == (20, 30, 3)


def test_refuses_what_it_would_spoil(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(HndescError, match="overlaps with the input"):
        list_own_photos(photos, photos / "out")
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.txt").touch()
    with pytest.raises(HndescError, match="was not made by list_photos"):
        list_own_photos(photos, precious)
    assert (precious / "thesis.txt").exists()


def test_no_photo_that_can_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_text("no")
    with pytest.raises(HndescError, match=r"none of its 1 photos is readable \(not an image"):
        list_own_photos(tmp_path / "photos", tmp_path / "out")
    assert not (tmp_path / "out").exists()
