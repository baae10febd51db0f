"""The difficulty of pairs: distributions, both crops inside the photo, keypoints that land on what they lie on."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from hndesc.geometry.homography import warp_points
from hndesc.training.pairs import (
    crop_homography,
    cut,
    draw_crop,
    draw_pair,
    random_quadrilateral,
    random_quadrilaterals,
    scaled_difficulty,
)
from hndesc.training.settings import PairSettings

SETTINGS = PairSettings()
CROP = 101


def coordinates(width: int, height: int) -> np.ndarray:
    """A photo whose red is x and whose green is y, in pixels, with stripes of blue for contrast."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    return np.stack([x, y, 255 * (x // 16 % 2)], axis=2).astype(np.uint8)


def grid(width: int, height: int, step: int = 7) -> np.ndarray:
    return np.stack(np.meshgrid(np.arange(0, width, step), np.arange(0, height, step)), axis=-1).reshape(-1, 2) * 1.0


def parameters(points: np.ndarray) -> tuple[float, float, float, float, int]:
    """Recover zoom, rotation in degrees, the factors of the two scaled sides, and the axis, from a quadrilateral."""
    upper_left, lower_left, lower_right, upper_right = points
    down = (lower_left + lower_right - upper_left - upper_right) / 2
    right = (upper_right + lower_right - upper_left - lower_left) / 2
    tilt_down, tilt_right = np.degrees(np.arctan2(-down[0], down[1])), np.degrees(np.arctan2(right[1], right[0]))
    if np.linalg.norm(down) > np.linalg.norm(right):  # the upper and the lower side are scaled
        side = np.linalg.norm(down)
        first, second, angle, axis = upper_right - upper_left, lower_right - lower_left, tilt_down, 0
    else:
        side = np.linalg.norm(right)
        first, second, angle, axis = lower_left - upper_left, lower_right - upper_right, tilt_right, 1
    return side / (CROP - 1), angle, np.linalg.norm(first) / side, np.linalg.norm(second) / side, axis


@pytest.fixture(scope="module")
def draws() -> np.ndarray:
    generator = np.random.default_rng(5)
    return np.array([parameters(random_quadrilateral(generator, CROP, SETTINGS)) for _ in range(3000)])


@pytest.mark.parametrize(("column", "low", "high"), [(0, 0.8, 1.0), (1, -15.0, 15.0), (2, 0.6, 1.0), (3, 0.6, 1.0)])
def test_zoom_rotation_and_perspective_are_uniform(draws, column, low, high):
    values = draws[:, column]
    assert low - 1e-9 <= values.min()
    assert values.max() <= high + 1e-9
    assert stats.kstest(values, stats.uniform(low, high - low).cdf).pvalue > 0.01


def test_zoom_reaches_beyond_the_photos_own_pixels_if_the_settings_say_so():
    generator, difficulty = np.random.default_rng(6), PairSettings(zoom=0.5, zoom_max=1.7)
    zooms = np.array([parameters(random_quadrilateral(generator, CROP, difficulty))[0] for _ in range(2000)])
    assert stats.kstest(zooms, stats.uniform(0.5, 1.2).cdf).pvalue > 0.01


def test_the_axis_of_perspective_is_a_fair_coin_and_nothing_depends_on_another(draws):
    assert draws[:, 4].mean() == pytest.approx(0.5, abs=0.04)
    correlation = np.corrcoef(draws.T) - np.eye(5)
    assert np.abs(correlation).max() < 0.06


def test_settings_without_spread_gives_the_upright_crop():
    still = PairSettings(zoom=1.0, rotation=0.0, perspective=1.0, shift=0.0)
    points = random_quadrilateral(np.random.default_rng(0), CROP, still)
    assert np.allclose(points, [[-50, -50], [-50, 50], [50, 50], [50, -50]])


