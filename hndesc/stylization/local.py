"""Local illumination transfer, which depends on the position in the image and preserves all edges.

An edge-aware pyramid of guided filters splits both images into a base and bands of detail. The bases represent the
illumination. Sliced optimal transport over color and position (Rabin et al., SSVM 2011; Bonneel et al., JMIV 2015) maps
the base of the content to that of the style, so that, for example, a sky takes its colors from a sky. The change is
applied at full resolution as a local linear function of the content's lightness, which has edges only where the content
has them. The colors of each band are whitened and recolored by the optimal linear map between the covariances of the
bands, with limited gain.
"""

import cv2
import numpy as np

from hndesc.geometry.color import lab_to_rgb, rgb_to_lab
from hndesc.stylization.guided_filter import apply_local_models, guided_filter, local_models
from hndesc.stylization.monge_kantorovich import color_moments, fit_range, limit_gain, transport_map

_NOISE = 2.0  # CIELAB units; a window with a smaller deviation counts as flat
_BANDS = (128, 32)  # scales of the bands, as fractions 1/n of the longest side
_GRID = 64  # longest side of the downsampled bases, pixels
_SMOOTH = 12  # radius in that grid of a local linear model


def stylize(
    content: np.ndarray,
    style: np.ndarray,
    rng: np.random.Generator | None = None,
    strength: float = 1.0,
    noise: float = 1.0,
    gain: tuple[float, float] = (0.5, 1.5),
    detail_gain: tuple[float, float] = (0.7, 1.0),
    place: float = 0.5,
    rounds: int = 20,
) -> np.ndarray:
    """Transfer the illumination of similar regions of `style` to `content`.

    Args:
        content: RGB uint8, H x W x 3.
        style: RGB uint8, any size.
        rng: generator of the projection directions; None for fixed directions.
        strength: 0 returns the content, 1 is the full style; colors in between are interpolated linearly.
        noise: standard deviation of the noise of both images, in CIELAB units; regularizes gray images.
        gain: smallest and largest factor on the contrast of a region.
        detail_gain: smallest and largest factor on the contrast of the detail bands.
        place: weight of the position relative to the colors, as the ratio of their standard deviations.
        rounds: number of rounds of the transport.

    Returns:
        RGB uint8, H x W x 3.
    """
    if strength == 0:
        return content.copy()
    rng = np.random.default_rng(0) if rng is None else rng
    base, bands = split(rgb_to_lab(content))
    style_base, style_bands = split(rgb_to_lab(style))
    result = base + np.float32(strength) * light_change(base, style_base, rng, gain, place, rounds)
    for band, style_band in zip(bands, style_bands, strict=True):
        covariance, style_covariance = (color_moments(one)[1] for one in (band, style_band))
        matrix = limit_gain(transport_map(covariance, style_covariance, noise), *detail_gain)
        result += band @ ((1 - strength) * np.eye(3) + strength * matrix).T.astype(np.float32)
    result[..., 0] = fit_range(result[..., 0])
    return lab_to_rgb(result)


def split(lab: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """Split an image (H x W x 3 float32) into its base and its bands, finest first, which sum up to the image."""
    base, bands = lab, []
    longest = max(lab.shape[:2])
    for part in _BANDS:
        smooth = guided_filter(
            base[..., 0], base, max(1, longest // part), _NOISE, max(1, min(4, longest // part // 2))
        )
        bands.append(base - smooth)
        base = smooth
    return base, bands


def light_change(
    base: np.ndarray,
    style: np.ndarray,
    rng: np.random.Generator,
    gain: tuple[float, float],
    place: float,
    rounds: int,
) -> np.ndarray:
    """Return the change of `base` (H x W x 3, CIELAB) that gives it the illumination of the base `style`."""
    height, width = base.shape[:2]
    factor = min(1.0, _GRID / max(height, width))
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    small, style_small = (cv2.resize(one, size, interpolation=cv2.INTER_AREA) for one in (base, style))
    moved = transport(small, style_small, rng, place, rounds)
    slope, offset = local_models(small[..., 0], moved - small, _SMOOTH, _NOISE)
    # The gain in lightness is 1 + slope. Changing the slope about the mean of the window preserves the mean.
    mean = cv2.blur(small[..., 0], (2 * _SMOOTH + 1,) * 2, borderType=cv2.BORDER_REFLECT)[..., None]
    limited = slope.copy()
    limited[..., 0] = np.clip(slope[..., 0], gain[0] - 1, gain[1] - 1)
    return apply_local_models(np.ascontiguousarray(base[..., 0]), limited, offset + (slope - limited) * mean)


def transport(
    colors: np.ndarray, target: np.ndarray, rng: np.random.Generator, place: float, rounds: int
) -> np.ndarray:
    """Map colors (H x W x 3) to those of `target` (same size) by sliced optimal transport over color and position.

    Each round rotates the five dimensions at random and matches the sorted values of each dimension by rank.
    """
    height, width = colors.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    spread = place * float(np.sqrt(target.reshape(-1, 3).var(axis=0).sum() + colors.reshape(-1, 3).var(axis=0).sum()))
    places = np.stack([(x - x.mean()), (y - y.mean())], axis=-1) * np.float32(spread / max(x.std(), y.std(), 1.0))
    points, goal = (np.concatenate([one, places], axis=-1).reshape(-1, 5) for one in (colors, target))
    for _ in range(rounds):
        rotation, _ = np.linalg.qr(rng.normal(size=(5, 5)))
        rotation = rotation.astype(np.float32)
        rotated, wanted = points @ rotation, np.sort(goal @ rotation, axis=0)
        order = np.argsort(rotated, axis=0, kind="stable")
        np.put_along_axis(rotated, order, wanted, axis=0)
        points = rotated @ rotation.T
    return points[:, :3].reshape(colors.shape)
