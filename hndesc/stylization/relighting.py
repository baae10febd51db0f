"""Physically based relighting, without style photos.

The photo is converted to linear light, relit (ambient light with a gradient, lamps), seen through haze (Koschmieder's
law, with the image row as a proxy for depth) and recorded by a camera model: exposure, white balance, vignette, photon
and read noise, tone curve. All parameters are drawn from the ranges of an illumination class.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

import cv2
import numpy as np

from hndesc.geometry.color import linear_to_srgb, to_linear

_LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)
_GRAY = 0.18  # fixed point of the tone curve
_LONGEST = 4.0  # maximum factor on the exposure of a dark scene
_BRIGHTEST = 4.0  # linear light above which the tone curve is flat
_COARSE = 8  # factor by which smooth fields are computed at lower resolution
_TONES = 65536
_DARK = np.float32(0.002)  # light whose photon noise is as strong as the read noise


@dataclass(frozen=True)
class Light:
    """Illumination and camera parameters of a photo; the defaults leave it unchanged.

    Attributes:
        exposure: factor on linear light.
        red, blue: white balance factors relative to green.
        falloff: share of the ambient light that is lost from one side of the photo to the other, 0 to 1.
        lamps: number of lamps in the photo.
        lamp_power: brightness of a lamp at its position (1: as bright as the scene in the photo).
        glow: light scattered by haze around each lamp, as a share of the light of the lamp.
        haze: opacity of the haze at the top of the photo; 0.7 of that at the bottom.
        airlight: brightness of the haze.
        vignette: share of the light lost in the corners.
        saturation: factor on the distance from gray.
        contrast: exponent of the tone curve around middle gray.
        knee: linear light above which highlights are rolled off; 1: they are clipped.
        noise: standard deviation of photon noise at white, in linear light; read noise is proportional to it.
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


# Factors are drawn log-uniformly, and the strength is applied as an exponent.
_FACTORS = frozenset({"exposure", "red", "blue", "saturation", "contrast"})
_NEUTRAL = Light()
# Parameters that do not depend on the strength.
_KEPT = frozenset({"lamps", "airlight"})

# Range of each parameter by class; omitted parameters keep their default.
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
    """Relight `content` with illumination drawn from the class `style`.

    Args:
        content: RGB uint8, H x W x 3.
        style: one of `CLASSES`.
        rng: generator of illumination and noise.
        strength: 0 returns the content, 1 is the full change.
        noise: factor on the noise of the camera.

    Returns:
        RGB uint8, H x W x 3.
    """
    light = meter(draw_light(style, rng), content)
    if strength == 0:
        return content.copy()
    return photograph(content, scale_light(light, strength, noise), rng)


def draw_light(style: str, rng: np.random.Generator) -> Light:
    """Draw the parameters of an illumination class."""
    ranges = CLASSES[style]
    drawn = {}
    for field in fields(Light):
        least, most = ranges.get(field.name, (getattr(_NEUTRAL, field.name),) * 2)
        share = rng.random()
        if field.name in _FACTORS:
            drawn[field.name] = least * (most / least) ** share
        else:
            drawn[field.name] = least + (most - least) * share
    return Light(**drawn)


def meter(light: Light, content: np.ndarray) -> Light:
    """Increase the exposure of a dark scene like a camera's light meter, at most to the exposure of the photo."""
    brightness = float((to_linear(content[::8, ::8]) @ _LUMA).mean())
    longer = np.clip(np.sqrt(_GRAY / max(brightness, 1e-6)), 1.0, _LONGEST)
    return replace(light, exposure=max(light.exposure, min(1.0, light.exposure * longer)))


def scale_light(light: Light, strength: float, noise: float = 1.0) -> Light:
    """Interpolate between the original illumination (strength 0) and `light` (1), and scale the noise."""
    values = {}
    for field in fields(Light):
        value = getattr(light, field.name)
        if field.name in _FACTORS:
            value = value**strength
        elif field.name not in _KEPT:
            neutral = getattr(_NEUTRAL, field.name)
            value = neutral + strength * (value - neutral)
        values[field.name] = value
    return Light(**values | {"noise": values["noise"] * noise})


def photograph(content: np.ndarray, light: Light, rng: np.random.Generator) -> np.ndarray:
    """Return a photo (RGB uint8, H x W x 3) of the scene in `content` under `light`."""
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
    """Return the factor on the brightness of the scene and the light added to it, both H x W x 3."""
    # Coarse pixels are sampled at their centers, as the upsampling assumes.
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
    factor, glow = (
        _upsample(np.broadcast_to(field * shade, (rows, columns, 3)), width, height) for field in (factor, glow)
    )
    return factor, glow


def _falloff(x: np.ndarray, y: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Return light that decreases from 1 to 1 - `share` across the photo, in a random direction."""
    angle = rng.uniform(0, 2 * np.pi)
    ramp = np.float32(np.cos(angle)) * x + np.float32(np.sin(angle)) * y
    span = max(float(np.ptp(ramp)), 1e-6)
    return 1 - np.float32(share) * (ramp - ramp.min()) / span


def _lamps(x: np.ndarray, y: np.ndarray, light: Light, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return the light of lamps (sodium to white) on the scene and its scattering by haze, both coarse."""
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


def _upsample(field: np.ndarray, width: int, height: int) -> np.ndarray:
    return cv2.resize(field.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)


def _add_noise(linear: np.ndarray, noise: float, rng: np.random.Generator) -> np.ndarray:
    """Add photon noise, whose variance grows with the light, and read noise."""
    deviation = cv2.sqrt(np.maximum(linear, 0) + _DARK)
    grain = rng.standard_normal(linear.shape, dtype=np.float32)
    return cv2.scaleAdd(cv2.multiply(deviation, grain, dst=grain), noise, linear)


def _develop(linear: np.ndarray, light: Light) -> np.ndarray:
    """Apply the tone curve and encode as sRGB, with one look-up table over the square root of the light."""
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
