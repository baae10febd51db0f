"""Reading of untrusted image files: formats are detected by content, and only listed formats are decoded.

Every failure is an ImageError that names the file.
"""

import mmap
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import islice
from typing import BinaryIO

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

# Registered by importing them; Pillow's other plugins are not asked, for some run programs (PostScript).
from PIL import (  # noqa: F401  isort: skip
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Jpeg2KImagePlugin,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from hndesc.errors import ImageError, printable
from hndesc.io.pixel_values import gray_to_rgb, to_8_bit, to_rgb, usual_level

FORMATS = ("JPEG", "PNG", "PPM", "BMP", "TIFF", "WEBP", "GIF", "JPEG2000", "AVIF")
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"mif1", b"msf1")
# Bytes of memory that decoding an image may take, and those of its file.
_MOST_MEMORY, _LARGEST_FILE = 2**30, 2**29
_LONGEST_SIDE = 1_000_000
# Bytes a pixel that decoding takes at most, by measurement: the image as Pillow holds it and as it is returned, and
# what decoders of some formats need besides.
_PER_PIXEL = {"1": 5, "L": 5, "P": 5, "I": 14, "F": 14}
_OTHER_MODE, _DEEP = 9, 12
_PER_PIXEL_OF_FORMAT = {"WEBP": 18, "JPEG2000": 32, "AVIF": 14, "HEIF": 14}
_PROGRESSIVE = 12
# Each scan of a JPEG goes over the whole image; progressive ones have about ten.
_MOST_SCANS = 100
# Pillow's own limit (it refuses twice this number) is met by some formats before the size is known here.
Image.MAX_IMAGE_PIXELS = _MOST_MEMORY // min(_PER_PIXEL.values())
_ORIENTATION, _CAMERA_TAGS = 0x0112, 0x8769  # EXIF tags
_BACK = {6: 8, 8: 6}  # the orientation that undoes another; all others undo themselves


def read_image(path: str | os.PathLike, upright: bool = True) -> np.ndarray:
    """Read an image as RGB, uint8, H x W x 3; any bit depth and color space.

    See `hndesc.io.pixel_values` for images of more than 8 bits.

    Args:
        path: of the image.
        upright: turn it as its EXIF tag says; False leaves it as the camera wrote it.

    Raises:
        ImageError: missing, unreadable, truncated or undecodable file, or one with too many pixels.
    """
    with _opened(path) as (image, file):
        bits = _declared_bits(file) if image.format == "JPEG2000" else None
        deep = bits > 8 if bits else _may_be_deep_color(image)
        orientation = _orientation(image)
        if isinstance(image, JpegImagePlugin.JpegImageFile):
            _check_scans(file, printable(path))
        image.load()
        deep = deep and (bits is not None or _is_dim(image))
        pixels = to_rgb(image, path)
        image.close()  # frees Pillow's pixels and the file
        if image.format == "TIFF":  # Pillow turns TIFF by itself
            pixels = _turn(pixels, _BACK.get(orientation, orientation))
        if deep:
            pixels = _read_deep(path, pixels, bits)
        return np.ascontiguousarray(_turn(pixels, orientation) if upright else pixels)


def image_size(path: str | os.PathLike, upright: bool = True) -> tuple[int, int]:
    """Return (width, height) of an image, from its header alone; arguments and errors as for `read_image`."""
    with _opened(path) as (image, _):
        size = image.size
        if image.format == "TIFF":  # the size as stored: Pillow has rotated `image.size`
            size = image.tag_v2[TiffImagePlugin.IMAGEWIDTH], image.tag_v2[TiffImagePlugin.IMAGELENGTH]
        return size[::-1] if upright and _orientation(image) in (5, 6, 7, 8) else size


def image_orientation(path: str | os.PathLike) -> int:
    """Return the value of an image's EXIF tag, 1 where it has none; errors as for `read_image`."""
    with _opened(path) as (image, _):
        return _orientation(image)


