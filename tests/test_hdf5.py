from pathlib import Path

import numpy as np
import pytest

from hndesc.errors import HndescError
from hndesc.hdf5 import open_hdf5, open_part, part_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file whose part was left behind by a run with the settings "a"."""
    path = tmp_path / "folder" / "f.h5"
    with open_part(path, settings="a") as file:
        file["entry"] = np.arange(5000)
    return path


def test_part_lies_beside_the_file(path: Path) -> None:
    assert part_of(path).exists() and not path.exists()


@pytest.mark.parametrize(("attributes", "kept"), [({"settings": "a"}, True), ({"settings": "b"}, False)])
def test_a_part_is_gone_on_with_when_its_attributes_agree(path: Path, attributes: dict, kept: bool) -> None:
    with open_part(path, **attributes) as file:
        assert ("entry" in file) is kept and dict(file.attrs) == attributes


@pytest.mark.parametrize("size", [0, 10, 900])
def test_a_part_that_was_cut_short_is_begun_anew(path: Path, size: int) -> None:
    part_of(path).write_bytes(part_of(path).read_bytes()[:size])
    with open_part(path, settings="a") as file:
        assert "entry" not in file and file.attrs["settings"] == "a"


def test_reading_names_what_is_missing_or_cut_short(path: Path) -> None:
    with pytest.raises(HndescError, match=r"f\.h5: no such match file"):
        open_hdf5(path, "match file")
    path.write_bytes(part_of(path).read_bytes()[:900])
    with pytest.raises(HndescError, match=r"f\.h5: not a complete HDF5 file.*make it again"):
        open_hdf5(path, "match file")
