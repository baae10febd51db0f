"""The step that scores stored features: from files to figures, and what it refuses."""

import csv
import io
import json
import logging
import re
from dataclasses import replace

import h5py
import numpy as np
import pytest
from PIL import Image

from hndesc.datasets.homography.sequences import LARGE_SCENES
from hndesc.errors import HndescError
from hndesc.evaluation.hpatches import evaluate
from hndesc.evaluation.hpatches.evaluate import score_hpatches
from hndesc.geometry.homography import warp_points
from hndesc.geometry.robust import ESTIMATORS

from .conftest import CODES, POINTS, SHEAR, SIZE, Sequences, make_features


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
        "ratio": None,
        "orders": 0,
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


def test_a_ratio_is_part_of_the_protocol(sequences):
    double = np.concatenate([POINTS, POINTS[:20]]), np.concatenate([CODES, CODES[:20]])
    sequences.features["v_one/2.png"] = make_features(warp_points(SHEAR, double[0]), double[1])
    record = sequences.score(ratio=0.9)[1]
    assert record["settings"]["ratio"] == 0.9 and record["protocol"].endswith(
        "mutual nearest neighbors, ratio at most 0.9"
    )
    assert record["per_sequence"]["v_one"]["matches"] == [len(POINTS) - 20] + [len(POINTS)] * 4


def test_of_several_views_those_that_agree_are_matched(sequences):
    for name, features in sequences.features.items():
        shift = int(name[-5])  # each image alone has other descriptors; in one view each has those of image 1
        views = np.stack([np.roll(CODES, shift + 10 * view, axis=0) for view in range(1, 5)])
        views[1] = CODES
        sequences.features[name] = replace(features, descriptors=np.roll(CODES, shift, axis=0), views=views)
    assert rows(sequences.score()[0])["MMA@3"] == [0, 0, 0]
    for name, features in sequences.features.items():
        sequences.features[name] = replace(
            features, descriptors=CODES if name.endswith("1.png") else features.descriptors
        )
    text, record = sequences.score()
    assert rows(text)["MMA@3"] == rows(text)["th: 1"] == [1, 1, 1]
    assert record["figures"]["average_precision"]["all"] == 1


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


def test_large_scenes_are_skipped_unless_requested(sequences):
    sequences.add("v_talent")
    assert "v_talent" not in sequences.score()[1]["per_sequence"]
    record = sequences.score(large_scenes=True)[1]
    assert "v_talent" in record["per_sequence"] and record["left_out"] == []


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_do_not_change_the_result(sequences, request, threads):
    rng = np.random.default_rng(1)
    for name, exact in sequences.features.items():
        noisy = exact.keypoints + rng.normal(scale=2, size=exact.keypoints.shape)
        sequences.features[name] = make_features(noisy, exact.descriptors)
    one = sequences.score(estimator=ESTIMATORS)
    request.getfixturevalue("helpers_only")
    assert sequences.score(estimator=ESTIMATORS, threads=threads) == one
    assert 0 < rows(one[0])["MMA@1"][0] < 1


def test_what_goes_wrong_unexpectedly_names_the_pair(sequences, monkeypatch):
    monkeypatch.setattr(evaluate, "score_pair", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError) as error:
        sequences.score()
    assert re.fullmatch(r"with the pair \w+/1\.\w+, \w+/2\.\w+", error.value.__notes__[0])


def test_broken_features_are_named_from_wherever_they_are_read(sequences, helpers_only):
    name = next(iter(sequences.features))
    sequences.features[name] = make_features(POINTS + 10_000, CODES)
    with pytest.raises(HndescError, match=f"features of '{name}' lie outside its"):
        sequences.score(threads=2)


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


def test_scenes_skipped_are_named(sequences, caplog):
    sequences.add("v_talent")
    with caplog.at_level(logging.INFO):
        assert sequences.score()[1]["left_out"] == ["v_talent"]
    assert "excluded as very large: v_talent" in caplog.text
    sequences.root.joinpath("v_talent", "H_1_3").unlink()  # not read, since the sequence is excluded
    assert sequences.score()[1]["left_out"] == ["v_talent"]


