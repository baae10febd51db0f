"""Photometric augmentation of RGB uint8 images."""

import cv2
import numpy as np

from hndesc.io.images import to_gray
from hndesc.training.settings import ColorSettings

_LEVELS = np.arange(256, dtype=np.float64)
_KERNELS = (3, 5, 7)
_CLAHE_LIMIT = (1.0, 4.0)
_CLAHE_TILES = (8, 8)
_NOISE_VARIANCE = (10.0, 50.0)
_GAMMA = 2.2
_JPEG_QUALITY = (30, 90)
_DARKEST = 0.002  # linear light
_TONES = 5
_CORNERS = (3, 6)  # of a part in another light
_EDGE = (-1.0, 4.5)  # log2 of the standard deviation of its edge, pixels
_LAMPS = 4  # grid cells of the illumination field per side


def augment_photometrically(generator: np.random.Generator, image: np.ndarray, settings: ColorSettings) -> np.ndarray:
    """Apply color changes to an H x W x 3 uint8 image, each at random.

    In this order: a color term, blur, noise, relighting, local light, darkening, JPEG compression.
    """
    if generator.random() < settings.probability:
        image = _one_of(generator, image, settings)
    if generator.random() < settings.blur:
        image = _blur(generator, image)
    if generator.random() < settings.noise:
        image = _noise(generator, image)
    if settings.relight and generator.random() < settings.relight:
        image = _relight(generator, image, settings)
    if settings.local_light and generator.random() < settings.local_light:
        image = _light_locally(generator, image, settings)
    if settings.darken and generator.random() < settings.darken:
        image = _darken(generator, image, settings)
    if settings.jpeg and generator.random() < settings.jpeg:
        image = _jpeg(generator, image)
    return image


def _one_of(generator: np.random.Generator, image: np.ndarray, settings: ColorSettings) -> np.ndarray:
    names = list(_TERMS)
    weights = np.array([getattr(settings, name) for name in names])
    if weights.sum() == 0:
        return image
    name = names[generator.choice(len(names), p=weights / weights.sum())]
    return _TERMS[name](generator, image, settings)


def _table(values: np.ndarray) -> np.ndarray:
    return np.clip(np.round(values), 0, 255).astype(np.uint8)


def _brightness_contrast(generator: np.random.Generator, image: np.ndarray, settings: ColorSettings) -> np.ndarray:
    gain = 1.0 + generator.uniform(-settings.contrast, settings.contrast)
    offset = 255.0 * generator.uniform(-settings.brightness, settings.brightness)
    return cv2.LUT(image, _table(gain * _LEVELS + offset))


def _hue_saturation(generator: np.random.Generator, image: np.ndarray, settings: ColorSettings) -> np.ndarray:
    hue = generator.uniform(-settings.hue, settings.hue) * 256.0 / 360.0
    saturation = generator.uniform(-settings.saturation, settings.saturation)
    shifted = (np.round(_LEVELS + hue) % 256).astype(np.uint8)
    tables = np.stack([shifted, _table(_LEVELS + saturation), _LEVELS.astype(np.uint8)], axis=1)
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV_FULL)
    return cv2.cvtColor(cv2.LUT(hsv, tables[None]), cv2.COLOR_HSV2RGB_FULL)


def _clahe(generator: np.random.Generator, image: np.ndarray, settings: ColorSettings) -> np.ndarray:
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
    equalizer = cv2.createCLAHE(generator.uniform(*_CLAHE_LIMIT), _CLAHE_TILES)
    lab[..., 0] = equalizer.apply(np.ascontiguousarray(lab[..., 0]))
    return cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)


def _gray(generator: np.random.Generator, image: np.ndarray, settings: ColorSettings) -> np.ndarray:
    return cv2.cvtColor(to_gray(image), cv2.COLOR_GRAY2RGB)


def _shuffle(generator: np.random.Generator, image: np.ndarray, settings: ColorSettings) -> np.ndarray:
    return np.ascontiguousarray(image[..., generator.permutation(3)])


_TERMS = {
    "brightness_contrast": _brightness_contrast,
    "hue_saturation": _hue_saturation,
    "clahe": _clahe,
    "gray": _gray,
    "shuffle": _shuffle,
}


def _blur(generator: np.random.Generator, image: np.ndarray) -> np.ndarray:
    size = int(generator.choice(_KERNELS))
    if generator.random() < 0.5:
        return cv2.blur(image, (size, size))
    return cv2.GaussianBlur(image, (size, size), 0)


