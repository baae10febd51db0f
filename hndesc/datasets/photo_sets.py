"""Sets of photos to be reconstructed: a folder of photos, or a dataset whose folder `images` has them."""

from pathlib import Path

from hndesc.datasets.image_set import ImageEntry
from hndesc.io.images import find_images

SUMMARY = "reconstruction.json"  # in the folder of a reconstruction


def photo_folder(root: Path) -> Path:
    """Return the folder of the photos of a set: `images`, where it is there, or the folder itself."""
    images = Path(root) / "images"
    return images if images.is_dir() else Path(root)


def photo_images(root: Path) -> list[ImageEntry]:
    """Return the photos of a set by name, rotated by their EXIF orientation tags."""
    folder = photo_folder(root)
    return [ImageEntry(name, folder / name) for name in find_images(folder)]
