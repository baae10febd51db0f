"""A retrieval set of a user's photos: folders of places with several photos each, in the revisited layout.

Every photo of a place is a query for the others. All are labeled easy, since their difficulty is unknown, so there are
no scores for the hard setup.
"""

import logging
import os
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from hndesc.errors import HndescError, ImageError
from hndesc.io.images import find_images, image_size, read_image, write_image
from hndesc.io.lists import one_line, write_table
from hndesc.io.owned_folders import check_output_folder, replace_folder

STEP = "make_places"
LEFT_OUT = "left_out.tsv"
# Maximum characters of a name, of at most four bytes each; file names are limited to 255 bytes.
_LONGEST = 60
_JPEG = (".jpg", ".jpeg")
logger = logging.getLogger(__name__)


def make_places(photos: str | os.PathLike, output: str | os.PathLike, *, queries: int | None = None) -> None:
    """Build the revisited layout from `place/photo.jpg` folders.

    Args:
        photos: folder of places, each a folder of photos (possibly with sub-folders). Photos outside of places, and
            those of places with a single photo, are added to the database only.
        output: folder to write: `gnd_places.pkl`, `jpg/` (links to JPEG files, other formats converted) and
            `left_out.tsv` (unreadable photos and reasons).
        queries: number of queries per place, evenly spaced; None for all photos.

    Raises:
        HndescError: the folder is missing, no place has two readable photos, or `output` overlaps with `photos` or was
            not made by this step.
    """
    photos, output = Path(photos), Path(output)
    check_output_folder(output, STEP, [photos])
    sizes, broken = _sizes(photos)
    names = _names(list(sizes))
    truth = _ground_truth(sizes, names, queries)
    if not truth["qimlist"]:
        raise HndescError(f"{photos}: no place in it has two readable photos; they belong in place/photo.jpg")
    with replace_folder(output, STEP, [photos]) as part:
        for path, name in names.items():
            _link_or_convert(photos / path, part / "jpg" / f"{name}.jpg")
        (part / "gnd_places.pkl").write_bytes(pickle.dumps(truth, protocol=4))
        write_table(part / LEFT_OUT, ("photo", "reason"), broken)


def _sizes(photos: Path) -> tuple[dict[str, tuple[int, int]], list[tuple[str, str]]]:
    """Return (width, height) of each photo, and the names and reasons of unreadable ones."""
    sizes, broken = {}, []
    for path in find_images(photos):
        try:
            sizes[path] = image_size(photos / path)
        except ImageError as error:
            logger.warning("%s is skipped: %s", path, error)
            broken.append((one_line(path), one_line(error)))
    return sizes, broken


def _names(paths: Sequence[str]) -> dict[str, str]:
    """Return a unique name for each path, without folders and suffix, that is valid in lists and on file systems."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for path in paths:
        stem = "__".join(PurePosixPath(path).with_suffix("").parts)
        stem = name = "".join(c if c.isprintable() else "_" for c in stem)[-_LONGEST:]
        number = 2
        while name in taken:
            name, number = f"{stem}_{number}", number + 1
        taken.add(name)
        names[path] = name
    return names


def _ground_truth(sizes: Mapping[str, tuple[int, int]], names: Mapping[str, str], queries: int | None) -> dict:
    database = list(sizes)
    places: dict[str, list[int]] = {}
    for index, path in enumerate(database):
        place, *rest = PurePosixPath(path).parts
        if rest:
            places.setdefault(place, []).append(index)
    query_names, entries = [], []
    for members in places.values():
        if len(members) < 2:
            continue
        count = len(members) if queries is None else min(queries, len(members))
        for index in (members[number * len(members) // count] for number in range(count)):
            query_names.append(names[database[index]])
            box = [0.0, 0.0, *map(float, sizes[database[index]])]
            # A query is also in the database, where it is labeled as junk for itself.
            easy = [member for member in members if member != index]
            entries.append({"bbx": box, "easy": easy, "hard": [], "junk": [index]})
    return {"imlist": [names[path] for path in database], "qimlist": query_names, "gnd": entries}


def _link_or_convert(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.suffix.lower() in _JPEG:
        target.symlink_to(source.resolve())
        return
    try:
        write_image(target, read_image(source), quality=98)
    except ImageError:  # only the header is readable; reported when the photo is read
        target.symlink_to(source.resolve())
