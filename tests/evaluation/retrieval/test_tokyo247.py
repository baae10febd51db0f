import json
import shutil

import numpy as np
import pytest

from hndesc.datasets.tokyo247 import POSITIONS, TOP, Views, read_views, view_images
from hndesc.errors import HndescError
from hndesc.evaluation.retrieval.tokyo247 import (
    CUTS,
    first_hits,
    format_result,
    recall,
    score_tokyo247,
    within_distance,
)
from hndesc.io.features import FeatureWriter
from hndesc.retrieval.shortlist import Shortlist, write_shortlist
from tests.evaluation.retrieval.test_revisited import make_view


def test_reads_names_positions_and_photos(tokyo):
    root = tokyo.write()
    views = read_views(root)
    assert (views.database, views.queries, views.distance) == (tokyo.names, tokyo.queries, 25)
    photos = view_images(root)
    assert [photo.name for photo in photos] == [f"db/{name}" for name in tokyo.names] + ["query/00001", "query/00002"]
    assert photos[2].read()[0, 0, 0] == 20


def test_photos_may_lie_as_the_published_evaluation_had_them(tokyo):
    root = tokyo.write()
    shutil.move(root / TOP / "247query_v3", root / "247query")
    shutil.move(root / TOP, root / "247_db")
    for path in [*(root / "247_db").rglob("*.png")]:
        path.rename(path.with_suffix(".jpg"))
    assert all(photo.path.is_file() for photo in view_images(root))
    shutil.rmtree(root / "247query")
    with pytest.raises(HndescError, match="no image '00001'"):
        view_images(root)


def test_broken_ground_truth_is_named(tokyo):
    tokyo.query_positions = tokyo.query_positions[:1]
    with pytest.raises(HndescError, match=r"tokyo247\.npz: the queries must have 2 x 2 positions"):
        read_views(tokyo.write())
    (tokyo.root / POSITIONS).write_bytes(b"no archive")
    with pytest.raises(HndescError, match=r"tokyo247\.npz: not a file of utmDb"):
        read_views(tokyo.root)
    (tokyo.root / POSITIONS).unlink()
    with pytest.raises(HndescError, match=r"tokyo247\.npz: no such file"):
        read_views(tokyo.root)
    tokyo.names[1] = "../../etc/passwd"
    (tokyo.root / "tokyo247_imageNames_index.txt").write_text("./../../secret.png\n")
    with pytest.raises(HndescError, match="is not the name of a file"):
        read_views(tokyo.root)


def test_first_hit_and_recall_by_hand(tokyo):
    views = read_views(tokyo.write())
    # the first three views are within 25 m of the first query, none is of the second; 6 and 7 are distractors
    ranks = np.array([[6, 5, 4, 2, 0], [0, 1, 2, 3, 7]])
    assert first_hits(ranks, views).tolist() == [3, -1]
    assert first_hits(np.array([[-1, -1], [-1, -1]]), views).tolist() == [-1, -1]
    assert recall(np.array([0, 3, 4, 5, 19, 20, -1, 0])) == {"1": 2 / 8, "5": 4 / 8, "10": 5 / 8, "20": 6 / 8}


def test_the_distance_itself_is_a_hit(tokyo):
    tokyo.database_positions[0], tokyo.database_positions[1] = (25.0, 7.0), (25.0001, 7.0)
    views = read_views(tokyo.write())
    assert first_hits(np.array([[1, 0], [1, 0]]), views)[0] == 1
    assert within_distance(views, 0, np.array([1, 0, 99])).tolist() == [False, True, False]


def test_published_form():
    record = {"figures_before": {"recall": {"1": 0.5, "5": 1.0}}, "figures": {"recall": {"1": 0.12345, "5": 1.0}}}
    assert format_result(record) == (
        "recall benchmark:\nrecall@[1, 5, 10, 20] before re-ranking: [50.00, 100.00]\n"
        "recall@[1, 5, 10, 20] after re-ranking: [12.35, 100.00]\n"
    )


def test_reranking_brings_the_true_view_forward(tokyo, tmp_path):
    root = tokyo.write()
    paths = [tmp_path / name for name in ("features.h5", "shortlist.h5", "out.txt", "out.json")]
    with FeatureWriter(paths[0], {}) as writer:
        for number, name in enumerate(tokyo.names):
            writer.write(f"db/{name}", make_view(1 if number == 1 else 20 + number, 40, 5))
        for number, name in enumerate(tokyo.queries):
            writer.write(f"query/{name}", make_view(number + 1))
    write_shortlist(paths[1], Shortlist(tokyo.queries, tokyo.names, np.array([[5, 4, 3, 1], [0, 1, 2, 3]])))
    score_tokyo247(root, *paths, estimator="magsac")
    record = json.loads(paths[3].read_text())
    assert record["figures_before"]["recall"] == {"1": 0.0, "5": 0.5, "10": 0.5, "20": 0.5}
    assert record["figures"]["recall"] == {"1": 0.5, "5": 0.5, "10": 0.5, "20": 0.5}
    assert record["per_query"] == {"00001": {"before": 3, "after": 0}, "00002": {"before": None, "after": None}}
    assert record["settings"]["estimator"] == "magsac" and record["pairs"] == 8
    assert record["top"]["00001"]["after"][0] == [tokyo.names[1], "correct"]
    assert [label for _, label in record["top"]["00001"]["before"]] == ["wrong", "wrong", "wrong", "correct"]
    assert "after re-ranking: [50.00, 50.00, 50.00, 50.00]" in paths[2].read_text()


@pytest.mark.golden
def test_synthetic_rankings_of_the_real_set(shared):
    """Rankings that put a true view at a rank of our choice have the recall that follows from it."""
    views = read_views(shared / "data" / "tokyo247")
    assert (len(views.queries), len(views.database), views.distance) == (315, 75_984, 25)
    rng = np.random.default_rng(0)
    ranks, expected_rank = np.zeros((315, 30), np.int64), np.full(315, -1)
    for row, position in enumerate(views.query_positions):
        distances = np.linalg.norm(views.database_positions - position, axis=1)
        near, far = np.flatnonzero(distances <= 25), np.flatnonzero(distances > 25)
        ranks[row] = rng.choice(far, 30, replace=False)
        if len(near):
            expected_rank[row] = rng.integers(0, 25)
            ranks[row, expected_rank[row] :] = (
                rng.permutation(near)[:1].tolist() + ranks[row, expected_rank[row] + 1 :].tolist()
            )
    assert (first_hits(ranks, views) == expected_rank).all()
    known = recall(first_hits(ranks, views))
    for cut in CUTS:
        assert known[str(cut)] == np.mean([0 <= rank < cut for rank in expected_rank])
    assert 0 < known["1"] < known["5"] < known["10"] < known["20"] < 1


def test_views_are_compared_with_their_own_query():
    views = Views(["a", "b"], ["p", "q"], np.array([[0.0, 0], [500, 0]]), np.array([[500.0, 0], [0, 0]]), 25.0)
    assert first_hits(np.array([[0, 1], [0, 1]]), views).tolist() == [1, 0]


@pytest.mark.parametrize("distance", [np.nan, -25.0, 0.0, np.inf, "far", [25.0, 30.0]])
def test_a_distance_within_which_nothing_can_lie_is_refused(tokyo, distance):
    root = tokyo.write()
    with np.load(root / POSITIONS) as file:
        arrays = dict(file)
    np.savez(root / POSITIONS, **arrays | {"posDistThr": distance})
    with pytest.raises(HndescError, match=r"tokyo247\.npz: "):
        read_views(root)
