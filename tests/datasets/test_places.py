import logging

import numpy as np
import pytest

from hndesc.datasets.places import LEFT_OUT, make_places
from hndesc.datasets.revisited import dataset_images, read_ground_truth
from hndesc.errors import HndescError
from hndesc.io.images import read_image, write_image


@pytest.fixture
def folder(tmp_path):
    """Places a (3 photos, one in a sub-folder), b (2), c (1), a photo in no place, a broken one in b."""
    paths = ["a/1.jpg", "a/2.png", "a/night/1.jpg", "b/1.jpg", "b/1.png", "c/only.jpg", "loose.jpg"]
    for number, path in enumerate(paths):
        write_image(tmp_path / "photos" / path, np.full((20, 30 + number, 3), 30 * number, np.uint8))
    (tmp_path / "photos" / "b" / "broken.jpg").write_bytes(b"no photo")
    return tmp_path


def test_every_photo_of_a_place_asks_for_the_others(folder, caplog):
    with caplog.at_level(logging.WARNING):
        make_places(folder / "photos", folder / "set")
    truth = read_ground_truth(folder / "set")
    assert truth.database == ["a__1", "a__2", "a__night__1", "b__1", "b__1_2", "c__only", "loose"]
    asked = {query.name: (query.easy.tolist(), query.hard.tolist(), query.junk.tolist()) for query in truth.queries}
    assert asked == {
        "a__1": ([1, 2], [], [0]),
        "a__2": ([0, 2], [], [1]),
        "a__night__1": ([0, 1], [], [2]),
        "b__1": ([4], [], [3]),
        "b__1_2": ([3], [], [4]),
    }
    assert truth.queries[1].box == (0, 0, 31, 20)
    photos = dataset_images(folder / "set")
    assert len(photos) == 12
    assert [round(photo.read().mean()) for photo in photos[:7]] == [0, 30, 60, 90, 120, 150, 180]
    assert read_image(folder / "set" / "jpg" / "a__2.jpg").shape == (20, 31, 3)
    assert "b/broken.jpg is skipped" in caplog.text
    assert "b/broken.jpg\t" in (folder / "set" / LEFT_OUT).read_text()


def test_queries_may_be_fewer(folder):
    make_places(folder / "photos", folder / "set", queries=1)
    assert [query.name for query in read_ground_truth(folder / "set").queries] == ["a__1", "b__1"]
    make_places(folder / "photos", folder / "set", queries=2)  # replaces the earlier one
    assert [query.name for query in read_ground_truth(folder / "set").queries] == ["a__1", "a__2", "b__1", "b__1_2"]


def test_folder_without_places_is_named(tmp_path):
    write_image(tmp_path / "photos" / "a" / "1.jpg", np.zeros((8, 8, 3), np.uint8))
    write_image(tmp_path / "photos" / "2.jpg", np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(HndescError, match=r"photos: no place in it has two readable photos"):
        make_places(tmp_path / "photos", tmp_path / "set")
    with pytest.raises(HndescError, match="no such folder"):
        make_places(tmp_path / "absent", tmp_path / "set")


def test_other_folders_are_not_overwritten(folder):
    with pytest.raises(HndescError, match="overlaps with the input"):
        make_places(folder / "photos", folder / "photos")


def test_any_name_of_a_photo_becomes_one_that_is_read_again(folder):
    for number, name in enumerate(["line\nbreak.jpg", "line_break.jpg", f"{'ä' * 120}.jpg", f"x{'ä' * 119}.jpg"]):
        write_image(folder / "photos" / "b" / name, np.full((20, 20 + number, 3), 30 * number, np.uint8))
    make_places(folder / "photos", folder / "set")
    truth = read_ground_truth(folder / "set")
    assert len(set(truth.database)) == 11 and all(photo.path.is_file() for photo in dataset_images(folder / "set"))
    assert {"b__line_break", "b__line_break_2"} <= set(truth.database)
