"""A retrieval set of one's own photos: folders of places with several photos each, as the revisited layout.

Every photo of a place is a query for the others. Nobody knows which are hard, so all are easy, and the figures of the
hard setup stay empty.
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
# Characters of a name: four bytes each at most, and a disk's names have 255.
_LONGEST = 60
_JPEG = (".jpg", ".jpeg")
logger = logging.getLogger(__name__)


def make_places(photos: str | os.PathLike, output: str | os.PathLike, *, queries: int | None = None) -> None:
    """Build the revisited layout from `place/photo.jpg` folders.

    Args:
        photos: folder of places, each a folder of photos of it (sub-folders of a place belong to it). Photos that lie
            in no place, and those of places with a single one, enlarge the database.
        output: folder to write: `gnd_places.pkl`, `jpg/` (links to JPEG files, other formats converted) and
            `left_out.tsv` (photos that cannot be read, and why).
        queries: photos of each place, evenly picked, that are asked for; all if None.

    Raises:
        HndescError: no folder, or no place with two photos that can be read; `output` overlaps with `photos`, or
            this step did not make it.
    """
    photos, output = Path(photos), Path(output)
    check_output_folder(output, STEP, [photos])
    sizes, broken = _sizes(photos)
    names = _names(list(sizes))
    truth = _ground_truth(sizes, names, queries)
    if not truth["qimlist"]:
        raise HndescError(f"{photos}: no place in it has two photos that can be read; they belong in place/photo.jpg")
    with replace_folder(output, STEP, [photos]) as part:
        for path, name in names.items():
            _put(photos / path, part / "jpg" / f"{name}.jpg")
        (part / "gnd_places.pkl").write_bytes(pickle.dumps(truth, protocol=4))
        write_table(part / LEFT_OUT, ("photo", "reason"), broken)


def _sizes(photos: Path) -> tuple[dict[str, tuple[int, int]], list[tuple[str, str]]]:
    """Return (width, height) of each photo, and the name and reason of each that cannot be read."""
    sizes, broken = {}, []
    for path in find_images(photos):
        try:
            sizes[path] = image_size(photos / path)
        except ImageError as error:
            logger.warning("%s is left out: %s", path, error)
            broken.append((one_line(path), one_line(error)))
    return sizes, broken


def _names(paths: Sequence[str]) -> dict[str, str]:
    """Give each path a name without folders and suffix that no other has, and that every list and disk can hold."""
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
    asked, entries = [], []
    for members in places.values():
        if len(members) < 2:
            continue
        count = len(members) if queries is None else min(queries, len(members))
        for index in (members[number * len(members) // count] for number in range(count)):
            asked.append(names[database[index]])
            box = [0.0, 0.0, *map(float, sizes[database[index]])]
            # A query is in the database as well: it is junk to itself.
            easy = [member for member in members if member != index]
            entries.append({"bbx": box, "easy": easy, "hard": [], "junk": [index]})
    return {"imlist": [names[path] for path in database], "qimlist": asked, "gnd": entries}


def _put(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.suffix.lower() in _JPEG:
        target.symlink_to(source.resolve())
        return
    try:
        write_image(target, read_image(source), quality=98)
    except ImageError:  # a header alone: whoever reads the photo will say so
        target.symlink_to(source.resolve())
