import json
import logging
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hndesc.errors import HndescError
from hndesc.evaluation.retrieval.revisited import format_result, score_retrieval
from hndesc.geometry.homography import warp_points
from hndesc.io.features import Features, FeatureWriter
from hndesc.retrieval.reranking import count_inliers, rerank
from hndesc.retrieval.shortlist import Shortlist, write_shortlist

COUNT = 40


def make_place(seed):
    """Keypoints and descriptors of a place of its own."""
    rng = np.random.default_rng(seed)
    codes = rng.normal(size=(COUNT, 64)).astype(np.float32)
    return rng.uniform(0, 500, (COUNT, 2)), codes / np.linalg.norm(codes, axis=1, keepdims=True)


def make_view(seed, points=COUNT, shift=0.0):
    """A view of a place that shows `points` of its keypoints where a homography puts them, the others anywhere."""
    positions, codes = make_place(seed)
    homography = np.array([[0.9, 0.1, shift], [-0.1, 1.1, 20], [1e-5, 0, 1]])
    seen = np.random.default_rng(seed + 1000).uniform(0, 500, (COUNT, 2))
    seen[:points] = warp_points(homography, positions)[:points]
    return Features(seen.astype(np.float32), (500, 500), np.ones(COUNT, np.float32), codes)


class RetrievalSet:
    """Two queries, each with an easy view, a hard view and a junk view, among distractors; worst first in the list."""

    def __init__(self, folder):
        self.root, self.folder = folder / "places", folder
        self.root.mkdir()
        self.database = ["far", "q_junk", "q_hard", "q_easy", "r_junk", "r_hard", "r_easy", "away"]
        labels = [{"easy": [3], "hard": [2], "junk": [1]}, {"easy": [6], "hard": [5], "junk": [4]}]
        truth = {
            "imlist": self.database,
            "qimlist": ["q", "r"],
            "gnd": [{"bbx": [0, 0, 9, 9], **entry} for entry in labels],
        }
        (self.root / "gnd_places.pkl").write_bytes(pickle.dumps(truth))
        self.features = {
            "query/q": make_view(1),
            "query/r": make_view(2),
            "db/far": make_view(8),
            "db/away": make_view(9),
        }
        for name, seed in (("q", 1), ("r", 2)):
            self.features |= {
                f"db/{name}_easy": make_view(seed, 40, 5),
                f"db/{name}_hard": make_view(seed, 30, 9),
                f"db/{name}_junk": make_view(seed, 35, 7),
            }
        self.failed = {}
        self.ranks = np.array([[0, 7, 4, 5, 6, 1, 2, 3], [7, 0, 1, 2, 3, 4, 5, 6]])
        self.unranked = {}

    def score(self, **settings):
        paths = [self.folder / name for name in ("features.h5", "shortlist.h5", "out.txt", "out.json")]
        with FeatureWriter(paths[0], {"detector": "exact"}) as writer:
            for name, features in self.features.items():
                writer.write(name, features)
            for name, reason in self.failed.items():
                writer.fail(name, reason)
        write_shortlist(paths[1], Shortlist(["q", "r"], self.database, self.ranks, {"name": "worst"}, self.unranked))
        score_retrieval(self.root, *paths, **settings)
        return paths[2].read_text(), json.loads(paths[3].read_text())


@pytest.fixture
def places(tmp_path):
    return RetrievalSet(tmp_path)


def test_published_form_to_the_letter():
    scores = {
        "mAP": {"easy": 0.84812, "medium": 0.6467, "hard": 0.05},
        "mP@k": {"easy": [0.971, 0.92059, 0.1], "medium": [1, 0.5, 1 / 3], "hard": [0, 0, float("nan")]},
    }
    assert format_result(scores) == (
        "mAP benchmark:\nE: 84.81, M: 64.67, H: 5.00\nmP@k [1, 5, 10] benchmark:\n"
        "E: [97.10, 92.06, 10.00]\nM: [100.00, 50.00, 33.33]\nH: [0.00, 0.00, nan]\n"
    )


