"""Reading photos, resizing them, and the one place that states the pixel-centre convention.

Convention of the whole package: keypoints are (x, y) in pixels and the centre of the top-left pixel is (0, 0).
Resizing a photo by a factor s moves a point to x' = (x + 0.5) * s - 0.5.
"""

import os
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from hndesc.errors import HndescError, ImageError
from hndesc.files import atomic_path

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".ppm", ".pgm", ".bmp", ".tif", ".tiff", ".webp"})
# Pillow refuses photos of more than twice this rather than decoding them into gigabytes.
Image.MAX_IMAGE_PIXELS = 200_000_000
_ORIENTATION = 0x0112  # EXIF tag; 5 and above: width and height are swapped


def find_images(folder: str | os.PathLike) -> list[str]:
    """Return the relative POSIX paths of all photos below `folder`, sorted; hidden files are left out.

    Raises:
        HndescError: the folder is missing or holds no photo.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise HndescError(f"{folder}: no such folder of images")
    relative = (path.relative_to(folder) for path in folder.rglob("*") if _is_photo(path))
    names = sorted(path.as_posix() for path in relative if not any(p.startswith(".") for p in path.parts))
    if not names:
        raise HndescError(f"{folder}: no image in it or below it (looked for {', '.join(sorted(SUFFIXES))})")
    return names


def _is_photo(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.is_dir()


def read_image(path: str | os.PathLike, upright: bool = True) -> np.ndarray:
    """Read a photo as RGB, uint8, H x W x 3; any bit depth and color space.

    Args:
        path: of the photo.
        upright: turn it as its EXIF tag says; False leaves it as the camera wrote it.

    Raises:
        ImageError: missing, truncated or undecodable file.
    """
    try:
        with Image.open(path) as image:
            image.load()
            # Pillow gives deep PGM as 32-bit integers, stretched to 16 bits.
            sixteen_bit = image.mode.startswith("I;16") or image.format == "PPM"
            if upright:
                ImageOps.exif_transpose(image, in_place=True)
            return _to_rgb(image, sixteen_bit)
    except FileNotFoundError:
        raise ImageError(f"{path}: no such image") from None
    except UnidentifiedImageError:
        raise ImageError(f"{path}: not an image that can be decoded; replace or remove it") from None
    except Image.DecompressionBombError as error:
        raise ImageError(f"{path}: {error}; make it smaller") from None
    except (OSError, SyntaxError, ValueError) as error:
        raise ImageError(f"{path}: broken or truncated image ({error}); replace or remove it") from None


def image_size(path: str | os.PathLike) -> tuple[int, int]:
    """Return (width, height) of a photo, upright, from its header alone; an ImageError names a file without one."""
    try:
        with Image.open(path) as image:
            turned = image.getexif().get(_ORIENTATION, 1) >= 5
            return image.size[::-1] if turned else image.size
    except FileNotFoundError:
        raise ImageError(f"{path}: no such image") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise ImageError(f"{path}: not an image that can be decoded; replace or remove it") from None


def _to_rgb(image: Image.Image, sixteen_bit: bool) -> np.ndarray:
    if image.mode.startswith("I") or image.mode == "F":
        return np.repeat(_to_8_bit(np.asarray(image), sixteen_bit)[..., None], 3, axis=2)
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        backdrop = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(backdrop, image)
    return np.array(image if image.mode == "RGB" else image.convert("RGB"))


def _to_8_bit(values: np.ndarray, sixteen_bit: bool) -> np.ndarray:
    # 16-bit files keep their full range; 32-bit ones do not tell theirs, so it is the smallest usual one that fits.
    floating = values.dtype.kind == "f"
    values = np.nan_to_num(values.astype(np.float64))
    highest = values.max(initial=0)
    usual = (1.0, 255.0, 65535.0) if floating else (255.0, 65535.0)
    top = 65535.0 if sixteen_bit else next((top for top in usual if top >= highest), highest)
    return np.clip(np.round(values * (255.0 / top)), 0, 255).astype(np.uint8)


def to_gray(image: np.ndarray) -> np.ndarray:
    """Return the luma (ITU-R 601) of an RGB uint8 H x W x 3 image as uint8 H x W."""
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)


def write_image(path: str | os.PathLike, image: np.ndarray, quality: int = 95) -> None:
    """Write an RGB (H x W x 3) or grey (H x W) uint8 image atomically; the suffix names the format."""
    with atomic_path(path) as temporary:
        options = {"quality": quality, "subsampling": 0} if temporary.suffix.lower() in (".jpg", ".jpeg") else {}
        Image.fromarray(image).save(temporary, **options)


def resize_longest(image: np.ndarray, longest: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Shrink an image so that its longer side has at most `longest` pixels (None: leave it).

    Returns:
        The image and the factors (sx, sy), new size over old, that `scale_points` takes.
    """
    height, width = image.shape[:2]
    if longest is None or max(height, width) <= longest:
        return image, np.ones(2)
    factor = longest / max(height, width)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    resized = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return resized, np.array([size[0] / width, size[1] / height])


def scale_points(points: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Move N x 2 points into an image resized by `factors` (sx, sy): x' = (x + 0.5) * s - 0.5, as float64."""
    return (np.asarray(points, np.float64) + 0.5) * factors - 0.5