def test_tables_hold_the_figures(sequences):
    record = sequences.score(estimator=["ransac", "poselib"])[1]
    summary, by_sequence = (
        list(csv.DictReader(io.StringIO((sequences.root.parent / name).read_text())))
        for name in ("out.csv", "sequences.csv")
    )
    assert len(summary) == 10 + 2 * (4 + 3) + 2 + 4 + 2 * 3
    assert {row["estimator"] for row in summary} == {"", "ransac", "poselib"}
    assert {(row["benchmark"], row["protocol"]) for row in summary} == {("sequences", "full")}
    assert [row["sequence"] for row in by_sequence] == ["i_two", "v_one"]
    assert {row["mma@1"] for row in by_sequence} == {"1.000000"}
    assert record["settings"]["estimators"] == ["ransac", "poselib"]


def test_first_of_several_estimators_is_in_the_published_form(sequences):
    text, record = sequences.score(estimator=["magsac", "ransac"])
    assert text.count("Homography benchmark (magsac):\n") == text.count("Homography benchmark:\n") == 1
    figures = record["figures"]
    assert list(figures["estimators"]) == ["magsac", "ransac"]
    assert figures["homography_auc"] == figures["estimators"]["magsac"]["homography_auc"]
    with pytest.raises(HndescError, match="give at least one, and each once"):
        sequences.score(estimator=["magsac", "magsac"])


# What must not be scored: each is named, and nothing is written.


def refused(sequences, message, **settings):
    with pytest.raises(HndescError, match=message):
        sequences.score(**settings)
    assert not (sequences.root.parent / "out.json").exists()


def test_missing_homography_is_refused(sequences):
    (sequences.root / "v_one" / "H_1_5").unlink()
    refused(sequences, r"v_one/H_1_5: no such file; each image pair needs its homography")


def test_sequence_with_fewer_images_is_refused(sequences):
    (sequences.root / "v_one" / "6.png").unlink()
    (sequences.root / "i_two" / "3.png").unlink()
    refused(sequences, r"i_two: image 3 is missing .*the sequence has 6 images; 1 more sequences are incomplete")


def test_features_of_images_of_another_size_are_refused(sequences):
    sequences.features["v_one/3.png"] = make_features(size=(SIZE[0] + 1, SIZE[1]))
    refused(sequences, r"features of 'v_one/3\.png' belong to an image of \(201, 150\) pixels, but it has \(200, 150\)")


@pytest.mark.parametrize(("tag", "recorded"), [(3, 1), (1, 3)])
def test_features_of_an_image_of_another_orientation_are_refused(sequences, tag, recorded):
    exif = Image.Exif()
    exif[274] = tag
    Image.new("L", SIZE).save(sequences.root / "v_one" / "3.png", exif=exif)
    features = sequences.features["v_one/3.png"]
    sequences.features["v_one/3.png"] = replace(features, orientation=tag)
    sequences.score()
    (sequences.root.parent / "out.json").unlink()
    sequences.features["v_one/3.png"] = replace(features, orientation=recorded)
    refused(sequences, f"rotated by EXIF orientation {recorded}, but it is read with {tag}")


def test_keypoints_outside_the_image_are_refused(sequences):
    sequences.features["v_one/3.png"] = make_features(POINTS + 60, size=(0, 0))
    refused(sequences, r"features of 'v_one/3\.png' lie outside its 200 x 150 pixels; use the features of this dataset")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_descriptors_that_are_not_finite_are_refused(sequences, value):
    sequences.write()
    with h5py.File(sequences.file, "r+") as file:
        file["i_two/4.png/descriptors"][7, 3] = value
    sequences.write = lambda: None
    refused(sequences, r"features\.h5: entry 'i_two/4\.png' has non-finite descriptors")


def test_descriptors_of_different_lengths_are_refused(sequences):
    shorter = CODES[:, :16] / np.linalg.norm(CODES[:, :16], axis=1, keepdims=True)
    sequences.features["i_two/4.png"] = make_features(codes=shorter)
    refused(sequences, r"'i_two/4\.png' has descriptors of 16 dimensions, 'i_two/1\.png' of 32")


def test_keypoints_without_descriptors_are_refused(sequences):
    sequences.features["i_two/4.png"] = make_features(codes=None)
    refused(sequences, r"'i_two/4\.png' has keypoints without descriptors")


def test_image_without_a_header_is_refused(sequences):
    (sequences.root / "i_two" / "4.png").write_bytes(b"no image")
    refused(sequences, r"i_two/4\.png: not an image")


# The second protocol.


@pytest.fixture
def resized(tmp_path):
    made = Sequences(tmp_path, size=(640, 480))
    made.add("v_one")
    return made