def read_exif(path: str | os.PathLike) -> dict[int, object]:
    """Return the EXIF tags of a photo, those of the camera's own directory among them; errors as for `read_image`."""
    with _opened(path) as (image, _):
        tags = image.getexif()
        return {**tags, **tags.get_ifd(_CAMERA_TAGS)}


@contextmanager
def _opened(path: str | os.PathLike) -> Iterator[tuple[Image.Image, BinaryIO]]:
    """Yield an image before its pixels are decoded, and its file; errors in the block become ImageErrors, too."""
    name = printable(path)
    try:
        with _open_regular(path) as file, Image.open(file, formats=_formats()) as image:
            check_size(image, name, os.fstat(file.fileno()).st_size)
            yield image, file
    except ImageError:
        raise
    except (FileNotFoundError, NotADirectoryError):
        raise ImageError(f"{name}: no such image") from None
    except PermissionError:
        raise ImageError(f"{name}: no permission to read it; change its mode, or that of its folder") from None
    except UnidentifiedImageError:
        if "HEIF" not in _formats() and _is_heif(path):
            raise ImageError(f"{name}: HEIC, which another package reads: pip install 'hndesc[heif]'") from None
        raise ImageError(
            f"{name}: not an image that can be decoded (formats: {', '.join(_formats())}); replace or remove it"
        ) from None
    except Image.DecompressionBombError:
        raise ImageError(f"{name}: more than {2 * Image.MAX_IMAGE_PIXELS:,} pixels; make it smaller") from None
    except MemoryError:
        raise ImageError(f"{name}: not enough memory to decode it; make it smaller") from None
    except Exception as error:  # Pillow's decoders raise anything when a file is broken
        if isinstance(error, OSError) and error.errno is not None:
            raise ImageError(f"{name}: cannot be read ({error.strerror})") from None
        reason = printable(" ".join(str(error).split())) or type(error).__name__
        raise ImageError(f"{name}: broken or truncated image ({reason}); replace or remove it") from None


@cache
def _formats() -> tuple[str, ...]:
    """Return the formats that are read here: HEIC and HEIF by a package of an extra."""
    try:
        from pillow_heif import HeifImagePlugin  # noqa: F401
    except ImportError:
        return FORMATS
    return (*FORMATS, "HEIF")


def _is_heif(path: str | os.PathLike) -> bool:
    with _open_regular(path) as file:
        head = file.read(12)
    return head[4:8] == b"ftyp" and head[8:] in _HEIF_BRANDS


def _open_regular(path: str | os.PathLike) -> BinaryIO:
    """Open a regular file; a FIFO or a device is refused, as reading it may block."""
    _check_regular(os.stat(path), path)
    file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK))  # noqa: SIM115
    try:
        _check_regular(os.fstat(file.fileno()), path)
    except ImageError:
        file.close()
        raise
    return file


def _check_regular(status: os.stat_result, path: str | os.PathLike) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise ImageError(f"{printable(path)}: a folder, FIFO or device, not an image file; move it away or name a file")
    if status.st_size > _LARGEST_FILE:
        raise ImageError(
            f"{printable(path)}: {status.st_size / 2**30:.1f} GiB; files up to {_LARGEST_FILE / 2**30:.1f} GiB are "
            "read; make it smaller"
        )


def check_size(image: Image.Image, name: str, size: int = 0) -> None:
    """Refuse images that would take too much memory or time, before decoding; `size` is that of the file in bytes."""
    width, height = image.size
    memory = width * height * _bytes_per_pixel(image) + size
    if memory > _MOST_MEMORY or max(width, height) > _LONGEST_SIDE:
        raise ImageError(
            f"{name}: {width:,} x {height:,} pixels in {size:,} bytes would take {memory / 1e9:.1f} GB of memory; at "
            f"most {_MOST_MEMORY / 1e9:.1f} GB are used, and {_LONGEST_SIDE:,} pixels a side read; make it smaller"
        )


