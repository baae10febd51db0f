"""Image sequences and image pairs related by known homographies, whatever the layout of their folder."""

import os
from collections.abc import Callable, Collection
from pathlib import Path

from hndesc.datasets.homography.layouts import find_layout
from hndesc.datasets.homography.types import Sequence
from hndesc.datasets.image_set import ImageEntry
from hndesc.errors import HndescError

# Left out since D2-Net's evaluation (CVPR 2019): images too large for some of the methods compared there.
LARGE_SCENES = (
    "i_contruction",
    "i_crownnight",
    "i_dc",
    "i_pencils",
    "i_whitebuilding",
    "v_artisans",
    "v_astronautis",
    "v_talent",
)


def read_sequences(
    root: str | os.PathLike, leave_out: Collection[str] = (), layout: str | None = None
) -> list[Sequence]:
    """Read the sequences of a folder, sorted by name.

    Args:
        root: the folder.
        leave_out: names of sequences that are not read.
        layout: a name in `hndesc.datasets.homography.layouts.LAYOUTS`; None to tell it from what is there.

    Raises:
        HndescError: no sequence, another layout, missing images, missing or malformed homographies.
    """
    sequences, errors = [], []
    for name, read in _find(root, layout):
        if name not in leave_out:
            try:
                sequences.append(read())
            except HndescError as error:
                errors.append(str(error))
    if errors:
        more = f"; {len(errors) - 1} more sequences are incomplete" if len(errors) > 1 else ""
        raise HndescError(f"{errors[0]}{more}")
    if not sequences:
        raise HndescError(f"{root}: no sequence to score but those left out")
    return sequences


def sequence_photos(
    root: str | os.PathLike, leave_out: Collection[str] = (), layout: str | None = None
) -> list[ImageEntry]:
    """Return the images of all sequences, each once; see `read_sequences`."""
    names = {name for sequence in read_sequences(root, leave_out, layout) for name in sequence.images}
    return [ImageEntry(name, Path(root) / name) for name in sorted(names)]


def sequence_names(root: str | os.PathLike, layout: str | None = None) -> list[str]:
    """Return the names of all sequences of a folder, without a look at their files."""
    return [name for name, _ in _find(root, layout)]


def _find(root: str | os.PathLike, layout: str | None) -> list[tuple[str, Callable[[], Sequence]]]:
    if not Path(root).is_dir():
        raise HndescError(f"{root}: no such folder of sequences")
    return find_layout(Path(root), layout)
