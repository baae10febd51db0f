"""What the guard's processes run on image files; in a module of its own, for they import it each time."""

import logging
import resource
from pathlib import Path

from hndesc.errors import HndescError, ImageError
from hndesc.io import image_reading
from hndesc.io.images import image_size, read_image


def try_reading(path: Path) -> tuple[str, ...]:
    """Return what reading a photo and its size say."""
    said = []
    for read in (read_image, image_size):
        try:
            read(path)
        except ImageError as error:
            said.append(str(error))
        else:
            said.append("read")
    return tuple(said)


def peak_of_reading(path: Path, limit: int) -> int:
    """Return the bytes of memory that reading a photo takes, where it may take some."""
    image_reading._MOST_MEMORY = limit
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    read_image(path)
    return 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)


def read_all(folder: Path, names: list[str]) -> dict[str, tuple[str, ...]]:
    return {name: try_reading(folder / name) for name in names}


def read_mutants(folder: Path, mutants: list[bytes]) -> None:
    logging.disable()
    for number, mutant in enumerate(mutants):
        path = folder / f"{number}.png"
        path.write_bytes(mutant)
        for read in (read_image, image_size):
            try:
                read(path)
            except HndescError as error:
                assert "\n" not in str(error) and path.name in str(error)
        path.unlink()
