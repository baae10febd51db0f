"""Physical relighting: the same scene under another sky, recorded by a camera; no style photographs needed.

The photo is taken back to linear light, lit anew (ambient light that falls off to one side, lamps), seen through haze
(Koschmieder's law, with the height in the picture for depth), and recorded: exposure, white balance, vignette, noise of
photons and of reading, tone curve. All numbers are drawn from the ranges of a class of light.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

import cv2
import numpy as np

from hndesc.geometry.color import linear_to_srgb, to_linear

_LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)
_GRAY = 0.18  # what the tone curve leaves in place
_LONGEST = 4.0  # by which a dark scene is exposed for longer, at most
_BRIGHTEST = 4.0  # linear light beyond which the tone curve is flat
_COARSE = 8  # smooth fields are computed on a grid coarser by this factor
_TONES = 65536
_DARK = np.float32(0.002)  # light whose photon noise is as strong as the read noise


@dataclass(frozen=True)
class Light:
    """How a scene is lit and recorded; the default leaves a photo as it is.

    Attributes:
        exposure: factor on linear light.
        red, blue: white balance, factors relative to green.
        falloff: share of the ambient light that is lost from one side of the photo to the other, 0 to 1.
        lamps: number of lamps in the photo.
        lamp_power: light of a lamp where it stands (1: as bright as the scene in the photo).
        glow: light that haze scatters towards the camera around each lamp, as a share of the lamp's.
        haze: share of the scene that haze hides at the top of the photo; 0.7 of that at the bottom.
        airlight: brightness of the haze.
        vignette: share of the light that is lost in the corners.
        saturation: factor on the distance from gray.
        contrast: exponent of the tone curve around middle gray.
        knee: linear light above which highlights are rolled off, 1: they are cut off.
        noise: standard deviation of photon noise at white, in linear light; read noise goes with it.
        blur: standard deviation, in thousandths of the longest side.
    """

    exposure: float = 1.0
    red: float = 1.0
    blue: float = 1.0
    falloff: float = 0.0
    lamps: float = 0.0
    lamp_power: float = 0.0
    glow: float = 0.0
    haze: float = 0.0
    airlight: float = 0.7
    vignette: float = 0.0
    saturation: float = 1.0
    contrast: float = 1.0
    knee: float = 1.0
    noise: float = 0.0
    blur: float = 0.0


# Factors: they are drawn evenly on a logarithmic scale, and a strength is their exponent.
_FACTORS = frozenset({"exposure", "red", "blue", "saturation", "contrast"})
# What is no matter of strength.
_KEPT = frozenset({"lamps", "airlight"})

# By class, the least and greatest of each number; those left out keep their default.
CLASSES: Mapping[str, Mapping[str, tuple[float, float]]] = {
    "cloudy": {
        "exposure": (0.45, 0.85),
        "red": (0.88, 0.96),
        "blue": (1.05, 1.18),
        "haze": (0.0, 0.05),
        "airlight": (0.5, 0.7),
        "vignette": (0.0, 0.2),
        "saturation": (0.45, 0.8),
        "contrast": (0.8, 0.95),
        "knee": (0.7, 0.8),
        "noise": (0.001, 0.003),
    },
    "dusk": {
        "exposure": (0.15, 0.5),
        "red": (1.1, 1.6),
        "blue": (0.6, 1.1),
        "falloff": (0.2, 0.5),
        "haze": (0.0, 0.1),
        "airlight": (0.2, 0.35),
        "vignette": (0.1, 0.3),
        "saturation": (0.7, 1.1),
        "contrast": (0.95, 1.25),
        "knee": (0.6, 0.8),
        "noise": (0.001, 0.005),
    },
    "mist": {
        "exposure": (0.7, 1.2),
        "red": (0.92, 1.02),
        "blue": (0.98, 1.1),
        "haze": (0.15, 0.4),
        "airlight": (0.5, 0.75),
        "vignette": (0.0, 0.2),
        "saturation": (0.5, 0.8),
        "knee": (0.7, 0.8),
        "noise": (0.001, 0.003),
        "blur": (0.1, 0.4),
    },
    "night": {
        "exposure": (0.04, 0.16),
        "red": (0.6, 1.1),
        "blue": (0.9, 1.7),
        "falloff": (0.1, 0.5),
        "lamps": (1, 6),
        "lamp_power": (0.1, 0.5),
        "glow": (0.0, 0.06),
        "vignette": (0.1, 0.4),
        "saturation": (0.4, 0.9),
        "contrast": (0.9, 1.2),
        "knee": (0.5, 0.8),
        "noise": (0.001, 0.005),
        "blur": (0.0, 0.4),
    },
    "rain": {
        "exposure": (0.25, 0.6),
        "red": (0.82, 0.95),
        "blue": (1.05, 1.25),
        "haze": (0.03, 0.2),
        "airlight": (0.2, 0.4),
        "vignette": (0.1, 0.3),
        "saturation": (0.4, 0.7),
        "contrast": (0.85, 1.05),
        "knee": (0.7, 0.8),
        "noise": (0.001, 0.005),
        "blur": (0.1, 0.4),
    },
    "snow": {
        "exposure": (0.8, 1.2),
        "red": (0.88, 0.98),
        "blue": (1.05, 1.2),
        "haze": (0.05, 0.2),
        "airlight": (0.6, 0.9),
        "vignette": (0.0, 0.2),
        "saturation": (0.35, 0.7),
        "contrast": (0.85, 1.05),
        "knee": (0.6, 0.75),
        "noise": (0.001, 0.003),
    },
}


def stylize(
    content: np.ndarray, style: str, rng: np.random.Generator, strength: float = 1.0, noise: float = 1.0
) -> np.ndarray:
    """Photograph `content` again under a light of the class `style`.

    Args:
        content: RGB uint8, H x W x 3.
        style: one of `CLASSES`.
        rng: of the light and of the noise.
        strength: 0 leaves the content, 1 is the full change of light.
        noise: factor on the camera's noise.

    Returns:
        RGB uint8, H x W x 3.
    """
    light = meter(draw_light(style, rng), content)
    if strength == 0:
        return content.copy()
    return photograph(content, soften(light, strength, noise), rng)


def draw_light(style: str, rng: np.random.Generator) -> Light:
    """Draw a light of a class."""
    ranges = CLASSES[style]
    drawn = {}
    for field in fields(Light):
        least, most = ranges.get(field.name, (field.default, field.default))
        share = rng.random()
        if field.name in _FACTORS:
            drawn[field.name] = least * (most / least) ** share
        else:
            drawn[field.name] = least + (most - least) * share
    return Light(**drawn)


def meter(light: Light, content: np.ndarray) -> Light:
    """Expose a dark scene for longer, as a camera that measures the light, but never longer than the photo was."""
    brightness = float((to_linear(content[::8, ::8]) @ _LUMA).mean())
    longer = np.clip(np.sqrt(_GRAY / max(brightness, 1e-6)), 1.0, _LONGEST)
    return replace(light, exposure=max(light.exposure, min(1.0, light.exposure * longer)))


def soften(light: Light, strength: float, noise: float = 1.0) -> Light:
    """Return the light on the way from the photo's own (0) to `light` (1), with its noise times `noise`."""
    values = {}
    for field in fields(Light):
        value = getattr(light, field.name)
        if field.name in _FACTORS:
            value = value**strength
        elif field.name not in _KEPT:
            value = field.default + strength * (value - field.default)
        values[field.name] = value
    return Light(**values | {"noise": values["noise"] * noise})


