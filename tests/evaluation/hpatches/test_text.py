"""The published text form, and tables."""

import csv
import io
from itertools import chain

import numpy as np

from hndesc.evaluation.hpatches.aggregation import describe_sequences, summarize
from hndesc.evaluation.hpatches.pairs import Estimate, PairScore
from hndesc.evaluation.hpatches.protocols import PROTOCOLS
from hndesc.evaluation.hpatches.text import format_result, sequence_table, summary_table

NAN = float("nan")


def figures(*estimators):
    values = [(0.25, 0.426, 0.338), (0.2068, 0.49159, 0.3444), (1.0, 0.0, 0.5), (NAN, 1.0, NAN)]
    mma, accuracy = ([dict(zip(("v", "i", key), row, strict=True)) for row in values] for key in ("avg", "all"))
    own = {"homography_accuracy": {"1": accuracy[1], "3": accuracy[3]}}
    return {
        "mma": {"1": mma[0] | {"all": 0.9}, "10": mma[2] | {"all": 0.9}},
        "estimators": {name: own for name in estimators},
    }


MATCHES = "PCK benchmark:\nMMA@1 v/i/avg: 0.250 / 0.426 / 0.338\nMMA@10 v/i/avg: 1.000 / 0.000 / 0.500\n"
HOMOGRAPHIES = "th: 1 v/i/avg: 0.207 / 0.492 / 0.344\nth: 3 v/i/avg: nan / 1.000 / nan\n"


def test_published_form_to_the_letter():
    assert format_result(figures("ransac")) == f"{MATCHES}Homography benchmark:\n{HOMOGRAPHIES}"


def test_other_estimators_are_named():
    assert format_result(figures("ransac", "poselib")) == (
        f"{MATCHES}Homography benchmark:\n{HOMOGRAPHIES}Homography benchmark (poselib):\n{HOMOGRAPHIES}"
    )
    assert format_result(figures("magsac")) == f"{MATCHES}Homography benchmark (magsac):\n{HOMOGRAPHIES}"


def test_matching_score_has_a_block_of_its_own():
    score = {"matching_score": {"v": 0.1, "i": 0.2, "all": 0.16}}
    text = format_result(figures("ransac") | score)
    assert text.endswith("Matching score:\nth: 3 v/i/avg: 0.100 / 0.200 / 0.160\n")


def test_set_without_classes_has_one_number_a_line():
    means = {"v": NAN, "i": NAN, "avg": NAN, "all": 0.25}
    own = {"homography_accuracy": {"3": means}}
    text = format_result({"mma": {"1": means}, "estimators": {"ransac": own}, "matching_score": means})
    assert text == "PCK benchmark:\nMMA@1: 0.250\nHomography benchmark:\nth: 3: 0.250\nMatching score:\nth: 3: 0.250\n"


def record(name):
    protocol = PROTOCOLS[name]
    estimates = {"ransac": Estimate(5, 2.0), "poselib": Estimate(7, 0.5)}
    score = 0.25 if protocol.matching_score else None
    pairs = [
        PairScore(sequence, sequence[0], "1", "2", estimates, (20, 40), matches, np.full(10, 0.5), score)
        for sequence, matches in (("v_a", 8), ("v_a", 10), ("v_b", 12))
    ]
    return {
        "benchmark": "mine",
        "settings": {"protocol": name, "estimators": ["ransac", "poselib"]},
        "figures": summarize(pairs, protocol),
        "per_sequence": describe_sequences(pairs, protocol),
    }


def test_summary_has_a_line_for_each_figure_and_estimator():
    rows = list(csv.DictReader(io.StringIO(summary_table(record("480x640")))))
    assert len(rows) == 10 + 2 * (3 + 3) + 1 + 2 + 4 + 2 * 3
    assert all((row["benchmark"], row["protocol"]) == ("mine", "480x640") for row in rows)
    found = {(row["figure"], row["estimator"], row["threshold"]): row for row in rows}
    assert found["mma", "", "3"] | {"v": "0.500000", "i": "", "avg": "", "all": "0.500000"} == found["mma", "", "3"]
    assert found["homography_accuracy", "ransac", "1"]["v"] == "0.000000"
    assert found["homography_accuracy", "poselib", "1"]["v"] == "1.000000"
    assert found["homography_auc", "ransac", "5"]["all"] == "0.600000"
    assert found["matching_score", "", ""]["v"] == "0.250000"
    assert (found["features", "", ""]["v"], found["matches", "", ""]["v"]) == ("30.0", "10.0")
    assert (found["correct_matches", "", ""]["v"], found["near_misses", "", ""]["v"]) == ("0.0", "0.000000")


def test_sequences_have_a_line_each():
    rows = list(csv.DictReader(io.StringIO(sequence_table(record("full")))))
    assert [(row["sequence"], row["class"], row["pairs"]) for row in rows] == [("v_a", "v", "2"), ("v_b", "v", "1")]
    first = {key: float(value) for key, value in rows[0].items() if key not in ("sequence", "class", "pairs")}
    assert (first["features"], first["matches"], first["mma@10"]) == (30, 9, 0.5)
    assert (first["ransac accuracy@1"], first["poselib accuracy@1"]) == (0, 1)
    assert (first["ransac auc@10"], first["poselib inliers"]) == (0.8, 7)
    assert not any("matching_score" in row for row in rows)
    second = sequence_table(record("480x640")).splitlines()
    assert second[0].endswith("poselib inliers,matching_score") and second[1].endswith(",0.250000")
    assert len(set(chain(len(line.split(",")) for line in second))) == 1
