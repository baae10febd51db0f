"""Relighting: each effect on its own against linear light, classes, and what it does to real photos."""

from dataclasses import asdict

import numpy as np
import pytest

from hndesc.geometry.color import to_linear
from hndesc.stylization.relighting import CLASSES, Light, draw_light, meter, photograph, scale_light, stylize

GRAY = np.full((60, 80, 3), 118, np.uint8)  # linear 0.181: the tone curve's fixed point
LEVEL = float(to_linear(GRAY)[0, 0, 0])


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def lit(content: np.ndarray = GRAY, **light: float) -> np.ndarray:
    """Return the linear light of `content` photographed under a light."""
    return to_linear(photograph(content, Light(**light), rng()))


def test_default_light_leaves_every_level_unchanged() -> None:
    image = rng().integers(0, 256, (50, 70, 3), dtype=np.uint8)
    image[0, :3] = [[0], [128], [255]]
    assert (photograph(image, Light(), rng()) == image).all()


def test_exposure_acts_on_linear_light() -> None:
    assert lit(exposure=0.5).mean() == pytest.approx(0.5 * LEVEL, rel=0.02)
    assert lit(exposure=2.0).mean() == pytest.approx(2 * LEVEL, rel=0.02)


def test_white_balance_turns_colors_and_keeps_luminance() -> None:
    red, green, blue = lit(red=1.5, blue=0.5)[0, 0]
    assert red / green == pytest.approx(1.5, rel=0.03)
    assert blue / green == pytest.approx(0.5, rel=0.03)
    assert 0.2126 * red + 0.7152 * green + 0.0722 * blue == pytest.approx(LEVEL, rel=0.02)


def test_falloff_takes_its_share_from_one_side_and_nothing_from_the_other() -> None:
    light = lit(falloff=0.8)
    assert light.max() == pytest.approx(LEVEL, rel=0.06)
    assert light.min() == pytest.approx(0.2 * LEVEL, rel=0.15)


def test_vignette_darkens_the_corners_alone() -> None:
    light = lit(vignette=0.6)[..., 1]
    assert light[30, 40] == pytest.approx(LEVEL, rel=0.06)
    corners = light[[0, 0, -1, -1], [0, -1, 0, -1]]
    assert (corners < 0.75 * LEVEL).all()
    assert np.ptp(corners) < 0.05 * LEVEL


def test_lamps_light_what_is_near_and_leave_black_things_black() -> None:
    light = lit(exposure=0.02, lamps=2, lamp_power=1.0)
    assert light.max() > 0.3 * LEVEL
    assert np.median(light) < 0.5 * light.max()
    assert (photograph(np.zeros_like(GRAY), Light(lamps=2, lamp_power=1.0), rng()) == 0).all()
    assert photograph(np.zeros_like(GRAY), Light(lamps=2, lamp_power=1.0, glow=0.1), rng()).max() > 20


def test_haze_hides_contrast_most_at_the_top() -> None:
    stripes = GRAY * np.where(np.arange(80) // 8 % 2, 1, 0).astype(np.uint8)[None, :, None]
    light = lit(stripes, haze=0.8, airlight=0.6)
    top, bottom = (np.ptp(light[row]) / LEVEL for row in (0, -1))
    assert top == pytest.approx(0.2, abs=0.04)
    assert bottom == pytest.approx(0.44, abs=0.04)
    assert light[0].min() == pytest.approx(0.8 * 0.6, abs=0.03)


def test_saturation_zero_is_gray() -> None:
    image = rng().integers(0, 256, (20, 30, 3), dtype=np.uint8)
    assert np.ptp(photograph(image, Light(saturation=0), rng()), axis=2).max() <= 1


def test_tone_curve_bends_around_middle_gray_and_rolls_highlights_off() -> None:
    dark, bright = np.full((8, 8, 3), 60, np.uint8), np.full((8, 8, 3), 180, np.uint8)
    for image, sign in ((dark, -1), (bright, 1)):
        change = photograph(image, Light(contrast=1.5), rng()).astype(int) - image
        assert (sign * change > 5).all()
    assert np.abs(photograph(GRAY, Light(contrast=1.5), rng()).astype(int) - GRAY).max() <= 1
    gradient = np.repeat(np.linspace(150, 255, 80).astype(np.uint8)[None, :, None], 8, 0).repeat(3, 2)
    cut = photograph(gradient, Light(exposure=2.5), rng())[0, :, 0].astype(int)
    rolled = photograph(gradient, Light(exposure=2.5, knee=0.6), rng())[0, :, 0].astype(int)
    assert (cut == 255).sum() > 30
    assert (rolled == 255).sum() < 8
    assert (np.diff(rolled) >= 0).all()


def test_noise_has_the_stated_deviation_and_no_bias() -> None:
    white = np.full((200, 200, 3), 200, np.uint8)
    light = lit(white, noise=0.02)
    level = to_linear(white)[0, 0, 0]
    assert light.std() == pytest.approx(0.02 * np.sqrt(level + 0.002), rel=0.03)
    assert light.mean() == pytest.approx(level, abs=0.001)


@pytest.mark.parametrize("name", CLASSES)
def test_lights_of_a_class_lie_in_its_ranges_and_differ(name: str) -> None:
    lights = [asdict(draw_light(name, rng(seed))) for seed in range(30)]
    for key, (least, most) in CLASSES[name].items():
        values = [light[key] for light in lights]
        assert least <= min(values) < max(values) <= most
    free = set(lights[0]) - set(CLASSES[name])
    assert all(light[key] == getattr(Light(), key) for light in lights for key in free)


def test_dark_scenes_are_exposed_for_longer_but_not_than_they_were() -> None:
    light = Light(exposure=0.1)
    assert meter(light, GRAY).exposure == pytest.approx(0.1, rel=0.02)
    assert meter(light, np.full_like(GRAY, 250)).exposure == 0.1
    longer = np.sqrt(LEVEL / to_linear(GRAY // 2)[0, 0, 0])
    assert meter(light, GRAY // 2).exposure == pytest.approx(0.1 * longer, rel=0.02)
    assert meter(light, GRAY * 0).exposure == pytest.approx(0.4)
    assert meter(Light(exposure=0.8), GRAY * 0).exposure == 1
    assert meter(Light(exposure=1.3), GRAY * 0).exposure == 1.3


def test_strength_goes_from_the_photo_to_the_full_light() -> None:
    light = draw_light("night", rng())
    assert scale_light(light, 1.0) == light
    none = scale_light(light, 0.0)
    assert none == Light(lamps=light.lamps, airlight=light.airlight)
    assert scale_light(light, 0.5).exposure == pytest.approx(np.sqrt(light.exposure))
    assert scale_light(light, 1.0, noise=0.0).noise == 0
    image = rng().integers(0, 256, (40, 50, 3), dtype=np.uint8)
    assert (stylize(image, "night", rng(), strength=0) == image).all()
    means = [stylize(image, "night", rng(), strength=s).mean() for s in (0.1, 0.5, 1.0)]
    assert means == sorted(means, reverse=True)


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (7, 1), (33, 50)])
def test_any_size_and_the_same_bytes_for_the_same_seed(name: str, shape: tuple[int, int]) -> None:
    image = rng().integers(0, 256, (*shape, 3), dtype=np.uint8)
    first, second = (stylize(image, name, rng(3)) for _ in range(2))
    assert first.shape == image.shape
    assert first.dtype == np.uint8
    assert (first == second).all()
    if shape == (33, 50):
        assert (stylize(image, name, rng(4)) != first).any()
