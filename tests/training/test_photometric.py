"""Color changes: every term does its part, and can be switched off."""

import cv2
import numpy as np
import pytest

from hndesc.training.photometric import augment_photometrically
from hndesc.training.settings import ColorSettings

TERMS = ("brightness_contrast", "hue_saturation", "clahe", "gray", "shuffle")
NOTHING = {"probability": 0.0, "blur": 0.0, "noise": 0.0}


def only(term: str, **settings: float) -> ColorSettings:
    weights = {name: float(name == term) for name in TERMS}
    return ColorSettings(**(weights | {"probability": 1.0, "blur": 0.0, "noise": 0.0} | settings))


@pytest.fixture
def image(textured) -> np.ndarray:
    return textured(0, 96, 64)


def changed(image: np.ndarray, settings: ColorSettings, seeds: int = 40) -> list[np.ndarray]:
    return [augment_photometrically(np.random.default_rng(seed), image, settings) for seed in range(seeds)]


def test_all_switched_off_leaves_the_image(image):
    for result in changed(image, ColorSettings(**NOTHING)):
        assert np.array_equal(result, image)


def test_weights_of_zero_leave_the_image(image):
    settings = ColorSettings(**(NOTHING | {"probability": 1.0} | dict.fromkeys(TERMS, 0.0)))
    assert np.array_equal(augment_photometrically(np.random.default_rng(0), image, settings), image)


@pytest.mark.parametrize("term", TERMS)
def test_each_term_changes_the_image_and_keeps_its_form(image, term):
    before = image.copy()
    results = changed(image, only(term))
    assert np.array_equal(image, before)
    assert all(result.shape == image.shape and result.dtype == np.uint8 for result in results)
    assert sum(not np.array_equal(result, image) for result in results) >= 30


def test_brightness_and_contrast_are_linear_and_bounded():
    levels = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    offsets, gains = [], []
    for result in changed(levels, only("brightness_contrast"), 400):
        free = (result[0, :, 0] > 0) & (result[0, :, 0] < 255)
        gain, offset = np.polyfit(np.arange(256)[free], result[0, free, 0].astype(float), 1)
        offsets.append(offset / 255)
        gains.append(gain)
    assert -0.31 < min(offsets) < -0.27
    assert 0.27 < max(offsets) < 0.31
    assert 0.79 < min(gains) < 0.82
    assert 1.18 < max(gains) < 1.21


def test_hue_turns_by_at_most_ten_degrees_and_saturation_shifts_by_thirty():
    color = np.full((4, 4, 3), (200, 120, 60), np.uint8)
    hue, saturation, value = cv2.cvtColor(color.astype(np.float32) / 255, cv2.COLOR_RGB2HSV)[0, 0]
    turns, shifts = [], []
    for result in changed(color, only("hue_saturation"), 300):
        pixel = cv2.cvtColor(result.astype(np.float32) / 255, cv2.COLOR_RGB2HSV)[0, 0]
        turns.append(pixel[0] - hue)
        shifts.append(255 * (pixel[1] - saturation))
        assert pixel[2] == pytest.approx(value, abs=0.01)
    assert -12 < min(turns) < -8
    assert 8 < max(turns) < 12
    assert -32 < min(shifts) < -26
    assert 26 < max(shifts) < 32


def test_red_turns_across_zero_degrees():
    red = np.full((4, 4, 3), (200, 40, 40), np.uint8)
    for result in changed(red, only("hue_saturation")):
        assert result[0, 0, 0] == result[0, 0].max()


def test_gray_is_the_luma_and_shuffle_a_permutation(image):
    gray = augment_photometrically(np.random.default_rng(0), image, only("gray"))
    assert (gray == cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None]).all()
    orders = set()
    for result in changed(image, only("shuffle"), 100):
        order = tuple(next(k for k in range(3) if np.array_equal(result[..., c], image[..., k])) for c in range(3))
        orders.add(order)
    assert len(orders) == 6


