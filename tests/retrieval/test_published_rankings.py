import pickle

import numpy as np
import pytest
import scipy.io

from hndesc.errors import HndescError
from hndesc.retrieval.published_rankings import import_shortlist
from hndesc.retrieval.shortlist import read_shortlist

DATABASE = ["a_1", "b_2", "c_3"]


@pytest.fixture
def revisited(tmp_path):
    truth = {
        "imlist": DATABASE,
        "qimlist": ["q", "r"],
        "gnd": [{"bbx": [0, 0, 9, 9], "easy": [0], "hard": [], "junk": []}] * 2,
    }
    (tmp_path / "gnd_x.pkl").write_bytes(pickle.dumps(truth))
    (tmp_path / "jpg").mkdir()
    return tmp_path


def ranking():
    # Other order of photos and queries than the ground truth's.
    return {
        "db_images": [f"data/x/jpg/{name}.jpg" for name in ("c_3", "a_1", "b_2")],
        "q_images": ["data/x/jpg/r.jpg", "data/x/jpg/q.jpg"],
        "ranks": np.array([[0, 2], [1, 1], [2, 0]]),
    }


def test_pickle_is_read_by_names(revisited):
    path = revisited / "x-gem.pkl"
    path.write_bytes(pickle.dumps(ranking()))
    import_shortlist(revisited, path, revisited / "s.h5")
    shortlist = read_shortlist(revisited / "s.h5")
    assert (shortlist.queries, shortlist.database) == (["q", "r"], DATABASE)
    assert shortlist.ranks.tolist() == [[1, 0, 2], [2, 0, 1]]
    assert shortlist.settings["name"] == "x-gem.pkl"


class Evil:
    def __reduce__(self):
        return print, ("run",)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ranks": np.array([[0, 1], [1, 3], [2, 0]])}, "indices beyond 'db_images'"),
        ({"ranks": np.array([[0], [1], [2]])}, "a column of indices for each of 2 queries"),
        ({"db_images": ["c_3.jpg", "a_1.jpg", "z.jpg"]}, "ranks 'z', which is not in this dataset"),
        ({"q_images": ["r.jpg", "s.jpg"]}, r"no ranking of 1 of 2 queries \(first: 'q'\)"),
        ({"db_images": [1, 2, 3]}, "db_images is not a list of file names"),
        ({"extra": Evil()}, "refused, as it requests 'builtins.print'"),
    ],
)
def test_other_pickles_are_named(revisited, change, message, capsys):
    path = revisited / "x.pkl"
    path.write_bytes(pickle.dumps(ranking() | change))
    with pytest.raises(HndescError, match=message):
        import_shortlist(revisited, path, revisited / "s.h5")
    assert capsys.readouterr().out == ""
    assert not (revisited / "s.h5").exists()


def test_matlab_file_of_views(tokyo):
    root = tokyo.write()
    entries = np.zeros((1, 2), [("query", object), ("views", object)])
    for column, (query, views) in enumerate([("00002.jpg", [3, 0]), ("00001.jpg", [1])]):
        cells = np.empty((1, len(views)), object)
        cells[0] = [tokyo.names[view] + ".png" for view in views]
        entries[0, column] = (query, cells)
    scipy.io.savemat(root / "netvlad.mat", {"ImgList": entries})
    import_shortlist(root, root / "netvlad.mat", root / "s.h5", kind="tokyo247")
    shortlist = read_shortlist(root / "s.h5")
    assert shortlist.queries == tokyo.queries
    assert shortlist.ranks.tolist() == [[1, -1], [3, 0]]


def test_other_matlab_files_are_named(tokyo):
    root = tokyo.write()
    with pytest.raises(HndescError, match=r"none\.mat: no such ranking file"):
        import_shortlist(root, root / "none.mat", root / "s.h5", kind="tokyo247")
    scipy.io.savemat(root / "x.mat", {"other": 1})
    with pytest.raises(HndescError, match=r"x\.mat: has no struct array 'ImgList'"):
        import_shortlist(root, root / "x.mat", root / "s.h5", kind="tokyo247")
    (root / "y.mat").write_bytes(b"no matlab file at all" * 20)
    with pytest.raises(HndescError, match=r"y\.mat: not a MATLAB file"):
        import_shortlist(root, root / "y.mat", root / "s.h5", kind="tokyo247")


def test_a_ranking_that_names_something_twice_is_refused(revisited):
    path = revisited / "x-gem.pkl"
    path.write_bytes(pickle.dumps(ranking() | {"ranks": np.array([[0, 2], [0, 1], [2, 0]])}))
    with pytest.raises(HndescError, match="ranks an image twice for the query"):
        import_shortlist(revisited, path, revisited / "s.h5")
    path.write_bytes(pickle.dumps(ranking() | {"q_images": ["r.jpg", "other/r.jpg"]}))
    with pytest.raises(HndescError, match="ranks the query 'r' twice"):
        import_shortlist(revisited, path, revisited / "s.h5")
