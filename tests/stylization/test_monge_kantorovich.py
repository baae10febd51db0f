"""The transfer against analytic truth on Gaussians, its limits, and what it does to real photos' edges."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage import data

from hndesc.geometry.color import rgb_to_lab
from hndesc.io.images import read_image, resize_longest, to_gray
from hndesc.stylization.monge_kantorovich import (
    color_moments,
    fit_range,
    limit_gain,
    stylize,
    transfer,
    transport_map,
)
from hndesc.stylization.structure import edge_similarity

EVERYTHING = {"noise": 0.0, "gain": (0.0, np.inf), "detail_gain": (0.0, np.inf)}


def random_covariance(rng: np.random.Generator) -> np.ndarray:
    root = rng.normal(size=(3, 3)) * rng.uniform(1, 20, 3)
    return root @ root.T + 0.1 * np.eye(3)


def photo(name: str, longest: int = 256) -> np.ndarray:
    image = getattr(data, name)()
    return resize_longest(np.ascontiguousarray(image[..., :3]), longest)[0]


@given(st.integers(0, 2**32 - 1))
def test_map_turns_one_covariance_into_the_other_and_is_an_optimal_transport(seed: int) -> None:
    rng = np.random.default_rng(seed)
    covariance, target = random_covariance(rng), random_covariance(rng)
    matrix = transport_map(covariance, target)
    assert np.allclose(matrix @ covariance @ matrix.T, target, rtol=1e-6, atol=1e-6 * np.abs(target).max())
    # A gradient of a convex function: symmetric and positive.
    assert np.allclose(matrix, matrix.T)
    assert np.linalg.eigvalsh(matrix).min() > 0


def test_map_between_equal_or_parallel_gaussians() -> None:
    covariance = random_covariance(np.random.default_rng(1))
    assert np.allclose(transport_map(covariance, covariance), np.eye(3))
    assert np.allclose(transport_map(np.diag([4.0, 9.0, 1.0]), np.diag([1.0, 36.0, 1.0])), np.diag([0.5, 2.0, 1.0]))


def test_map_of_a_gray_photo_is_finite() -> None:
    matrix = transport_map(np.diag([400.0, 0.0, 0.0]), np.diag([100.0, 64.0, 25.0]), noise=1.0)
    assert np.isfinite(matrix).all()
    assert matrix[0, 0] == pytest.approx(np.sqrt(101 / 401))


def test_limit_gain_clips_eigenvalues_only() -> None:
    turn, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))
    matrix = turn @ np.diag([0.1, 1.0, 9.0]) @ turn.T
    assert np.allclose(limit_gain(matrix, 0.5, 2.0), turn @ np.diag([0.5, 1.0, 2.0]) @ turn.T)
    assert np.allclose(limit_gain(matrix, 0.0, 10.0), matrix)


def test_transfer_gives_exactly_the_mean_and_covariance_of_the_style() -> None:
    rng = np.random.default_rng(0)
    content = (rng.normal(size=(60, 80, 3)) @ np.array([[9, 2, 0], [0, 5, 1], [0, 0, 3]]) + 50).astype(np.float32)
    mean, covariance = color_moments(content)
    target = np.array([30.0, 5.0, -20.0])
    goal = random_covariance(rng)
    matrix = transport_map(covariance, goal)
    result_mean, result_covariance = color_moments(transfer(content, mean, target, matrix, matrix))
    assert np.allclose(result_mean, target, atol=1e-3)
    assert np.allclose(result_covariance, goal, rtol=1e-3, atol=1e-2)


def test_moments_agree_with_numpy() -> None:
    colors = np.random.default_rng(0).normal(40, 7, (30, 20, 3)).astype(np.float32)
    mean, covariance = color_moments(colors)
    assert np.allclose(mean, colors.reshape(-1, 3).mean(axis=0), atol=1e-4)
    assert np.allclose(covariance, np.cov(colors.reshape(-1, 3).T, bias=True), atol=1e-3)


def gaussian_image(seed: int, mean: tuple, deviation: float) -> np.ndarray:
    values = np.random.default_rng(seed).normal(mean, deviation, (64, 64, 3))
    return np.clip(np.round(values), 0, 255).astype(np.uint8)


def test_stylize_gives_the_colors_of_the_style_where_no_limit_holds() -> None:
    content, style = gaussian_image(0, (120, 140, 130), 10), gaussian_image(1, (150, 110, 120), 16)
    mean, covariance = color_moments(rgb_to_lab(stylize(content, style, **EVERYTHING)))
    style_mean, style_covariance = color_moments(rgb_to_lab(style))
    assert np.allclose(mean, style_mean, atol=0.1)
    assert np.allclose(covariance, style_covariance, rtol=0.02, atol=0.5)


def test_strength_moves_along_the_straight_line() -> None:
    content, style = gaussian_image(0, (120, 140, 130), 10), gaussian_image(1, (160, 110, 120), 10)
    assert np.array_equal(stylize(content, style, strength=0), content)
    start, end = (color_moments(rgb_to_lab(image))[0] for image in (content, style))
    middle = color_moments(rgb_to_lab(stylize(content, style, strength=0.5)))[0]
    assert np.allclose(middle, (start + end) / 2, atol=0.3)


@pytest.mark.parametrize("name", ["astronaut", "coffee", "chelsea"])
def test_its_own_style_leaves_a_photo_unchanged(name: str) -> None:
    image = photo(name)
    assert np.abs(stylize(image, image).astype(int) - image).max() <= 1


def test_black_and_white_photo_takes_the_tint_of_the_style() -> None:
    gray = np.repeat(to_gray(photo("astronaut"))[..., None], 3, axis=2)
    style = gaussian_image(1, (150, 100, 60), 12)
    result = stylize(gray, style)
    mean, style_mean = (color_moments(rgb_to_lab(image))[0] for image in (result, style))
    assert np.allclose(mean[1:], style_mean[1:], atol=3)
    assert edge_similarity(gray, result) > 0.9


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (5, 1), (40, 60)])
@pytest.mark.parametrize("level", [0, 128, 255])
def test_constant_photo_becomes_the_mean_color_of_the_style(shape: tuple[int, int], level: int) -> None:
    content = np.full((*shape, 3), level, np.uint8)
    style = gaussian_image(1, (90, 110, 130), 8)
    result = stylize(content, style)
    assert result.shape == content.shape
    assert result.dtype == np.uint8
    assert (result == result[0, 0]).all()
    assert np.allclose(rgb_to_lab(result)[0, 0], color_moments(rgb_to_lab(style))[0], atol=1.0)


def test_constant_style_does_not_wipe_out_the_photo() -> None:
    image = photo("coffee")
    result = stylize(image, np.full((8, 8, 3), 100, np.uint8))
    assert to_gray(result).std() > 0.3 * to_gray(image).std()
    assert edge_similarity(image, result) > 0.85


def test_noise_is_not_amplified_where_the_contrast_is() -> None:
    rng = np.random.default_rng(0)
    gradient = np.linspace(100, 140, 256)[None, :, None].repeat(128, 0).repeat(3, 2)
    content = np.clip(np.round(gradient + rng.normal(0, 1.2, (128, 256, 3))), 0, 255).astype(np.uint8)
    style = photo("astronaut")

    def noise(image: np.ndarray) -> float:
        lightness = rgb_to_lab(image)[..., 0]
        return float((lightness - cv2.GaussianBlur(lightness, (0, 0), 3)).std())

    calm, plain = stylize(content, style), stylize(content, style, detail_gain=(0.0, np.inf))
    assert noise(plain) > 1.8 * noise(content)  # what the map alone does
    assert noise(calm) < 1.15 * noise(content)
    spread = [rgb_to_lab(image)[..., 0].mean(axis=0).std() for image in (content, calm)]
    assert spread[1] > 1.8 * spread[0]


def test_no_bands_in_a_sky() -> None:
    gradient = np.round(np.linspace(150, 170, 300)).astype(np.uint8)  # steps of one level, 15 pixels wide
    content = np.repeat(np.repeat(gradient[None], 200, 0)[..., None], 3, 2)
    style = gaussian_image(0, (120, 120, 120), 60)

    def slope_and_steps(image: np.ndarray) -> tuple[float, float]:
        row = to_gray(image).mean(axis=0)[20:-20]
        line = np.polyfit(np.arange(len(row)), row, 1)
        return line[0], float((row - np.polyval(line, np.arange(len(row)))).std())

    slope, _ = slope_and_steps(content)
    calm, plain = (slope_and_steps(stylize(content, style, **limits)) for limits in ({}, {"detail_gain": (0, np.inf)}))
    assert calm[0] > 1.8 * slope
    assert calm[1] < 0.7 * plain[1]


def test_no_halo_beside_an_edge() -> None:
    content = np.full((128, 128, 3), 70, np.uint8)
    content[:, 64:] = 150
    result = to_gray(stylize(content, gaussian_image(0, (120, 120, 120), 60))).astype(int)
    for side in (result[:, :62], result[:, 66:]):
        assert np.ptp(side) <= 6


@given(st.floats(-60, 40), st.floats(60, 180))
def test_fit_range_bends_into_the_range_and_keeps_the_order(low: float, high: float) -> None:
    values = np.linspace(low, high, 400, dtype=np.float32)[None]
    bent = fit_range(values)
    assert bent.min() > -0.7
    assert bent.max() < 100.7
    assert (np.diff(bent[0]) > 0).all()
    if low >= 0 and high <= 100:
        assert np.allclose(bent, values, atol=1e-4)


def test_edges_stay_on_package_photos() -> None:
    photos = [photo(name) for name in ("astronaut", "coffee", "chelsea", "rocket")]
    night = (photos[0].astype(float) ** 2 / 255 * (0.25, 0.3, 0.45)).astype(np.uint8)
    scores = [edge_similarity(content, stylize(content, style)) for content in photos for style in (*photos, night)]
    assert np.mean(scores) >= 0.91
    assert min(scores) > 0.65


@pytest.mark.slow
def test_edges_stay_on_real_photos_and_styles(shared) -> None:
    contents = sorted((shared / "data" / "photos" / "urban100").glob("*.jpg"))[:40:5]
    styles = sorted((shared / "data" / "styles").glob("*.jpg"))[::9]
    scores = []
    for content in (resize_longest(read_image(path), 480)[0] for path in contents):
        scores += [edge_similarity(content, stylize(content, resize_longest(read_image(s), 256)[0])) for s in styles]
    assert np.mean(scores) >= 0.9
