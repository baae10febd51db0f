from pathlib import Path

import numpy as np
import pytest

from hndesc.errors import HndescError
from hndesc.io.hdf5 import open_hdf5, read_text
from hndesc.io.hdf5_parts import filling, part_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file whose part was left behind by a run with the settings "a"."""
    path = tmp_path / "folder" / "f.h5"
    with pytest.raises(KeyboardInterrupt), filling(path, "a", "s") as file:
        file["entry"] = np.arange(5000)
        raise KeyboardInterrupt
    return path


def test_part_lies_beside_the_file(path: Path) -> None:
    assert part_of(path).exists() and not path.exists()


@pytest.mark.parametrize(("settings", "source", "kept"), [("a", "s", True), ("b", "s", False), ("a", "t", False)])
def test_a_part_is_resumed_when_settings_and_source_agree(path: Path, settings: str, source: str, kept: bool) -> None:
    with filling(path, settings, source) as file:
        assert ("entry" in file) is kept and read_text(file, "settings") == settings
    assert [file.name for file in path.parent.iterdir()] == ["f.h5"]


@pytest.mark.parametrize("size", [0, 10, 900])
def test_a_part_that_was_cut_short_is_begun_anew(path: Path, size: int) -> None:
    part_of(path).write_bytes(part_of(path).read_bytes()[:size])
    with filling(path, "a", "s") as file:
        assert "entry" not in file and read_text(file, "settings") == "a"


def test_reading_names_what_is_missing_or_cut_short(path: Path) -> None:
    with pytest.raises(HndescError, match=r"f\.h5: no such match file"):
        open_hdf5(path, "match file")
    path.write_bytes(part_of(path).read_bytes()[:900])
    with pytest.raises(HndescError, match=r"f\.h5: not a complete HDF5 file.*make it again"):
        open_hdf5(path, "match file")
