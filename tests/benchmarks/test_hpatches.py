import json
import logging
import re

import numpy as np
import pytest
from PIL import Image

from hndesc.benchmarks.hpatches import (
    LARGE_SCENES,
    PairScore,
    format_result,
    matching_accuracy,
    score_hpatches,
    score_pair,
    summarize,
)
from hndesc.errors import HndescError
from hndesc.features import Features, FeatureWriter
from hndesc.geometry import translation, warp_points

SIZE = (200, 150)
POINTS = np.stack(np.meshgrid(np.arange(10.0, 190, 18), np.arange(10.0, 140, 13)), axis=-1).reshape(-1, 2)
CODES = np.random.default_rng(0).normal(size=(len(POINTS), 32)).astype(np.float32)
CODES /= np.linalg.norm(CODES, axis=1, keepdims=True)
SHEAR = np.array([[1.02, 0.03, 4], [-0.02, 0.97, 3], [1e-5, 2e-5, 1]])


def make_features(points=POINTS, codes=CODES, size=SIZE):
    return Features(points.astype(np.float32), size, np.ones(len(points), np.float32), codes)


class Sequences:
    """A folder of sequences and the features of their images, all of them exact unless they are changed."""

    def __init__(self, folder):
        self.root, self.file = folder / "sequences", folder / "features.h5"
        self.features, self.failed = {}, {}

    def add(self, name):
        folder = self.root / name
        folder.mkdir(parents=True)
        for number in range(1, 7):
            homography = np.linalg.matrix_power(SHEAR, number - 1)
            Image.new("L", SIZE).save(folder / f"{number}.png")
            if number > 1:
                np.savetxt(folder / f"H_1_{number}", homography)
            self.features[f"{name}/{number}.png"] = make_features(warp_points(homography, POINTS))
        return folder

    def score(self, **settings):
        with FeatureWriter(self.file, {"detector": "exact"}) as writer:
            for name, features in self.features.items():
                writer.write(name, features)
            for name, reason in self.failed.items():
                writer.fail(name, reason)
        text, record = self.root.parent / "out.txt", self.root.parent / "out.json"
        returned = score_hpatches(self.root, self.file, text, record, **settings)
        written = json.loads(record.read_text())
        assert written["figures"] == json.loads(json.dumps(returned["figures"]).replace("NaN", "null"))
        return text.read_text(), written


@pytest.fixture
def sequences(tmp_path):
    made = Sequences(tmp_path)
    made.add("v_one")
    made.add("i_two")
    return made


def rows(text):
    return {m[1]: [float(value) for value in m[2].split(" / ")] for m in re.finditer(r"(.*) v/i/avg: (.*)", text)}


def test_published_form_to_the_letter():
    values = [(0.25, 0.426, 0.338), (0.2068, 0.49159, 0.3444), (1.0, 0.0, 0.5), (float("nan"), 1.0, float("nan"))]
    mma, accuracy = ([dict(zip(("v", "i", key), row, strict=True)) for row in values] for key in ("avg", "all"))
    figures = {
        "mma": {"1": mma[0] | {"all": 0.9}, "10": mma[2] | {"all": 0.9}},
        "homography_accuracy": {"1": accuracy[1], "3": accuracy[3]},
    }
    assert format_result(figures) == (
        "PCK benchmark:\n"
        "MMA@1 v/i/avg: 0.250 / 0.426 / 0.338\n"
        "MMA@10 v/i/avg: 1.000 / 0.000 / 0.500\n"
        "Homography benchmark:\n"
        "th: 1 v/i/avg: 0.207 / 0.492 / 0.344\n"
        "th: 3 v/i/avg: nan / 1.000 / nan\n"
    )


