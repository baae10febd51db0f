"""The guided filter: smoothing that preserves the edges of a guide (He, Sun and Tang, ECCV 2010)."""

import cv2
import numpy as np


def guided_filter(guide: np.ndarray, source: np.ndarray, radius: int, noise: float, subsample: int = 1) -> np.ndarray:
    """Smooth `source` by the local linear model of `guide` that fits it best.

    Args:
        guide: H x W float32.
        source: H x W x C float32.
        radius: radius of the square window in pixels.
        noise: standard deviation of the guide, in its units, below which a window counts as flat.
        subsample: factor by which images are downsampled to fit the models (He and Sun, 2015); costs little accuracy.

    Returns:
        H x W x C float32.
    """
    height, width = guide.shape
    small = (max(1, width // subsample), max(1, height // subsample))
    g = cv2.resize(guide, small, interpolation=cv2.INTER_AREA)
    s = cv2.resize(source, small, interpolation=cv2.INTER_AREA).reshape(*g.shape, -1)
    return apply_local_models(guide, *local_models(g, s, max(1, radius // subsample), noise))


def local_models(guide: np.ndarray, source: np.ndarray, radius: int, noise: float) -> tuple[np.ndarray, np.ndarray]:
    """Fit source = slope * guide + offset in the windows around each pixel, and average the fits.

    Args:
        guide: H x W float32.
        source: H x W x C float32.
        radius, noise: see `guided_filter`.

    Returns:
        Slope and offset, H x W x C float32 each.
    """
    # Moments about the overall mean; otherwise float32 would lose the variance of a bright flat window.
    center = guide.mean()
    g = (guide - center)[..., None]
    mean_g, mean_s = _box(g, radius), _box(source, radius)
    variance = _box(g**2, radius) - mean_g**2
    slope = (_box(g * source, radius) - mean_g * mean_s) / (np.maximum(variance, 0) + noise**2)
    offset = mean_s - slope * mean_g
    slope = _box(slope, radius)
    return slope, _box(offset, radius) - slope * center


def apply_local_models(guide: np.ndarray, slope: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """Apply local models, of the size of the guide or smaller, to a guide (H x W float32); return H x W x C float32."""
    height, width = guide.shape
    slope, offset = (
        cv2.resize(values, (width, height), interpolation=cv2.INTER_LINEAR).reshape(height, width, -1)
        for values in (slope, offset)
    )
    return slope * guide[..., None] + offset


def _box(values: np.ndarray, radius: int) -> np.ndarray:
    side = 2 * radius + 1
    return cv2.blur(values, (side, side), borderType=cv2.BORDER_REFLECT).reshape(values.shape)
