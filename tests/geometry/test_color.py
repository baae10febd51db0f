"""CIELAB against known values, another implementation and its own inverse."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.color import rgb2lab

from hndesc.geometry.color import lab_to_rgb, rgb_to_lab


@pytest.mark.parametrize(
    ("rgb", "lab"),
    [
        ((0, 0, 0), (0, 0, 0)),
        ((255, 255, 255), (100, 0, 0)),
        ((119, 119, 119), (50.03, 0, 0)),
        ((255, 0, 0), (53.24, 80.09, 67.20)),
        ((0, 255, 0), (87.73, -86.18, 83.18)),
        ((0, 0, 255), (32.30, 79.19, -107.86)),
    ],
)
def test_known_colors(rgb: tuple, lab: tuple) -> None:
    assert rgb_to_lab(np.array([[rgb]], np.uint8))[0, 0] == pytest.approx(lab, abs=0.02)


def test_agrees_with_scikit_image() -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    assert np.abs(rgb_to_lab(image) - rgb2lab(image)).max() < 0.02


def test_there_and_back_is_exact() -> None:
    levels = np.arange(0, 256, 15)
    image = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(18, -1, 3).astype(np.uint8)
    assert np.array_equal(lab_to_rgb(rgb_to_lab(image)), image)
    dark = np.random.default_rng(1).integers(0, 12, (30, 30, 3), dtype=np.uint8)
    assert np.array_equal(lab_to_rgb(rgb_to_lab(dark)), dark)


@given(st.floats(8, 96), st.floats(-150, 150), st.floats(-150, 150))
def test_colors_that_no_screen_shows_keep_their_lightness(lightness: float, a: float, b: float) -> None:
    back = rgb_to_lab(lab_to_rgb(np.array([[[lightness, a, b]]], np.float32)))[0, 0]
    assert back[0] == pytest.approx(lightness, abs=0.8)


def test_colors_that_no_screen_shows_keep_their_hue() -> None:
    shown = lab_to_rgb(np.array([[[50, 180, 0]]], np.float32))[0, 0].astype(int)
    assert shown[0] > 150  # still strongly red …
    assert shown[1] <= 1  # … at the very edge of what can be shown


@pytest.mark.parametrize("lightness", [-30.0, 130.0])
def test_lightness_out_of_range_becomes_black_or_white(lightness: float) -> None:
    expected = 0 if lightness < 0 else 255
    assert (lab_to_rgb(np.array([[[lightness, 40, -40]]], np.float32)) == expected).all()