@given(st.lists(st.integers(0, 5), max_size=20), st.integers(0, 10))
def test_reranking_is_a_stable_order_of_the_head(inliers, rest):
    ranking = np.random.default_rng(0).permutation(len(inliers) + rest)
    result = rerank(ranking, np.array(inliers, int))
    pairs = sorted(zip(inliers, range(len(inliers)), strict=True), key=lambda pair: (-pair[0], pair[1]))
    assert result.tolist() == [ranking[index] for _, index in pairs] + ranking[len(inliers) :].tolist()


def test_inliers_are_counted_within_the_threshold():
    first, second = make_view(1), make_view(1, points=30, shift=9)
    assert 30 <= count_inliers(first, second, threshold=5.0) <= 32
    assert count_inliers(first, first.take(np.arange(3))) == 0
    assert count_inliers(first, first.take(np.arange(0))) == 0


def test_few_inliers_count_as_none(places):
    inliers = {count: places.score(min_inliers=count)[1]["figures"]["mAP"]["easy"] for count in (0, 10, 10_000)}
    assert inliers[0] == inliers[10] == 1
    assert inliers[10_000] == places.score()[1]["figures_before"]["mAP"]["easy"]


def test_a_ratio_is_of_the_query_s_matches(places):
    first = make_view(1)
    twice = first.take(np.concatenate([np.arange(len(first))] * 2))  # each keypoint of it has an equal beside it
    assert count_inliers(first, twice) > 20 and count_inliers(twice, first, ratio=0.9) > 20
    assert count_inliers(first, twice, ratio=0.9) == 0
    settings = places.score(ratio=None, min_inliers=0)[1]["settings"]
    assert (settings["ratio"], settings["min_inliers"]) == (None, 0)


def test_reranking_brings_the_views_of_the_place_forward(places):
    text, record = places.score()
    assert text == (
        "mAP benchmark:\nE: 100.00, M: 100.00, H: 100.00\nmP@k [1, 5, 10] benchmark:\n"
        "E: [100.00, 100.00, 100.00]\nM: [100.00, 100.00, 100.00]\nH: [100.00, 100.00, 100.00]\n"
    )
    # before: five others in front of the junk, then hard, then easy, at 0-based ranks 5 and 6 when junk is passed over
    medium = ((0 / 5 + 1 / 6) / 2 + (1 / 6 + 2 / 7) / 2) / 2
    assert record["figures_before"]["mAP"] == pytest.approx({"easy": 1 / 12, "medium": medium, "hard": 1 / 12})
    assert record["figures"]["mAP"] == {"easy": 1, "medium": 1, "hard": 1}
    assert record["per_query"]["r"]["after"] == {"easy": 1, "medium": 1, "hard": 1}
    assert record["per_query"]["q"]["before"]["medium"] == pytest.approx(medium)
    before = [["far", "wrong"], ["away", "wrong"], *([f"r_{view}", "wrong"] for view in ("junk", "hard", "easy"))]
    assert record["top"]["q"]["before"] == before
    after = record["top"]["q"]["after"]
    assert sorted(after[:3]) == [["q_easy", "correct"], ["q_hard", "correct"], ["q_junk", "ignored"]]
    assert len(after) == 5 and {label for _, label in after[3:]} == {"wrong"}
    assert (record["benchmark"], record["kind"], record["pairs"]) == ("places", "retrieval", 16)
    assert record["settings"] == {
        "top": 100,
        "min_inliers": 8,
        "ratio": 0.95,
        "estimator": "ransac",
        "threshold": 5.0,
        "iterations": 2000,
        "confidence": 0.995,
    }
    assert (record["features"], record["shortlist"]) == ({"detector": "exact"}, {"name": "worst"})
    assert not record["failures"]["features"]


def test_only_the_head_is_reranked(places):
    figures = places.score(top=5)[1]
    assert figures["figures"] == figures["figures_before"]
    assert figures["pairs"] == 10
    # the first seven hold the junk and the hard view, but not the easy one, which stays last
    seven = places.score(top=7)[1]["figures"]["mAP"]
    assert seven["hard"] == 1 and seven["easy"] == pytest.approx(1 / 12)