def test_the_second_center_is_a_tenth_of_a_crop_away_in_all_four_directions():
    generator = np.random.default_rng(1)
    shifts = []
    for _ in range(400):
        first, second = random_quadrilaterals(generator, (640, 480), CROP, SETTINGS)
        shifts.append((second.mean(0) - first.mean(0)) / CROP)
    assert np.allclose(np.abs(shifts), 0.1)
    directions, counts = np.unique(np.sign(shifts), axis=0, return_counts=True)
    assert len(directions) == 4
    assert counts.min() > 70


def test_pairs_lie_anywhere_in_the_photo_with_equal_chance():
    generator = np.random.default_rng(2)
    places = []
    for _ in range(2000):
        points = np.concatenate(random_quadrilaterals(generator, (500, 300), CROP, SETTINGS))
        low, high = points.min(0), points.max(0)
        places.append(low / (np.array([499, 299]) - (high - low)))
    places = np.array(places)
    for axis in (0, 1):
        assert stats.kstest(places[:, axis], "uniform").pvalue > 0.01


@given(st.integers(8, 700), st.integers(8, 700), st.sampled_from([32, 192, 256]), st.integers(0, 2**20))
def test_both_crops_lie_in_any_photo_and_keep_their_proportions(width, height, crop, seed):
    pair = random_quadrilaterals(np.random.default_rng(seed), (width, height), crop, SETTINGS)
    for points in pair:
        assert points.min() >= -1e-6
        assert (points.max(0) <= np.array([width, height]) - 1 + 1e-6).all()
    # The same draws in a photo with room for everything: equal up to one factor and the place.
    large = random_quadrilaterals(np.random.default_rng(seed), (2000, 2000), crop, SETTINGS)
    shapes = [np.concatenate(points) - points[0].mean(0) for points in (pair, large)]
    factor = np.linalg.norm(shapes[0]) / np.linalg.norm(shapes[1])
    assert np.allclose(shapes[0], factor * shapes[1], atol=1e-6)
    assert factor <= 1 + 1e-9
    if min(width, height) >= 1.4 * crop:
        assert factor == pytest.approx(1)


@given(st.integers(0, 2**20))
def test_keypoints_return_through_both_homographies(seed):
    generator = np.random.default_rng(seed)
    pair = random_quadrilaterals(generator, (640, 480), 192, SETTINGS)
    points = generator.uniform(0, (639, 479), (50, 2))
    for quadrilateral in pair:
        homography = crop_homography(quadrilateral, 192)
        assert np.allclose(warp_points(homography, quadrilateral), [[0, 0], [0, 191], [191, 191], [191, 0]], atol=1e-8)
        there = warp_points(homography, points)
        assert np.abs(warp_points(np.linalg.inv(homography), there) - points).max() < 1e-3


