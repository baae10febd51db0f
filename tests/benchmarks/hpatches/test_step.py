"""The step that scores stored features: from files to figures, and what it refuses."""

import json
import logging
import re

import numpy as np
import pytest

from hndesc.benchmarks.hpatches.protocols import LARGE_SCENES
from hndesc.benchmarks.hpatches.step import score_hpatches
from hndesc.errors import HndescError
from hndesc.geometry import warp_points

from .conftest import CODES, POINTS, Sequences, make_features


def rows(text):
    return {m[1]: [float(value) for value in m[2].split(" / ")] for m in re.finditer(r"(.*) v/i/avg: (.*)", text)}


def test_exact_features_score_one_everywhere(sequences):
    text, record = sequences.score(name="mine")
    expected = ["PCK benchmark:", *(f"MMA@{t} v/i/avg: 1.000 / 1.000 / 1.000" for t in range(1, 11))]
    expected += ["Homography benchmark:", *(f"th: {t} v/i/avg: 1.000 / 1.000 / 1.000" for t in (1, 3, 5, 10))]
    assert text == "\n".join(expected) + "\n"
    assert (record["benchmark"], record["kind"], record["failures"]) == ("mine", "hpatches", [])
    assert record["per_sequence"]["v_one"]["matches"] == [len(POINTS)] * 5
    assert record["per_sequence"]["i_two"]["inliers"]["ransac"] == [len(POINTS)] * 5
    assert record["features"] == {"detector": "exact"}
    assert record["settings"] == {
        "protocol": "full",
        "estimator": "ransac",
        "estimators": ["ransac"],
        "threshold": 3.0,
        "iterations": 5000,
        "confidence": 0.9995,
    }
    assert record["sequences"] == {"v": 1, "i": 1, "": 0}
    assert record["left_out"] == [] and len(LARGE_SCENES) == 8
    assert record["figures"]["homography_auc"]["3"] == pytest.approx({"v": 1, "i": 1, "all": 1}, abs=1e-3)
    assert (
        record["figures"]["features"] == record["figures"]["matches"] == {key: len(POINTS) for key in ("v", "i", "all")}
    )


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
    failed = [(failure["sequence"], failure["pair"][1], failure["reason"]) for failure in record["failures"]]
    assert failed == [
        *(("i_two", f"i_two/{k}.png", "i_two/1.png: gone") for k in range(2, 7)),
        ("v_one", "v_one/4.png", "v_one/4.png: truncated"),
    ]
    assert "pair v_one/1.png, v_one/4.png counts as a failure: v_one/4.png: truncated" in caplog.text
    assert record["per_sequence"]["v_one"]["corner_error"]["ransac"][2] is None


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
    skew = np.diag([0.95, 1.0, 1.0])
    for name, exact in sequences.features.items():
        points = exact.keypoints if name.endswith("/1.png") else warp_points(skew, exact.keypoints)
        sequences.features[name] = make_features(points, exact.descriptors)
    expected = sequences.score()[1]
    for name, known in sequences.features.items():
        sequences.features[name] = make_features(known.keypoints, known.descriptors, size=(0, 0))
    assert sequences.score()[1]["per_sequence"] == expected["per_sequence"]
    assert expected["per_sequence"]["v_one"]["corner_error"]["ransac"][0] > 1


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
