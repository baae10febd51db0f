"""The images of a localization dataset."""

from pathlib import Path

from hndesc.datasets.image_set import ImageEntry
from hndesc.errors import HndescError
from hndesc.io.images import find_images


def posed_images(root: Path) -> list[ImageEntry]:
    """Return the images of a localization dataset, without EXIF rotation."""
    return [
        ImageEntry(name, folder / name, upright=False) for folder in posed_folders(root) for name in find_images(folder)
    ]


def posed_folders(root: Path) -> list[Path]:
    """Return the folders of images of a localization dataset: one folder, or those of kapture's mapping and queries."""
    records = "sensors/records_data"
    parts = [root / "mapping" / records, *sorted(root.glob(f"query*/{records}"))]
    return parts if len(parts) > 1 and parts[0].is_dir() else [upright_folder(root)]


def upright_folder(root: Path) -> Path:
    """Return the folder of images of a dataset: Aachen's upright images, `images`, or kapture's records."""
    names = ("images/images_upright", "images_upright", "images", "sensors/records_data")
    for place in (root / name for name in names):
        if place.is_dir():
            return place
    raise HndescError(f"{root}: it contains no folder {', '.join(names[:-1])} or {names[-1]}")
