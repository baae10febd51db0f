"""Local transfer of light: what a region becomes depends on where it lies, and every edge stays where it is.

An edge-aware pyramid, made by guided filters, parts both photos into a base and bands of detail. The bases are small
pictures of the light: sliced optimal transport over color and place (Rabin et al., SSVM 2011; Bonneel et al., JMIV
2015) moves the content's to the style's, so that a sky takes its colors from a sky. The change is brought back to full
size as a local linear function of the content's lightness, which has an edge only where the content has one. The
colors of each band are whitened and colored by the optimal linear map between the bands' covariances, within limits.
"""

import cv2
import numpy as np

from hndesc.geometry.color import lab_to_rgb, rgb_to_lab
from hndesc.stylization.guided_filter import follow, guided_filter, local_models
from hndesc.stylization.monge_kantorovich import color_moments, fit_range, limit_gain, transport_map

_NOISE = 2.0  # CIELAB units: below this a window counts as flat
_BANDS = (128, 32)  # what is finer than these parts of the longest side is a band of its own
_GRID = 64  # longest side of the pictures of the light
_SMOOTH = 12  # radius on that grid within which light follows one linear function of lightness


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
    """Give each region of `content` the light of the like region of `style`.

    Args:
        content: RGB uint8, H x W x 3.
        style: RGB uint8, any size.
        rng: of the directions of transport; None for the same ones each time.
        strength: 0 leaves the content, 1 is the full style; between them the colors travel along straight lines.
        noise: standard deviation in CIELAB units that counts as noise in both photos; keeps gray ones legal.
        gain: least and greatest factor by which light may stretch the contrast of a region.
        detail_gain: the same for the bands of detail.
        place: how much the place counts against colors, as the standard deviation of places over that of colors.
        rounds: of the transport.

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
    """Part a picture (H x W x 3 float32) into its base and its bands, fine first; their sum is the picture."""
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
    """Return what is to be added to `base` (H x W x 3, CIELAB) for it to have the light of `style`, another base."""
    height, width = base.shape[:2]
    factor = min(1.0, _GRID / max(height, width))
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    small, style_small = (cv2.resize(one, size, interpolation=cv2.INTER_AREA) for one in (base, style))
    moved = transport(small, style_small, rng, place, rounds)
    slope, offset = local_models(small[..., 0], moved - small, _SMOOTH, _NOISE)
    # The gain in lightness is 1 + slope; a model turned about its window's mean keeps the mean.
    mean = cv2.blur(small[..., 0], (2 * _SMOOTH + 1,) * 2, borderType=cv2.BORDER_REFLECT)[..., None]
    limited = slope.copy()
    limited[..., 0] = np.clip(slope[..., 0], gain[0] - 1, gain[1] - 1)
    return follow(np.ascontiguousarray(base[..., 0]), limited, offset + (slope - limited) * mean)


def transport(
    colors: np.ndarray, target: np.ndarray, rng: np.random.Generator, place: float, rounds: int
) -> np.ndarray:
    """Move colors (H x W x 3) to those of `target` (the same size) by sliced optimal transport over color and place.

    In each round all five dimensions, turned at random, are matched one by one: sorted, the n-th goes to the n-th.
    """
    height, width = colors.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    spread = place * float(np.sqrt(target.reshape(-1, 3).var(axis=0).sum() + colors.reshape(-1, 3).var(axis=0).sum()))
    places = np.stack([(x - x.mean()), (y - y.mean())], axis=-1) * np.float32(spread / max(x.std(), y.std(), 1.0))
    points, goal = (np.concatenate([one, places], axis=-1).reshape(-1, 5) for one in (colors, target))
    for _ in range(rounds):
        turn, _ = np.linalg.qr(rng.normal(size=(5, 5)))
        turn = turn.astype(np.float32)
        turned, wanted = points @ turn, np.sort(goal @ turn, axis=0)
        order = np.argsort(turned, axis=0, kind="stable")
        np.put_along_axis(turned, order, wanted, axis=0)
        points = turned @ turn.T
    return points[:, :3].reshape(colors.shape)