def _bytes_per_pixel(image: Image.Image) -> int:
    progressive = _PROGRESSIVE if "progressive" in image.info or "progression" in image.info else 0
    deep = _DEEP if image.mode.startswith("I;16") or (getattr(image, "tile", None) and _may_be_deep_color(image)) else 0
    of_format = _PER_PIXEL_OF_FORMAT.get(image.format or "", 0)
    return max(_PER_PIXEL.get(image.mode, _OTHER_MODE), progressive, deep, of_format)


def _check_scans(file: BinaryIO, name: str) -> None:
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if next(islice(re.finditer(b"\xff\xda", content), _MOST_SCANS, None), None) is not None:
            raise ImageError(f"{name}: more than {_MOST_SCANS} scans, which no camera writes; save it again")


def _orientation(image: Image.Image) -> int:
    value = image.getexif().get(_ORIENTATION, 1)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _turn(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Return a view of H x W x 3 pixels, upright by an EXIF orientation; other values leave them unchanged."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels[:, ::-1] if orientation in (2, 3, 6, 7) else pixels


def _may_be_deep_color(image: Image.Image) -> bool:
    """Return whether an image that is not decoded yet may have color of 16 bits, of which Pillow gives the upper 8.

    Gray without alpha is read by all its bits.
    """
    if image.mode not in ("RGB", "RGBA", "LA"):
        return False
    if image.format == "PPM":
        settings = image.tile[0].args
        return isinstance(settings, tuple) and settings[-1] > 255
    return any(";16" in str(tile.args) for tile in image.tile)


def _declared_bits(file: BinaryIO) -> int | None:
    """Return the bits of a JPEG 2000 file's values, None if they are signed or differ by component."""
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        # Start of codestream and SIZ, whose fields of one component each begin 42 bytes later (ISO/IEC 15444-1, A.5.1).
        start = content.find(b"\xff\x4f\xff\x51")
        count = int.from_bytes(content[start + 40 : start + 42], "big")
        depths = set(content[start + 42 : start + 42 + 3 * min(count, 4) : 3])
    return 1 + depths.pop() if start >= 0 and len(depths) == 1 and max(depths) < 38 else None


def _is_dim(image: Image.Image) -> bool:
    """Return whether a decoded image of several bands, of whose 16 bits it has the upper 8, uses at most 14.

    Its alpha does not count, and few pixels do not if all others are far below.
    """
    bands = len(image.getbands()) - (image.mode in ("RGBA", "LA"))
    histogram = np.reshape(image.histogram(), (-1, 256))[:bands].sum(axis=0)
    return np.flatnonzero(histogram)[-1] <= 64 or usual_level(histogram) <= 16


def _read_deep(path: str | os.PathLike, pixels: np.ndarray, bits: int | None) -> np.ndarray:
    """Return the pixels of an image of more than 8 bits in a file by all their bits, where OpenCV gives them.

    Args:
        path: of the file.
        pixels: H x W x 3, as Pillow gives them.
        bits: number of bits by the file's header, None if it is unknown. Pillow turns the largest values of such a
            file to 0, so one that OpenCV does not read is refused.
    """
    with _open_regular(path) as file:
        deep = cv2.imdecode(np.frombuffer(file.read(), np.uint8), cv2.IMREAD_UNCHANGED)
    height, width, _ = pixels.shape
    if deep is not None and deep.dtype == np.uint16 and deep.shape == (height, width):
        return gray_to_rgb(to_8_bit(deep, path, bits))
    if deep is None or deep.dtype != np.uint16 or deep.shape not in ((height, width, 3), (height, width, 4)):
        if bits is not None:
            raise ImageError(f"{printable(path)}: cannot be decoded with {bits} bits; save it with 8 bits, or as PNG")
        return pixels
    color = to_8_bit(deep[..., 2::-1], path, bits)
    if deep.shape[2] == 3:
        return color
    return to_rgb(Image.fromarray(np.dstack([color, (deep[..., 3] >> (bits or 16) - 8).astype(np.uint8)])))
