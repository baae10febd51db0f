"""Which files of a folder are photos, and what is said of the others."""

import logging
import os
from pathlib import Path

import pytest
from PIL import Image

from hndesc.errors import HndescError
from hndesc.io import image_listing
from hndesc.io.image_listing import find_images


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def test_what_is_skipped_is_counted_and_named_once(tmp_path, caplog):
    names = ["a.tga", "b.CR2", "sub/c.dng", "sub/d.jxl", "e.psd"]
    touch(tmp_path, "x.png", "notes.txt", "depth.npy", ".hidden.heic", ".git/y.heic", *names)
    os.mkfifo(tmp_path / "f.jpg")
    for _ in range(2):
        assert find_images(tmp_path) == ["x.png"]
    (said,) = warnings(caplog)
    assert said.endswith(
        f"{tmp_path}: skipped 6 files or folders: a.tga (a format that is not read), "
        "b.CR2 (a format that is not read), e.psd (a format that is not read) and 3 more"
    )


def test_nothing_skipped_is_nothing_reported(tmp_path, caplog):
    touch(tmp_path, "x.png", "notes.txt", ".hidden.heic", "a b/ü 駅.JPG", "g.gif", "h.jp2", "i.avif", "j.pbm")
    assert find_images(tmp_path) == ["a b/ü 駅.JPG", "g.gif", "h.jp2", "i.avif", "j.pbm", "x.png"]
    assert not warnings(caplog)


@pytest.mark.parametrize("name", [b"\xe9.png", b"caf\xe9/x.png"])
def test_a_name_that_is_not_utf_8_is_skipped_and_the_others_are_found(tmp_path, caplog, name):
    touch(tmp_path, "a.png", os.fsdecode(name))
    assert find_images(tmp_path) == ["a.png"]
    (said,) = warnings(caplog)
    assert r"\udce9" in said and "its name is not UTF-8" in said
    said.encode()


def test_names_beside_the_photos_need_not_be_utf_8(tmp_path, caplog):
    touch(tmp_path, "a.png", os.fsdecode(b"\xe9.txt"), os.fsdecode(b".\xe9.png"))
    assert find_images(tmp_path) == ["a.png"] and not warnings(caplog)


def test_linked_folders_are_followed(tmp_path):
    touch(tmp_path, "elsewhere/1.png", "elsewhere/deep/2.png", "photos/0.png", "more/3.png")
    (tmp_path / "photos/link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere/further").symlink_to("../more")
    (tmp_path / "photos/file.jpg").symlink_to(tmp_path / "elsewhere/1.png")
    names = ["0.png", "file.jpg", "link/1.png", "link/deep/2.png", "link/further/3.png"]
    assert find_images(tmp_path / "photos") == names
    (tmp_path / "album").symlink_to("photos")
    assert find_images(tmp_path / "album") == names


def test_circles_of_links_end(tmp_path, caplog):
    touch(tmp_path, "outside.png", "photos/a/1.png", "photos/b/2.png")
    for link, target in {
        "photos/a/self": ".",
        "photos/a/up": "..",
        "photos/b/other": "../a",
        "photos/0": "a",
        "photos/outside": "../..",
        "photos/loop": "loop",
        "photos/loop.png": "loop.png",
    }.items():
        (tmp_path / link).symlink_to(target)
    (tmp_path / "photos/parent").symlink_to(tmp_path)
    assert find_images(tmp_path / "photos") == ["a/1.png", "b/2.png", "loop.png"]
    (said,) = warnings(caplog)
    assert "parent (a link to a folder above)" in said and "skipped 2" in said


def test_a_farm_of_links_is_listed_once(tmp_path):
    """Twenty floors with two doors each: a million ways to one photo."""
    for floor in range(20):
        (tmp_path / f"{floor}").mkdir()
        for door in "ab":
            (tmp_path / f"{floor}/{door}").symlink_to(f"../{floor + 1}")
    touch(tmp_path, "20/x.png", "start/y.png")
    (tmp_path / "start/a").symlink_to("../0")
    assert find_images(tmp_path) == ["20/x.png", "start/y.png"]
    assert len(find_images(tmp_path / "start")) == 2


def test_a_folder_of_the_tree_keeps_its_own_name(tmp_path):
    touch(tmp_path, "z/1.png")
    (tmp_path / "a").symlink_to("z")
    assert find_images(tmp_path) == ["z/1.png"]


def test_a_link_that_leads_nowhere_is_listed_to_fail_by_name(tmp_path):
    (tmp_path / "x.png").symlink_to("gone.png")
    (tmp_path / "folder").symlink_to("gone")
    assert find_images(tmp_path) == ["x.png"]


def test_folders_without_permission_are_named(tmp_path, caplog, monkeypatch):
    touch(tmp_path, "a.png", "locked/b.png")
    scan = os.scandir

    def refuse(path):
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert find_images(tmp_path) == ["a.png"]
    assert warnings(caplog)[0].endswith("skipped 1 file or folder: locked (no permission)")
    with pytest.raises(HndescError, match=r"locked: no permission to list this folder"):
        find_images(tmp_path / "locked")


def test_a_folder_with_nothing_but_other_formats_says_so(tmp_path):
    touch(tmp_path, "a.tga")
    with pytest.raises(HndescError, match=r"no image in it .*; skipped 1 file or folder: a\.tga"):
        find_images(tmp_path)


@pytest.mark.parametrize("name", ["gone", "a.png", "a.png/x", "loop", "a\nb"])
def test_what_is_no_folder_is_one_line(tmp_path, name):
    touch(tmp_path, "a.png")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(HndescError, match=r"no such folder of images|a file; expected a folder of images") as caught:
        find_images(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_heic_without_its_package_is_named_once_with_the_cure(tmp_path, caplog, monkeypatch):
    touch(tmp_path, "x.png", "a.HEIC", "b.heif")
    monkeypatch.setattr(image_listing, "reads_heif", lambda: False)
    assert find_images(tmp_path) == ["x.png"]
    (said,) = warnings(caplog)
    assert "skipped 2 files or folders: a.HEIC (HEIC: pip install 'hndesc[heif]')" in said
    monkeypatch.setattr(image_listing, "reads_heif", lambda: True)
    assert find_images(tmp_path) == ["a.HEIC", "b.heif", "x.png"]


def test_photos_without_suffix_are_known_by_how_they_begin(tmp_path):
    for name, kind in (("IMG_1", "JPEG"), ("IMG_2", "PNG"), ("IMG_3", "WEBP"), ("IMG_4", "TIFF"), ("IMG_5", "AVIF")):
        Image.new("RGB", (8, 6)).save(tmp_path / name, format=kind)
    (tmp_path / "README").write_text("II: no photo")
    (tmp_path / "empty").touch()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    assert find_images(tmp_path) == [f"IMG_{number}" for number in range(1, 6)]
