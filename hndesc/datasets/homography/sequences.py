"""Image sequences and image pairs with known homographies, in any supported layout."""

import os
from collections.abc import Callable, Collection
from pathlib import Path

from hndesc.datasets.homography.layouts import find_layout
from hndesc.datasets.homography.types import Sequence
from hndesc.datasets.image_set import ImageEntry
from hndesc.errors import HndescError

# Excluded since the evaluation of D2-Net (CVPR 2019), because their images are too large for some methods.
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
        root: folder of the sequences.
        leave_out: names of sequences to exclude.
        layout: a name in `hndesc.datasets.homography.layouts.LAYOUTS`; None to detect it.

    Raises:
        HndescError: there is no sequence, the layout differs, or images or homographies are missing or malformed.
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
        raise HndescError(f"{root}: all sequences are excluded")
    return sequences


def sequence_images(
    root: str | os.PathLike, leave_out: Collection[str] = (), layout: str | None = None
) -> list[ImageEntry]:
    """Return the images of all sequences, each once; see `read_sequences`."""
    names = {name for sequence in read_sequences(root, leave_out, layout) for name in sequence.images}
    return [ImageEntry(name, Path(root) / name) for name in sorted(names)]


def sequence_names(root: str | os.PathLike, layout: str | None = None) -> list[str]:
    """Return the names of all sequences of a folder, without reading their files."""
    return [name for name, _ in _find(root, layout)]


def _find(root: str | os.PathLike, layout: str | None) -> list[tuple[str, Callable[[], Sequence]]]:
    if not Path(root).is_dir():
        raise HndescError(f"{root}: no such folder of sequences")
    return find_layout(Path(root), layout)
