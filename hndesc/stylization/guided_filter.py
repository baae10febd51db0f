"""The guided filter: smoothing that stops at the edges of a guide (He, Sun and Tang, ECCV 2010)."""

import cv2
import numpy as np


def guided_filter(guide: np.ndarray, source: np.ndarray, radius: int, noise: float, subsample: int = 1) -> np.ndarray:
    """Smooth `source` by the local linear model of `guide` that fits it best.

    Args:
        guide: H x W float32.
        source: H x W x C float32.
        radius: of the square window, pixels.
        noise: standard deviation of the guide, in its own unit, below which a window counts as flat.
        subsample: fit the models on an image smaller by this factor (He and Sun, 2015), which costs little accuracy.

    Returns:
        H x W x C float32.
    """
    height, width = guide.shape
    small = (max(1, width // subsample), max(1, height // subsample))
    g = cv2.resize(guide, small, interpolation=cv2.INTER_AREA)[..., None]
    s = cv2.resize(source, small, interpolation=cv2.INTER_AREA).reshape(*g.shape[:2], -1)
    radius = max(1, radius // subsample)
    # Moments around the overall mean: float32 would lose the variance of a bright flat window otherwise.
    centre = g.mean()
    mean_g, mean_s = _box(g - centre, radius), _box(s, radius)
    variance = _box((g - centre) ** 2, radius) - mean_g**2
    slope = (_box((g - centre) * s, radius) - mean_g * mean_s) / (np.maximum(variance, 0) + noise**2)
    offset = mean_s - slope * mean_g
    slope, offset = (_grow(_box(values, radius), (width, height)) for values in (slope, offset))
    return slope * (guide - centre)[..., None] + offset


def _box(values: np.ndarray, radius: int) -> np.ndarray:
    side = 2 * radius + 1
    return cv2.blur(values, (side, side), borderType=cv2.BORDER_REFLECT).reshape(values.shape)


def _grow(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return cv2.resize(values, size, interpolation=cv2.INTER_LINEAR).reshape(size[1], size[0], -1)
