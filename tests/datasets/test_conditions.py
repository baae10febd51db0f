"""Conditions of a photo: each does what it says, to the figure where there is one."""

import numpy as np
import pytest

from hndesc.datasets.conditions import Conditions, simulate_image


def scene(value: float = 0.3, size: tuple[int, int] = (80, 120)) -> np.ndarray:
    return np.full((*size, 3), value, np.float32)


def linear(photo: np.ndarray) -> np.ndarray:
    return (photo / 255.0) ** 2.2


def taken(conditions: Conditions, pattern: np.ndarray | None = None, seed: int = 0) -> np.ndarray:
    return linear(simulate_image(scene() if pattern is None else pattern, conditions, np.random.default_rng(seed)))


def test_no_conditions_change_nothing() -> None:
    assert np.abs(taken(Conditions()) - 0.3).max() < 0.01


@pytest.mark.parametrize("stops", [-2.0, -1.0, 1.0])
def test_a_stop_halves_or_doubles_light(stops: float) -> None:
    assert taken(Conditions(stops=stops)).mean() == pytest.approx(0.3 * 2**stops, rel=0.03)


def test_color_in_stops() -> None:
    means = taken(Conditions(red=1.0, blue=-1.0)).mean((0, 1))
    assert means == pytest.approx([0.6, 0.3, 0.15], rel=0.06)


def test_too_much_light_is_cut_off_at_white() -> None:
    assert (taken(Conditions(stops=4.0)) == 1).all()


def test_photon_noise_grows_with_the_root_of_light() -> None:
    noise = 0.05
    luma = np.array([0.299, 0.587, 0.114])  # JPEG keeps color at half the resolution
    deviations = [taken(Conditions(noise=noise), scene(value, (200, 200))).dot(luma).std() for value in (0.1, 0.4)]
    expected = [noise * np.sqrt(value + 9 * noise**2) for value in (0.1, 0.4)]
    assert deviations[1] / deviations[0] == pytest.approx(expected[1] / expected[0], rel=0.1)
    assert deviations[0] == pytest.approx(expected[0] * np.linalg.norm(luma), rel=0.15)


def test_haze_takes_away_contrast() -> None:
    pattern = scene()
    pattern[:, 60:] = 0.5
    hazy = taken(Conditions(haze=0.5), pattern)
    assert hazy[:, 80:].mean() - hazy[:, :40].mean() == pytest.approx(0.1, rel=0.1)


def test_shadows_have_soft_edges_and_leave_the_rest() -> None:
    shaded = taken(Conditions(shadow=0.9), scene(size=(400, 600)), seed=3)[..., 1]
    assert shaded.min() < 0.1 and shaded.max() > 0.28
    assert np.abs(np.diff(shaded, axis=1)).max() < 0.15


def test_lamps_light_places_and_shading_varies_smoothly() -> None:
    lit = taken(Conditions(stops=-6.0, lamps=0.5))
    assert lit.max() > 5 * np.median(lit[:5])
    field = taken(Conditions(shading=2.0))[..., 1]
    assert field.max() > 1.5 * field.min() and np.abs(np.diff(field, axis=1)).max() < 0.05


@pytest.mark.parametrize("kind", ["defocus", "motion"])
def test_blur_spreads_a_point_over_its_size_and_keeps_its_light(kind: str) -> None:
    point = scene(0.0)
    point[40, 60] = 3.0
    blurred = taken(Conditions(**{kind: 6.0}), point)[..., 1]
    assert blurred.sum() == pytest.approx(3.0, rel=0.35)
    rows, columns = np.nonzero(blurred > 0.01)
    extent = np.hypot(np.ptp(rows), np.ptp(columns))
    assert 4 <= extent <= (18 if kind == "defocus" else 9)


def test_tone_curves_keep_black_and_white() -> None:
    pattern = np.repeat(np.linspace(0, 1, 121, dtype=np.float32)[None, :, None], 40, axis=0).repeat(3, axis=2)
    for conditions in (Conditions(tone=0.5), Conditions(bend=0.9), Conditions(bend=-0.9)):
        photo = taken(conditions, pattern).mean((0, 2))
        assert photo[0] < 0.01 and photo[-1] > 0.98
        assert (np.diff(photo) > -0.02).all() and np.abs(photo - pattern[0, :, 0]).max() > 0.03


def test_compression_loses_detail() -> None:
    pattern = np.random.default_rng(0).uniform(0.2, 0.6, (80, 120, 1)).astype(np.float32).repeat(3, axis=2)
    errors = [np.abs(taken(Conditions(compression=c), pattern) - pattern).mean() for c in (0.0, 50.0, 90.0)]
    assert errors == sorted(errors) and errors[2] > 2 * errors[0]


def test_half_way_is_half_of_everything() -> None:
    half = Conditions(stops=-2.0, noise=0.2, compression=40.0).scaled(0.5)
    assert half == Conditions(stops=-1.0, noise=0.1, compression=20.0)
