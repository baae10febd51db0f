"""A disk that fills up: one clear line, and the work resumes when there is room."""

import errno
import logging
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from hndesc.errors import HndescError
from hndesc.io.features import FeatureReader, Features, FeatureWriter, merge
from hndesc.io.files import atomic_path, check_space, is_full_disk_error, write_text
from hndesc.runtime.logs import step


def mount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True, capture_output=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    try:
        mount(folder, "size=4m")
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("only root can make a small file system")
    yield folder
    subprocess.run(["umount", folder], check=True)


def fill(path: Path, count: int) -> None:
    rng = np.random.default_rng(0)
    with FeatureWriter(path, {}) as writer:
        for number in range(count):
            if str(number) not in writer:
                codes = rng.random((200, 128)).astype(np.float32)
                codes /= np.linalg.norm(codes, axis=1, keepdims=True)
                points = rng.random((200, 2)).astype(np.float32)
                writer.write(str(number), Features(points, (9, 9), points[:, 0], codes))


FULL = r"disk is full \(\d+ MB are free\); make room or write elsewhere, then run it again: it resumes"


def test_features_resume_when_there_is_room_again(small_disk: Path) -> None:
    with pytest.raises(HndescError, match=rf"features\.h5: the {FULL}"):
        fill(small_disk / "features.h5", 60)
    assert not (small_disk / "features.h5").exists()
    mount(small_disk, "remount,size=40m")
    with pytest.raises(KeyboardInterrupt), FeatureWriter(small_disk / "features.h5", {}) as writer:
        assert "20" in writer
        raise KeyboardInterrupt
    fill(small_disk / "features.h5", 60)
    with FeatureReader(small_disk / "features.h5") as reader:
        assert len(reader.names()) == 60


def test_gathering_shards_needs_room(small_disk: Path, tmp_path: Path) -> None:
    fill(tmp_path / "shard.h5", 60)
    with pytest.raises(HndescError, match=rf"features\.h5: the {FULL}"):
        merge([tmp_path / "shard.h5"], small_disk / "features.h5")
    assert list(small_disk.iterdir()) == []


def save(path: Path) -> None:
    with atomic_path(path) as temporary:
        torch.save({"state": torch.rand(2_000_000)}, temporary)


@pytest.mark.parametrize("write", [save, lambda path: write_text(path, "x" * 5_000_000)], ids=["torch", "text"])
def test_other_files_name_themselves_and_leave_nothing(small_disk: Path, write: Callable[[Path], None]) -> None:
    with pytest.raises(HndescError, match=rf"file\.pt: the {FULL}"):
        write(small_disk / "file.pt")
    assert list(small_disk.iterdir()) == []


def test_check_counts_what_is_to_be_written(tmp_path: Path) -> None:
    check_space(tmp_path / "file", 1000)
    with pytest.raises(HndescError, match=rf"file: the {FULL}"):
        check_space(tmp_path / "file", 10**18)


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), True),
        (OSError(errno.EDQUOT, "over quota"), True),
        (RuntimeError("Error while serializing: No space left on device (os error 28)"), True),
        (OSError(errno.ENOENT, "no such file"), False),
        (ValueError("wrong"), False),
    ],
)
def test_what_led_to_an_error_counts(error: Exception, full: bool) -> None:
    assert is_full_disk_error(error) is full
    try:
        try:
            raise error
        finally:
            raise AttributeError("closing failed, too")
    except AttributeError as last:
        assert is_full_disk_error(last) is full


def test_a_step_says_it_in_one_line(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture) -> None:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        with pytest.raises(SystemExit), step():
            raise OSError(errno.ENOSPC, "No space left on device", "history.csv")
    finally:
        root.handlers[:], root.level = handlers, level
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and "the disk is full ([Errno 28] No space left on device: 'history.csv')" in lines[0]
