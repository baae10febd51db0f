import pickle

import numpy as np
import pytest

from hndesc.datasets.image_set import ImageEntry
from hndesc.datasets.revisited import dataset_images, read_ground_truth
from hndesc.errors import HndescError


def plain_truth() -> dict:
    return {
        "imlist": ["a", "b", "c", "d"],
        "qimlist": ["q", "r"],
        "gnd": [
            {"bbx": [1.5, 2, 30, 40], "easy": [0], "hard": np.array([2]), "junk": []},
            {"bbx": np.array([0.0, 0.0, 9.0, 9.0]), "easy": [], "hard": [], "junk": [3, 1]},
        ],
    }


@pytest.fixture
def write(tmp_path):
    def write(truth, name="gnd_test.pkl"):
        (tmp_path / name).write_bytes(pickle.dumps(truth))
        return tmp_path

    return write


def test_reads_names_boxes_and_labels(write):
    truth = read_ground_truth(write(plain_truth()))
    assert truth.database == ["a", "b", "c", "d"]
    first, second = truth.queries
    assert (first.name, first.box) == ("q", (1.5, 2.0, 30.0, 40.0))
    assert [first.easy.tolist(), first.hard.tolist(), first.junk.tolist()] == [[0], [2], []]
    assert (second.name, second.junk.tolist()) == ("r", [3, 1])
    assert all(values.dtype == np.int64 for values in (first.easy, first.hard, first.junk))


def test_photos_of_the_database_come_first_and_queries_have_their_box(write):
    root = write(plain_truth())
    (root / "jpg").mkdir()
    photos = dataset_images(root)
    assert photos[0] == ImageEntry("db/a", root / "jpg" / "a.jpg", None)
    assert photos[4] == ImageEntry("query/q", root / "jpg" / "q.jpg", (1.5, 2.0, 30.0, 40.0))
    assert [photo.name for photo in photos] == ["db/a", "db/b", "db/c", "db/d", "query/q", "query/r"]


def test_folder_without_photos_is_named(write):
    with pytest.raises(HndescError, match=r"jpg: no such folder"):
        dataset_images(write(plain_truth()))


def test_folder_must_hold_one_file(write, tmp_path):
    with pytest.raises(HndescError, match=r"must contain one file gnd_<set>\.pkl$"):
        read_ground_truth(tmp_path)
    write(plain_truth())
    write(plain_truth(), "gnd_other.pkl")
    with pytest.raises(HndescError, match=r"2: gnd_other\.pkl, gnd_test\.pkl"):
        read_ground_truth(tmp_path)
    assert len(read_ground_truth(tmp_path / "gnd_test.pkl").queries) == 2


def change(path, value):
    def apply(truth):
        target = truth
        for key in path[:-1]:
            target = target[key]
        target[path[-1]] = value

    return apply


@pytest.mark.parametrize(
    ("apply", "message"),
    [
        (lambda truth: truth.pop("imlist"), "keys imlist, qimlist, gnd"),
        (lambda truth: truth["gnd"].pop(), "one entry for each of the 2 queries"),
        (change(["imlist"], []), "imlist is not a list of image names"),
        (change(["imlist"], "abcd"), "imlist is not a list of image names"),
        (change(["imlist", 1], 5), "imlist has 5"),
        (change(["imlist", 1], "/etc/passwd"), "'/etc/passwd' is not the name of a file"),
        (change(["qimlist", 1], "../../outside"), "'../../outside' is not the name of a file"),
        (change(["imlist", 1], "a"), "contains 'a' twice"),
        (lambda truth: truth["gnd"][1].pop("hard"), r"gnd\[1\] \('r'\) needs the keys bbx, easy, hard, junk"),
        (change(["gnd", 0, "bbx"], [1, 2, 3]), r"gnd\[0\] \('q'\): bbx must be four numbers"),
        (change(["gnd", 0, "bbx"], [1, 2, 3, float("nan")]), "bbx must be four numbers"),
        (change(["gnd", 0, "bbx"], None), "bbx must be four numbers"),
        (change(["gnd", 1, "junk"], [4]), "junk has the index 4, but imlist has 4 images"),
        (change(["gnd", 1, "junk"], [-1]), "junk has the index -1"),
        (change(["gnd", 1, "junk"], [0.5]), "junk must be a list of indices"),
        (change(["gnd", 0, "junk"], [2]), "listed twice"),
    ],
)
def test_wrong_structure_is_named(write, apply, message):
    truth = plain_truth()
    apply(truth)
    with pytest.raises(HndescError, match=rf"gnd_test\.pkl.*{message}"):
        read_ground_truth(write(truth))


@pytest.mark.golden
@pytest.mark.parametrize(("name", "photos"), [("roxford5k", 4993), ("rparis6k", 6322)])
def test_published_ground_truth(shared, name, photos):
    truth = read_ground_truth(shared / "data" / "revisitop" / f"gnd_{name}.pkl")
    assert (len(truth.database), len(truth.queries)) == (photos, 70)
