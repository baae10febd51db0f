"""Pixels of any kind as 8-bit RGB.

The range of a type or a file's header holds: 8 bits keep their values, floating-point values that lie within 0 and 1
are scaled by 255, and those of a file that declares 9 to 15 bits by these. Others are scaled image by image, by what is
in them:

- integers of 0 or more by the fewest of 8, 10, 12, 14 and 16 bits that hold the largest value (cameras store 10 to 14
  bits in 16), where a few hot pixels are far above all others by that of the others, with a warning; larger ones by the
  largest;
- all others by their range, from the lowest finite value to the highest; where a few outliers span nearly all of it,
  by the range of the values without the lowest and the highest percent, with a warning.

Values that are not finite become black (NaN, minus infinity) or white (infinity), with a warning; an image without any
finite value is refused. Transparent pixels lie on white.
"""

import logging
import os
from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import PHOTOMETRIC_INTERPRETATION, SAMPLEFORMAT

from hndesc.errors import HndescError, ImageError, printable

logger = logging.getLogger(__name__)

_BITS = (8, 10, 12, 14, 16)
_OUTLIERS = 16  # ratio of the range of all values to that of nearly all values
_HOT = 1e-3  # share of the values that hot pixels may have
_SLACK = 1e-3  # resampling overshoots 0 and 1 by little
_BLOCK = 2**18  # values that are worked on at the same time
_OPAQUE = {"La": "LA", "RGBa": "RGBA"}


def to_rgb(image: Image.Image, name: str | os.PathLike = "image") -> np.ndarray:
    """Return an image of Pillow as RGB, uint8, H x W x 3.

    Args:
        image: of any mode.
        name: of the image, for messages.

    Raises:
        ImageError: no finite value.
    """
    if image.mode.startswith("I") or image.mode == "F":
        gray = to_8_bit(_gray_values(image), name)
        return gray_to_rgb(255 - gray if _is_white_zero(image) else gray)
    width, height = image.size
    pixels = np.empty((height, width, 3), np.uint8)
    for rows in _blocks(height, width):
        pixels[rows] = _strip_to_rgb(image.crop((0, rows.start, width, rows.stop)))
    return pixels


def _strip_to_rgb(image: Image.Image) -> np.ndarray:
    if image.mode in _OPAQUE:
        image = image.convert(_OPAQUE[image.mode])
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        backdrop = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(backdrop, image)
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def _blocks(rows: int, columns: int) -> Iterator[slice]:
    """Yield the rows of an array in blocks, to bound the memory of derived values."""
    step = max(1, _BLOCK // max(1, columns))
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))


def _gray_values(image: Image.Image) -> np.ndarray:
    values = np.asarray(image)
    if image.mode == "I" and image.format == "PPM":  # Pillow gives deep PGM as 32-bit integers
        return values.astype(np.uint16)
    if image.mode == "I" and image.format == "TIFF" and image.tag_v2.get(SAMPLEFORMAT, (1,))[0] == 1:
        # Pillow reads all 32-bit integers as signed.
        return values.view(np.uint32)
    return values


def _is_white_zero(image: Image.Image) -> bool:
    """Return whether 0 is white; Pillow inverts only values of 8 bits and less itself."""
    return image.format == "TIFF" and image.tag_v2.get(PHOTOMETRIC_INTERPRETATION) == 0


def gray_to_rgb(gray: np.ndarray) -> np.ndarray:
    """Return H x W values as three equal channels, H x W x 3."""
    return np.repeat(gray[..., None], 3, axis=2)


def to_8_bit(values: np.ndarray, name: str | os.PathLike = "image", bits: int | None = None) -> np.ndarray:
    """Scale an array of numbers to 8 bits as the module says; same shape, uint8.

    Args:
        values: of any type.
        name: of the image, for messages.
        bits: number of bits that a file declares for its integers of 0 or more; None if it declares none.

    Raises:
        ImageError: no finite value.
    """
    if values.size == 0:
        raise ImageError(f"{printable(name)}: no pixels")
    if values.dtype.kind == "f":
        return _floats_to_8_bit(values, name)
    low, high = int(values.min()), int(values.max())
    if low < 0 or high >= 2 ** _BITS[-1]:
        return _by_block(values, _range_to_8_bit(values, min(0.0, low), float(high), name))
    declared = bits if bits is not None and 8 < bits < 16 else None
    top = _top(high) if declared is None else 2**declared - 1
    usual = top if declared is not None or high <= 2 ** _BITS[0] else _top(_usual_level(values, high))
    if usual * _OUTLIERS <= top:
        logger.warning(
            "%s: values up to %d, but nearly all up to %d, to which they are clipped", printable(name), high, usual
        )
        top = usual
    table = np.minimum(np.round(np.arange(high + 1) * (255.0 / top)), 255).astype(np.uint8)
    return _by_block(values, lambda block: table[block])


