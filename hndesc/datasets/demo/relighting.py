"""Simulated photographs of a scene under different illumination, in linear light with a camera model."""

import io
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from hndesc.geometry.color import linear_to_srgb
from hndesc.geometry.color import to_linear as to_linear
from hndesc.runtime.seeds import generator as generator

WARM = np.array([1.0, 0.72, 0.38], np.float32)
AIRLIGHT = np.array([0.62, 0.66, 0.70], np.float32)
LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)


@dataclass(frozen=True)
class Light:
    """Illumination and camera parameters; the defaults leave an image unchanged.

    Attributes:
        exposure: factor on linear light.
        tint: color of the light, factors on R, G, B.
        gradient: share of the light lost from one side of the image to the other, 0 to 1.
        shadow: share of the light removed by a cast shadow, 0 to 1.
        lamps: number of warm lamps in the image.
        lamp_power: brightness of a lamp at its center (1: as bright as the scene in the original image).
        mist: opacity of the mist at the top of the image; half of that at the bottom.
        saturation: factor on the distance from gray.
        contrast: exponent on linear light; below 1 is flatter.
        blur: standard deviation in pixels.
        noise: standard deviation of photon noise at white, in linear light.
        quality: JPEG quality, or None for no compression.
    """

    exposure: float = 1.0
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    gradient: float = 0.0
    shadow: float = 0.0
    lamps: int = 0
    lamp_power: float = 0.0
    mist: float = 0.0
    saturation: float = 1.0
    contrast: float = 1.0
    blur: float = 0.0
    noise: float = 0.0
    quality: int | None = None


def to_srgb(linear: np.ndarray) -> np.ndarray:
    """Convert linear light (float, clipped to 0 to 1) to sRGB, uint8."""
    return np.round(linear_to_srgb(np.clip(linear, 0, 1)) * 255).astype(np.uint8)


def photograph(linear: np.ndarray, light: Light, rng: np.random.Generator) -> np.ndarray:
    """Simulate an image of a scene (linear light, float32, H x W x 3) under `light`; return sRGB, uint8."""
    height, width = linear.shape[:2]
    field = np.full((height, width, 1), light.exposure, np.float32)
    if light.gradient:
        field *= 1 - light.gradient * _ramp(height, width, rng)
    if light.shadow:
        field *= 1 - light.shadow * _cast_shadow(height, width, rng)
    glow, bulbs = _lamps(height, width, light, rng)
    lit = linear * (field * np.array(light.tint, np.float32) + glow) + bulbs
    if light.mist:
        veil = light.mist * np.linspace(1, 0.5, height, dtype=np.float32)[:, None, None]
        lit = lit * (1 - veil) + AIRLIGHT * veil
    return record(_grade(lit, light), rng, light.blur, light.noise, light.quality)


def record(
    linear: np.ndarray, rng: np.random.Generator, blur: float = 0.0, noise: float = 0.0, quality: int | None = None
) -> np.ndarray:
    """Simulate a camera: blur, photon and read noise, conversion to 8-bit sRGB, JPEG."""
    if blur:
        linear = cv2.GaussianBlur(linear, (0, 0), blur)
    if noise:
        deviation = noise * np.sqrt(np.maximum(linear, 0) + 0.003)
        linear = linear + deviation * rng.standard_normal(linear.shape, dtype=np.float32)
    image = to_srgb(linear)
    return image if quality is None else through_jpeg(image, quality)


def through_jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    """Return an image after JPEG compression."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "jpeg", quality=quality)
    return np.array(Image.open(buffer))


def _grade(lit: np.ndarray, light: Light) -> np.ndarray:
    if light.saturation != 1:
        gray = (lit @ LUMA)[..., None]
        lit = gray + light.saturation * (lit - gray)
    return np.maximum(lit, 0) ** light.contrast if light.contrast != 1 else lit


def _ramp(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Return a ramp from 0 to 1 across the image in a random direction, H x W x 1."""
    angle = rng.uniform(0, 2 * np.pi)
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :, None]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None, None]
    ramp = np.float32(np.cos(angle)) * x + np.float32(np.sin(angle)) * y
    return (ramp - ramp.min()) / (ramp.max() - ramp.min())


def _cast_shadow(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Return the mask (0 to 1, soft edges, H x W x 1) of two bars of shade across the image."""
    mask = np.zeros((height, width), np.float32)
    for _ in range(2):
        center = rng.uniform(0.2, 0.8, 2) * (width, height)
        angle = rng.uniform(0, np.pi)
        along = np.array([np.cos(angle), np.sin(angle)]) * (height + width)
        across = np.array([-np.sin(angle), np.cos(angle)]) * rng.uniform(0.06, 0.16) * (height + width)
        corners = center + np.array([along + across, along - across, -along - across, across - along])
        cv2.fillConvexPoly(mask, np.round(corners).astype(np.int32), 1.0)
    return cv2.GaussianBlur(mask, (0, 0), 0.004 * (height + width))[..., None]


def _lamps(height: int, width: int, light: Light, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return the light of lamps on the scene (a factor) and of the bulbs themselves, both H x W x 3."""
    glow = np.zeros((height, width, 3), np.float32)
    bulbs = np.zeros_like(glow)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    for _ in range(light.lamps):
        center = rng.uniform((0.1, 0.35), (0.9, 0.85)) * (width, height)
        reach = rng.uniform(0.10, 0.22) * (width + height) / 2
        squared = ((x - center[0]) ** 2 + (y - center[1]) ** 2) / np.float32(reach) ** 2
        glow += (np.float32(light.lamp_power) / (1 + squared) ** 2)[..., None] * WARM
        bulbs += np.exp(-60 * squared)[..., None] * (0.4 + 0.6 * WARM)
    return glow, bulbs
