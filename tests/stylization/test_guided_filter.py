"""The guided filter against its definition, and for what it is there for: smoothing without halos."""

import numpy as np
import pytest

from hndesc.stylization.guided_filter import guided_filter

RNG = np.random.default_rng(0)


def by_definition(guide: np.ndarray, source: np.ndarray, radius: int, noise: float) -> np.ndarray:
    """One window at a time, borders mirrored."""

    def windows(values: np.ndarray) -> np.ndarray:
        padded = np.pad(values, radius, mode="symmetric")
        return np.lib.stride_tricks.sliding_window_view(padded, (2 * radius + 1, 2 * radius + 1)).reshape(
            *values.shape, -1
        )

    g, s = windows(guide), windows(source)
    covariance = (g * s).mean(-1) - g.mean(-1) * s.mean(-1)
    slope = covariance / (g.var(-1) + noise**2)
    offset = s.mean(-1) - slope * g.mean(-1)
    return windows(slope).mean(-1) * guide + windows(offset).mean(-1)


def test_agrees_with_its_definition() -> None:
    guide = RNG.normal(60, 10, (17, 23)).astype(np.float32)
    source = RNG.normal(0, 5, (17, 23)).astype(np.float32) + 0.3 * guide
    filtered = guided_filter(guide, source[..., None], 2, 4.0)[..., 0]
    expected = by_definition(guide.astype(np.float64), source.astype(np.float64), 2, 4.0)
    assert np.abs(filtered - expected).max() < 1e-3


def test_a_source_that_is_a_linear_function_of_the_guide_comes_back() -> None:
    guide = RNG.normal(50, 20, (40, 60)).astype(np.float32)
    source = np.stack([2 * guide - 7, -0.5 * guide], axis=-1)
    assert np.abs(guided_filter(guide, source, 4, 1e-3) - source).max() < 0.01


@pytest.mark.parametrize("subsample", [1, 4])
def test_smooths_noise_and_keeps_edges_without_halo(subsample: int) -> None:
    clean = np.full((96, 96), 20, np.float32)
    clean[:, 48:] = 80
    noisy = clean + RNG.normal(0, 1, clean.shape).astype(np.float32)
    smooth = guided_filter(noisy, noisy[..., None], 8, 3.0, subsample)[..., 0]
    flat = smooth[:, 70:]
    assert flat.std() < 0.35 * noisy[:, 70:].std()
    assert np.abs(smooth[:, :40].mean(axis=0) - 20).max() < 1.5
    assert smooth[:, 49].mean() - smooth[:, 46].mean() > 0.93 * 60
    assert smooth.min() > 15
    assert smooth.max() < 85


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (3, 2)])
def test_smallest_images(shape: tuple[int, int]) -> None:
    guide = RNG.normal(50, 5, shape).astype(np.float32)
    filtered = guided_filter(guide, guide[..., None], 2, 1.0, 4)
    assert filtered.shape == (*shape, 1)
    assert np.isfinite(filtered).all()
