"""Relighting: exact conversions, and each effect on its own."""

import numpy as np
import pytest

from hndesc.datasets.demo.relighting import Light, generator, photograph, record, through_jpeg, to_linear, to_srgb

GRAY = np.full((60, 80, 3), 0.2, np.float32)


def rng():
    return generator(0, "test")


def test_srgb_round_trip_is_exact():
    values = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    assert (to_srgb(to_linear(values)) == values).all()


def test_linear_light_of_known_values():
    assert np.allclose(to_linear(np.array([0, 10, 188, 255], np.uint8)), [0, 0.003035, 0.502886, 1], atol=1e-6)


def test_default_light_changes_nothing():
    image = rng().integers(0, 256, (20, 30, 3), dtype=np.uint8)
    assert (photograph(to_linear(image), Light(), rng()) == image).all()


def test_exposure_and_tint_act_on_linear_light():
    image = photograph(GRAY, Light(exposure=2, tint=(1, 0.5, 0.25)), rng())
    assert np.allclose(to_linear(image)[0, 0], [0.4, 0.2, 0.1], atol=0.004)


@pytest.mark.parametrize("light", [Light(gradient=0.8), Light(shadow=0.8)])
def test_gradient_and_shadow_take_away_their_share_and_no_more(light):
    linear = to_linear(photograph(GRAY, light, rng()))
    assert linear.max() == pytest.approx(0.2, abs=0.004)
    assert linear.min() == pytest.approx(0.2 * 0.2, abs=0.004)


def test_lamps_add_warm_light():
    linear = to_linear(photograph(GRAY, Light(exposure=0.05, lamps=1, lamp_power=1), rng()))
    assert linear.max() > 0.2
    assert linear[..., 0].mean() > 1.3 * linear[..., 2].mean()


def test_mist_hides_more_at_the_top():
    pattern = GRAY * np.where(np.arange(80) % 2, 0.5, 1.5)[None, :, None].astype(np.float32)
    image = photograph(pattern, Light(mist=0.8), rng()).astype(float)
    assert 0 < image[:5].std() < 0.7 * image[-5:].std()


def test_saturation_zero_is_gray():
    pattern = GRAY * np.array([1.5, 0.5, 1], np.float32)
    image = photograph(pattern, Light(saturation=0), rng())
    assert (np.ptp(image, axis=2) == 0).all()


def test_noise_has_the_stated_deviation():
    linear = to_linear(record(np.full((200, 200, 3), 0.5, np.float32), rng(), noise=0.05))
    assert linear.std() == pytest.approx(0.05 * np.sqrt(0.503), rel=0.03)
    assert linear.mean() == pytest.approx(0.5, abs=0.002)


def test_jpeg_loses_more_at_lower_quality():
    image = rng().integers(0, 256, (64, 64, 3), dtype=np.uint8)
    losses = [np.abs(through_jpeg(image, quality).astype(float) - image).mean() for quality in (95, 50, 10)]
    assert losses == sorted(losses) and losses[0] > 0


def test_generators_depend_on_seed_and_name_alone():
    draws = {(seed, name): generator(seed, name).integers(2**60) for seed in (0, 1) for name in ("a", "b")}
    assert len(set(draws.values())) == 4
    assert generator(1, "b").integers(2**60) == draws[1, "b"]
