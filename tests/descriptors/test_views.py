"""Views of an image: the keypoints stay on their pixels, and a turned or enlarged image has the same views."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hndesc.descriptors import load_descriptor
from hndesc.descriptors.views import describe_views, halve, steer, turn
from hndesc.io.features import Features
from hndesc.models.bundled import DEFAULT


def noise(width: int, height: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def some_points(width: int, height: int, count: int = 40) -> np.ndarray:
    return np.random.default_rng(1).integers(0, (width, height), (count, 2)).astype(np.float64)


def at(points: np.ndarray, image: np.ndarray) -> Features:
    return Features(points.astype(np.float32), image.shape[1::-1], np.ones(len(points), np.float32))


@pytest.fixture(scope="module")
def descriptor():
    return load_descriptor(DEFAULT, steered=False)


@pytest.mark.parametrize("quarters", [0, 1, 2, 3, 4])
def test_points_turn_with_their_pixels(quarters):
    image, points = noise(17, 12), some_points(17, 12)
    turned, moved = turn(image, points, quarters)
    (x, y), (u, v) = points.astype(int).T, moved.astype(int).T
    np.testing.assert_array_equal(turned[v, u], image[y, x])
    assert turned.shape == (image if quarters % 2 == 0 else image.transpose(1, 0, 2)).shape


def test_a_square_shrinks_to_the_pixel_at_its_center():
    small = noise(16, 12)
    shrunk, moved = halve(small.repeat(2, axis=0).repeat(2, axis=1), 2 * some_points(16, 12) + 0.5)
    np.testing.assert_array_equal(shrunk, small)
    np.testing.assert_allclose(moved, some_points(16, 12), atol=1e-12)


def test_the_views_of_a_turned_image_are_the_same_ones_in_another_order(descriptor):
    image, points = noise(96, 64), some_points(96, 64)
    turned, moved = turn(image, points, 1)
    first = describe_views(descriptor, image, at(points, image))
    second = describe_views(descriptor, turned, at(moved, turned))
    np.testing.assert_array_equal(first[0], descriptor.describe(image, at(points, image)))
    for there, here in ((0, 1), (1, 2), (2, 3), (3, 0)):
        np.testing.assert_array_equal(second[there], first[here])
    assert not np.allclose(first[0], first[1], atol=0.1)


def test_half_of_an_enlarged_image_is_the_image(descriptor):
    image, points = noise(96, 64), some_points(96, 64)
    large = image.repeat(2, axis=0).repeat(2, axis=1)
    views = describe_views(descriptor, large, at(2 * points + 0.5, large))
    np.testing.assert_array_equal(views[4], descriptor.describe(image, at(points, image)))


def test_no_keypoints_have_no_descriptors_in_any_view(descriptor):
    image = noise(32, 32)
    assert describe_views(descriptor, image, at(np.empty((0, 2)), image)).shape == (5, 0, descriptor.settings["dim"])


@given(st.integers(0, 1000), st.integers(2, 12))
def test_four_quarter_turns_of_a_steerer_are_none(seed, dim):
    """In a random basis, a matrix of quarter and half turns."""
    generator = np.random.default_rng(seed)
    basis = np.linalg.qr(generator.normal(size=(dim, dim)))[0]
    steerer = np.diag(generator.choice([-1.0, 1.0], dim))
    steerer[:2, :2] = [[0, -1], [1, 0]]
    steerer = basis @ steerer @ basis.T
    descriptors = generator.normal(size=(5, dim))
    turned = steer(descriptors, steerer)
    for start in range(4):
        np.testing.assert_allclose(steer(turned[start], steerer), np.roll(turned, -start, axis=0), atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(turned, axis=2), [np.linalg.norm(descriptors, axis=1)] * 4)
    assert not np.allclose(turned[0], turned[1], atol=1e-3)