def usual_level(histogram: np.ndarray) -> int:
    """Return the lowest level that holds all values but the share of hot pixels, by the counts of all levels."""
    counts = np.cumsum(histogram)
    return int(np.searchsorted(counts, (1 - _HOT) * counts[-1]))


def _usual_level(values: np.ndarray, high: int) -> int:
    histogram = np.zeros(high + 1, np.int64)
    for rows in _blocks(len(values), values[0].size):
        histogram += np.bincount(values[rows].ravel(), minlength=high + 1)
    return usual_level(histogram)


def _top(level: int) -> int:
    """Return the largest value of the fewest bits that hold a level."""
    return next(2**bits - 1 for bits in _BITS if level < 2**bits)


def _by_block(values: np.ndarray, work: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Return what `work` makes of the values, as uint8."""
    result = np.empty(values.shape, np.uint8)
    for rows in _blocks(len(values), values[0].size):
        result[rows] = work(values[rows])
    return result


def _floats_to_8_bit(values: np.ndarray, name: str | os.PathLike) -> np.ndarray:
    finite = np.isfinite(values)
    if not finite.any():
        raise ImageError(f"{printable(name)}: none of its values is finite; replace or remove it")
    low, high = (float(values.min(where=finite, initial=np.inf)), float(values.max(where=finite, initial=-np.inf)))
    if low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    if not finite.all():
        logger.warning("%s: %d of %d values are not finite", printable(name), (~finite).sum(), values.size)
        values = np.nan_to_num(values, nan=low, neginf=low, posinf=high)
    if (low, high) == (0, 1):
        return _by_block(values, lambda block: np.round(block.astype(np.float64) * 255.0))
    return _by_block(values, _range_to_8_bit(values, low, high, name))


def _range_to_8_bit(
    values: np.ndarray, low: float, high: float, name: str | os.PathLike
) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function that scales finite values from `low` to `high`, or those of them that are no outliers."""
    inner = np.percentile(values, (1, 99))
    if 0 < inner[1] - inner[0] < (high - low) / _OUTLIERS:
        logger.warning(
            "%s: values from %g to %g, but nearly all within %g and %g, to which they are clipped",
            *(printable(name), low, high, *inner),
        )
        low, high = map(float, inner)
    # In halves: the difference of two huge values would overflow.
    span = max(high / 2 - low / 2, np.finfo(np.float64).tiny)
    return lambda block: np.round((np.clip(block.astype(np.float64), low, high) / 2 - low / 2) / span * 255.0)


def array_to_rgb(array: np.ndarray) -> np.ndarray:
    """Return an array that holds an image as RGB, uint8, H x W x 3.

    Args:
        array: H x W, H x W x 1 (gray), H x W x 3 (RGB) or H x W x 4 (RGB and alpha): uint8, uint16, or floating-point
            values from 0 to 1.

    Raises:
        HndescError: an array of another type or shape.
    """
    form = f"an image of {array.dtype}, shape {array.shape}"
    expected = "expected H x W x 3 (RGB), H x W x 4 or H x W, uint8, uint16 or float from 0 to 1"
    kind = array.dtype.kind == "f" or (array.dtype.kind == "u" and array.dtype.itemsize <= 2)
    if not kind or array.ndim not in (2, 3) or array.shape[2:] not in ((), (1,), (3,), (4,)) or not array.size:
        raise HndescError(f"{form}; {expected}")
    if array.dtype.kind == "f":
        low, high = array.min(), array.max()
        if not (low >= -_SLACK and high <= 1 + _SLACK):  # NaN is neither
            raise HndescError(f"{form}, with values from {low:g} to {high:g}; {expected}")
        array = np.round(np.clip(array, 0, 1).astype(np.float64) * 255).astype(np.uint8)
    elif array.dtype != np.uint8:
        array = to_8_bit(array)
    if array.ndim == 2 or array.shape[2] == 1:
        return gray_to_rgb(array.reshape(array.shape[:2]))
    if array.shape[2] == 4:
        return to_rgb(Image.fromarray(np.ascontiguousarray(array)))
    return np.ascontiguousarray(array)
