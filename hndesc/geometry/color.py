"""sRGB, linear light, and CIELAB: an opponent space in which distances are roughly what the eye sees.

Written out here because the way back must be able to bring colors that no screen shows into range without shifting
their hue or luminance; library conversions clip each channel on its own.
"""

import numpy as np

# Linear sRGB to CIE XYZ under D65, each row divided by its sum, so that white is (1, 1, 1) (IEC 61966-2-1).
_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
_XYZ /= _XYZ.sum(axis=1, keepdims=True)
_LAB = np.array([[0.0, 116.0, 0.0], [500.0, -500.0, 0.0], [0.0, 200.0, -200.0]])
_KNEE = 6.0 / 29.0  # below this cube root the curve of CIELAB is a straight line


def srgb_to_linear(values: np.ndarray) -> np.ndarray:
    """Take sRGB values (0 to 1) to linear light (0 to 1)."""
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(values: np.ndarray) -> np.ndarray:
    """Take linear light (0 to 1) to sRGB values (0 to 1)."""
    return np.where(values <= 0.0031308, values * 12.92, 1.055 * values ** (1 / 2.4) - 0.055)


_DECODE = srgb_to_linear(np.arange(256) / 255.0).astype(np.float32)
_ENCODE = (linear_to_srgb(np.arange(65536) / 65535.0) * 255.0).astype(np.float32)


def to_linear(image: np.ndarray) -> np.ndarray:
    """Turn sRGB (uint8, H x W x 3) into linear light (float32, 0 to 1)."""
    return _DECODE[image]


def rgb_to_lab(image: np.ndarray) -> np.ndarray:
    """Convert sRGB (uint8, H x W x 3) to CIELAB (float32, H x W x 3: L in 0..100, a, b), white point D65."""
    xyz = to_linear(image) @ _XYZ.T.astype(np.float32)
    roots = np.where(xyz > _KNEE**3, np.cbrt(xyz), xyz / np.float32(3 * _KNEE**2) + np.float32(4 / 29))
    lab = roots @ _LAB.T.astype(np.float32)
    lab[..., 0] -= 16.0
    return lab


def lab_to_rgb(lab: np.ndarray) -> np.ndarray:
    """Convert CIELAB (float32, H x W x 3) to sRGB (uint8).

    Colors outside sRGB are mixed with the gray of their own luminance until they fit.
    """
    luma = np.clip((lab[..., 0] + 16.0) / 116.0, 4 / 29, 1.0)
    roots = np.stack([luma + lab[..., 1] / 500.0, luma, luma - lab[..., 2] / 200.0], axis=-1)
    xyz = np.where(roots > _KNEE, roots**3, (roots - np.float32(4 / 29)) * np.float32(3 * _KNEE**2))
    linear = _fit(xyz @ np.linalg.inv(_XYZ).T.astype(np.float32), xyz[..., 1])
    index = np.rint(linear * 65535.0).astype(np.uint16)
    return np.rint(_ENCODE[index]).astype(np.uint8)


def _fit(linear: np.ndarray, luminance: np.ndarray) -> np.ndarray:
    """Shrink the distance of each color from its gray so that all channels lie in 0..1."""
    red, green, blue = np.moveaxis(linear, -1, 0)
    above = np.maximum(np.maximum(np.maximum(red, green), blue) - luminance, 1e-6)
    below = np.maximum(luminance - np.minimum(np.minimum(red, green), blue), 1e-6)
    share = np.minimum(1.0, np.minimum((1.0 - luminance) / above, luminance / below))[..., None]
    return np.clip(luminance[..., None] + share * (linear - luminance[..., None]), 0.0, 1.0)