def photograph(content: np.ndarray, light: Light, rng: np.random.Generator) -> np.ndarray:
    """Take a photo (RGB uint8, H x W x 3) of what `content` shows, under `light`."""
    height, width = content.shape[:2]
    factor, added = _fields(height, width, light, rng)
    linear = to_linear(content)
    if light.saturation != 1:
        mix = np.eye(3, dtype=np.float32) * np.float32(light.saturation) + np.float32(1 - light.saturation) * _LUMA
        linear = cv2.transform(linear, mix)
    linear = cv2.multiply(linear, factor, dst=linear)
    linear = cv2.add(linear, added, dst=linear)
    if sigma := light.blur * max(height, width) / 1000:
        linear = cv2.GaussianBlur(linear, (0, 0), sigma, dst=linear)
    if light.noise:
        linear = _add_noise(linear, light.noise, rng)
    return _develop(linear, light)


def _fields(height: int, width: int, light: Light, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return what the scene's own brightness is multiplied by, and the light that is added, both H x W x 3."""
    # Coarse pixels sample the picture at their centers, as resizing it back assumes.
    rows, columns = -(-height // _COARSE), -(-width // _COARSE)
    half = max(height, width) / 2
    y = (((np.arange(rows, dtype=np.float32) + 0.5) / rows - 0.5) * height / half)[:, None, None]
    x = (((np.arange(columns, dtype=np.float32) + 0.5) / columns - 0.5) * width / half)[None, :, None]
    balance = np.array([light.red, 1.0, light.blue], np.float32)
    balance /= balance @ _LUMA
    factor = np.float32(light.exposure) * _falloff(x, y, light.falloff, rng) * balance
    shine, glow = _lamps(x, y, light, rng)
    factor = factor + shine
    if light.haze:
        depth = 0.85 - 0.15 * y / max(float(np.abs(y).max()), 1e-6)
        veil = np.float32(light.haze) * depth + 0 * x
        sky = np.float32(light.airlight) * (0.5 + 0.5 * balance) * _falloff(x, y, 0.5 * light.falloff, rng)
        factor, glow = factor * (1 - veil), glow + veil * sky
    shade = 1 - light.vignette * (1 - 1 / (1 + x**2 + y**2) ** 2) / 0.75
    return tuple(_grow(np.broadcast_to(field * shade, (rows, columns, 3)), width, height) for field in (factor, glow))


def _falloff(x: np.ndarray, y: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Return light that falls from 1 to 1 - `share` across the photo, in a random direction."""
    angle = rng.uniform(0, 2 * np.pi)
    ramp = np.float32(np.cos(angle)) * x + np.float32(np.sin(angle)) * y
    span = max(float(np.ptp(ramp)), 1e-6)
    return 1 - np.float32(share) * (ramp - ramp.min()) / span


def _lamps(x: np.ndarray, y: np.ndarray, light: Light, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return what lamps throw on the scene and what haze scatters of it, both coarse; sodium to white ones."""
    shine = np.zeros((y.shape[0], x.shape[1], 3), np.float32)
    glow = np.zeros_like(shine)
    for _ in range(round(light.lamps)):
        place = rng.uniform(-1, 1, 2) * (np.abs(x).max(), np.abs(y).max())
        reach = rng.uniform(0.25, 0.8)
        color = np.array([1.0, rng.uniform(0.5, 0.95), rng.uniform(0.15, 0.9)], np.float32)
        power = np.float32(light.lamp_power * rng.uniform(0.3, 1.0))
        squared = ((x - place[0]) ** 2 + (y - place[1]) ** 2) / np.float32(reach**2)
        shine += power * color / (1 + squared) ** 1.5
        glow += np.float32(light.glow) * power * color * np.exp(-2 * np.sqrt(squared))
    return shine, glow


def _grow(field: np.ndarray, width: int, height: int) -> np.ndarray:
    return cv2.resize(field.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)


def _add_noise(linear: np.ndarray, noise: float, rng: np.random.Generator) -> np.ndarray:
    """Add photon noise, whose variance grows with the light, and read noise."""
    deviation = cv2.sqrt(np.maximum(linear, 0) + _DARK)
    grain = rng.standard_normal(linear.shape, dtype=np.float32)
    return cv2.scaleAdd(cv2.multiply(deviation, grain, dst=grain), noise, linear)


def _develop(linear: np.ndarray, light: Light) -> np.ndarray:
    """Apply the tone curve and encode as sRGB, by one table over the square root of the light."""
    root = np.linspace(0, 1, _TONES)
    curve = _encode(root**2 * _BRIGHTEST, light)
    index = cv2.sqrt(np.clip(linear, 0, _BRIGHTEST))
    index *= np.float32((_TONES - 1) / np.sqrt(_BRIGHTEST))
    return curve[np.rint(index, out=index).astype(np.uint16)]


def _encode(linear: np.ndarray, light: Light) -> np.ndarray:
    toned = _GRAY * (linear / _GRAY) ** light.contrast
    if light.knee < 1:
        room = 1 - light.knee
        above = np.maximum(toned - light.knee, 0)
        toned = np.where(above > 0, light.knee + room * -np.expm1(-above / room), toned)
    return np.rint(linear_to_srgb(np.clip(toned, 0, 1)) * 255).astype(np.uint8)