@pytest.mark.parametrize("size", [(250, 250), (250, 180), (140, 250)])
def test_crops_show_at_each_keypoint_what_the_photo_shows_there(size):
    photo, keypoints = coordinates(*size), grid(*size)
    for seed in range(20):
        pair = draw_pair(np.random.default_rng(seed), (photo, photo), keypoints, 96, 10_000, SETTINGS)
        assert len(pair.anchor_points) > 20
        sources = []
        for crop, points in ((pair.anchor, pair.anchor_points), (pair.positive, pair.positive_points)):
            assert crop.shape == (96, 96, 3)
            assert points.dtype == np.float32
            x, y = (np.ascontiguousarray(points[:, axis]) for axis in (0, 1))
            seen = cv2.remap(crop, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[:, 0, :2]
            sources.append(seen.astype(float))
        # Row by row both crops show the same place, and that is a keypoint.
        assert np.abs(sources[0] - sources[1]).max() <= 3
        nearest = np.abs(sources[0][:, None] - keypoints[None]).max(axis=2).min(axis=1)
        assert nearest.max() <= 2


def test_a_copy_of_lower_resolution_gives_the_same_crop():
    photo = coordinates(240, 200)
    copy = cv2.resize(photo, (120, 100), interpolation=cv2.INTER_AREA)
    quadrilateral = random_quadrilaterals(np.random.default_rng(3), (240, 200), 96, SETTINGS)[0]
    homography = crop_homography(quadrilateral, 96)
    whole, small = (cut(image, homography, 96, (240, 200)).astype(float) for image in (photo, copy))
    # Red and green are linear in the place: halving the resolution keeps them, away from the rim.
    assert np.abs(whole - small)[4:-4, 4:-4, :2].max() <= 1.5


def test_at_most_the_requested_keypoints_drawn_without_repetition():
    photo, keypoints = coordinates(250, 250), grid(250, 250, 5)
    pair = draw_pair(np.random.default_rng(0), (photo, photo), keypoints, 128, 30, SETTINGS)
    assert len(pair.anchor_points) == len(pair.positive_points) == 30
    assert len(np.unique(pair.anchor_points, axis=0)) == 30
    others = draw_pair(np.random.default_rng(1), (photo, photo), keypoints, 128, 30, SETTINGS)
    assert not np.array_equal(pair.anchor_points, others.anchor_points)


def test_keypoints_outside_either_crop_are_dropped():
    photo, keypoints = coordinates(250, 250), grid(250, 250, 3)
    for seed in range(20):
        pair = draw_pair(np.random.default_rng(seed), (photo, photo), keypoints, 64, 10_000, SETTINGS)
        for points in (pair.anchor_points, pair.positive_points):
            assert points.min() >= 0
            assert points.max() <= 63


def test_a_share_of_the_keypoints_is_hidden_from_either_crop():
    photo, keypoints, step = coordinates(250, 250), grid(250, 250, 12), 12
    sums = np.zeros(4)
    for seed in range(40):
        whole, parted = (
            draw_pair(
                np.random.default_rng(seed), (photo, photo), keypoints, 128, 10_000, PairSettings(unmatched=unmatched)
            )
            for unmatched in (0.0, 0.25)
        )
        np.testing.assert_array_equal(whole.anchor, parted.anchor)
        assert len(whole.anchor_unmatched) == len(whole.positive_unmatched) == 0
        both = shown(whole.anchor, whole.anchor_points, step)
        common, other, first, second = (
            shown(crop, points, step)
            for crop, points in (
                (parted.anchor, parted.anchor_points),
                (parted.positive, parted.positive_points),
                (parted.anchor, parted.anchor_unmatched),
                (parted.positive, parted.positive_unmatched),
            )
        )
        assert common == other and common <= both
        assert not (common & first or common & second or first & second)
        assert first - both or second - both  # what only one crop shows is unmatched, too
        sums += len(both), len(common), len(first & both), len(second & both)
    assert sums[1:] / sums[0] == pytest.approx([0.5, 0.25, 0.25], abs=0.02)


def shown(crop: np.ndarray, points: np.ndarray, step: int) -> set[tuple[int, int]]:
    """Read from the colors of a curriculum which points of its grid are at these places of a crop."""
    columns, rows = np.round(points).astype(int).T
    return {tuple(np.round(color / step).astype(int)) for color in crop[rows, columns, :2].astype(float)}


def test_unmatched_keypoints_are_at_most_half_as_many():
    photo = coordinates(250, 250)
    pair = draw_pair(np.random.default_rng(0), (photo, photo), grid(250, 250, 5), 128, 30, PairSettings(unmatched=0.3))
    assert [len(one) for one in (pair.anchor_points, pair.anchor_unmatched, pair.positive_unmatched)] == [30, 15, 15]


def test_no_keypoint_is_no_pair():
    photo = coordinates(250, 250)
    assert draw_pair(np.random.default_rng(0), (photo, photo), np.zeros((0, 2)), 64, 100, SETTINGS) is None


def test_a_single_keypoint_is_found_by_drawing_again():
    photo = coordinates(200, 200)
    keypoint = np.array([[100.0, 100.0]])
    found = {tries: 0 for tries in (1, 10)}
    for tries in found:
        for seed in range(60):
            difficulty = PairSettings(tries=tries)
            found[tries] += (
                draw_pair(np.random.default_rng(seed), (photo, photo), keypoint, 64, 100, difficulty) is not None
            )
    assert 0 < found[1] < found[10]


def test_flat_places_are_avoided_but_a_flat_photo_still_gives_a_pair():
    flat = np.full((300, 300, 3), 128, np.uint8)
    half = flat.copy()
    half[:, 150:] = np.random.default_rng(0).integers(0, 256, (300, 150, 3))
    keypoints = grid(300, 300)
    assert draw_pair(np.random.default_rng(0), (flat, flat), keypoints, 64, 100, SETTINGS) is not None
    for seed in range(20):
        pair = draw_pair(np.random.default_rng(seed), (half, half), keypoints, 64, 100, SETTINGS)
        assert cv2.cvtColor(pair.anchor, cv2.COLOR_RGB2GRAY).std() >= 20


def test_turns_are_uniform_over_the_circle_in_a_share_of_the_pairs():
    def angle(points):
        return np.degrees(np.arctan2(*(points[3] - points[0])[::-1]))

    generator, difficulty = np.random.default_rng(7), PairSettings(turns=0.5, perspective=1, rotation=10)
    drawn = [random_quadrilaterals(generator, (900, 900), CROP, difficulty) for _ in range(1500)]
    turned = np.array([(angle(second) - angle(first) + 180) % 360 - 180 for first, second in drawn])
    assert max(abs(angle(first)) for first, _ in drawn) <= 10
    far = turned[np.abs(turned) > 20]
    assert len(far) / len(turned) == pytest.approx(0.5 * 320 / 360, abs=0.04)
    assert stats.kstest(np.abs(far), stats.uniform(20, 160).cdf).pvalue > 1e-3 and -0.1 < np.sign(far).mean() < 0.1


def test_the_second_crop_comes_from_the_second_image():
    photo = coordinates(250, 250)
    pair = draw_pair(np.random.default_rng(0), (photo, np.zeros_like(photo)), grid(250, 250), 64, 100, SETTINGS)
    assert pair.anchor.any()
    assert not pair.positive.any()


@pytest.mark.parametrize("size", [(64, 64), (65, 200), (300, 220)])
def test_a_crop_of_a_similar_photo_is_upright_and_its_keypoints_fit(size):
    photo, keypoints = coordinates(*size), grid(*size)
    crop, points = draw_crop(np.random.default_rng(0), photo, keypoints, 64, 1000)
    assert crop.shape == (64, 64, 3)
    assert len(points) > 0
    seen = crop[points[:, 1].astype(int), points[:, 0].astype(int), :2]
    assert {tuple(place) for place in seen.tolist()} <= {
        tuple(place) for place in (keypoints % 256).astype(int).tolist()
    }


def test_a_crop_of_a_similar_photo_seeks_keypoints():
    photo = coordinates(250, 250)
    crowd = np.random.default_rng(0).uniform(180, 240, (100, 2))
    lonely = np.array([[20.0, 20.0]])
    _, points = draw_crop(np.random.default_rng(1), photo, np.concatenate([lonely, crowd]), 64, 1000)
    assert len(points) > 60
    assert len(draw_crop(np.random.default_rng(1), photo, crowd, 64, 25)[1]) == 25


@given(seed=st.integers(0, 1000), hardness=st.floats(0, 1))
def test_scaled_difficulty_draws_that_share_of_each_change(seed, hardness):
    difficulty = PairSettings(zoom=0.5, zoom_max=2.0, rotation=40, perspective=0.6)
    full, drawn = (
        np.array(parameters(random_quadrilateral(np.random.default_rng(seed), CROP, one)))
        for one in (difficulty, scaled_difficulty(difficulty, hardness))
    )
    none = np.array([1.0, 0.0, 1.0, 1.0, full[4]])  # zoom, rotation, two factors; the axis remains
    np.testing.assert_allclose(drawn[:4], (none + hardness * (full - none))[:4], atol=1e-9)