def test_clahe_raises_the_contrast_of_a_dull_image(image):
    dull = (image // 8 + 100).astype(np.uint8)
    deviations = [result.std() for result in changed(dull, only("clahe"))]
    assert np.median(deviations) > 1.2 * dull.std()


def test_noise_has_the_stated_variance():
    flat = np.full((128, 128, 3), 128, np.uint8)
    noisy = changed(flat, ColorSettings(**(NOTHING | {"noise": 1.0})), 60)
    variances = [result.astype(float).var() for result in noisy]
    assert 9.5 < min(variances) < 16
    assert 44 < max(variances) < 52
    assert abs(np.mean([result.mean() for result in noisy]) - 128) < 0.1


def test_blurs_are_of_two_kinds_and_three_widths():
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    blurred = changed(noise, ColorSettings(**(NOTHING | {"blur": 1.0})), 60)
    assert max(result.std() for result in blurred) < 0.6 * noise.std()
    assert len({result.tobytes() for result in blurred}) == 6


def test_probabilities_are_shares_of_the_crops(image):
    for name, share in (("probability", 0.6), ("blur", 0.3), ("noise", 0.1)):
        settings = ColorSettings(**(NOTHING | {name: share, "shuffle": 0.0}))
        touched = np.mean([not np.array_equal(result, image) for result in changed(image, settings, 600)])
        assert touched == pytest.approx(share, abs=0.06), name


def test_terms_are_drawn_by_their_weights(image):
    settings = ColorSettings(
        **(NOTHING | dict.fromkeys(TERMS, 0.0) | {"probability": 1.0, "gray": 0.5, "shuffle": 1.5})
    )
    results = changed(image, settings, 400)
    gray = np.mean([np.array_equal(result[..., 0], result[..., 1]) for result in results])
    assert gray == pytest.approx(0.25, abs=0.06)


def test_the_same_generator_gives_the_same_image(image):
    first, second = (changed(image, ColorSettings(), 20) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_darkening_lowers_the_light_and_keeps_the_structure():
    photo = np.tile(np.linspace(60, 250, 64, dtype=np.uint8)[None, :, None], (64, 1, 3))
    dark = changed(photo, ColorSettings(**(NOTHING | {"darken": 1.0, "stops": 4.0})), 60)
    levels = np.array([image.mean() for image in dark])
    assert (levels <= photo.mean() + 1).all()
    assert levels.min() < 0.3 * photo.mean()
    for image in dark:
        columns = image.mean(axis=(0, 2))
        assert np.corrcoef(columns, photo[0, :, 0])[0, 1] > 0.8


def test_darkening_by_no_stop_is_a_tint_a_contrast_and_noise():
    flat = np.full((64, 64, 3), 255, np.uint8)
    tinted = changed(flat, ColorSettings(**(NOTHING | {"darken": 1.0, "stops": 0.0})), 60)
    means = np.array([image.mean(axis=(0, 1)) for image in tinted])
    assert (means > 255 * 0.5 ** (1 / 2.2) - 4).all()
    assert means.std(axis=1).max() > 5
    assert all(image.std(axis=(0, 1)).max() > 0 for image in tinted)


def test_compression_changes_pixels_and_neither_channels_nor_levels():
    rows, columns = np.mgrid[:64, :64]
    photo = np.stack([4 * rows, 4 * columns, np.full_like(rows, 30)], axis=-1).astype(np.uint8)
    for image in changed(photo, ColorSettings(**(NOTHING | {"jpeg": 1.0})), 10):
        assert image.shape == photo.shape and image.flags.c_contiguous
        assert (image != photo).any()
        assert np.abs(image.mean(axis=(0, 1)) - photo.mean(axis=(0, 1))).max() < 4


def test_darkness_and_compression_draw_nothing_where_they_are_switched_off(image):
    generator, expected = np.random.default_rng(5), np.random.default_rng(5)
    augment_photometrically(generator, image, ColorSettings(**NOTHING))
    expected.random(3)  # the color terms, the blur, the noise
    assert generator.random() == expected.random()


def test_relighting_keeps_the_detail_and_may_turn_edges_round():
    rows, columns = np.mgrid[:96, :96]
    detail = 12 * ((rows + columns) % 2)
    photo = np.repeat((80 + 90 * (columns > 47) + detail)[..., None], 3, axis=2).astype(np.uint8)
    settings = ColorSettings(**(NOTHING | {"relight": 1.0, "falloff": 0.0}))
    turned = []
    for image in changed(photo, settings, 60):
        assert image.shape == photo.shape and image.dtype == np.uint8
        left, right = image[:, 24:40, 0].astype(float), image[:, 56:72, 0].astype(float)
        turned.append(left.mean() > right.mean())
        for part, place in ((left, np.s_[:, 24:40]), (right, np.s_[:, 56:72])):
            if 5 < part.mean() < 245:
                steps = np.diff(part).ravel(), np.diff(detail[place]).ravel()
                assert np.corrcoef(*steps)[0, 1] > 0.8
    assert 0.2 < np.mean(turned) < 0.8


def test_light_that_falls_off_spreads_the_levels_of_a_flat_photo():
    flat = np.full((64, 64, 3), 100, np.uint8)
    spread = [
        np.mean(
            [image.std() for image in changed(flat, ColorSettings(**(NOTHING | {"relight": 1.0, "falloff": stops})))]
        )
        for stops in (0.0, 1.0, 3.0)
    ]
    assert spread[0] < 1
    assert spread == sorted(spread)
    assert spread[1] > 5


def test_local_light_changes_a_part_and_keeps_the_rest():
    gray = np.full((96, 128, 3), 120, np.uint8)
    results = changed(gray, ColorSettings(**(NOTHING | {"local_light": 1.0})))
    shares = np.array([(result != gray).any(axis=2).mean() for result in results])
    assert (shares < 0.9).mean() > 0.4 and (shares > 0.05).mean() > 0.7
    darker = np.array([result.mean() < 119 for result in results])
    assert 0.25 < darker.mean() < 0.95
    assert max(np.ptp(result[..., 0]) for result in results) > 60  # edges
    assert all(np.array_equal(one, gray) for one in changed(gray, ColorSettings(**(NOTHING | {"local_light": 0.0}))))


def test_local_light_is_bounded_by_its_stops():
    gray = np.full((64, 64, 3), 120, np.uint8)
    for result in changed(gray, ColorSettings(**(NOTHING | {"local_light": 1.0, "local_stops": 0}))):
        ratio = (result.astype(float) / 120) ** 2.2
        tone = (120 / 255) ** (2.2 * (2**0.7 - 1)), (120 / 255) ** (2.2 * (2**-0.7 - 1))
        assert 0.68 * tone[0] < ratio.min() and ratio.max() < 1.02 * tone[1]