def test_second_protocol(resized):
    rng = np.random.default_rng(0)
    for name, exact in resized.features.items():
        if not name.endswith("/1.png"):
            # Weak keypoints beyond the strongest thousand count for nothing.
            points = np.vstack([exact.keypoints, rng.uniform(0, 400, (1000, 2))])
            codes = np.vstack([exact.descriptors, np.roll(np.resize(exact.descriptors, (1000, 32)), 1, axis=0)])
            scores = np.where(np.arange(len(points)) < len(POINTS), 1, 0.5).astype(np.float32)
            resized.features[name] = make_features(points, codes, (640, 480), scores)
    text, record = resized.score(protocol="480x640")
    assert [line for line in text.splitlines() if not line.startswith("MMA")] == [
        "PCK benchmark:",
        "Homography benchmark:",
        *(f"th: {t} v/i/avg: 1.000 / nan / 1.000" for t in (1, 3, 5)),
        "Matching score:",
        f"th: 3 v/i/avg: {record['figures']['matching_score']['v']:.3f} / nan / "
        f"{record['figures']['matching_score']['all']:.3f}",
    ]
    assert record["per_sequence"]["v_one"]["features"] == [[len(POINTS), 1000]] * 5
    assert 0 < record["figures"]["matching_score"]["v"] < 1
    assert record["settings"]["protocol"] == "480x640" and record["settings"]["confidence"] == 0.995
    assert "480 x 640" in record["protocol"]


def test_second_protocol_wants_images_of_its_size(sequences):
    refused(
        sequences,
        r"i_two/1\.png: 200 x 150 pixels, but the protocol requires \(640, 480\).*hndesc resize-sequ",
        protocol="480x640",
    )


def test_lost_image_is_a_failure_of_every_figure(resized):
    del resized.features["v_one/3.png"]
    resized.failed = {"v_one/3.png": "truncated"}
    record = resized.score(protocol="480x640", estimator=["ransac", "poselib"])[1]
    assert record["per_sequence"]["v_one"]["matching_score"][1] == 0.0
    assert record["figures"]["matching_score"]["all"] == pytest.approx(0.8)
    for own in record["figures"]["estimators"].values():
        assert own["homography_accuracy"]["5"]["all"] == 0.8
        assert own["homography_auc"]["10"]["all"] == pytest.approx(0.8, abs=1e-3)


def test_any_layout_is_scored(tmp_path):
    made = Sequences(tmp_path)
    folder = made.add("v_one")
    (made.root / "pairs.csv").write_text("image1,image2,homography\nv_one/1.png,v_one/4.png,v_one/H_1_4\n")
    text, record = made.score()
    assert text.startswith("PCK benchmark:\nMMA@1: 1.000\n") and "th: 10: 1.000\n" in text
    assert record["sequences"] == {"v": 0, "i": 0, "": 1}
    assert record["per_sequence"][folder.name]["pairs"] == [["v_one/1.png", "v_one/4.png"]]
    assert made.score(layout="hpatches")[1]["sequences"] == {"v": 1, "i": 0, "": 0}


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        *(("ransac_threshold", value) for value in (0, -1, float("nan"), float("inf"))),
        *(("iterations", value) for value in (0, -5, 1.5, 10**12)),
        *(("confidence", value) for value in (-0.1, 1.5, float("nan"))),
    ],
)
def test_an_estimator_with_which_nothing_or_everything_agrees_is_refused(sequences, setting, value):
    with pytest.raises(
        HndescError, match=f"setting '{setting.removeprefix('ransac_')}' of the homography estimator is"
    ):
        sequences.score(**{setting: value})


@pytest.mark.parametrize("orders", [1, -2])
def test_orders_without_a_deviation_are_refused(sequences, orders):
    with pytest.raises(HndescError, match=f"orders is {orders}; a deviation needs at least 2"):
        sequences.score(orders=orders)


def test_figures_over_orders_are_in_the_result_and_the_table(sequences):
    text, record = sequences.score(orders=3)
    assert text == sequences.score()[0]  # the published form is that of the given order
    assert record["figures"]["homography_auc_mean"]["5"] == pytest.approx({"v": 1, "i": 1, "all": 1}, abs=1e-3)
    assert record["figures"]["homography_auc_deviation"]["5"]["all"] == pytest.approx(0, abs=1e-3)