def _noise(generator: np.random.Generator, image: np.ndarray) -> np.ndarray:
    deviation = np.sqrt(generator.uniform(*_NOISE_VARIANCE))
    noise = generator.standard_normal(image.shape, dtype=np.float32) * np.float32(deviation)
    return np.clip(np.round(image + noise), 0, 255).astype(np.uint8)


def _relight(generator: np.random.Generator, image: np.ndarray, settings: ColorSettings) -> np.ndarray:
    """Relight the scene: remap the tones of the smooth base layer, not monotonically, and keep the detail.

    At night, surfaces that are dark by day can be the brightest, so edges change their sign; and the illumination
    varies by many stops within a photo.
    """
    light = cv2.LUT(image, ((_LEVELS / 255.0) ** _GAMMA).astype(np.float32))
    width = 2 * int(generator.integers(2, 16)) + 1
    mean = (light[..., 0] + light[..., 1] + light[..., 2]) / 3  # numpy's mean of three values takes ten times as long
    base = cv2.blur(mean, (width, width)) + _DARKEST
    tones = generator.uniform(0.1, 1.0, _TONES) ** _GAMMA
    lit = np.interp(base.ravel() ** (1 / _GAMMA), np.linspace(0, 1, _TONES), tones).reshape(base.shape)
    stops = generator.standard_normal((_LAMPS, _LAMPS)) * generator.uniform(0.0, settings.falloff)
    lit *= 2.0 ** cv2.resize(stops, image.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    light *= (lit / base).astype(np.float32)[..., None]
    return np.round(255.0 * np.clip(light, 0.0, 1.0) ** (1.0 / _GAMMA)).astype(np.uint8)


def _light_locally(generator: np.random.Generator, image: np.ndarray, settings: ColorSettings) -> np.ndarray:
    """Put a random polygon of the scene into another light: a shadow, a spot of sun, the cone of a lamp."""
    height, width = image.shape[:2]
    corners = generator.uniform(-0.3, 1.3, (int(generator.integers(*_CORNERS, endpoint=True)), 2)) * (width, height)
    mask = np.zeros((height, width), np.float32)
    cv2.fillConvexPoly(mask, cv2.convexHull(np.round(corners).astype(np.int32)), 1.0)
    mask = cv2.GaussianBlur(mask, (0, 0), 2.0 ** generator.uniform(*_EDGE))[..., None]
    gain = 2.0 ** generator.uniform(-settings.local_stops, settings.local_stops) * generator.uniform(0.7, 1.0, 3)
    tone = 2.0 ** generator.uniform(-0.7, 0.7)
    light = cv2.LUT(image, ((_LEVELS / 255.0) ** _GAMMA).astype(np.float32))
    lit = gain.astype(np.float32) * light ** np.float32(tone)
    return np.round(255.0 * np.clip(light + mask * (lit - light), 0.0, 1.0) ** (1.0 / _GAMMA)).astype(np.uint8)


def _darken(generator: np.random.Generator, image: np.ndarray, settings: ColorSettings) -> np.ndarray:
    """Simulate an exposure in low light: darker and tinted in linear light, shot and read noise, then a gain."""
    stops = generator.uniform(0.0, settings.stops)
    tint = generator.uniform(0.5, 1.0, 3)
    contrast = generator.uniform(1.0, 1.6)
    electrons = 10.0 ** generator.uniform(2.5, 4.0)  # of a saturated pixel
    read_noise = generator.uniform(0.5, 4.0) / electrons
    gain = 2.0 ** generator.uniform(0.0, stops)
    light = cv2.LUT(image, ((_LEVELS / 255.0) ** (_GAMMA * contrast)).astype(np.float32))
    light *= (tint * 2.0**-stops).astype(np.float32)
    deviation = np.sqrt(light / np.float32(electrons) + np.float32(read_noise**2))
    light += deviation * generator.standard_normal(image.shape, dtype=np.float32)
    return np.round(255.0 * np.clip(gain * light, 0.0, 1.0) ** (1.0 / _GAMMA)).astype(np.uint8)


def _jpeg(generator: np.random.Generator, image: np.ndarray) -> np.ndarray:
    quality = int(generator.integers(*_JPEG_QUALITY, endpoint=True))
    code = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.ascontiguousarray(cv2.imdecode(code, cv2.IMREAD_COLOR)[..., ::-1])
