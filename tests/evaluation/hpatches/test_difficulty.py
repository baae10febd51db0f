"""Classes of difficulty follow the true homography, and the names of synthetic sequences."""

import math

import numpy as np
import pytest

from hndesc.datasets.synthetic_sequences import CONDITIONS
from hndesc.evaluation.hpatches.difficulty import by_difficulty
from hndesc.evaluation.hpatches.pairs import Estimate, PairScore


def pair(sequence: str, accuracy: float = 0.5, error: float = 1.0, **more) -> PairScore:
    kind = sequence[0] if sequence[1] == "_" else ""
    estimates = {"ransac": Estimate(5, error), "poselib": Estimate(5, error / 2)}
    accuracies = np.linspace(accuracy, accuracy, 10)
    return PairScore(sequence, kind, "1", "2", estimates, accuracy=accuracies, near_misses=accuracy / 2, **more)


@pytest.mark.parametrize(
    ("turn", "zoom", "classes"),
    [
        (0.0, 1.0, ("below 15", "below 1.25")),
        (-14.9, 1.24, ("below 15", "below 1.25")),
        (15.0, 0.8, ("15 to 45", "1.25 to 2")),
        (-90.0, 2.0, ("90 to 180", "above 2")),
        (180.0, 0.3, ("90 to 180", "above 2")),
        (math.nan, math.nan, ("90 to 180", "above 2")),
    ],
)
def test_classes_of_turn_and_zoom(turn: float, zoom: float, classes: tuple[str, str]) -> None:
    found = by_difficulty([pair("v_one", turn=turn, zoom=zoom)])
    assert [[name for name in found[key] if found[key][name]["pairs"]] for key in ("turn", "zoom")] == [
        [classes[0]],
        [classes[1]],
    ]


def test_scores_of_a_class_by_hand() -> None:
    pairs = [pair("v_a", 0.2, 5.0), pair("v_b", 0.6, 1.0, turn=3.0), pair("plain", 0.4, math.inf, turn=100.0)]
    turns = by_difficulty(pairs)["turn"]
    assert list(turns) == ["below 15", "15 to 45", "45 to 90", "90 to 180"]
    assert math.isnan(turns["15 to 45"]["mma"]) and math.isnan(turns["15 to 45"]["homography_auc"]["ransac"])
    first = turns["below 15"]
    assert first["pairs"] == 2 and first["mma"] == pytest.approx(0.4) and first["near_misses"] == pytest.approx(0.2)
    assert first["homography_auc"] == pytest.approx({"ransac": (0 + 0.8) / 2, "poselib": (0.5 + 0.9) / 2})
    assert turns["90 to 180"]["homography_auc"] == {"ransac": 0, "poselib": 0}


def test_light_is_grouped_by_the_change_that_several_sequences_share() -> None:
    names = [f"i_{change}_{photo}" for change in CONDITIONS for photo in ("bsds_1", "bsds_2")]
    light = by_difficulty([pair(name) for name in names] * 2)["light"]
    assert list(light) == sorted(CONDITIONS) and {one["pairs"] for one in light.values()} == {4}


@pytest.mark.parametrize("names", [["i_ajuntament", "i_dome"], ["i_night_a", "i_night_b", "i_dusk_a"], ["i_night"]])
def test_other_sequences_have_no_classes_of_light(names: list[str]) -> None:
    found = by_difficulty([pair(name) for name in names])
    assert found["light"] == {} and not any(one["pairs"] for one in found["turn"].values())