def test_exact_features_score_one_everywhere(sequences):
    text, record = sequences.score(name="mine")
    expected = ["PCK benchmark:", *(f"MMA@{t} v/i/avg: 1.000 / 1.000 / 1.000" for t in range(1, 11))]
    expected += ["Homography benchmark:", *(f"th: {t} v/i/avg: 1.000 / 1.000 / 1.000" for t in (1, 3, 5, 10))]
    assert text == "\n".join(expected) + "\n"
    assert (record["benchmark"], record["kind"], record["failures"]) == ("mine", "hpatches", [])
    assert record["per_sequence"]["v_one"]["matches"] == [len(POINTS)] * 5
    assert record["per_sequence"]["i_two"]["inliers"] == [len(POINTS)] * 5
    assert record["features"] == {"detector": "exact"}
    assert record["settings"] == {"estimator": "ransac", "threshold": 3.0, "iterations": 5000, "confidence": 0.9995}
    assert record["sequences"] == {"v": 1, "i": 1}
    assert record["left_out"] == list(LARGE_SCENES) and len(LARGE_SCENES) == 8


def test_matching_accuracy_by_hand():
    points = np.zeros((4, 2))
    off = np.array([[3.0, 0], [3, 0.5], [3, 4], [3, 40]])  # errors 0, 0.5, 4, 40 after the true shift by (3, 0)
    accuracy = matching_accuracy(points, off, translation(3, 0))
    assert accuracy.tolist() == [0.5, 0.5, 0.5, 0.75, 0.75, 0.75, 0.75, 0.75, 0.75, 0.75]
    assert matching_accuracy(points[:0], off[:0], np.eye(3)).tolist() == [0.0] * 10


def test_point_sent_to_infinity_is_no_correct_match():
    horizon = np.array([[1.0, 0, 0], [0, 1, 0], [1, 0, -1]])
    assert matching_accuracy(np.array([[1.0, 0]]), np.array([[1.0, 0]]), horizon).tolist() == [0.0] * 10


def test_pair_by_hand():
    moved = warp_points(translation(3, 0), POINTS)
    score = score_pair(make_features(), make_features(moved), translation(0, 0), SIZE)
    assert score["matches"] == score["inliers"] == len(POINTS)
    assert score["accuracy"].tolist() == [0, 0, 1, 1, 1, 1, 1, 1, 1, 1]
    assert score["corner_error"] == pytest.approx(3, abs=1e-3)


def test_corner_error_is_taken_on_the_corners_of_the_second_image():
    scale = np.diag([1.1, 1.0, 1.0])
    features = make_features(warp_points(scale, POINTS))
    errors = [score_pair(make_features(), features, np.eye(3), size)["corner_error"] for size in ((101, 50), (201, 50))]
    assert errors == pytest.approx([5, 10], abs=1e-2)


def test_means_by_hand():
    def pair(sequence, accuracy, error):
        return PairScore(sequence, 2, 9, np.full(10, accuracy), 5, error)

    figures = summarize([pair("v_a", 0.4, 2.9), pair("v_a", 0.8, 3.0), pair("v_b", 0.6, 0.1), pair("i_a", 0.2, 11.0)])
    assert figures["mma"]["7"] == pytest.approx({"v": 0.6, "i": 0.2, "avg": 0.4, "all": 0.5})
    third = 1 / 3
    assert figures["homography_accuracy"] == {
        "1": pytest.approx({"v": third, "i": 0, "all": 1 / 4}),
        "3": pytest.approx({"v": 2 * third, "i": 0, "all": 2 / 4}),
        "5": pytest.approx({"v": 1, "i": 0, "all": 3 / 4}),
        "10": pytest.approx({"v": 1, "i": 0, "all": 3 / 4}),
    }


def test_class_without_sequences_is_nan_in_text_and_null_in_json(tmp_path):
    made = Sequences(tmp_path)
    made.add("v_only")
    text, record = made.score()
    assert "MMA@3 v/i/avg: 1.000 / nan / nan\n" in text
    assert "th: 3 v/i/avg: 1.000 / nan / 1.000\n" in text
    assert record["figures"]["mma"]["3"] == {"v": 1.0, "i": None, "avg": None, "all": 1.0}


def test_image_that_failed_fails_its_pairs(sequences, caplog):
    del sequences.features["v_one/4.png"], sequences.features["i_two/1.png"]
    sequences.failed = {"v_one/4.png": "truncated", "i_two/1.png": "gone"}
    with caplog.at_level(logging.WARNING):
        text, record = sequences.score()
    assert "MMA@10 v/i/avg: 0.800 / 0.000 / 0.400\n" in text
    assert "th: 10 v/i/avg: 0.800 / 0.000 / 0.400\n" in text
    failed = [(failure["sequence"], failure["image"], failure["reason"]) for failure in record["failures"]]
    assert failed == [("i_two", k, "i_two/1.png: gone") for k in range(2, 7)] + [("v_one", 4, "v_one/4.png: truncated")]
    assert "v_one: pair 1-4 counts as a failure: v_one/4.png (truncated)" in caplog.text
    assert record["per_sequence"]["v_one"]["corner_error"][2] is None


