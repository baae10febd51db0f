"""Ratios of distances: by hand, against all distances, and where there is no second neighbor."""

import numpy as np
import pytest

from hndesc.matching import nearest_neighbors, ratios
from hndesc.matching.nearest_neighbors import mutual_nearest, nearest_with_products
from hndesc.matching.ratios import match_ratios


def unit(generator: np.random.Generator, count: int, dim: int = 8) -> np.ndarray:
    rows = generator.normal(size=(count, dim))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def at(*degrees: float) -> np.ndarray:
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def test_ratio_by_hand_is_the_larger_of_both_directions():
    # Distances on the unit circle are 2 sin(angle / 2).
    a, b = at(0, 50), at(10, 70)
    found = match_ratios(a, b, np.array([[0, 0], [1, 1]]))

    def chord(degrees: float) -> float:
        return 2 * np.sin(np.radians(degrees) / 2)

    expected = [max(chord(10) / chord(70), chord(10) / chord(40)), max(chord(20) / chord(40), chord(20) / chord(70))]
    assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("counts", "block"), [((60, 45), 2**20), ((60, 45), 100), ((2, 45), 1), ((45, 2), 1)])
def test_ratios_are_those_of_all_distances(counts, block, monkeypatch):
    monkeypatch.setattr(ratios, "_BLOCK", block)
    generator = np.random.default_rng(0)
    a, b = (unit(generator, count) for count in counts)
    matches = mutual_nearest(a, b)
    distances = np.linalg.norm(a[:, None].astype(np.float64) - b[None], axis=2)
    expected = []
    for i, j in matches:
        forth, back = np.sort(distances[i]), np.sort(distances[:, j])
        expected.append(max(forth[0] / forth[1], back[0] / back[1]))
    assert len(matches) > 0
    assert match_ratios(a, b, matches) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("counts", [(60, 45), (1, 45), (45, 1), (0, 3), (700, 300)])
def test_known_products_change_neither_matches_nor_ratios(counts):
    generator = np.random.default_rng(1)
    a, b = (unit(generator, count, 64) for count in counts)
    matches, products = nearest_with_products(a, b)
    assert np.array_equal(matches, mutual_nearest(a, b))
    assert products is None or np.allclose(products, a @ b.T, atol=1e-6)
    assert (products is None) == (0 in counts)
    np.testing.assert_array_equal(match_ratios(a, b, matches, products), match_ratios(a, b, matches))


def test_more_products_than_are_kept(monkeypatch):
    monkeypatch.setattr(nearest_neighbors, "_KEPT", 59 * 45)
    a, b = (unit(np.random.default_rng(2), count) for count in (60, 45))
    matches, products = nearest_with_products(a, b)
    assert products is None and np.array_equal(matches, mutual_nearest(a, b))


def test_without_a_second_neighbor_nothing_competes():
    assert match_ratios(at(0), at(30), np.array([[0, 0]])).tolist() == [0]


def test_an_equally_near_second_neighbor_gives_one():
    twins = at(0, 0, 90)
    assert match_ratios(at(0, 90), twins, np.array([[0, 0], [1, 2]])).tolist() == pytest.approx([1, 0])


def test_no_matches():
    none = np.empty((0, 2), np.int64)
    assert match_ratios(at(0), at(0), none).shape == (0,)
    assert match_ratios(at(), at(0), none).shape == (0,)
