"""Free photographs: what the list names is gathered, with author and license, and nothing is passed over in silence."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml

from hndesc.cli.main import main
from hndesc.datasets import free_photos
from hndesc.datasets.fetch.registry import read_registry
from hndesc.datasets.free_photos import credits, gather_free_photos, packages
from hndesc.errors import HndescError
from hndesc.io.images import image_size, write_image
from tests.datasets.fetch.server import Server, serving

FREE = ("CC-BY-SA-", "CC-BY-4.0", "CC0", "GPL-2+", "LGPL-3", "GFDL", "public domain")


def test_every_listed_photo_has_an_author_and_a_free_license() -> None:
    listed = yaml.safe_load(free_photos.LIST.read_text(encoding="utf-8"))
    assert list(listed) == packages() and sum(len(entry["photos"]) for entry in listed.values()) == 115
    for entry in listed.values():
        for author, license in entry["photos"].values():
            assert author and license.startswith(FREE), license


def test_photos_under_attribution_licenses_have_an_author() -> None:
    for package, photo, author, license in credits():
        assert package and photo and license
        assert author or license == "no known restrictions", photo
        assert ", " not in license


@pytest.fixture
def unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    entry = {"folder": "usr/share/w", "photos": {"a.jpg": ["A", "CC0-1.0"], "B/contents/images/9x9.jpg": ["B", "GFDL"]}}
    (tmp_path / "list.yaml").write_text(yaml.safe_dump({"some-wallpapers": entry}, sort_keys=False))
    monkeypatch.setattr(free_photos, "LIST", tmp_path / "list.yaml")
    for name in entry["photos"]:
        write_image(tmp_path / "unpacked/some-wallpapers/usr/share/w" / name, np.zeros((900, 1800, 3), np.uint8))
    return tmp_path / "unpacked"


def test_gathers_photos_and_says_whose_they_are(unpacked: Path, tmp_path: Path) -> None:
    gather_free_photos(unpacked, tmp_path / "out")
    rows = [line.split("\t") for line in (tmp_path / "out" / "manifest.tsv").read_text().splitlines()[1:]]
    assert rows[:2] == [["some-wallpapers/a.jpg", "A", "CC0-1.0"], ["some-wallpapers/B.jpg", "B", "GFDL"]]
    assert image_size(tmp_path / "out" / "some-wallpapers" / "B.jpg") == (1400, 700)
    found = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.jpg")}
    assert found == {row[0] for row in rows}
    assert "scikit-image/chelsea.jpg" in found and not any("motorcycle" in name for name in found)


def test_a_photo_belongs_to_the_first_pattern_that_it_matches(
    unpacked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = {"folder": "usr/share/w", "left_out": ["c.jpg"], "photos": {"a*.jpg": ["A", "GFDL"], "*.jpg": ["Z", "CC0"]}}
    (tmp_path / "list.yaml").write_text(yaml.safe_dump({"some-wallpapers": entry}, sort_keys=False))
    for name in ("b.jpg", "c.jpg"):
        write_image(unpacked / "some-wallpapers/usr/share/w" / name, np.zeros((30, 60, 3), np.uint8))
    gather_free_photos(unpacked, tmp_path / "out")
    rows = (tmp_path / "out" / "manifest.tsv").read_text().splitlines()
    assert rows[1:3] == ["some-wallpapers/a.jpg\tA\tGFDL", "some-wallpapers/b.jpg\tZ\tCC0"]
    assert not any(row.startswith("some-wallpapers/c") for row in rows)


def test_a_missing_package_is_named_with_the_cure(tmp_path: Path) -> None:
    with pytest.raises(HndescError, match=r"apt-get download lomiri-wallpapers-16\.04"):
        gather_free_photos(tmp_path / "unpacked", tmp_path / "out")


def test_a_missing_photo_leaves_nothing_half_done(unpacked: Path, tmp_path: Path) -> None:
    (unpacked / "some-wallpapers/usr/share/w/a.jpg").unlink()
    with pytest.raises(HndescError, match=r"a\.jpg: no such image"):
        gather_free_photos(unpacked, tmp_path / "out")
    assert not (tmp_path / "out").exists()


WALLPAPERS = "free-wallpapers"


def test_the_registry_has_an_address_of_each_wallpaper_and_of_no_other() -> None:
    listed = yaml.safe_load(free_photos.LIST.read_text(encoding="utf-8"))[WALLPAPERS]["photos"]
    entry = read_registry()[WALLPAPERS]
    assert [f"{file.into}/{file.name}" for file in entry.files] == list(listed)
    assert entry.layout == {"kind": "photos", "least": len(listed)}
    # Permanent: each names a commit.
    assert all(re.search(r"/[0-9a-f]{40}/", file.addresses[0]) for file in entry.files)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    write_image(tmp_path / "photo.jpg", np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8))
    photo = (tmp_path / "photo.jpg").read_bytes()
    with serving({file.name: photo for file in read_registry()[WALLPAPERS].files}) as server:
        yield server


def test_wallpapers_are_downloaded_and_gathered(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    listed = yaml.safe_load(free_photos.LIST.read_text(encoding="utf-8"))[WALLPAPERS]
    (tmp_path / "list.yaml").write_text(yaml.safe_dump({WALLPAPERS: listed}, sort_keys=False))
    monkeypatch.setattr(free_photos, "LIST", tmp_path / "list.yaml")
    with pytest.raises(HndescError, match=r"no such folder; .*hndesc datasets --data packages get free-wallpapers"):
        gather_free_photos("packages", "out")
    main(["datasets", "--data", "packages", "get", WALLPAPERS, "--mirror", server.address("good")])
    main(["free-photos", "packages", "out"])
    assert "packages/free-wallpapers" in capsys.readouterr().out
    rows = [line.split("\t") for line in (tmp_path / "out" / "manifest.tsv").read_text().splitlines()[1:]]
    gathered = {path: (author, license) for path, author, license in rows if path.startswith(WALLPAPERS)}
    assert gathered == {f"{WALLPAPERS}/{name}": tuple(about) for name, about in listed["photos"].items()}
    assert all(image_size(tmp_path / "out" / name) == (80, 60) for name in gathered)
    assert len((tmp_path / "checksums.tsv").read_text().splitlines()) > len(gathered)
