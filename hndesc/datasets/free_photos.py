"""Photographs under free licenses, for a model without license restrictions.

`free_photos.yaml` lists the photographs in Debian packages and in a dataset of the registry. Those in Python packages
are the photographs of the demo data, except pages of text, photographs with little content, and those with unclear
licenses.
"""

import logging
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from hndesc.datasets.demo.photographs import SOURCES, load
from hndesc.errors import HndescError, counted
from hndesc.io.files import write_text
from hndesc.io.images import read_image, resize_longest, write_image
from hndesc.io.owned_folders import replace_folder

logger = logging.getLogger(__name__)

LIST = Path(__file__).with_suffix(".yaml")
LONGEST = 1400
QUALITY = 92
_LEFT_OUT = ("motorcycle_left", "motorcycle_right", "page", "text", "cell", "clock")
_SIZE_AND_FOLDERS = re.compile(r"/contents/images/\d+x\d+")


def packages() -> list[str]:
    """Return the names of the Debian packages and datasets that `gather_free_photos` needs."""
    return list(_read_list())


def gather_free_photos(unpacked: str | os.PathLike, output: str | os.PathLike) -> None:
    """Write `<package>/<photo>.jpg` (longest side at most 1400 pixels) and `manifest.tsv`: photo, author, license.

    Args:
        unpacked: folder with a folder for each package, created by `dpkg-deb --extract <file> <folder>/<package>`, and
            each dataset, created by `hndesc datasets --data <folder> get <dataset>`.
        output: folder to write, which is replaced on success.

    Raises:
        HndescError: a package or a photo in it is missing, or `output` overlaps with `unpacked` or was not made by this
            step.
    """
    rows = []
    with replace_folder(output, "free_photos", [unpacked]) as part:
        for name, image, author, license in [*_of_list(Path(unpacked)), *_of_python()]:
            write_image(part / name, resize_longest(image, LONGEST)[0], quality=QUALITY)
            rows.append(f"{name}\t{author}\t{license}\n")
        write_text(part / "manifest.tsv", "path\tauthor\tlicense\n" + "".join(rows))
    logger.info("%s: %s", output, counted(len(rows), "photo"))


def credits() -> list[tuple[str, str, str, str]]:
    """Return package, photo or pattern of photos, author and license of all photographs."""
    listed = [
        (package, pattern, author, license)
        for package, entry in _read_list().items()
        for pattern, (author, license) in entry["photos"].items()
    ]
    python = [
        (source.package, source.file, *source.license.rpartition(", ")[::2])
        for name, source in SOURCES.items()
        if name not in _LEFT_OUT
    ]
    return [*listed, *python]


def _read_list() -> dict[str, dict]:
    return yaml.safe_load(LIST.read_text(encoding="utf-8"))


def _of_list(unpacked: Path) -> Iterator[tuple[str, np.ndarray, str, str]]:
    for package, entry in _read_list().items():
        if not (unpacked / package).is_dir():
            raise HndescError(f"{unpacked / package}: no such folder; {_cure(unpacked, package, entry)}")
        folder = unpacked / package / entry.get("folder", ".")
        for path, (author, license) in _photos(folder, entry).items():
            name = _SIZE_AND_FOLDERS.sub("", path).rsplit(".", 1)[0]
            yield f"{package}/{name}.jpg", read_image(folder / path), author, license


def _cure(unpacked: Path, package: str, entry: Mapping[str, Any]) -> str:
    """Return how to get the folder of a package or dataset."""
    if "folder" not in entry:
        return f"download the dataset (hndesc datasets --data {unpacked} get {package})"
    return (
        f"download the package (apt-get download {package}) and unpack it there "
        f"(dpkg-deb --extract {package}_*.deb {unpacked / package})"
    )


def _photos(folder: Path, entry: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Return author and license of each photo of a package: those of the first pattern that it matches."""
    photos: dict[str, tuple[str, str]] = {}
    for pattern, about in entry["photos"].items():
        # What matches nothing is a photo that is missing, which is reported where it is read.
        for path in sorted(folder.glob(pattern)) or [folder / pattern]:
            photos.setdefault(path.relative_to(folder).as_posix(), about)
    return {path: about for path, about in photos.items() if path not in entry.get("left_out", ())}


def _of_python() -> Iterator[tuple[str, np.ndarray, str, str]]:
    for name, source in SOURCES.items():
        if name not in _LEFT_OUT:
            yield f"{source.package}/{name}.jpg", load(name, source.use), "see the license", source.license
