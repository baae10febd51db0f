import h5py
import numpy as np
import pytest

from hndesc.errors import HndescError
from hndesc.retrieval.shortlist import Shortlist, read_shortlist, write_shortlist


@pytest.fixture
def shortlist():
    ranks = np.array([[2, 0, 1], [1, -1, -1]], np.int32)
    return Shortlist(["q", "r"], ["a", "b", "ç"], ranks, {"name": "test"}, {"db/a": "broken"})


def test_comes_back_as_written(tmp_path, shortlist):
    write_shortlist(tmp_path / "s.h5", shortlist)
    loaded = read_shortlist(tmp_path / "s.h5")
    np.testing.assert_array_equal(loaded.ranks, shortlist.ranks)
    assert (loaded.queries, loaded.database) == (["q", "r"], ["a", "b", "ç"])
    assert (loaded.settings, loaded.failed) == ({"name": "test"}, {"db/a": "broken"})
    assert [path.name for path in tmp_path.iterdir()] == ["s.h5"]


def test_missing_and_cut_short_files_are_named(tmp_path, shortlist):
    path = tmp_path / "s.h5"
    with pytest.raises(HndescError, match=r"s\.h5: no such shortlist"):
        read_shortlist(path)
    write_shortlist(path, shortlist)
    path.write_bytes(path.read_bytes()[:700])
    with pytest.raises(HndescError, match=r"s\.h5: not a complete HDF5 file"):
        read_shortlist(path)
    with h5py.File(path, "w") as file:
        file["queries"] = 1
    with pytest.raises(HndescError, match=r"s\.h5: not a complete shortlist"):
        read_shortlist(path)


@pytest.mark.parametrize(
    ("ranks", "message"),
    [
        ([[0, 1, 2]], "a row of indices for each query"),
        ([[0, 1, 1], [0, 1, 2]], "ranking of 'q' contains an image twice"),
        ([[0, 1, 2], [0, 1, 3]], "ranking of 'r' contains an image twice, or one that does not exist"),
    ],
)
def test_inconsistent_ranks_are_named(tmp_path, shortlist, ranks, message):
    broken = Shortlist(shortlist.queries, shortlist.database, np.array(ranks))
    write_shortlist(tmp_path / "s.h5", broken)
    with pytest.raises(HndescError, match=message):
        read_shortlist(tmp_path / "s.h5")
