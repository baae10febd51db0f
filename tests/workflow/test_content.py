"""Fingerprints of folders: any change below is noticed, whatever the folder's own time says."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from hndesc.workflow import content


def fingerprint(*folders: Path | str) -> str:
    """A fingerprint as another run would take it."""
    content._folder.cache_clear()
    return content.folders_fingerprint(map(str, folders))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a/H_1_2", "a/1.png", "b/c/2.png", "3.png"):
        path = tmp_path / "set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"some bytes")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "4.png").write_bytes(b"some bytes")
    (tmp_path / "set" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "set" / "a" / "nowhere").symlink_to(tmp_path / "nothing")
    return tmp_path / "set"


def older(path: Path) -> None:
    os.utime(path, ns=(0, 1))


CHANGES: dict[str, Callable[[Path], object]] = {
    "longer": lambda folder: (folder / "a/H_1_2").write_bytes(b"some more bytes"),
    "replaced by an older file": lambda folder: older(folder / "b/c/2.png"),
    "renamed": lambda folder: (folder / "b/c/2.png").rename(folder / "b/c/5.png"),
    "moved": lambda folder: (folder / "b/c/2.png").rename(folder / "a/2.png"),
    "added": lambda folder: (folder / "b/c/new.png").touch(),
    "removed": lambda folder: (folder / "a/1.png").unlink(),
    "in a linked folder": lambda folder: older(folder.parent / "elsewhere" / "4.png"),
    "a broken link mended": lambda folder: (folder.parent / "nothing").touch(),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_every_change_below_is_noticed(folder: Path, change: Callable[[Path], object]) -> None:
    before = fingerprint(folder)
    assert fingerprint(folder) == before
    change(folder)
    assert fingerprint(folder) != before


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
    assert content.folders_fingerprint([str(folder)]) == before
