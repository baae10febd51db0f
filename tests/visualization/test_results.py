"""What the benchmarks compute is what curves and tables read."""

import numpy as np
import pytest

from hndesc.datasets.revisited import GroundTruth, Query
from hndesc.evaluation.hpatches.aggregation import summarize
from hndesc.evaluation.hpatches.pairs import Estimate, PairScore
from hndesc.evaluation.hpatches.protocols import PROTOCOLS
from hndesc.evaluation.localization.metrics import score
from hndesc.evaluation.retrieval.average_precision import score_rankings
from hndesc.visualization.comparison import gather
from hndesc.visualization.curves import plot_mma


def table(path):
    (found,) = gather([path], ["x"], ["me"], ("a", "b"))
    return {(f.group, f.name): value for f, value in zip(found.figures, found.rows["me"], strict=True)}


def test_hpatches(write_result, tmp_path) -> None:
    pairs = [
        PairScore("v_a", "v", "1", "2", {"poselib": Estimate(5, 2.0)}, (8, 8), 9, np.linspace(0.1, 1, 10), 0.4),
        PairScore("i_b", "i", "1", "2", {"poselib": Estimate(5, 4.0)}, (8, 8), 9, np.linspace(0.3, 0.3, 10), 0.2),
        PairScore("i_b", "i", "1", "3", {"poselib": Estimate(5, 4.0)}, (8, 8), 9, np.linspace(0.5, 0.5, 10), 0.1),
    ]
    figures = summarize(pairs, PROTOCOLS["480x640"])
    path = write_result("hpatches", change=lambda record: record.update(figures=figures))
    values = table(path)
    assert values["MMA@3 px", "v"] == pytest.approx(0.3)
    assert values["MMA@3 px", "avg"] == pytest.approx(0.35)
    assert values["MMA@3 px", "all"] == pytest.approx(0.367)
    assert values["Homography accuracy@3 px (PoseLib)", "all"] == pytest.approx(0.333)
    assert values["Homography accuracy@5 px (PoseLib)", "i"] == 1.0
    assert values["AUC@5 px (PoseLib)", "v"] == pytest.approx(0.6)
    assert values["Matching score@3 px", "all"] == pytest.approx(0.233)
    plot_mma([path], tmp_path / "mma.png")


def test_retrieval(write_result) -> None:
    none = np.array([], int)
    truth = GroundTruth(["a", "b", "c"], [Query("q", (0, 0, 1, 1), np.array([0]), np.array([2]), none)])
    before, after = (score_rankings(np.array([ranking]), truth) for ranking in ([1, 0, 2], [0, 2, 1]))
    change = {"figures": {"mAP": after["mAP"]}, "figures_before": {"mAP": before["mAP"]}}
    values = table(write_result("retrieval", change=lambda record: record.update(change)))
    assert values["mAP re-ranked (%)", "Medium"] == 100
    assert values["mAP of the shortlist (%)", "Easy"] == pytest.approx(25)


def test_localization(write_result) -> None:
    errors = {"q1": (0.1, 1.0), "q2": (0.3, 1.0), "q3": (9.0, 1.0)}
    figures = score(errors, {"q1": "day", "q2": "day", "q3": "night"}, 2.0)
    figures["localized"] = {name: {"queries": 2, "localized": 1} for name in ("day", "night")}
    figures["map"] = {"points": 7, "mean_track_length": 2.5, "mean_reprojection_error": 0.5}
    values = table(write_result("localization", change=lambda record: record.update(figures=figures)))
    assert values["day queries", "0.25 m, 2\N{DEGREE SIGN} (%)"] == 50
    assert values["day queries", "0.5 m, 5\N{DEGREE SIGN} (%)"] == 100
    assert values["day queries", "median (m)"] == pytest.approx(0.2)
    assert values["night queries", "5 m, 10\N{DEGREE SIGN} (%)"] == 0
    assert values["day queries", "localized (%)"] == 50
    assert values["day queries", "median (% of camera distance)"] == pytest.approx(10)
    assert values["map", "track length"] == 2.5
