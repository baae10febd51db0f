"""The retrieval set: the revisited layout in plain data, boxes that hold the place, views as hard as called."""

import pickletools

import cv2
import numpy as np
import pytest

from hndesc.datasets.demo import retrieval
from hndesc.datasets.demo.photographs import HELD_OUT, load
from hndesc.datasets.demo.relighting import Light, generator
from hndesc.io.images import read_image, to_gray
from hndesc.io.pickles import load_pickle


@pytest.fixture(scope="module")
def root(demo):
    return demo.root / "retrieval"


@pytest.fixture(scope="module")
def truth(root):
    return load_pickle(root / "gnd_demo.pkl")


def test_pickle_holds_plain_data_only(root, truth):
    opcodes = {opcode.name for opcode, _, _ in pickletools.genops((root / "gnd_demo.pkl").read_bytes())}
    assert not opcodes & {"GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD", "INST", "OBJ", "NEWOBJ"}
    assert list(truth) == ["gnd", "imlist", "qimlist"]
    assert [list(query) for query in truth["gnd"]] == [["bbx", "easy", "hard", "junk"]] * len(truth["qimlist"])
    for query in truth["gnd"]:
        assert {type(value) for value in query["bbx"]} == {float} and len(query["bbx"]) == 4
        assert all(type(index) is int for kind in ("easy", "hard", "junk") for index in query[kind])


def test_every_photo_is_listed_once(root, truth):
    listed = truth["imlist"] + truth["qimlist"]
    assert len(set(listed)) == len(listed)
    assert sorted(f"{name}.jpg" for name in listed) == sorted(path.name for path in (root / "jpg").iterdir())


def test_indices_are_disjoint_and_name_the_place(truth):
    assert len({name.split("_")[0] for name in truth["qimlist"]}) >= 6
    for name, query in zip(truth["qimlist"], truth["gnd"], strict=True):
        indices = query["easy"] + query["hard"] + query["junk"]
        assert len(set(indices)) == len(indices)
        assert {truth["imlist"][index].split("_")[0] for index in indices} == {name.split("_")[0]}
        assert len(query["hard"]) >= 3 and query["junk"]


def test_some_query_has_no_easy_view_and_some_images_belong_to_none(truth):
    assert sum(not query["easy"] for query in truth["gnd"]) == 1
    used = {index for query in truth["gnd"] for kind in ("easy", "hard", "junk") for index in query[kind]}
    assert used < set(range(len(truth["imlist"])))
    assert len(truth["imlist"]) - len(used) >= 10


def test_boxes_lie_in_the_photos(root, truth):
    for name, query in zip(truth["qimlist"], truth["gnd"], strict=True):
        height, width = read_image(root / "jpg" / f"{name}.jpg").shape[:2]
        left, top, right, bottom = query["bbx"]
        assert 0 <= left < right <= width - 1 and 0 <= top < bottom <= height - 1
        assert (right - left) * (bottom - top) > 0.1 * width * height


def test_box_frames_the_queried_region():
    # A white square on black: its box must end where the white ends.
    photo = np.zeros((300, 400, 3), np.uint8)
    photo[60:210, 100:300] = 255
    image, box = retrieval._query(photo, (0.25, 0.2, 0.75, 0.7), generator(3, "box"))
    # The wall is bright too; only what lies within the photo counts.
    inside = np.zeros(image.shape[:2], bool)
    inside[round(box[1]) - 20 : round(box[3]) + 20, round(box[0]) - 20 : round(box[2]) + 20] = True
    rows, columns = np.nonzero((to_gray(image) > 128) & inside)
    assert np.allclose(box, [columns.min(), rows.min(), columns.max(), rows.max()], atol=1.5)


def test_homography_follows_the_photo_through_shrinking():
    photo = np.zeros((600, 800, 3), np.uint8)
    cv2.circle(photo, (560, 180), 25, (255, 255, 255), -1)
    image, view = retrieval._take(photo, generator(1, "view"), 0.3, (10, 15, -20), Light())
    u, v = retrieval._project(view, np.array([[560.0, 180.0]]))[0]
    x, y = round(u), round(v)
    weights = to_gray(image)[y - 14 : y + 15, x - 14 : x + 15].astype(float)
    rows, columns = np.mgrid[y - 14 : y + 15, x - 14 : x + 15]
    assert (weights * columns).sum() / weights.sum() == pytest.approx(u, abs=0.3)
    assert (weights * rows).sum() / weights.sum() == pytest.approx(v, abs=0.3)


def test_easy_views_match_better_than_hard_ones_and_those_than_junk(root, truth):
    sift = cv2.SIFT_create()
    place = truth["qimlist"].index("astronaut_query_0")
    query = sift.detectAndCompute(to_gray(load("astronaut", HELD_OUT)), None)[1]

    def matches(index):
        image = to_gray(read_image(root / "jpg" / f"{truth['imlist'][index]}.jpg"))
        pairs = cv2.BFMatcher().knnMatch(query, sift.detectAndCompute(image, None)[1], k=2)
        return sum(best.distance < 0.75 * second.distance for best, second in pairs)

    easy, hard, junk = [
        np.mean([matches(index) for index in truth["gnd"][place][kind]]) for kind in ("easy", "hard", "junk")
    ]
    assert easy > 5 * hard > 5 * junk


def test_another_seed_gives_other_views():
    one, other = [retrieval._views("page", retrieval.PLACES["page"], seed)[0] for seed in (0, 1)]
    assert one[0] != other[0]
    assert (one[1] != other[1]).any()
