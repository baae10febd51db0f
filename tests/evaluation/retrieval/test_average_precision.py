import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hndesc.datasets.revisited import GroundTruth, Query, read_ground_truth
from hndesc.evaluation.retrieval.average_precision import average_precision, precision_at, score_query, score_rankings

BOX = (0.0, 0.0, 1.0, 1.0)


def make_query(easy=(), hard=(), junk=(), name="q"):
    return Query(name, BOX, *(np.array(values, np.int64) for values in (easy, hard, junk)))


@pytest.mark.parametrize(
    ("positions", "positives", "expected"),
    [
        ([0], 1, 1.0),
        ([0, 1, 2], 3, 1.0),
        ([1], 1, 0.25),  # precision 0 before, 1/2 after
        ([0, 2], 2, (1 + (1 / 2 + 2 / 3) / 2) / 2),
        ([1, 3], 2, ((0 + 1 / 2) / 2 + (1 / 3 + 2 / 4) / 2) / 2),
        ([0], 2, 0.5),  # the other one is never found
        ([], 3, 0.0),
    ],
)
def test_average_precision_by_hand(positions, positives, expected):
    assert average_precision(np.array(positions, int), positives) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("positions", "expected"),
    [
        ([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10], [1, 1, 1]),
        ([0], [1, 1, 1]),  # nothing is left to find after the first
        ([2], [0, 1 / 3, 1 / 3]),
        ([0, 6], [1, 1 / 5, 2 / 7]),
        ([1, 50], [0, 1 / 5, 1 / 10]),
        ([], [0, 0, 0]),
    ],
)
def test_precision_at_by_hand(positions, expected):
    assert precision_at(np.array(positions, int)) == pytest.approx(expected, abs=1e-12)


def test_setups_by_hand():
    query = make_query(easy=[0], hard=[1], junk=[2])
    ranking = np.array([2, 3, 1, 0, 4])
    # easy: junk is 1 and 2, the list is 3 0 4; medium: junk is 2, 3 1 0 4; hard: junk is 0 and 2, 3 1 4
    assert score_query(ranking, query, "easy", 5)[0] == pytest.approx(0.25)
    assert score_query(ranking, query, "medium", 5)[0] == pytest.approx((0.25 + (1 / 2 + 2 / 3) / 2) / 2)
    assert score_query(ranking, query, "hard", 5)[0] == pytest.approx(0.25)
    assert score_query(np.array([1, 3, 0, 2, 4]), query, "easy", 5)[0] == pytest.approx(0.25)
    assert score_query(np.array([1, 3, 0, 2, 4]), query, "hard", 5)[0] == 1


def test_distractors_push_positives_back():
    query = make_query(easy=[0], hard=[1], junk=[2])
    assert (
        score_query(np.array([3, 9, 0]), query, "easy", 3)[0] == score_query(np.array([3, 4, 0]), query, "easy", 5)[0]
    )
    assert score_query(np.array([7, 2, 0]), query, "easy", 3)[0] == pytest.approx(0.25)


def test_queries_without_positives_are_skipped():
    truth = GroundTruth(["a", "b"], [make_query(easy=[0], name="q"), make_query(hard=[1], name="r")])
    scores = score_rankings(np.array([[1, 0], [1, 0]]), truth)
    assert scores["queries"] == {"easy": 1, "medium": 2, "hard": 1}
    assert scores["mAP"] == {"easy": 0.25, "medium": 0.625, "hard": 1.0}
    assert scores["per_query"] == {
        "q": {"easy": 0.25, "medium": 0.25, "hard": None},
        "r": {"easy": None, "medium": 1.0, "hard": 1.0},
    }
    nothing = score_rankings(np.array([[1, 0]]), GroundTruth(["a", "b"], [make_query(junk=[0])]))
    assert np.isnan([nothing["mAP"]["easy"], *nothing["mP@k"]["hard"]]).all()


def test_what_was_not_retrieved_counts_as_not_found():
    query = make_query(easy=[0, 1])
    assert score_query(np.array([0, -1, -1]), query, "easy", 3) == (0.5, [1.0, 1.0, 1.0])
    assert score_query(np.array([-1, -1, -1]), query, "easy", 3) == (0.0, [0.0, 0.0, 0.0])


@st.composite
def labeled_rankings(draw):
    """A query over a database of up to 30, with positives, and a ranking."""
    size = draw(st.integers(1, 30))
    order = draw(st.permutations(range(size)))
    cuts = sorted(draw(st.lists(st.integers(0, size), min_size=3, max_size=3)))
    easy, hard, junk = order[: max(1, cuts[0])], order[max(1, cuts[0]) : cuts[1]], order[max(1, cuts[1]) : cuts[2]]
    return make_query(easy, hard, junk), np.array(draw(st.permutations(range(size)))), size


def brute_force(ranking, positives, junk):
    """Precision and recall after every retrieved photo, and the area between by trapezoids."""
    area, hits, precision, recall = 0.0, 0, 1.0, 0.0
    for position, photo in enumerate([photo for photo in ranking if photo not in junk], start=1):
        hits += photo in positives
        now = hits / position, hits / len(positives)
        area += (now[1] - recall) * (now[0] + precision) / 2
        precision, recall = now
    return area


@given(labeled_rankings())
def test_agrees_with_the_trapezoid_rule_spelt_out(case):
    query, ranking, size = case
    expected = brute_force(ranking, {*query.easy, *query.hard}, set(query.junk))
    assert score_query(ranking, query, "medium", size)[0] == pytest.approx(expected, abs=1e-12)


@given(labeled_rankings(), st.data())
def test_junk_may_stand_anywhere(case, data):
    query, ranking, size = case
    without = [photo for photo in ranking if photo not in query.junk]
    for photo in query.junk:
        without.insert(data.draw(st.integers(0, len(without))), photo)
    assert score_query(np.array(without), query, "medium", size) == score_query(ranking, query, "medium", size)


@given(labeled_rankings())
def test_perfect_ranking_scores_one_and_reversed_ranking_less(case):
    query, _, size = case
    positives = [*query.easy, *query.hard]
    rest = [photo for photo in range(size) if photo not in positives]
    assert score_query(np.array(positives + rest), query, "medium", size) == (1.0, [1.0, 1.0, 1.0])
    if set(rest) - set(query.junk):
        assert score_query(np.array(rest + positives), query, "medium", size)[0] < 1


@given(labeled_rankings(), st.data())
def test_moving_a_positive_forward_never_hurts(case, data):
    query, ranking, size = case
    place = data.draw(st.sampled_from(np.flatnonzero(np.isin(ranking, query.easy)).tolist()))
    target = data.draw(st.integers(0, place))
    moved = np.insert(np.delete(ranking, place), target, ranking[place])
    before, after = (score_query(order, query, "medium", size)[0] for order in (ranking, moved))
    assert after >= before - 1e-12


@pytest.mark.golden
@pytest.mark.parametrize("name", ["roxford5k", "rparis6k"])
def test_figures_of_the_published_evaluation(shared, name):
    truth = read_ground_truth(shared / "data" / "revisitop" / f"gnd_{name}.pkl")
    ranks = np.load(shared / "golden" / f"{name}_ranks.npz")["ranks"].T.astype(np.int64)
    expected = json.loads((shared / "golden" / "expected.json").read_text())["retrieval"][name]
    scores = score_rankings(ranks, truth)
    assert list(scores["mAP"].values()) == pytest.approx(expected["mAP"], abs=1e-6)
    np.testing.assert_allclose(list(scores["mP@k"].values()), expected["mP@k"], atol=1e-6)
