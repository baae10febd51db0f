"""The list of a user's photos: each is read completely, and broken photos and exact copies are excluded."""

import logging
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tqdm import tqdm

from hndesc.errors import HndescError, ImageError, counted
from hndesc.io.images import find_images, read_image
from hndesc.io.lists import one_line, write_table
from hndesc.io.owned_folders import check_output_folder, replace_folder
from hndesc.runtime.provenance import file_hash

logger = logging.getLogger(__name__)

STEP = "list_photos"
TABLE = "images.tsv"
LEFT_OUT = "left_out.tsv"


def list_own_photos(photos: str | os.PathLike, output: str | os.PathLike, *, threads: int = 1) -> None:
    """Create a folder of links to the usable photos of another folder, with tables of its content.

    The links have the relative paths of the photos. `images.tsv` lists path, width, height (upright, pixels) and hash
    (SHA-256 of the file). `left_out.tsv` lists the paths and reasons of excluded photos: broken, or an exact copy (the
    first by name is kept).

    Args:
        photos: folder of photos, including its sub-folders.
        output: folder of links; the output of an earlier run is replaced.
        threads: number of photos read at the same time.

    Raises:
        HndescError: the folder is missing, there is no readable photo, or `output` overlaps with `photos` or was not
            made by this step.
    """
    photos, output = Path(photos), Path(output)
    check_output_folder(output, STEP, [photos])
    names = find_images(photos)
    with ThreadPoolExecutor(threads) as pool:
        results = pool.map(_inspect, [photos / name for name in names])
        seen = list(tqdm(results, total=len(names), desc="photos checked", unit="photo", disable=None))
    rows, left_out = _partition(names, seen)
    if not rows:
        raise HndescError(f"{photos}: none of its {len(names)} photos is readable ({left_out[0][1]}); replace them")
    for name, reason in left_out:
        logger.warning("%s is excluded: %s", name, reason)
    with replace_folder(output, STEP, [photos]) as part:
        for name, *_ in rows:
            link_photo(photos / name, part / name, output / name)
        write_table(part / TABLE, ("path", "width", "height", "hash"), rows)
        write_table(part / LEFT_OUT, ("path", "reason"), ([*map(one_line, row)] for row in left_out))
    logger.info("%s in %s, %d excluded", counted(len(rows), "photo"), output, len(left_out))


def _inspect(path: Path) -> tuple[int, int, str] | str:
    """Return width, height and hash of a photo, or the reason why it is unusable."""
    try:
        height, width = read_image(path).shape[:2]
        return width, height, file_hash(path)
    except ImageError as error:
        return str(error).removeprefix(f"{path}: ")
    except OSError as error:
        return f"cannot be read ({error.strerror})"


def _partition(
    names: Sequence[str], seen: Sequence[tuple[int, int, str] | str]
) -> tuple[list[tuple[str, int, int, str]], list[tuple[str, str]]]:
    rows, left_out = [], []
    first: dict[str, str] = {}
    for name, found in zip(names, seen, strict=True):
        if set(name) & set("\t\n\r"):
            left_out.append((name, "a tab or line break in its name"))
        elif isinstance(found, str):
            left_out.append((name, found))
        elif found[2] in first:
            left_out.append((name, f"the same file as {first[found[2]]}"))
        else:
            first[found[2]] = name
            rows.append((name, *found))
    return rows, left_out


def link_photo(source: Path, link: Path, final: Path) -> None:
    """Create a link to a photo, relative if the path of the photo is relative, so that projects can be moved.

    Args:
        source: photo; links are followed.
        link: link to create, in a folder that is moved later.
        final: path of the link after the move.
    """
    link.parent.mkdir(parents=True, exist_ok=True)
    found = source.resolve()
    link.symlink_to(found if source.is_absolute() else os.path.relpath(found, final.parent.resolve()))