def test_image_without_keypoints_scores_zero_and_is_no_failure(sequences):
    sequences.features["v_one/2.png"] = make_features(POINTS[:0], CODES[:0])
    text, record = sequences.score()
    assert rows(text)["MMA@1"][0] == rows(text)["th: 10"][0] == 0.8
    assert record["failures"] == []
    assert record["per_sequence"]["v_one"]["matches"][0] == 0


def test_too_few_matches_make_a_wrong_homography(sequences):
    for number in (2, 3):
        exact = sequences.features[f"v_one/{number}.png"]
        sequences.features[f"v_one/{number}.png"] = exact.take(np.arange(3))
    text, _ = sequences.score()
    assert rows(text)["th: 10"] == [0.6, 1.0, 0.8]
    assert rows(text)["MMA@1"] == [1.0, 1.0, 1.0]


def test_features_of_another_dataset_are_named(sequences):
    sequences.features = {name.replace("two", "three"): value for name, value in sequences.features.items()}
    with pytest.raises(HndescError, match=r"features\.h5: no features of 6 of 12 images, 'i_two/1\.png' first"):
        sequences.score()


def test_image_size_comes_from_the_header_when_features_lack_it(sequences):
    skew = np.diag([1.05, 1.0, 1.0])
    for name, exact in sequences.features.items():
        points = exact.keypoints if name.endswith("/1.png") else warp_points(skew, exact.keypoints)
        sequences.features[name] = make_features(points, exact.descriptors)
    expected = sequences.score()[1]
    for name, known in sequences.features.items():
        sequences.features[name] = make_features(known.keypoints, known.descriptors, size=(0, 0))
    assert sequences.score()[1]["per_sequence"] == expected["per_sequence"]
    assert expected["per_sequence"]["v_one"]["corner_error"][0] > 1


def test_large_scenes_are_left_out_unless_asked_for(sequences):
    sequences.add("v_talent")
    assert "v_talent" not in sequences.score()[1]["per_sequence"]
    record = sequences.score(large_scenes=True)[1]
    assert "v_talent" in record["per_sequence"] and record["left_out"] == []


def test_threads_do_not_change_the_result(sequences):
    rng = np.random.default_rng(1)
    for name, exact in sequences.features.items():
        noisy = exact.keypoints + rng.normal(scale=2, size=exact.keypoints.shape)
        sequences.features[name] = make_features(noisy, exact.descriptors)
    one, three = sequences.score(), sequences.score(threads=3)
    assert one == three
    assert 0 < rows(one[0])["MMA@1"][0] < 1


def test_settings_reach_the_estimator(sequences):
    with pytest.raises(HndescError, match="unknown homography estimator 'guess'"):
        sequences.score(estimator="guess")
    assert sequences.score(ransac_threshold=1.0)[1]["settings"]["threshold"] == 1.0


@pytest.mark.golden
def test_figures_of_the_published_evaluation(shared, tmp_path):
    expected = json.loads((shared / "golden" / "expected.json").read_text())["hpatches_mini"]
    features = shared / "golden" / "hpatches_mini_features.h5"
    record = score_hpatches(shared / "data" / "hpatches_mini", features, tmp_path / "o.txt", tmp_path / "o.json")
    for threshold, values in expected["mma"].items():
        assert {key: record["figures"]["mma"][threshold][key] for key in values} == pytest.approx(values, abs=1e-6)
    for threshold, values in expected["homography_accuracy"].items():
        ours = record["figures"]["homography_accuracy"][threshold]
        assert ours == pytest.approx(values, abs=0.2 + 1e-9)
    matches = {kind: record["per_sequence"][name]["matches"] for kind, name in (("i", "i_pool"), ("v", "v_dogman"))}
    assert matches == expected["n_matches"]
