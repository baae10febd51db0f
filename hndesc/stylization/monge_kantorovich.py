"""Color transfer by the linear Monge-Kantorovich map between the color distributions of two images.

The colors of both images are modeled as Gaussians in CIELAB. Of all linear maps between the two, the optimal transport
map (Pitié and Kokaram, CVMP 2007) changes colors least, is monotone and has a closed form. To avoid amplifying noise,
the map is applied to an edge-aware smoothed image, while fine detail approximately keeps its contrast.
"""

import numpy as np

from hndesc.geometry.color import lab_to_rgb, rgb_to_lab
from hndesc.stylization.guided_filter import guided_filter

_NOISE = 2.0  # CIELAB units; a window with a smaller deviation counts as flat


def stylize(
    content: np.ndarray,
    style: np.ndarray,
    rng: np.random.Generator | None = None,
    strength: float = 1.0,
    noise: float = 1.0,
    gain: tuple[float, float] = (0.35, 2.5),
    detail_gain: tuple[float, float] = (0.7, 1.0),
) -> np.ndarray:
    """Transfer the colors of `style` to `content`.

    Args:
        content: RGB uint8, H x W x 3.
        style: RGB uint8, any size.
        rng: unused, since the method is deterministic.
        strength: 0 returns the content, 1 is the full style; colors in between are interpolated linearly.
        noise: standard deviation of the noise of both images, in CIELAB units; regularizes gray images.
        gain: smallest and largest factor of the map in any direction of color space.
        detail_gain: smallest and largest factor for detail finer than about 1/32 of the image.

    Returns:
        RGB uint8, H x W x 3.
    """
    if strength == 0:
        return content.copy()
    lab = rgb_to_lab(content)
    mean, covariance = color_moments(lab)
    style_mean, style_covariance = color_moments(rgb_to_lab(style))
    full = transport_map(covariance, style_covariance, noise)
    target = mean + strength * (style_mean - mean)
    full, fine = ((1 - strength) * np.eye(3) + strength * limit_gain(full, *limits) for limits in (gain, detail_gain))
    result = transfer(lab, mean, target, full, fine)
    result[..., 0] = fit_range(result[..., 0])
    return lab_to_rgb(result)


def color_moments(colors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean (3) and covariance (3 x 3) of colors (... x 3) in float64."""
    flat = colors.reshape(-1, 3)
    mean = flat.mean(axis=0, dtype=np.float64)
    centered = flat - mean.astype(flat.dtype)
    return mean, (centered.T @ centered).astype(np.float64) / len(flat)


def transport_map(covariance: np.ndarray, target: np.ndarray, noise: float = 0.0) -> np.ndarray:
    """Return the symmetric positive definite 3 x 3 map T with T C T' = S, for covariances C and S plus noise.

    T = C^(-1/2) (C^(1/2) S C^(1/2))^(1/2) C^(-1/2) is the optimal transport map between the Gaussians.
    """
    floor = noise**2 * np.eye(len(covariance))
    root = _power(covariance + floor, 0.5)
    inverse = _power(covariance + floor, -0.5)
    return inverse @ _power(root @ (target + floor) @ root, 0.5) @ inverse


def _power(matrix: np.ndarray, exponent: float) -> np.ndarray:
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    values = np.maximum(values, max(values.max(), 1e-12) * 1e-12)
    return (vectors * values**exponent) @ vectors.T


def limit_gain(matrix: np.ndarray, least: float, greatest: float) -> np.ndarray:
    """Clamp the eigenvalues of a symmetric map (its gains along three directions) to [least, greatest]."""
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    return (vectors * np.clip(values, least, greatest)) @ vectors.T


def transfer(lab: np.ndarray, mean: np.ndarray, target: np.ndarray, full: np.ndarray, fine: np.ndarray) -> np.ndarray:
    """Map colors to target + full (x - mean); detail, which the guided filter removes, is mapped by `fine`."""
    centered = lab - mean.astype(np.float32)
    result = centered @ full.T.astype(np.float32) + target.astype(np.float32)
    if np.allclose(full, fine):
        return result
    longest = max(lab.shape[:2])
    base = guided_filter(lab[..., 0], centered, max(2, longest // 32), _NOISE, 4 if longest >= 256 else 1)
    return result + (centered - base) @ (fine - full).T.astype(np.float32)


def fit_range(lightness: np.ndarray) -> np.ndarray:
    """Compress lightness that exceeds 0..100 by a soft shoulder and toe; lightness within the range is kept."""
    sample = lightness[:: max(1, len(lightness) // 256)]
    low, high = np.percentile(sample, (0.1, 99.9))
    bent = _shoulder(lightness, high - 100.0)
    return 100.0 - _shoulder(100.0 - bent, -low)


def _shoulder(lightness: np.ndarray, excess: float) -> np.ndarray:
    """Compress values above a knee such that 100 + excess maps to 100; smooth and monotone."""
    if excess <= 0:
        return lightness
    room = min(2 * excess, 50.0)
    above = np.maximum(lightness - (100.0 - room), 0)
    bend = excess / (room * (room + excess))
    return lightness - above + above / (1 + bend * above)
