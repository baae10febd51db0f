import json

import numpy as np
import pytest

from hndesc.errors import HndescError
from hndesc.evaluation.result import write_result
from hndesc.io.described_images import DescribedImages, named_pair
from hndesc.io.features import Features, FeatureWriter


@pytest.fixture
def feature_file(tmp_path):
    path = tmp_path / "f.h5"
    points, scores = np.zeros((2, 2), np.float32), np.ones(2, np.float32)
    with FeatureWriter(path, {}) as writer:
        writer.write("a/1.png", Features(points, (8, 8), scores, np.eye(2, dtype=np.float32)))
        writer.write("a/2.png", Features(points, (8, 8), scores))
        writer.fail("a/3.png", "truncated")
        writer.fail("b/1.png", "not asked for")
    return path


def test_images_that_failed_are_listed(feature_file):
    with DescribedImages(feature_file, ["a/1.png", "a/3.png"]) as images:
        assert images.lost == {"a/3.png": "truncated"}
        assert len(images.read("a/1.png")) == 2


def test_images_without_descriptors_are_named(feature_file):
    with (
        DescribedImages(feature_file, ["a/2.png"]) as images,
        pytest.raises(HndescError, match=r"f\.h5: 'a/2\.png' has keypoints without descriptors"),
    ):
        images.read("a/2.png")


def test_features_of_another_dataset_are_named(feature_file):
    with pytest.raises(HndescError, match=r"f\.h5: no features of 2 of 3 images, 'c/1\.png' first"):
        DescribedImages(feature_file, ["a/1.png", "c/1.png", "c/2.png"])


def test_what_goes_wrong_with_a_pair_names_it():
    with pytest.raises(ZeroDivisionError) as error, named_pair("a/1.png", "a/2.png"):
        raise ZeroDivisionError
    assert error.value.__notes__ == ["with the pair a/1.png, a/2.png"]


def test_result_says_what_it_ran_on_and_has_no_nan(tmp_path):
    record = {"kind": "x", "figures": {1: float("nan"), "rows": [(0.5, float("inf"))]}, "failures": []}
    write_result(tmp_path / "r.txt", tmp_path / "r.json", "text\n", record)
    written = json.loads((tmp_path / "r.json").read_text())
    assert written["figures"] == {"1": None, "rows": [[0.5, None]]}
    assert {"numpy", "hndesc", "opencv-python-headless"} <= written["versions"].keys()
    assert (tmp_path / "r.txt").read_text() == "text\n"
