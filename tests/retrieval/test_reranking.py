"""The order by inliers, and inliers that can be counted by hand."""

import numpy as np
import pytest

from hndesc.errors import HndescError
from hndesc.io.features import Features
from hndesc.retrieval.reranking import count_inliers, rerank, rerank_shortlist
from hndesc.retrieval.shortlist import Shortlist, write_shortlist

RANSAC = {"threshold": 3.0, "iterations": 2000, "confidence": 0.995}


def view(points: np.ndarray, rows: np.ndarray | None = None) -> Features:
    """Features with a descriptor of its own at each point; `rows` says whose."""
    codes = np.eye(64, dtype=np.float32)[np.arange(len(points)) if rows is None else rows]
    return Features(points.astype(np.float32), (1000, 1000), np.ones(len(points), np.float32), codes)


@pytest.fixture
def points() -> np.ndarray:
    return np.random.default_rng(3).uniform(0, 900, (40, 2))


@pytest.mark.parametrize(
    ("ranking", "inliers", "expected"),
    [
        ([4, 2, 7], [1, 5, 3], [2, 7, 4]),
        ([4, 2, 7], [0, 0, 0], [4, 2, 7]),
        ([4, 2, 7, 9, 1], [1, 2], [2, 4, 7, 9, 1]),
        ([4, 2, 7], [], [4, 2, 7]),
        ([3, -1, -1], [8], [3, -1, -1]),
    ],
)
def test_most_inliers_first_and_the_rest_in_place(ranking: list, inliers: list, expected: list) -> None:
    assert rerank(np.array(ranking), np.array(inliers)).tolist() == expected


@pytest.mark.parametrize("estimator", ["ransac", "magsac", "poselib"])
@pytest.mark.parametrize("wrong", [0, 5, 15])
def test_moved_keypoints_are_inliers_and_others_are_not(points: np.ndarray, estimator: str, wrong: int) -> None:
    moved = points + np.array([30, -20])
    moved[:wrong] += np.random.default_rng(0).uniform(200, 400, (wrong, 2))
    rows = np.random.default_rng(1).permutation(len(points))  # in another order
    found = count_inliers(view(points), view(moved[rows], rows), estimator=estimator, **RANSAC)
    assert found == len(points) - wrong


@pytest.mark.parametrize("estimator", ["ransac", "magsac", "poselib"])
def test_few_matches_and_points_on_a_line_have_no_inliers(points: np.ndarray, estimator: str) -> None:
    settings = {"estimator": estimator, **RANSAC}
    assert count_inliers(view(points[:3]), view(points[:3]), **settings) == 0
    assert count_inliers(view(points[:0]), view(points), **settings) == 0
    line = np.stack([np.arange(40.0), 2 * np.arange(40.0)], axis=1)
    assert count_inliers(view(line), view(line), **settings) == 0


@pytest.mark.parametrize(
    ("database", "queries"),
    [(["a", "b"], ["x"]), (["a"], ["q"]), (["b", "a"], ["q"]), (["a", "b", "c"], ["q"])],
    ids=["other queries", "what follows is no distractor", "other order", "fewer photos"],
)
def test_a_shortlist_of_another_dataset_is_refused(tmp_path, database: list, queries: list) -> None:
    path = tmp_path / "shortlist.h5"
    write_shortlist(path, Shortlist(["q"], ["a", "b"], np.array([[1, 0]]), {"name": "any"}))
    with pytest.raises(HndescError, match=r"shortlist.h5: ranks images that are not in the ground truth; compute the"):
        rerank_shortlist(tmp_path / "features.h5", path, database, queries)
