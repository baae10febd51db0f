"""Fingerprints of folders: any change below is noticed, whatever the folder's own time says."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from hndesc.workflow import content

from .conftest import Checkout


def fingerprint(*folders: Path | str) -> str:
    """A fingerprint as another run would take it."""
    content._states.clear()
    return content.content_fingerprint(map(str, folders))


@pytest.fixture(params=["recorded", "not recorded"])
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    if request.param == "recorded":
        (tmp_path / ".snakemake").mkdir()
    for name in ("a/H_1_2", "a/1.png", "b/c/2.png", "3.png"):
        path = tmp_path / "set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"some bytes")
    (tmp_path / "set" / "7.png").write_bytes(b"more bytes")
    for name in ("3.png", "7.png"):
        os.utime(tmp_path / "set" / name, ns=(0, 10**9))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "4.png").write_bytes(b"some bytes")
    (tmp_path / "set" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "set" / "a" / "nowhere").symlink_to(tmp_path / "nothing")
    return tmp_path / "set"


def older(path: Path) -> None:
    os.utime(path, ns=(0, 1))


def replaced_with_its_time(path: Path) -> None:
    before = path.stat()
    path.write_bytes(b"same bytes")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def swapped(folder: Path) -> None:
    """Two files of equal size and time, as of an archive, change names."""
    (folder / "3.png").rename(folder / "6.png")
    (folder / "7.png").rename(folder / "3.png")
    (folder / "6.png").rename(folder / "7.png")


CHANGES: dict[str, Callable[[Path], object]] = {
    "longer": lambda folder: (folder / "a/H_1_2").write_bytes(b"some more bytes"),
    "replaced by an older file": lambda folder: older(folder / "b/c/2.png"),
    "renamed": lambda folder: (folder / "b/c/2.png").rename(folder / "b/c/5.png"),
    "moved": lambda folder: (folder / "b/c/2.png").rename(folder / "a/2.png"),
    "added": lambda folder: (folder / "b/c/new.png").touch(),
    "removed": lambda folder: (folder / "a/1.png").unlink(),
    "in a linked folder": lambda folder: older(folder.parent / "elsewhere" / "4.png"),
    "replaced by one of equal size and time": lambda folder: replaced_with_its_time(folder / "a/1.png"),
    "swapped": swapped,
    "a broken link mended": lambda folder: (folder.parent / "nothing").touch(),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_every_change_below_is_noticed(folder: Path, change: Callable[[Path], object]) -> None:
    before = fingerprint(folder)
    assert fingerprint(folder) == before
    change(folder)
    assert fingerprint(folder) != before


def test_copying_and_new_permissions_change_nothing(folder: Path, tmp_path: Path) -> None:
    before = fingerprint(folder)
    (folder / "a" / "1.png").chmod(0o600)
    assert fingerprint(folder) == before
    shutil.copytree(folder, tmp_path / "copy", symlinks=True)
    (tmp_path / "set").rename(tmp_path / "first")
    (tmp_path / "copy").rename(tmp_path / "set")
    assert fingerprint(folder) == before


def test_samples_are_taken_once(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []
    monkeypatch.setattr(content, "file_sample", lambda path, size: taken.append(os.path.basename(path)) or "x")
    fingerprint(folder)
    assert sorted(taken) == ["1.png", "2.png", "3.png", "4.png", "7.png", "H_1_2"]
    replaced_with_its_time(folder / "a/1.png")
    fingerprint(folder)
    assert taken[6:] == ["1.png"] if (tmp_path / ".snakemake").exists() else len(taken) == 12


@pytest.mark.parametrize("text", ["", "[1", "[]", "{}", '{"FOLDER": 3}', '{"FOLDER": {"a/1.png": [1]}}', "\udcff"])
def test_a_broken_record_changes_nothing(folder: Path, text: str, tmp_path: Path) -> None:
    before = fingerprint(folder)
    if (tmp_path / ".snakemake").exists():
        content.RECORD.write_bytes(os.fsencode(text.replace("FOLDER", str(folder))))
    assert fingerprint(folder) == before


def test_hidden_files_do_not_count(folder: Path) -> None:
    before = fingerprint(folder)
    (folder / "a" / ".snakemake_timestamp").touch()
    (folder / ".hidden").mkdir()
    (folder / ".hidden" / "x.png").touch()
    assert fingerprint(folder) == before


def test_a_link_back_to_a_parent_ends(folder: Path) -> None:
    before = fingerprint(folder)
    (folder / "b" / "c" / "back").symlink_to(folder)
    (folder / "b" / "c" / "self").symlink_to(folder / "b" / "c" / "self")
    assert fingerprint(folder) != before


def test_names_with_any_bytes(folder: Path) -> None:
    before = fingerprint(folder)
    Path(os.fsdecode(os.fsencode(folder) + b"/b/\xff\xfe.png")).touch()
    assert fingerprint(folder) != before


def test_a_missing_folder_counts_as_nothing(folder: Path) -> None:
    assert fingerprint(folder / "missing") == fingerprint() == ""
    assert fingerprint(folder, folder / "missing") == fingerprint(folder) != ""
    assert fingerprint(folder, folder / "a") != fingerprint(folder / "a", folder)


def test_a_folder_is_read_once_a_process(folder: Path) -> None:
    before = fingerprint(folder)
    (folder / "a" / "1.png").unlink()
    assert content.content_fingerprint([str(folder)]) == before


@pytest.mark.parametrize("change", [older, replaced_with_its_time, lambda path: path.write_bytes(b"some other bytes")])
def test_a_file_that_is_replaced_is_noticed(folder: Path, change: Callable[[Path], object]) -> None:
    before = fingerprint(folder / "3.png")
    assert fingerprint(folder / "3.png") == before == fingerprint(folder / "3.png", folder / "missing") != ""
    change(folder / "3.png")
    assert fingerprint(folder / "3.png") != before


@pytest.mark.workflow
@pytest.mark.slow
def test_features_that_an_older_file_replaces_are_imported_again(finished: Checkout, tmp_path: Path) -> None:
    checkout, target = finished.copy(tmp_path / "hndesc"), "results/features/hpatches/mine.h5"
    overlay = tmp_path / "mine.yaml"
    overlay.write_text("descriptors: [{name: mine, features: mine.h5}]\n")
    shutil.copy(checkout.path("results/features/hpatches/sift.h5"), checkout.path("mine.h5"))
    checkout.run(target, configfile=overlay)
    assert checkout.jobs(target, configfile=overlay) == {}
    shutil.copy(checkout.path("results/features/hpatches/trained.h5"), checkout.path("mine.h5"))
    os.utime(checkout.path("mine.h5"), (1, 1))
    assert checkout.jobs(target, configfile=overlay) == {"import_features": 1, "total": 1}
