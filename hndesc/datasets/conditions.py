"""Simulated imaging conditions for benchmarks: illumination, lens, sensor and compression.

This model deliberately differs from the relighting of training photos (`hndesc.stylization`), so that a network cannot
benefit from having learned artifacts of that model. There, light has a linear gradient, lamps follow an inverse-square
law, blur and noise are Gaussian, and the tone curve is that of sRGB with a knee. Here, light varies by a smooth random
field in stops, shadows are random polygons with penumbras, lamps are oval spots with exponential falloff, blur is a
disc or a line, photon noise is Poisson with additive read noise, and the tone curve is an S-shaped power law, followed
by JPEG.
"""

from dataclasses import astuple, dataclass

import cv2
import numpy as np

_DISPLAY = 2.2  # exponent of the power law from linear light to 8 bits
_READ_NOISE = 3.0  # electrons
_BEST = 97  # JPEG quality without compression
_LAMPS = 3


@dataclass(frozen=True)
class Conditions:
    """Imaging conditions; the defaults, all 0, leave an image unchanged except for JPEG at quality 97.

    Attributes:
        stops: exposure; -1 is half the light.
        red, green, blue: color of the light in stops.
        shading: range in stops of a smooth random illumination field, approximately symmetric around 0.
        shadow: share of the light removed by cast shadows, 0 to 1.
        lamps: brightness of lamps at their centers (1: white surfaces there are white in the image).
        haze: share of the contrast lost to uniform haze.
        noise: standard deviation of photon noise at white, as a share of white.
        defocus: radius of the blur disc in pixels.
        motion: length of the motion blur in pixels.
        tone: exponent 2**tone on the recorded values; above 0 darkens midtones.
        bend: shape of the tone curve, from -1 (flat) to 1 (steep in the middle).
        compression: reduction of the JPEG quality from 97.
    """

    stops: float = 0.0
    red: float = 0.0
    green: float = 0.0
    blue: float = 0.0
    shading: float = 0.0
    shadow: float = 0.0
    lamps: float = 0.0
    haze: float = 0.0
    noise: float = 0.0
    defocus: float = 0.0
    motion: float = 0.0
    tone: float = 0.0
    bend: float = 0.0
    compression: float = 0.0

    def scaled(self, growth: float) -> "Conditions":
        """Interpolate between no change (0) and these conditions (1)."""
        return Conditions(*(growth * value for value in astuple(self)))


def simulate_image(scene: np.ndarray, conditions: Conditions, rng: np.random.Generator) -> np.ndarray:
    """Simulate an image of a scene under given conditions.

    Args:
        scene: linear light, float32, H x W x 3, 1 is white.
        conditions: illumination, lens, sensor and compression.
        rng: generator of illumination, shadows and noise.

    Returns:
        H x W x 3, RGB, uint8.
    """
    height, width = scene.shape[:2]
    stops = conditions.stops + np.array([conditions.red, conditions.green, conditions.blue], np.float32)
    if conditions.shading:
        stops = stops + conditions.shading * _smooth_field(height, width, rng)[..., None]
    light = np.exp2(stops)
    if conditions.shadow:
        light = light * (1 - conditions.shadow * _shadows(height, width, rng))[..., None]
    if conditions.lamps:
        light = light + conditions.lamps * _lamps(height, width, rng)
    lit = scene * light.astype(np.float32)
    if conditions.haze:
        lit = lit * (1 - conditions.haze) + conditions.haze * lit.mean((0, 1))
    return _through_jpeg(_develop(_expose(_blur(lit, conditions, rng), conditions, rng), conditions), conditions)


