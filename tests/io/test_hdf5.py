from pathlib import Path

import h5py
import numpy as np
import pytest

from hndesc.errors import HndescError
from hndesc.io.hdf5 import create_hdf5, open_hdf5, read_text, write_array
from hndesc.io.resumable_hdf5 import filling, partial_path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file whose part was left behind by a run with the settings "a"."""
    path = tmp_path / "folder" / "f.h5"
    with pytest.raises(KeyboardInterrupt), filling(path, "a", "s") as file:
        file["entry"] = np.arange(5000)
        raise KeyboardInterrupt
    return path


def test_part_lies_beside_the_file(path: Path) -> None:
    assert partial_path(path).exists() and not path.exists()


@pytest.mark.parametrize(("settings", "source", "kept"), [("a", "s", True), ("b", "s", False), ("a", "t", False)])
def test_a_part_is_resumed_when_settings_and_source_agree(path: Path, settings: str, source: str, kept: bool) -> None:
    with filling(path, settings, source) as file:
        assert ("entry" in file) is kept and read_text(file, "settings") == settings
    assert [file.name for file in path.parent.iterdir()] == ["f.h5"]


@pytest.mark.parametrize("size", [0, 10, 900])
def test_a_part_that_was_cut_short_is_started_over(path: Path, size: int) -> None:
    partial_path(path).write_bytes(partial_path(path).read_bytes()[:size])
    with filling(path, "a", "s") as file:
        assert "entry" not in file and read_text(file, "settings") == "a"


def test_reading_names_what_is_missing_or_cut_short(path: Path) -> None:
    with pytest.raises(HndescError, match=r"f\.h5: no such match file"):
        open_hdf5(path, "match file")
    path.write_bytes(partial_path(path).read_bytes()[:900])
    with pytest.raises(HndescError, match=r"f\.h5: not a complete HDF5 file.*make it again"):
        open_hdf5(path, "match file")


@pytest.mark.parametrize("shape", [(1,), (2,), (100_000,), (128, 5000), (3, 100_000), (2, 3, 4), (1, 1)])
def test_every_chunk_has_a_checksum_and_is_small_or_one_row(tmp_path: Path, shape: tuple[int, ...]) -> None:
    values = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    with create_hdf5(tmp_path / "f.h5") as file:
        write_array(file, "values", values)
        write_array(file, "empty", values[:0])
        write_array(file, "scalar", values.flat[0])
    with h5py.File(tmp_path / "f.h5") as file:
        stored = file["values"]
        assert stored.fletcher32 and np.array_equal(stored[()], values)
        assert stored.chunks[0] == 1 or 4 * np.prod(stored.chunks) <= 2**17
        assert 8 * np.prod(stored.chunks) > min(2**17, values.nbytes), "chunks are not smaller than needed"
        assert file["empty"].shape == (0, *shape[1:]) and file["scalar"][()] == 0
