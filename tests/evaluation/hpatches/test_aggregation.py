"""Means over pairs, classes and sequences."""

import numpy as np
import pytest

from hndesc.evaluation.hpatches.aggregation import describe_sequences, summarize
from hndesc.evaluation.hpatches.pairs import Estimate, PairScore
from hndesc.evaluation.hpatches.protocols import PROTOCOLS
from hndesc.evaluation.hpatches.ranking import unpack
from hndesc.geometry.repeatability import Repeatability

FULL, SECOND = PROTOCOLS["full"], PROTOCOLS["480x640"]


def pair(sequence, accuracy, error, kind=None, **more):
    estimates = {"ransac": Estimate(5, error), "magsac": Estimate(6, error / 2)}
    kind = sequence[0] if kind is None else kind
    return PairScore(sequence, kind, "1", "2", estimates, (20, 40), 9, np.full(10, accuracy), **more)


PAIRS = [pair("v_a", 0.4, 2.9), pair("v_a", 0.8, 3.0), pair("v_b", 0.6, 0.1), pair("i_a", 0.2, 11.0)]


def test_means_by_hand():
    figures = summarize(PAIRS, FULL)
    assert figures["mma"]["7"] == pytest.approx({"v": 0.6, "i": 0.2, "avg": 0.4, "all": 0.5})
    third = 1 / 3
    expected = {
        "1": pytest.approx({"v": third, "i": 0, "all": 1 / 4}),
        "3": pytest.approx({"v": 2 * third, "i": 0, "all": 2 / 4}),
        "5": pytest.approx({"v": 1, "i": 0, "all": 3 / 4}),
        "10": pytest.approx({"v": 1, "i": 0, "all": 3 / 4}),
    }
    assert figures["homography_accuracy"] == figures["estimators"]["ransac"]["homography_accuracy"] == expected
    areas = [1 - 2.9 / 5, 1 - 3 / 5, 1 - 0.1 / 5]
    assert figures["homography_auc"]["5"] == pytest.approx({"v": sum(areas) / 3, "i": 0, "all": sum(areas) / 4})
    assert list(figures["homography_auc"]) == ["3", "5", "10"]
    assert figures["features"] == {"v": 30, "i": 30, "all": 30}
    assert figures["matches"] == {"v": 9, "i": 9, "all": 9}
    assert "matching_score" not in figures


def test_repeatability_counts_each_pair_and_localization_error_those_with_correspondences():
    none, some = Repeatability((3, 4)), Repeatability((4, 5), np.array([0.5, 1.5]))
    pairs = [pair("v_a", 0, 0, repeatability=(none,) * 3), pair("i_a", 0, 0, repeatability=(none, some, some))]
    figures = summarize(pairs, FULL)
    assert figures["repeatability"]["500"] == {"v": 0, "i": 0, "all": 0}
    assert figures["repeatability"]["2000"] == {"v": 0, "i": 0.5, "all": 0.25}
    assert np.isnan(figures["localization_error"]["500"]["all"])
    assert figures["localization_error"]["1000"]["i"] == figures["localization_error"]["1000"]["all"] == 1.0
    assert np.isnan(figures["localization_error"]["1000"]["v"])


def test_each_estimator_has_figures_of_its_own():
    magsac = summarize(PAIRS, FULL)["estimators"]["magsac"]
    assert magsac["homography_accuracy"]["1"]["v"] == pytest.approx(1 / 3)
    assert magsac["homography_accuracy"]["3"]["v"] == 1.0
    assert magsac["homography_accuracy"]["10"]["i"] == 1.0
    assert magsac["homography_auc"]["10"]["i"] == pytest.approx(1 - 5.5 / 10)


def test_second_protocol_counts_the_threshold_itself_and_has_a_matching_score():
    pairs = [pair("v_a", 0.4, 3.0, matching_score=0.5), pair("i_a", 0.4, 3.1, matching_score=0.1)]
    figures = summarize(pairs, SECOND)
    assert figures["homography_accuracy"]["3"] == {"v": 1.0, "i": 0.0, "all": 0.5}
    assert list(figures["homography_accuracy"]) == ["1", "3", "5"]
    assert figures["matching_score"] == pytest.approx({"v": 0.5, "i": 0.1, "all": 0.3})
    assert summarize(pairs, FULL)["homography_accuracy"]["3"]["v"] == 0.0


