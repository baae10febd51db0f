"""Mutual nearest neighbours against brute force, and homographies against the truth."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hndesc import matching
from hndesc.errors import HndescError
from hndesc.features import Features
from hndesc.matching import ESTIMATORS, estimate_homography, match_features, mutual_nearest

H_TRUE = np.array([[0.9, 0.1, 20], [-0.12, 1.1, 5], [1e-4, -2e-4, 1]])


def brute_force(a: np.ndarray, b: np.ndarray) -> list[list[int]]:
    similarity = [[float(np.dot(x, y)) for y in b] for x in a]
    pairs = []
    for i, row in enumerate(similarity):
        j = row.index(max(row))
        column = [other[j] for other in similarity]
        if column.index(max(column)) == i:
            pairs.append([i, j])
    return pairs


# Small whole numbers: products are exact, and ties are frequent.
whole = st.integers(-2, 2).map(float)


@settings(max_examples=200, deadline=None)
@given(data=st.data(), dim=st.integers(1, 4), rows=st.sampled_from([1, 2, 3, 256]))
def test_equals_brute_force_with_ties(data, dim, rows):
    a, b = (
        data.draw(arrays(np.float32, st.tuples(st.integers(1, 12), st.just(dim)), elements=whole)) for _ in range(2)
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(matching, "_BLOCK", rows * len(b))
        assert mutual_nearest(a, b).tolist() == brute_force(a, b)


def unit(count: int, dim: int, seed: int) -> np.ndarray:
    values = np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32)
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def test_equals_one_whole_product_over_several_blocks():
    a, b = unit(700, 16, 0), unit(900, 16, 1)
    similarity = a @ b.T
    forth, back = similarity.argmax(axis=1), similarity.argmax(axis=0)
    expected = [[i, forth[i]] for i in range(700) if back[forth[i]] == i]
    assert len(expected) > 100
    assert mutual_nearest(a, b).tolist() == expected


@pytest.mark.parametrize(("n", "m"), [(1, 1), (1, 40), (40, 1), (255, 40), (256, 40), (257, 40), (513, 300)])
def test_equals_brute_force_at_the_borders_of_blocks(n, m):
    # Whole numbers: no rounding, and ties within a block and across blocks.
    a, b = (np.random.default_rng(count).integers(-3, 4, (count, 5)).astype(np.float32) for count in (n, m))
    assert mutual_nearest(a, b).tolist() == brute_force(a, b)


@pytest.mark.parametrize("copy", [1, 255, 256, 599])
def test_of_equal_rows_the_first_is_matched(copy):
    a = unit(600, 32, 0)
    a[copy] = a[0]
    expected = [[i, i] for i in range(600) if i != copy]
    assert mutual_nearest(a, a).tolist() == expected


def test_a_row_that_ties_but_prefers_another_column_keeps_the_pair_from_a_later_row():
    a = np.array([[1, 1], [0, 1]], np.float32)
    assert mutual_nearest(a, np.eye(2, dtype=np.float32)).tolist() == brute_force(a, np.eye(2)) == [[0, 0]]


def test_swapping_sides_swaps_the_pairs():
    a, b = unit(300, 8, 0), unit(400, 8, 1)
    assert sorted(mutual_nearest(b, a)[:, ::-1].tolist()) == mutual_nearest(a, b).tolist()


def test_permuted_descriptors_are_found_again():
    a = unit(600, 32, 0)
    order = np.random.default_rng(1).permutation(600)
    matches = mutual_nearest(a, a[order])
    assert matches.dtype == np.int64
    np.testing.assert_array_equal(order[matches[:, 1]], np.arange(600))


@pytest.mark.parametrize(("n", "m"), [(0, 3), (3, 0), (0, 0)])
def test_nothing_to_match(n, m):
    matches = mutual_nearest(np.empty((n, 4), np.float32), np.empty((m, 4), np.float32))
    assert matches.shape == (0, 2)
    assert matches.dtype == np.int64


def test_half_precision_and_transposed_input():
    a = unit(50, 8, 0)
    np.testing.assert_array_equal(mutual_nearest(a.astype(np.float16), np.asfortranarray(a))[:, 1], np.arange(50))


def test_other_dimensions_are_an_error():
    with pytest.raises(HndescError, match="8 and 16 dimensions"):
        mutual_nearest(unit(3, 8, 0), unit(3, 16, 0))


def test_match_features_takes_their_descriptors():
    descriptors = unit(5, 8, 0)
    a = Features(np.zeros((5, 2)), (9, 9), np.ones(5), descriptors)
    b = a.take(np.array([3, 1]))
    assert match_features(a, b).tolist() == [[1, 1], [3, 0]]
    with pytest.raises(HndescError, match="without descriptors"):
        match_features(a, Features(np.zeros((5, 2)), (9, 9), np.ones(5)))


def project(points: np.ndarray) -> np.ndarray:
    mapped = np.column_stack([points, np.ones(len(points))]) @ H_TRUE.T
    return mapped[:, :2] / mapped[:, 2:]


def correspondences(outliers: int, noise: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    p1 = rng.uniform(0, 500, (200, 2))
    p2 = project(p1) + rng.normal(size=(200, 2)) * noise
    p2[:outliers] = rng.uniform(0, 500, (outliers, 2))
    return p1, p2


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_homography_is_found_among_outliers(estimator):
    p1, p2 = correspondences(outliers=100)
    homography, inliers = estimate_homography(p1, p2, estimator=estimator)
    np.testing.assert_allclose(homography, H_TRUE, rtol=1e-3, atol=1e-6)
    assert inliers.dtype == bool
    assert inliers[100:].all()
    assert inliers[:100].sum() <= 2


def test_float32_points_will_do():
    p1, p2 = correspondences(outliers=0)
    np.testing.assert_allclose(
        estimate_homography(p1.astype(np.float32), p2.astype(np.float32))[0], H_TRUE, rtol=1e-3, atol=1e-6
    )


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_same_input_same_estimate(estimator):
    p1, p2 = correspondences(outliers=150, noise=1.0)
    first = estimate_homography(p1, p2, estimator=estimator)
    estimate_homography(p2, p1, estimator=estimator)  # moves OpenCV's random state on
    second = estimate_homography(p1, p2, estimator=estimator)
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_inliers_are_those_within_the_threshold(estimator):
    p1, p2 = correspondences(outliers=60, noise=1.0)
    homography, inliers = estimate_homography(p1, p2, 3.0, estimator=estimator)
    mapped = np.column_stack([p1, np.ones(len(p1))]) @ homography.T
    errors = np.linalg.norm(mapped[:, :2] / mapped[:, 2:] - p2, axis=1)
    assert homography[2, 2] == 1
    # MAGSAC++ refines after it has told the inliers.
    assert np.mean(inliers == (errors <= 3.0)) >= 0.95


@pytest.mark.parametrize("estimator", ["ransac", "poselib"])
def test_threshold_decides_who_is_an_inlier(estimator):
    p1, p2 = correspondences(outliers=0, noise=2.0)
    counts = [
        estimate_homography(p1, p2, threshold=threshold, estimator=estimator)[1].sum() for threshold in (1.0, 3.0, 10.0)
    ]
    assert counts[0] < counts[1] < counts[2] == 200


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("count", [0, 1, 3])
def test_fewer_than_four_matches_give_none(estimator, count):
    p1, p2 = (points[:count] for points in correspondences(outliers=0))
    homography, inliers = estimate_homography(p1, p2, estimator=estimator)
    assert homography is None
    assert inliers.tolist() == [False] * count


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("kind", ["one point", "line", "collapsed"])
def test_degenerate_points_give_none(estimator, kind):
    along = np.linspace(0, 100, 30)
    line = np.stack([along, 2 * along + 3], axis=1)
    spread = np.random.default_rng(0).uniform(0, 100, (30, 2))
    p1, p2 = {
        "one point": (np.full((30, 2), 5.0), np.full((30, 2), 7.0)),
        "line": (line, line + 10),
        "collapsed": (spread, np.full((30, 2), 7.0)),
    }[kind]
    homography, inliers = estimate_homography(p1, p2, estimator=estimator)
    assert homography is None
    assert inliers.shape == (30,)
    assert not inliers.any()


def test_unknown_estimator():
    with pytest.raises(HndescError, match=r"'lmeds'; choose one of: magsac, poselib, ransac"):
        estimate_homography(np.zeros((5, 2)), np.zeros((5, 2)), estimator="lmeds")