def _smooth_field(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Return smooth random values, mostly within -0.5 and 0.5, H x W."""
    knots = rng.uniform(-0.5, 0.5, (4, 4)).astype(np.float32)
    return cv2.resize(knots, (width, height), interpolation=cv2.INTER_CUBIC)


def _shadows(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Return a shadow mask (0 to 1, H x W) of random polygons with penumbras."""
    mask = np.zeros((height, width), np.float32)
    longest = max(height, width)
    for _ in range(rng.integers(1, 4)):
        angles = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 7)))
        radii = rng.uniform(0.15, 0.6, len(angles))[:, None] * longest
        center = rng.uniform(0, 1, 2) * (width, height)
        polygon = np.zeros_like(mask)
        points = center + radii * np.column_stack([np.cos(angles), np.sin(angles)])
        cv2.fillPoly(polygon, [np.round(points).astype(np.int32)], 1.0)
        penumbra = longest * rng.uniform(0.002, 0.02)
        mask = np.maximum(mask, cv2.GaussianBlur(polygon, (0, 0), penumbra))
    return mask


def _lamps(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Return the light of lamps on the scene, H x W x 3."""
    light = np.zeros((height, width, 3), np.float32)
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    for _ in range(_LAMPS):
        x, y = rng.uniform(0.1, 0.9, 2) * (width, height)
        angle, longest = rng.uniform(0, np.pi), max(height, width)
        reach = rng.uniform(0.08, 0.25, 2) * longest
        along = (np.cos(angle) * (columns - x) + np.sin(angle) * (rows - y)) / reach[0]
        across = (np.cos(angle) * (rows - y) - np.sin(angle) * (columns - x)) / reach[1]
        color = np.exp2(rng.uniform((0, -0.6, -1.8), (0.2, 0, 0))).astype(np.float32)
        light += np.exp(-np.hypot(along, across))[..., None].astype(np.float32) * color
    return light


def _blur(lit: np.ndarray, conditions: Conditions, rng: np.random.Generator) -> np.ndarray:
    if conditions.defocus > 0.3:
        lit = cv2.filter2D(lit, -1, _disc(conditions.defocus), borderType=cv2.BORDER_REFLECT_101)
    if conditions.motion > 1:
        lit = cv2.filter2D(lit, -1, _line(conditions.motion, rng.uniform(0, np.pi)), borderType=cv2.BORDER_REFLECT_101)
    return lit


def _disc(radius: float) -> np.ndarray:
    """Return an anti-aliased disc as a normalized filter kernel."""
    reach = int(np.ceil(radius)) + 1
    distance = np.hypot(*np.mgrid[-reach : reach + 1, -reach : reach + 1])
    disc = np.clip(radius + 0.5 - distance, 0, 1)
    return (disc / disc.sum()).astype(np.float32)


def _line(length: float, angle: float) -> np.ndarray:
    """Return a centered line, one pixel wide, as a normalized filter kernel."""
    reach = int(np.ceil(length / 2)) + 1
    rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    along = np.abs(np.cos(angle) * columns + np.sin(angle) * rows)
    across = np.abs(np.cos(angle) * rows - np.sin(angle) * columns)
    line = np.clip(length / 2 + 0.5 - along, 0, 1) * np.clip(1 - across, 0, 1)
    return (line / line.sum()).astype(np.float32)


def _expose(lit: np.ndarray, conditions: Conditions, rng: np.random.Generator) -> np.ndarray:
    """Simulate photon noise and read noise."""
    if conditions.noise <= 0:
        return lit
    white = 1 / conditions.noise**2  # electrons
    counts = rng.poisson(np.clip(lit, 0, 4) * white) + _READ_NOISE * rng.standard_normal(lit.shape)
    return (counts / white).astype(np.float32)


def _develop(exposed: np.ndarray, conditions: Conditions) -> np.ndarray:
    """Convert linear light to 8 bits by the tone curve of the camera."""
    values = np.clip(exposed, 0, 1) ** np.float32(2**conditions.tone / _DISPLAY)
    values = values - np.float32(conditions.bend / (2 * np.pi)) * np.sin(2 * np.pi * values)
    return np.round(values * 255).astype(np.uint8)


def _through_jpeg(image: np.ndarray, conditions: Conditions) -> np.ndarray:
    quality = round(min(max(_BEST - conditions.compression, 5), _BEST))
    _, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return cv2.imdecode(data, cv2.IMREAD_COLOR_RGB)