def test_sets_without_classes_have_means_over_all_pairs():
    figures = summarize([pair("graffiti", 0.4, 1.0, kind=""), pair("graffiti", 0.8, 9.0, kind="")], FULL)
    assert figures["mma"]["1"]["all"] == pytest.approx(0.6)
    assert np.isnan([figures["mma"]["1"][kind] for kind in ("v", "i", "avg")]).all()
    assert np.isnan(figures["homography_auc"]["3"]["v"]) and np.isnan(figures["matches"]["i"])


def test_sequences_by_hand():
    described = describe_sequences(PAIRS, FULL)
    assert list(described) == ["v_a", "v_b", "i_a"]
    first = described["v_a"]
    assert (first["class"], first["pairs"], first["matches"]) == ("v", [["1", "2"]] * 2, [9, 9])
    assert first["mma"] == pytest.approx([0.6] * 10)
    assert first["homography_accuracy"]["ransac"] == [0.0, 0.5, 1.0, 1.0]
    assert first["homography_auc"]["ransac"][1] == pytest.approx((1 - 2.9 / 5 + 1 - 3 / 5) / 2)
    assert first["corner_error"] == {"ransac": [2.9, 3.0], "magsac": [1.45, 1.5]}
    assert first["inliers"] == {"ransac": [5, 5], "magsac": [6, 6]}


def test_matches_in_order_by_hand():
    flags = [np.array([one == "1" for one in order], bool) for order in ("1011", "00", "")]
    pairs = [
        pair("v_a", 0.5, 1.0, correct=flags[0], near_misses=0.25, correspondences=4),
        pair("v_b", 0.5, 1.0, correct=flags[1], near_misses=0.5, correspondences=10),
        pair("i_a", 0.5, 1.0, correct=flags[2]),
    ]
    figures = summarize(pairs, FULL)
    assert figures["correct_matches"] == pytest.approx({"v": 1.5, "i": 0, "all": 1})
    assert figures["near_misses"] == pytest.approx({"v": 0.375, "i": 0, "all": 0.25})
    assert figures["recall"] == pytest.approx({"v": 0.375, "i": 0, "all": 0.25})
    first = (1 + 2 / 3 + 3 / 4) / 4
    assert figures["average_precision"] == pytest.approx({"v": first / 2, "i": 0, "all": first / 3})
    assert list(figures["precision_at_recall"]) == [f"0.{tenth}" for tenth in range(1, 10)]
    assert figures["precision_at_recall"]["0.2"] == pytest.approx({"v": 0.5, "i": 0, "all": 1 / 3})
    assert figures["precision_at_recall"]["0.7"] == pytest.approx({"v": 0.375, "i": 0, "all": 0.25})
    assert figures["precision_at_recall"]["0.8"] == {"v": 0.0, "i": 0.0, "all": 0.0}
    sequence = describe_sequences(pairs, FULL)["v_a"]
    assert (sequence["correct_matches"], sequence["near_misses"], sequence["correspondences"]) == ([3], [0.25], [4])
    assert unpack(sequence["correct_in_order"][0], 4).tolist() == flags[0].tolist()


def test_mean_and_deviation_over_orders_by_hand():
    def repeated(sequence, errors):
        estimates = {"ransac": Estimate(5, 0.0, in_orders=errors), "magsac": Estimate(6, 0.0)}
        return PairScore(sequence, sequence[0], "1", "2", estimates)

    pairs = [repeated("v_a", (1.0, 2.0)), repeated("v_b", (3.0, 5.0))]
    figures = summarize(pairs, FULL)
    areas = np.array([(0.8 + 0.4) / 2, (0.6 + 0.0) / 2])  # of each order
    assert figures["homography_auc_mean"]["5"]["v"] == pytest.approx(areas.mean())
    assert figures["homography_auc_deviation"]["5"]["all"] == pytest.approx(areas.std(ddof=1))
    assert np.isnan(figures["homography_auc_mean"]["5"]["i"])
    assert "homography_auc_mean" not in figures["estimators"]["magsac"]
    assert describe_sequences(pairs, FULL)["v_b"]["corner_error_in_orders"] == [[3.0, 5.0]]
    assert "homography_auc_mean" not in summarize(PAIRS, FULL)