def test_distractors_are_ranked_and_counted(places):
    places.features["db/distractors/d.jpg"] = make_view(1, 40, 3)  # a copy of the first query's place
    places.database = [*places.database, "distractors/d.jpg"]
    places.ranks = np.concatenate([[[8], [8]], places.ranks], axis=1)
    record = places.score()[1]
    assert record["database"] == {"photos": 8, "distractors": 1}
    assert record["per_query"]["r"]["after"]["easy"] == 1
    assert record["per_query"]["q"]["after"]["easy"] == pytest.approx((0 + 1 / 2) / 2)
    assert record["top"]["q"]["before"][0] == record["top"]["q"]["after"][0] == ["distractors/d.jpg", "wrong"]
    places.database[-1] = "stranger"
    with pytest.raises(HndescError, match="ranks images"):
        places.score()


def test_features_of_what_is_reranked_are_enough(places):
    for name in ("q_hard", "q_easy"):
        del places.features[f"db/{name}"]
    places.ranks[1] = [7, 0, 1, 4, 5, 6, 2, 3]
    record = places.score(top=4)[1]
    assert record["pairs"] == 8
    with pytest.raises(HndescError, match="no features of 2 of 10 images"):
        places.score()


def test_photos_without_features_have_no_inliers_and_are_counted(places, caplog):
    del places.features["db/q_easy"], places.features["query/r"]
    places.failed = {"db/q_easy": "truncated", "query/r": "box outside"}
    with caplog.at_level(logging.WARNING):
        record = places.score()[1]
    assert record["failures"]["features"] == places.failed
    empty = record["failures"]["pairs_without_inliers"]
    assert ["query/q", "db/q_easy"] in empty
    assert [candidate for query, candidate in empty if query == "query/r"] == [
        f"db/{places.database[index]}" for index in places.ranks[1]
    ]
    assert record["per_query"]["r"]["after"] == record["per_query"]["r"]["before"]
    assert record["per_query"]["q"]["after"]["hard"] == 1 and record["per_query"]["q"]["after"]["easy"] < 0.5
    assert "db/q_easy: no features (truncated)" in caplog.text and "query/r: no features (box outside)" in caplog.text


def test_pair_without_homography_has_no_inliers_and_is_named(places, caplog):
    places.features["db/q_easy"] = places.features["db/q_easy"].take(np.arange(0))
    with caplog.at_level(logging.INFO):
        record = places.score()[1]
    assert ["query/q", "db/q_easy"] in record["failures"]["pairs_without_inliers"]
    assert "pairs have no homography, thus 0 inliers: query/q and db/" in caplog.text


def test_rankings_that_end_early(places):
    places.ranks[:, 6:] = -1
    places.ranks[1] = -1
    places.unranked = {"query/r": "broken"}
    record = places.score()[1]
    assert record["figures"]["mAP"]["hard"] == record["figures"]["mAP"]["easy"] == 0
    assert record["pairs"] == 6 and record["top"]["r"] == {"before": [], "after": []}
    assert record["failures"]["global_descriptor"] == {"query/r": "broken"}


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_do_not_change_the_result(places, request, threads):
    one = places.score()
    request.getfixturevalue("helpers_only")
    assert places.score(threads=threads) == one


def test_shortlist_of_another_dataset_is_named(places):
    places.database = places.database[::-1]
    with pytest.raises(HndescError, match=r"shortlist\.h5: ranks images that are not in the ground truth"):
        places.score()


def test_features_of_another_dataset_are_named(places):
    places.features["db/other"] = places.features.pop("db/away")
    with pytest.raises(HndescError, match=r"features\.h5: no features of 1 of 10 images, 'db/away' first"):
        places.score()


@pytest.mark.parametrize(
    ("setting", "value"),
    [("top", 0), ("top", -1), ("ransac_threshold", float("nan")), ("iterations", 0), ("confidence", 2)],
)
def test_settings_with_which_nothing_is_re_ranked_are_refused(places, setting, value):
    with pytest.raises(HndescError, match=r"cannot be re-ranked|of the homography estimator is"):
        places.score(**{setting: value})
